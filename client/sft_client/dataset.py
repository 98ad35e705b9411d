"""The node's examples: read from its file, tokenised once for as long as nothing about them changes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sft_client.config import ClientConfig, LeakGate
from sft_shared.data.chat import DataSettings, Row, tokenize_all
from sft_shared.data.desensitise.gate import require_clean
from sft_shared.data.desensitise.spans import Kind
from sft_shared.data.stages import StageSettings, views
from sft_shared.dialogue import Example, read_examples
from sft_shared.errors import DataError, LeakError
from sft_shared.models.load import Base
from sft_shared.recipe import Recipe


@dataclass(frozen=True)
class Snapshot:
    """The file at one moment: its hash, the examples to train on, and those set apart."""

    sha256: str
    examples: tuple[Example, ...]
    held_out: tuple[Example, ...]
    suspects: Mapping[Kind, int]  # what the leak gate found that may be personal data; none with the gate off

    @property
    def doubts(self) -> str:
        """The suspects in words; empty if there are none."""
        if not self.suspects:
            return ""
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.suspects.items()))
        return f"the leak gate let pass what may be personal data: {kinds}. Look at the file if this is news"


@dataclass(frozen=True)
class Rows:
    """The examples as tokens, in the file's order."""

    train: Sequence[Row]
    held_out: Sequence[Row]
    num_dropped: int  # too long, and the settings say to leave such out
    num_other_stages: int  # with nothing for the recipe's stage


class Dataset:
    """A JSONL file of examples that may be replaced between orders."""

    def __init__(self, path: Path, *, leak_gate: LeakGate = "stop") -> None:
        self.path = path
        self._leak_gate = leak_gate
        self._snapshot: Snapshot | None = None
        self._leak: tuple[str, str] | None = None  # hash of the last file that was stopped, and why
        self._rows: tuple[tuple[str, str, DataSettings, StageSettings | None], Rows] | None = None

    def read(self) -> Snapshot:
        """The examples as they are now; an unchanged file is neither parsed nor looked through again.

        Examples of the split ``held_out`` are never trained on. Raises DataError for a file that is missing,
        empty or has a wrong line, and for one in which every example is held out; LeakError for one in which
        the leak gate finds personal data.
        """
        digest = self._sha256()
        if self._leak is not None and self._leak[0] == digest:
            raise LeakError(self._leak[1])
        if self._snapshot is None or self._snapshot.sha256 != digest:
            examples = tuple(read_examples(self.path))
            suspects = self._suspects(examples, digest)
            train = tuple(example for example in examples if example.provenance.split == "train")
            if not train:
                raise DataError(
                    f"{self.path}: all {len(examples)} examples are of the split 'held_out'. "
                    "Give at least one of the split 'train'."
                )
            held_out = tuple(example for example in examples if example.provenance.split == "held_out")
            self._snapshot = Snapshot(digest, train, held_out, suspects)
        return self._snapshot

    def rows(self, base: Base, settings: DataSettings, stage: StageSettings | None = None) -> Rows:
        """The examples, as ``stage`` sees them, as tokens.

        They are kept by (hash of the file, base model, settings, stage). Raises DataError as `read` does, for
        an example that does not fit the settings, and if the stage has no examples.
        """
        snapshot = self.read()
        key = (snapshot.sha256, base.fingerprint, settings, stage)
        if self._rows is None or self._rows[0] != key:
            self._rows = (key, self._tokenised(snapshot, base, settings, stage))
        return self._rows[1]

    def require_stages(self, stages: Sequence[StageSettings], *, measured: Sequence[StageSettings]) -> None:
        """Raise DataError if one of ``stages`` has no examples, or one of ``measured`` none held out.

        Where nothing is held out nothing is measured, and that is no error.
        """
        snapshot = self.read()
        for stage in stages:
            self._views(stage, snapshot.examples)
        for stage in measured:
            if snapshot.held_out and not views(stage, snapshot.held_out):
                raise DataError(
                    f"{self.path}: none of the {len(snapshot.held_out)} examples held out has anything for "
                    f"the recipe's stage {stage.kind!r}. Hold such examples out, or hold none out."
                )

    def _views(self, stage: StageSettings | None, examples: Sequence[Example]) -> list[Example]:
        seen = views(stage, examples)
        if stage is not None and not seen:
            raise DataError(
                f"{self.path}: none of the {len(examples)} examples has anything for the recipe's "
                f"stage {stage.kind!r}. Add such examples, or take the stage out of the recipe."
            )
        return seen

    def _tokenised(
        self, snapshot: Snapshot, base: Base, settings: DataSettings, stage: StageSettings | None
    ) -> Rows:
        train, held_out = self._views(stage, snapshot.examples), views(stage, snapshot.held_out)
        used = settings if stage is None else stage.data(settings)
        rows = tokenize_all(train, base.tokenizer, used)
        held_out_rows = tokenize_all(held_out, base.tokenizer, used) if held_out else []
        return Rows(
            train=rows,
            held_out=held_out_rows,
            num_dropped=len(train) + len(held_out) - len(rows) - len(held_out_rows),
            num_other_stages=len(snapshot.examples) - len(train),
        )

    def _suspects(self, examples: Sequence[Example], digest: str) -> Mapping[Kind, int]:
        if self._leak_gate == "off":
            return {}
        try:
            return require_clean(examples, self.path)
        except LeakError as error:
            self._leak = (digest, str(error))
            raise

    def _sha256(self) -> str:
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise DataError(
                f"{self.path}: no such file. Give the path of a JSONL file of examples."
            ) from None
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror}.") from None


@dataclass(frozen=True)
class Material:
    """What one training of a node works on."""

    own: Rows
    general: Sequence[Row]  # to replay; empty unless the recipe asks for it
    num_dropped: int  # of both files: too long, and the settings say to leave such out


class Library:
    """The files that a node trains on: its own examples, and the general ones that it replays."""

    def __init__(self, config: ClientConfig) -> None:
        gate = config.leak_gate
        self.own = Dataset(config.train, leak_gate=gate)
        self.general = None if config.replay is None else Dataset(config.replay, leak_gate=gate)

    def material(self, base: Base, recipe: Recipe, *, cycle: int) -> Material:
        """The rows for ``cycle`` of ``recipe``. Raises DataError as `Dataset.rows`.

        Also raises it if the recipe replays general examples and the node's settings name none.
        """
        own = self.own.rows(base, recipe.data, recipe.stage_at(cycle))
        if recipe.training.replay is None:
            return Material(own, (), own.num_dropped)
        if self.general is None:
            raise DataError(
                "the recipe replays general examples (training.replay), but this node has none. "
                "Set `replay` in the client's settings to a JSONL file of them."
            )
        general = self.general.rows(base, recipe.data)
        return Material(own, general.train, own.num_dropped + general.num_dropped)

    def sha256(self) -> str:
        """Hash of all files that are read."""
        files = [self.own, *([self.general] if self.general else [])]
        return hashlib.sha256("".join(file.read().sha256 for file in files).encode()).hexdigest()
