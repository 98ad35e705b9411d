"""A killed training goes on to the same bits, from its own checkpoint and no other."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from sft_shared.data.chat import Row
from sft_shared.errors import TrainingError
from sft_shared.models.adapters import to_bytes
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.tuning import attached
from sft_shared.training import checkpoint, loop
from sft_shared.training.checkpoint import Progress, random_state, read_checkpoint, write_checkpoint
from sft_shared.training.ewc import EwcSettings, EwcState
from sft_shared.training.loop import TrainingResult, train
from sft_shared.training.records import StepRecord
from sft_shared.training.settings import TrainingSettings
from sft_shared.training.watch import WINDOW, Best, Levels

SCRIPT = Path(__file__).with_name("kill_points.py")
TUNING = LoraSettings(rank=4, dropout=0.3)
SETTINGS = TrainingSettings(steps=6, batch_size=4, learning_rate=1e-2, threads=1, checkpoint_every=2)


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_killed_anywhere_a_training_ends_with_the_same_bits(
    tiny: Base, tiny_folder: Path, rows: list[Row], tmp_path: Path
) -> None:
    """SIGKILL after each step and in the middle of a write: adapter, EWC, choice and optimizer are the same.

    The run left in peace is this process's own. With dropout, curriculum, replay, validation, EWC and
    accumulation; all weights; and fp16 with steps that overflow.
    """
    (tmp_path / "rows.json").write_text(json.dumps([asdict(row) for row in rows]))
    run = subprocess.run(
        [sys.executable, str(SCRIPT), str(tiny_folder), str(tmp_path / "rows.json"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    tries = [json.loads(line) for line in run.stdout.splitlines()]
    kit = script()
    quiet = {}
    for variant, (dtype, _, _) in kit.VARIANTS.items():
        base = load_base(ModelSettings(name=str(tiny_folder), dtype=dtype, device="cpu"))
        quiet[variant] = kit.outcome(base, rows, variant, tmp_path / f"{variant}-quiet")
        assert quiet[variant].pop("resumed_at") == 0
    assert quiet["fp16"]["num_skipped"] > 0
    assert len(tries) == 13
    for one in tries:
        kind, number = one["point"].split()
        done = (int(number) - 1) // 2 * 2 if kind == "step" else (int(number) - 1) * 2
        assert one["killed"], one
        assert one["there"] == (done > 0), one
        assert one["result"].pop("resumed_at") == done, one
        assert one["result"] == quiet[one["variant"]], one


class Stopped(Exception):
    """A training ended from inside, for tests that need no other process."""


def run(base: Base, rows: list[Row], path: Path | None, **changed: Any) -> TrainingResult:
    options: dict[str, Any] = {"tuning": TUNING, "settings": SETTINGS, **changed}
    parent = options.pop("parent", None) or options["tuning"].initial(base, seed=1)
    return train(base, parent, rows, checkpoint=path, **options)


@pytest.fixture
def stopped(tiny: Base, rows: list[Row], tmp_path: Path) -> Path:
    """The checkpoint of step 2 of a run that ended after step 3."""

    def stop(record: StepRecord) -> None:
        if record.step == 3:
            raise Stopped

    with pytest.raises(Stopped):
        run(tiny, rows, tmp_path / "checkpoint", on_step=stop)
    return tmp_path / "checkpoint"


def leave_out_randomness(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch, "set_rng_state", lambda state: None)


def leave_out_position(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loop, "islice", lambda batches, start, stop: islice(batches, SETTINGS.steps - start))


def leave_out_moments(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoint, "MOMENTS", ())


@pytest.mark.parametrize("leave_out", [leave_out_randomness, leave_out_position, leave_out_moments])
def test_parameters_alone_would_not_do(
    tiny: Base,
    rows: list[Row],
    stopped: Path,
    leave_out: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without random state, place among the batches, or moments the bits are others; with all, the same."""
    kept = stopped.read_bytes()
    quiet = to_bytes(run(tiny, rows, None).state)
    with monkeypatch.context() as patch:
        leave_out(patch)
        spoilt = run(tiny, rows, stopped)
    assert spoilt.resumed_at == 2
    assert to_bytes(spoilt.state) != quiet
    stopped.write_bytes(kept)
    assert to_bytes(run(tiny, rows, stopped).state) == quiet


