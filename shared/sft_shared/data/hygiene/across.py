"""Which training examples have a twin that is held out."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from sft_shared.data.hygiene.pairs import Pairs

_FIRST_STEP, _STEP_GROWS = 1, 8
_MAX_PAIRS = 1 << 17  # that a thread looks at, and that it confirms
_CONFIRMED = 1 << 13
_NONE = np.zeros((2, 0), np.int64)


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
            sizes = np.minimum(end - start, step)
            pieces = [(waiting[some], start[some], sizes[some]) for some in _slices(sizes)]
            look = partial(_close, pairs, bands[: number + 1], order)
            held_out, training = np.concatenate([_NONE, *pairs.executor.map(look, pieces)], axis=1)
            confirm = partial(_confirmed, pairs, held_out, training)
            sure = [_NONE[0], *pairs.executor.map(confirm, range(0, len(training), _CONFIRMED))]
            twins = np.flatnonzero(np.concatenate(sure))[::-1]  # of several the first is noted
            found[training[twins]] = held_out[twins]
            start = start + step
            left = (start < end) & (found[waiting] < 0)
            waiting, start, end = waiting[left], start[left], end[left]
            step *= _STEP_GROWS
    return found


def _close(
    pairs: Pairs,
    bands: NDArray[np.uint32],
    order: NDArray[np.int64],
    piece: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.int64]:
    """[2, n]: the held-out and the training example of pairs that may be twins.

    Of ``piece`` these are the training examples, and for each where in ``order`` its held-out ones begin and
    how many they are. Pairs that share a band but the last of ``bands`` are left out.
    """
    training, start, sizes = piece
    held_out = order[_ranges(start, sizes)]
    training = np.repeat(training, sizes)
    close = pairs.close(held_out, training)
    couples = np.stack([held_out[close], training[close]])
    seen = bands[:-1, couples[0]] == bands[:-1, couples[1]]  # and were no twins
    return couples[:, ~seen.any(axis=0)]


def _confirmed(
    pairs: Pairs, held_out: NDArray[np.int64], training: NDArray[np.int64], start: int
) -> NDArray[np.bool_]:
    some = slice(start, start + _CONFIRMED)
    return pairs.confirmed(held_out[some], training[some])


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
