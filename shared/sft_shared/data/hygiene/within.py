"""Which examples have an earlier twin in their own split, with work that grows with the examples alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sft_shared.data.hygiene.minhash import NOTHING, bands_of_rows
from sft_shared.data.hygiene.pairs import Pairs

SMALL_BUCKET = 32
"""Up to so many examples that share a band of their questions are a bucket; more are cut by their answers."""
LEADERS = (1, 3, 7, 21)
"""Examples of a bucket that later ones are compared with: the first, then the next three left, and so on."""
NUM_ANSWER_BANDS, _ANSWER_ROWS = 3, 2
_PIECE = 1 << 16  # examples, about, that a thread looks through at a time
_NUM_MARKS = np.uint32(1 << 20)


def earlier_twins(
    pairs: Pairs,
    among: NDArray[np.int64],
    *,
    bands: NDArray[np.uint32],
    answer_bands: NDArray[np.uint32],
    splits: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """For each example the number of an earlier twin of its split that stays, -1 without one: then it stays.

    ``among`` are the examples to look at, in order. ``bands`` [num_bands, n] are those of the questions of
    all, ``answer_bands`` [NUM_ANSWER_BANDS, n] see there. Of a bucket's examples the first is compared with
    the others, whose twins go; so are up to 31 of those that are left. An example whose twin turns
    out to go itself is looked at again.
    """
    twin = np.full(bands.shape[1], -1, np.int64)
    again = np.zeros(len(twin), bool)
    again[among] = True
    while again.any():
        for examples, bucket in _buckets(among, again, twin, bands, answer_bands, splits):
            look = partial(_look_through, pairs, twin=twin, again=again)
            list(pairs.executor.map(look, *_pieces(examples, bucket)))
        alone = np.flatnonzero(_left_alone(twin))
        staying = twin[twin[alone]]  # what their twins are twins of; in a cluster mostly theirs as well
        near = np.flatnonzero((bands[:, staying] == bands[:, alone]).any(axis=0))
        near = near[pairs.twins(staying[near], alone[near])]
        twin[alone] = -1
        twin[alone[near]] = staying[near]
        again[:] = False
        again[np.delete(alone, near)] = True
    return twin


def answer_bands(sketches: NDArray[np.uint16]) -> NDArray[np.uint32]:
    """Bands of the sketches [n, size] of answers, as [NUM_ANSWER_BANDS, n].

    Twins with answers of Jaccard j share one with 1 - (1 - j^2)^3: 0.87 at 0.7, other pairs of 0.2 with 0.12.
    """
    filled = np.where(sketches == NOTHING, sketches[:, :1], sketches).astype(np.uint32)
    return bands_of_rows(filled, num_bands=NUM_ANSWER_BANDS, band_rows=_ANSWER_ROWS)


def _buckets(
    among: NDArray[np.int64],
    again: NDArray[np.bool_],
    twin: NDArray[np.int64],
    bands: NDArray[np.uint32],
    answer_bands: NDArray[np.uint32],
    splits: NDArray[np.bool_],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(examples, bucket of each) for each way to put examples into buckets of two or more, in order in each.

    Examples that have a ``twin`` by then are left out, and so are most buckets without an example to be
    looked at ``again``.
    """
    for band in bands:
        wanted = np.zeros(_NUM_MARKS, bool)
        wanted[band[again] % _NUM_MARKS] = True
        examples = among[twin[among] < 0]
        examples = examples[wanted[band[examples] % _NUM_MARKS]]
        examples, bucket = _grouped(
            examples, band[examples].astype(np.uint64) << np.uint64(1) | splits[examples]
        )
        crowded = np.bincount(bucket)[bucket] > SMALL_BUCKET
        yield examples[~crowded], bucket[~crowded]
        examples, bucket = examples[crowded], bucket[crowded]
        for answer_band in answer_bands:
            yield _grouped(examples, bucket.astype(np.uint64) << np.uint64(32) | answer_band[examples])


def _grouped(
    examples: NDArray[np.int64], keys: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(examples, group of each) for the groups of two or more with equal ``keys``, group after group."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    group = np.cumsum(np.concatenate([[False], keys[1:] != keys[:-1]])[: len(keys)])
    shared = np.bincount(group)[group] > 1 if len(group) else np.zeros(0, bool)
    return examples[order[shared]], group[shared]


def _pieces(
    examples: NDArray[np.int64], bucket: NDArray[np.int64]
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Some whole buckets each, which nothing in the others has a bearing on."""
    wanted = np.arange(0, len(bucket), _PIECE)
    ends = np.unique(np.searchsorted(bucket, bucket[wanted]))[1:]
    return np.split(examples, ends), np.split(bucket, ends)


def _look_through(
    pairs: Pairs,
    examples: NDArray[np.int64],
    bucket: NDArray[np.int64],
    *,
    twin: NDArray[np.int64],
    again: NDArray[np.bool_],
) -> None:
    """Note in ``twin`` what the leaders of each bucket find; of a pair one is to be looked at ``again``."""
    for num_leaders in LEADERS:
        left = twin[examples] < 0
        examples, bucket = examples[left], bucket[left]
        first = np.concatenate([[True], bucket[1:] != bucket[:-1]])[: len(bucket)]
        at = np.cumsum(first) - 1
        wanted = (np.bincount(at, again[examples]) > 0)[at]
        if not wanted.any():
            return
        start = np.flatnonzero(first)[at]
        rank = np.arange(len(examples)) - start
        close = []
        for number in range(num_leaders):
            later = np.flatnonzero(wanted & (rank > number))
            couples = np.stack([examples[start[later] + number], examples[later]])
            couples = couples[:, again[couples].any(axis=0)]
            close.append(couples[:, pairs.close(*couples)])
        leaders, others = np.concatenate(close, axis=1)
        found = pairs.confirmed(leaders, others)
        ends = np.cumsum([couples.shape[1] for couples in close])
        for some in (slice(end - couples.shape[1], end) for end, couples in zip(ends, close, strict=True)):
            goes = some.start + np.flatnonzero(found[some])
            goes = goes[(twin[leaders[goes]] < 0) & (twin[others[goes]] < 0)]
            twin[others[goes]] = leaders[goes]
        examples, bucket = examples[rank >= num_leaders], bucket[rank >= num_leaders]


def _left_alone(twin: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The examples whose earlier twin does not stay: it has an earlier twin that stays, and so on."""
    goes = twin >= 0
    for number in np.flatnonzero(goes).tolist():
        goes[number] = not goes[twin[number]]
    return (twin >= 0) & ~goes
