"""Which training examples have a twin that is held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sft_shared.data.hygiene.pairs import Pairs

_FIRST_STEP, _STEP_GROWS = 1, 8
_MAX_PAIRS = 1 << 18


def held_out_twins(pairs: Pairs, bands: NDArray[np.uint32], *, num_held_out: int) -> NDArray[np.int64]:
    """For each example the number of a held-out twin, -1 without one; held-out examples have none.

    ``bands`` is [num_bands, n], and its first ``num_held_out`` columns are held out. A training example is
    compared with every held-out one that shares a band, none left out, until one is its twin: first with one
    of each band, then with more and more. So k near-identical examples cost about k comparisons.
    """
    found = np.full(bands.shape[1], -1, np.int64)
    for number, band in enumerate(bands) if num_held_out else ():
        order = np.argsort(band[:num_held_out], kind="stable")
        keys = band[:num_held_out][order]
        waiting = num_held_out + np.flatnonzero(found[num_held_out:] < 0)
        start, end = (np.searchsorted(keys, band[waiting], side) for side in ("left", "right"))
        step = _FIRST_STEP
        while len(waiting):
            maybe = [np.zeros((2, 0), np.int64)]
            for some in _slices(np.minimum(end - start, step)):
                sizes = np.minimum(end[some] - start[some], step)
                held_out = order[_ranges(start[some], sizes)]
                training = np.repeat(waiting[some], sizes)
                close = pairs.close(held_out, training)
                couples = np.stack([held_out[close], training[close]])
                seen = bands[:number, couples[0]] == bands[:number, couples[1]]  # and were no twins
                maybe.append(couples[:, ~seen.any(axis=0)])
            held_out, training = np.concatenate(maybe, axis=1)
            twins = np.flatnonzero(pairs.confirmed(held_out, training))[::-1]  # of several the first is noted
            found[training[twins]] = held_out[twins]
            start = start + step
            left = (start < end) & (found[waiting] < 0)
            waiting, start, end = waiting[left], start[left], end[left]
            step *= _STEP_GROWS
    return found


def _slices(numbers: NDArray[np.int64]) -> list[slice]:
    """Cut into pieces of at most _MAX_PAIRS together, or of one."""
    total = np.concatenate([[0], np.cumsum(numbers)])
    pieces, at = [], 0
    while at < len(numbers):
        end = max(at + 1, int(np.searchsorted(total, total[at] + _MAX_PAIRS, "right")) - 1)
        pieces.append(slice(at, end))
        at = end
    return pieces


def _ranges(starts: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """starts[0], starts[0] + 1, ... ``numbers[0]`` of them, then those of starts[1], and so on."""
    ends = np.cumsum(numbers)
    return np.asarray(np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + numbers, numbers))
