"""Fingerprints in arrays or files, read by column or by row without holding them all."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sft_shared.data.hygiene.minhash import SIGNATURE
from sft_shared.errors import DataError

_CHUNK_ROWS = 4096
_SPAN_ROWS = 1 << 15
"""Rows that lie side by side and of which some are read at once; the system maps them all, 13 MB."""
_AROUND_ROWS = 160
"""Rows that the system maps along with one."""
_MAX_TOUCHED_ROWS = 2 * _SPAN_ROWS
"""Rows read from mapped files before their pages are given back."""


class Stored:
    """The fingerprints of all parts, one after the other. Files are mapped, and must not change meanwhile."""

    def __init__(self, parts: Sequence[NDArray[Any] | Path]) -> None:
        self._maps: list[mmap.mmap] = []
        self._touched = 0
        self._parts = [self._mapped(part) if isinstance(part, Path) else part for part in parts]
        self._starts = np.cumsum([0, *map(len, self._parts)], dtype=np.int64)
        self.num_rows = int(self._starts[-1])

    def columns(self, *names: str) -> dict[str, NDArray[Any]]:
        """Whole columns, by name."""
        found = {name: np.empty(self.num_rows, SIGNATURE[name]) for name in names}
        for start, rows in self._chunks():
            for name, column in found.items():
                column[start : start + len(rows)] = rows[name]
        return found

    def selected(self, places: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Yield (numbers, rows): which of the distinct ``places`` some rows belong to, until all came by."""
        number = np.full(self.num_rows, -1, np.int64)
        number[places] = np.arange(len(places))
        for start, rows in self._chunks():
            numbers = number[start : start + len(rows)]
            yield numbers[numbers >= 0], rows[numbers >= 0]

    def rows(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """The fingerprints at ``places``, which ascend."""
        found = np.empty((len(places), SIGNATURE.itemsize // 8), np.uint64)
        for part, first in zip(self._parts, self._starts[:-1].tolist(), strict=True):
            words = part.view(np.uint64).reshape(-1, found.shape[1])  # faster to take than records
            for start in range(0, len(part), _SPAN_ROWS):
                end = min(start + _SPAN_ROWS, len(part))
                here = slice(*np.searchsorted(places, (first + start, first + end)))
                if here.start < here.stop:
                    np.take(words, places[here] - first, axis=0, out=found[here], mode="clip")  # unbuffered
                    self._give_back(min(end - start, (here.stop - here.start) * _AROUND_ROWS))
        return found.view(SIGNATURE)[:, 0]

    def _chunks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        for part, first in zip(self._parts, self._starts[:-1].tolist(), strict=True):
            for start in range(0, len(part), _CHUNK_ROWS):
                rows = part[start : start + _CHUNK_ROWS]
                yield first + start, rows
                self._give_back(len(rows))

    def _mapped(self, path: Path) -> NDArray[Any]:
        size = path.stat().st_size
        if size % SIGNATURE.itemsize:
            rest = size % SIGNATURE.itemsize
            raise DataError(f"{path}: cut off, {rest} bytes behind the last fingerprint. Make it again.")
        if size == 0:
            return np.zeros(0, SIGNATURE)
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._maps.append(mapped)
        return np.frombuffer(mapped, dtype=SIGNATURE)

    def _give_back(self, num_rows: int) -> None:
        """Let go of mapped pages now and then, so that they do not add up to the whole files."""
        self._touched += num_rows
        if self._touched >= _MAX_TOUCHED_ROWS:
            self._touched = 0
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)