def test_all_that_is_counted_comes_back(tiny: Base, tmp_path: Path) -> None:
    """Every field of the progress, patience and loss levels among them, and the scale of fp16."""
    progress = Progress(
        step=7,
        seen={3, 1},
        tokens=50,
        supervised_tokens=20,
        first_loss=2.5,
        final_loss=0.1 + 0.2,
        seconds=1.5,
        num_skipped=2,
        levels=Levels(recent=deque([1.0, 2.0], maxlen=WINDOW), lowest=1.0),
        best=Best(loss=1 / 3, step=5, state={"w": torch.rand(3)}, num_since=4),
    )
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**9)
    scaler.scale(torch.ones(()))
    fresh = torch.amp.GradScaler("cpu")
    with attached(tiny, TUNING, seed=1) as tuned:
        optimizer = torch.optim.AdamW(tuned.parameters.values())
        where = {"tuned": tuned, "optimizer": optimizer}
        path = tmp_path / "checkpoint"
        states = [random_state(tiny.device), torch.zeros(8, dtype=torch.uint8)]
        write_checkpoint(path, key="k", scaler=scaler, progress=progress, random_states=states, **where)
        found = read_checkpoint(path, key="k", scaler=fresh, index=0, **where)
        assert read_checkpoint(path, key="another", scaler=fresh, index=0, **where) is None
        assert read_checkpoint(tmp_path / "none", key="k", scaler=fresh, index=0, **where) is None
    assert found is not None
    assert torch.equal(found.best.state.pop("w"), progress.best.state.pop("w"))
    assert found == progress
    assert found.levels.recent.maxlen == WINDOW
    assert fresh.state_dict() == scaler.state_dict()


CHANGES: dict[str, dict[str, Any]] = {
    "settings": {"settings": SETTINGS.model_copy(update={"clip_norm": 2.0})},
    "tuning": {"tuning": TUNING.model_copy(update={"alpha": 8.0})},
    "seed": {"settings": SETTINGS.model_copy(update={"seed": 1})},
    "cycle": {"cycle": 2},
    "ewc": {"settings": SETTINGS.model_copy(update={"ewc": EwcSettings(fisher_examples=1)})},
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES.keys())
def test_another_trainings_checkpoint_is_not_used(
    tiny: Base, rows: list[Row], stopped: Path, changed: dict[str, Any]
) -> None:
    """It begins at the first step and ends like a run without a file; the file becomes its own."""
    result = run(tiny, rows, stopped, **changed)
    assert result.resumed_at == 0
    assert to_bytes(result.state) == to_bytes(run(tiny, rows, None, **changed).state)
    assert run(tiny, rows, stopped, **changed).resumed_at == 6


def test_other_rows_parents_and_ewc_states_are_another_training(
    tiny: Base, rows: list[Row], stopped: Path
) -> None:
    """One row less, the same rows in another order, a parent or a Fisher with one number changed."""
    kept = stopped.read_bytes()
    parent = TUNING.initial(tiny, seed=1)
    next(iter(parent.values()))[0, 0] += 1e-3
    zero = {name: torch.zeros_like(tensor) for name, tensor in parent.items()}
    assert run(tiny, rows[:-1], stopped).resumed_at == 0
    stopped.write_bytes(kept)
    assert run(tiny, rows[::-1], stopped).resumed_at == 0
    stopped.write_bytes(kept)
    assert run(tiny, rows, stopped, parent=parent).resumed_at == 0
    stopped.write_bytes(kept)
    assert run(tiny, rows, stopped, ewc=EwcState(fisher=zero, anchor=zero)).resumed_at == 0
    stopped.write_bytes(kept)
    assert run(tiny, rows, stopped).resumed_at == 2


def test_a_damaged_checkpoint_is_one_clear_error(tiny: Base, rows: list[Row], stopped: Path) -> None:
    """Cut, overwritten, with a tensor missing or a bit turned; without the file training begins anew."""
    kept = stopped.read_bytes()
    header = 8 + int.from_bytes(kept[:8], "little")
    for data in (
        b"",
        b"junk" * 100,
        kept[:-1],
        kept[: header // 2],
        kept.replace(b"random.0", b"random.x"),
        kept[:-9] + bytes([kept[-9] ^ 1]) + kept[-8:],  # one bit of a tensor
    ):
        stopped.write_bytes(data)
        with pytest.raises(TrainingError, match=rf"{stopped.name}: the checkpoint is damaged .* Remove it"):
            run(tiny, rows, stopped)
    stopped.unlink()
    assert run(tiny, rows, stopped).resumed_at == 0


def test_a_finished_training_is_not_done_again(tiny: Base, rows: list[Row], tmp_path: Path) -> None:
    """Its checkpoint gives the same result without a step."""
    path, records = tmp_path / "checkpoint", []
    first = run(tiny, rows, path)
    again = run(tiny, rows, path, on_step=records.append)
    assert not records
    assert (again.resumed_at, again.steps, again.final_loss) == (6, 6, first.final_loss)
    assert to_bytes(again.state) == to_bytes(first.state)


def test_without_checkpoint_every_no_file_is_written(tiny: Base, rows: list[Row], tmp_path: Path) -> None:
    """A path alone asks for nothing."""
    run(tiny, rows, tmp_path / "checkpoint", settings=SETTINGS.model_copy(update={"checkpoint_every": None}))
    assert not list(tmp_path.iterdir())
