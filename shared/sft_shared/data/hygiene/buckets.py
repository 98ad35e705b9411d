"""Locality-sensitive hashing: examples that share a band's hash meet in a bucket."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ALONE = np.uint32(0xFFFFFFFF)


class Buckets:
    """The buckets of ``bands[num_bands, n]``, filled in the order of the columns.

    Bands are sorted one at a time, and only buckets of two or more are kept: ``bands`` is overwritten with
    their numbers, so that memory stays at 4 bytes a band and example, and as much again where all share one.
    """

    def __init__(self, bands: NDArray[np.uint32]) -> None:
        self._buckets = bands
        firsts: list[NDArray[np.uint32]] = []
        num_slots = num_buckets = 0
        for band in bands:
            order = np.argsort(band, kind="stable").astype(np.uint32)
            keys = band[order]
            new = np.concatenate([[True], keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, bool)
            starts = np.flatnonzero(new)
            sizes = np.diff(np.append(starts, len(keys)))
            numbers = np.full(len(starts), _ALONE)
            crowded = sizes > 1
            numbers[crowded] = np.arange(num_buckets, num_buckets + crowded.sum(), dtype=np.uint32)
            band[order] = np.repeat(numbers, sizes)
            kept = sizes[crowded]
            firsts.append((num_slots + np.cumsum(kept) - kept).astype(np.uint32))
            num_buckets += len(kept)
            num_slots += int(kept.sum())
        self._first = np.concatenate([np.zeros(0, np.uint32), *firsts])
        self._count = np.zeros(num_buckets, np.uint32)
        self._slots = np.zeros(num_slots, np.uint32)

    @property
    def shared(self) -> NDArray[np.int64]:
        """The examples that are in a bucket with another one."""
        return np.flatnonzero((self._buckets != _ALONE).any(axis=0))

    def members(self, place: int) -> NDArray[np.int64]:
        """The examples added so far that are in a bucket with the example at ``place``, in order."""
        mine = self._mine(place)
        counts = self._count[mine]
        filled = np.flatnonzero(counts)
        if not len(filled):
            return np.zeros(0, np.int64)
        starts = self._first[mine]
        pieces = [self._slots[starts[each] : starts[each] + counts[each]] for each in filled]
        return np.unique(np.concatenate(pieces)).astype(np.int64)

    def add(self, place: int) -> None:
        """Put the example at ``place`` into its buckets."""
        mine = self._mine(place)
        self._slots[self._first[mine] + self._count[mine]] = place
        self._count[mine] += np.uint32(1)

    def _mine(self, place: int) -> NDArray[np.uint32]:
        buckets = self._buckets[:, place]
        return np.asarray(buckets[buckets != _ALONE])
