"""Finished cycles of a local training, kept until all are done, so that a killed one goes on."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from sft_shared.errors import ModelError, TrainingError
from sft_shared.files import write_lasting
from sft_shared.models.adapters import WEIGHTS, load_adapter, to_bytes
from sft_shared.models.tuned import AdapterState


@dataclass(frozen=True)
class CycleSummary:
    """What one cycle did; ``scores`` are (right answers, questions) by stage, where they were measured."""

    cycle: int
    stage: str | None
    steps: int
    resumed_at: int
    num_examples: int
    tokens: int
    supervised_tokens: int
    first_loss: float
    final_loss: float
    best_step: int | None
    held_out_loss: float | None
    seconds: float
    scores: dict[str, tuple[int, int]]


_SUMMARY = TypeAdapter(CycleSummary)


class CycleFolders:
    """``path/<cycle>/`` with adapter and summary; only the last cycle's adapter is kept.

    ``key`` stands for everything that decides the training: what was done under another key is not gone on
    with.
    """

    def __init__(self, path: Path, *, key: str) -> None:
        self.path, self._key = path, key

    def begin(self) -> None:
        """Forget what another training left; a checkpoint of the first cycle stays."""
        for number in self._numbers():
            shutil.rmtree(self.path / str(number))
        shutil.rmtree(self.path / "ewc", ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)

    def finished(self) -> tuple[list[CycleSummary], AdapterState | None]:
        """The summaries of cycles 1, 2, ... that are done, and the last one's adapter.

        Raises TrainingError if that adapter is damaged.
        """
        done: list[CycleSummary] = []
        for number in self._numbers():
            summary = self._read(number)
            if summary is None or number != len(done) + 1:
                break
            done.append(summary)
        if not done:
            return [], None
        try:
            return done, load_adapter(self.path / str(len(done)))
        except ModelError as error:
            raise TrainingError(
                f"cycle {len(done)} is finished, but its adapter is damaged: {error} Remove the folder "
                f"{self.path} to begin anew."
            ) from None

    def put(self, cycle: int, state: AdapterState, summary: CycleSummary) -> None:
        """Keep a finished cycle; the summary comes last, so what has one is whole."""
        folder = self.path / str(cycle)
        write_lasting(folder / WEIGHTS, to_bytes(state))
        facts = {"key": self._key, "summary": asdict(summary)}
        write_lasting(folder / "cycle.json", json.dumps(facts).encode())
        (self.path / str(cycle - 1) / WEIGHTS).unlink(missing_ok=True)

    def remove(self) -> None:
        """All is done and kept elsewhere."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _read(self, number: int) -> CycleSummary | None:
        try:
            facts = json.loads((self.path / str(number) / "cycle.json").read_text(encoding="utf-8"))
            return _SUMMARY.validate_python(facts["summary"]) if facts["key"] == self._key else None
        except (OSError, ValueError, KeyError, TypeError, ValidationError):
            return None

    def _numbers(self) -> list[int]:
        if not self.path.is_dir():
            return []
        return sorted(int(entry.name) for entry in self.path.iterdir() if entry.name.isdecimal())
