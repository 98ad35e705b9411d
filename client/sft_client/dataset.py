"""The node's examples: read from its file, tokenised once for as long as nothing about them changes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sft_shared.data.chat import DataSettings, Row, tokenize_all
from sft_shared.dialogue import Example, read_examples
from sft_shared.errors import DataError
from sft_shared.models.load import Base


@dataclass(frozen=True)
class Snapshot:
    """The file at one moment: its hash, the examples to train on, and how many are set apart."""

    sha256: str
    examples: tuple[Example, ...]
    num_held_out: int


class Dataset:
    """A JSONL file of examples that may be replaced between orders."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._snapshot: Snapshot | None = None
        self._rows: tuple[tuple[str, str, DataSettings], list[Row]] | None = None

    def read(self) -> Snapshot:
        """The examples as they are now; an unchanged file is not parsed again.

        Examples of the split ``held_out`` are never trained on. Raises DataError for a file that is missing,
        empty or has a wrong line, and for one in which every example is held out.
        """
        digest = self._sha256()
        if self._snapshot is None or self._snapshot.sha256 != digest:
            examples = tuple(read_examples(self.path))
            train = tuple(example for example in examples if example.provenance.split == "train")
            if not train:
                raise DataError(
                    f"{self.path}: all {len(examples)} examples are of the split 'held_out'. "
                    "Give at least one of the split 'train'."
                )
            self._snapshot = Snapshot(digest, train, num_held_out=len(examples) - len(train))
        return self._snapshot

    def rows(self, base: Base, settings: DataSettings) -> Sequence[Row]:
        """The examples as tokens, in the file's order.

        They are kept by (hash of the file, base model, settings). Raises DataError as `read` does, and for an
        example that does not fit the settings.
        """
        snapshot = self.read()
        key = (snapshot.sha256, base.fingerprint, settings)
        if self._rows is None or self._rows[0] != key:
            self._rows = (key, tokenize_all(snapshot.examples, base.tokenizer, settings))
        return self._rows[1]

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
