"""Fingerprints in arrays or files, read by column or by row without holding them all."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sft_shared.data.hygiene.minhash import NUM_BANDS, SIGNATURE
from sft_shared.errors import DataError

_CHUNK_ROWS = 16_384
_MAX_TOUCHED_ROWS = 10_000
"""Rows read from mapped files before their pages, of 4 KB at most each, are given back."""


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

    def bands(self, order: NDArray[np.int64]) -> NDArray[np.uint32]:
        """The bands of the examples at ``order``, as [NUM_BANDS, n]."""
        place = np.full(self.num_rows, -1, np.int64)
        place[order] = np.arange(len(order))
        found = np.empty((NUM_BANDS, len(order)), np.uint32)
        for start, rows in self._chunks():
            to = place[start : start + len(rows)]
            found[:, to[to >= 0]] = rows["bands"][to >= 0].T
        return found

    def rows(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """The fingerprints at ``places``."""
        found = np.empty(len(places), SIGNATURE)
        owners = np.searchsorted(self._starts, places, side="right") - 1
        for owner in np.unique(owners):
            here = owners == owner
            found[here] = self._parts[owner][places[here] - self._starts[owner]]
        self._give_back(len(places))
        return found

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
