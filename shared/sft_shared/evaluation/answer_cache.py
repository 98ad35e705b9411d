"""Answers on disk, found again by what decides them: killed anywhere, an evaluation goes on with the rest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import TypeAdapter

from sft_shared.errors import StoreError
from sft_shared.files import held_folder

ANSWERS = "answers.jsonl"
VERSION = 1  # of how answers are generated; a change of it forgets those of before


@dataclass(frozen=True)
class Answer:
    """What a model wrote, whether it was cut off, and its share of the seconds that its batch took."""

    text: str
    cut: bool = False
    seconds: float = 0.0


def answer_key(model: str, prompt: Sequence[int], *, max_new_tokens: int, schema: str | None) -> str:
    """Hex SHA-256 of all that decides an answer: the model's own hash, the prompt, its length and form.

    The batch size is left out. In bf16 it can change an answer's last digits and so its words, but so can the
    other prompts of the batch; what is found again is an answer that the model did give.
    """
    parts = [VERSION, model, list(prompt), max_new_tokens, schema]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


class AnswerCache:
    """An append-only file, a line a batch; in memory only where each answer lies.

    Whole batches are written, so one that a crash tears is generated anew with the same neighbours.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._places: dict[bytes, int] = {}  # key -> where its line begins
        self._line: tuple[int, Mapping[str, Answer]] = (-1, {})  # the line that was read last
        self._read()

    def __len__(self) -> int:
        """How many answers there are."""
        return len(self._places)

    def get(self, key: str) -> Answer | None:
        """The answer of `answer_key`, None if there is none yet."""
        place = self._places.get(bytes.fromhex(key))
        if place is None:
            return None
        if self._line[0] != place:
            self._file.seek(place)
            self._line = (place, _parse(self._file.readline()))
        return self._line[1][key]

    def add(self, batch: Mapping[str, Answer]) -> None:
        """Append a batch; once this returns it outlasts a crash."""
        place = self._file.seek(0, os.SEEK_END)
        values = {key: asdict(answer) for key, answer in batch.items()}
        self._file.write(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._places.update(dict.fromkeys(map(bytes.fromhex, batch), place))

    def _read(self) -> None:
        """Index the file and drop a last line that a crash tore. Raises StoreError for any other damage."""
        place = self._file.seek(0)
        for number, line in enumerate(self._file, start=1):
            if not line.endswith(b"\n"):
                self._file.truncate(place)
                break
            try:
                self._places.update(dict.fromkeys(map(bytes.fromhex, _parse(line)), place))
            except ValueError:
                raise StoreError(
                    f"{self._path}:{number}: no line of answers. Delete the file, they are generated again."
                ) from None
            place += len(line)


_LINE = TypeAdapter(dict[str, Answer])


def _parse(line: bytes) -> dict[str, Answer]:
    """Raises ValueError, of which ValidationError is one."""
    return _LINE.validate_json(line)


@contextmanager
def open_cache(folder: Path) -> Iterator[AnswerCache]:
    """The answers of a folder, which is made if missing and held by this process alone.

    Raises StoreError if another process holds it or the file is damaged.
    """
    with held_folder(folder, holder="evaluation", setting="cache"):
        path = folder / ANSWERS
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with open(descriptor, "r+b") as file:
            yield AnswerCache(file, path)
