"""Files of numbered sections of lines, written whole or not at all: what a finished unit of work leaves.

Layout: the sections, the counts as JSON, a table with the end of each section (8 bytes each), and at the end
the number of sections and the place of the counts (8 bytes each). One is found without reading the rest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

WORD = 8  # bytes of a number
BLOCK_BYTES = 1 << 20


def write_sections(path: Path, sections: Iterable[Iterable[bytes]], *, counts: Mapping[str, Any]) -> None:
    """Write the sections, their lines in order, and ``counts``; the file has its name once it is whole.

    It is private: sections hold raw text.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    ends = []
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", 1 << 20) as file:
        for lines in sections:
            file.writelines(lines)
            ends.append(file.tell())
        start = file.tell()
        file.write(json.dumps(counts).encode())
        for number in (*ends, len(ends), start):
            file.write(number.to_bytes(WORD, "big"))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


class SectionFile:
    """A finished file of sections."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(self._size - 2 * WORD)
            self._num_sections = int.from_bytes(file.read(WORD), "big")
            self._counts_at = int.from_bytes(file.read(WORD), "big")

    @property
    def _table_at(self) -> int:
        return self._size - (self._num_sections + 2) * WORD

    def counts(self) -> dict[str, Any]:
        """What was counted while it was made."""
        with self.path.open("rb") as file:
            file.seek(self._counts_at)
            counts: dict[str, Any] = json.loads(file.read(self._table_at - self._counts_at))
        return counts

    def place(self, section: int) -> tuple[int, int]:
        """(start, length) of a section."""
        with self.path.open("rb") as file:
            file.seek(self._table_at + (section - 1) * WORD if section else self._table_at)
            start = int.from_bytes(file.read(WORD), "big") if section else 0
            return start, int.from_bytes(file.read(WORD), "big") - start

    def data(self, section: int) -> bytes:
        """A section as it is."""
        start, length = self.place(section)
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    def blocks(self, section: int) -> Iterator[bytes]:
        """A section as it is, a piece at a time."""
        start, left = self.place(section)
        with self.path.open("rb", 0) as file:
            file.seek(start)
            while left > 0 and (block := file.read(min(left, BLOCK_BYTES))):
                left -= len(block)
                yield block

    def lines(self, section: int) -> Iterator[bytes]:
        """The lines of a section, with their line breaks."""
        start, left = self.place(section)
        if not left:
            return
        with self.path.open("rb") as file:
            file.seek(start)
            while left > 0:
                line = file.readline(left)
                left -= len(line)
                yield line
