"""Totals that are no mean of single values: computed from what all answers have together, and resampled.

Each answer gives its parts, such as its n-grams or its right slots. They are summed over the answers, and the
total is a function of the sums, so answers can be drawn anew without judging them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Pooling = Literal["mean", "bleu", "distinct", "f1", "precision", "recall"]
"""How single answers become a total: the mean of their values, or a function of their summed parts."""

Parts = Mapping[str, int]
"""What one answer adds. ``distinct``: its n-grams, with their counts.

``f1``, ``precision``, ``recall``: ``right``, ``predicted`` and ``wanted`` slots, and ``read``, 1 if an answer
can be read, of ``answers``, 1. ``bleu``: tokens ``said`` and ``wanted``, and for n from 1 to 4 the n-grams
``right-n`` of ``all-n``.
"""

Array = NDArray[np.float64]
CHUNK = 1 << 22  # numbers in memory at a time


@dataclass(frozen=True)
class SlotCounts:
    """Slots that are right, that were predicted, and that there are."""

    right: int
    predicted: int
    wanted: int

    @property
    def precision(self) -> float:
        """Right ones of the predicted; 1 if none was predicted and none wanted, 0 if one was wanted."""
        return self.right / self.predicted if self.predicted else float(not self.wanted)

    @property
    def recall(self) -> float:
        """Right ones of the wanted; 1 if none was wanted and none predicted, 0 if one was predicted."""
        return self.right / self.wanted if self.wanted else float(not self.predicted)

    @property
    def f1(self) -> float:
        """The harmonic mean of both, which is 2 * right / (predicted + wanted)."""
        both = self.predicted + self.wanted
        return 2 * self.right / both if both else 1.0


def pooled(parts: Sequence[Parts], *, pooling: Pooling) -> float:
    """The total of all answers, from 0 to 1.

    Of two answers that each say "yes" and "no", two of four words differ.

    >>> pooled([{"yes": 1, "no": 1}] * 2, pooling="distinct")
    0.5
    """
    columns, (table,) = _tables(parts)
    return float(_totals(np.asarray(table.sum(axis=0), dtype=float).reshape(1, -1), columns, pooling)[0])


def pooled_interval(
    parts: Sequence[Parts], *, pooling: Pooling, seed: int, num_resamples: int
) -> tuple[float, float]:
    """1.96 standard deviations of resampled totals on either side, inside 0 and 1.

    Answers that are drawn twice shift such a total, so its resampled percentiles would be beside it.
    """
    columns, (table,) = _tables(parts)
    totals = [
        _totals(drawn @ table, columns, pooling)
        for drawn in _draws(len(parts), columns, seed=seed, num_resamples=num_resamples)
    ]
    half = 1.96 * float(np.std(np.concatenate(totals)))
    total = pooled(parts, pooling=pooling)
    return max(0.0, total - half), min(1.0, total + half)


@dataclass(frozen=True)
class PooledDifference:
    """``ours - theirs`` of the totals, its interval, and the two-sided p-value of a permutation test."""

    difference: float
    low: float
    high: float
    p_value: float


def pooled_difference(
    ours: Sequence[Parts],
    theirs: Sequence[Parts],
    *,
    pooling: Pooling,
    seed: int,
    num_resamples: int,
    num_permutations: int,
) -> PooledDifference:
    """Compare the totals of two systems over the same examples in the same order.

    The interval is 1.96 standard deviations of differences of examples drawn anew, as in `pooled_interval`.
    For p the two answers to each example change sides by chance; the observed sides count as one of the draws
    (Phipson and Smyth 2010). Raises ValueError if they are not one to one.
    """
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"paired examples are needed, found {len(ours)} and {len(theirs)}")
    columns, (own, other) = _tables(ours, theirs)
    difference = pooled(ours, pooling=pooling) - pooled(theirs, pooling=pooling)
    resampled = [
        _totals(drawn @ own, columns, pooling) - _totals(drawn @ other, columns, pooling)
        for drawn in _draws(len(ours), columns, seed=seed, num_resamples=num_resamples)
    ]
    half = 1.96 * float(np.std(np.concatenate(resampled)))
    change, mine, all_of_both = other - own, own.sum(axis=0), own.sum(axis=0) + other.sum(axis=0)
    num_extreme = 0
    for sides in _sides(len(ours), columns, seed=seed, num_permutations=num_permutations):
        sums = np.asarray(mine + sides @ change)
        found = _totals(sums, columns, pooling) - _totals(np.asarray(all_of_both - sums), columns, pooling)
        num_extreme += int((np.abs(found) >= abs(difference) - 1e-12).sum())
    return PooledDifference(
        difference=difference,
        low=max(-1.0, difference - half),
        high=min(1.0, difference + half),
        p_value=(num_extreme + 1) / (num_permutations + 1),
    )


def _tables(*systems: Sequence[Parts]) -> tuple[list[str], list[Any]]:
    """Names of all parts, and for each system a sparse matrix [answers, names]."""
    from scipy.sparse import csr_array

    names: dict[str, int] = {}
    for answer in (answer for parts in systems for answer in parts):
        for name in answer:
            names.setdefault(name, len(names))
    tables = []
    for parts in systems:
        starts = np.cumsum([0, *map(len, parts)])
        places = [names[name] for answer in parts for name in answer]
        counts = [count for answer in parts for count in answer.values()]
        shape = (len(parts), len(names))
        tables.append(csr_array((np.array(counts, dtype=float), places, starts), shape=shape))
    return list(names), tables


def _draws(total: int, columns: Sequence[str], *, seed: int, num_resamples: int) -> Iterator[Array]:
    """How often each example is drawn, [some, examples] at a time."""
    rng = np.random.default_rng(seed)
    for size in _sizes(total, columns, num_resamples):
        yield rng.multinomial(total, np.full(total, 1 / total), size=size).astype(float)


def _sides(total: int, columns: Sequence[str], *, seed: int, num_permutations: int) -> Iterator[Array]:
    """1 where the answers to an example change sides, [some, examples] at a time."""
    rng = np.random.default_rng(seed)
    for size in _sizes(total, columns, num_permutations):
        yield rng.integers(0, 2, size=(size, total)).astype(float)


def _sizes(total: int, columns: Sequence[str], wanted: int) -> Iterator[int]:
    rows = max(1, CHUNK // max(total, len(columns), 1))
    yield from (min(rows, wanted - done) for done in range(0, wanted, rows))


def _totals(sums: Array, columns: Sequence[str], pooling: Pooling) -> Array:
    """One total a row of ``sums[rows, columns]``."""
    if pooling == "distinct":
        said = sums.sum(axis=1)
        different = (sums > 0).sum(axis=1)
        shares: Array = np.divide(different, said, out=np.zeros(len(sums)), where=said > 0)
        return shares
    rows = (dict(zip(columns, row, strict=True)) for row in sums.round().astype(int).tolist())
    of_row = _bleu if pooling == "bleu" else lambda row: _slots(row, pooling)
    return np.array([of_row(row) for row in rows])


def _slots(row: Mapping[str, int], figure: str) -> float:
    if not row["predicted"] and not row["wanted"]:
        return row["read"] / row["answers"]
    value: float = getattr(SlotCounts(row["right"], row["predicted"], row["wanted"]), figure)
    return value


def _bleu(row: Mapping[str, int]) -> float:
    from sacrebleu.metrics.bleu import BLEU

    right, of = ([row[f"{name}-{order}"] for order in range(1, 5)] for name in ("right", "all"))
    score = BLEU.compute_bleu(right, of, row["said"], row["wanted"], smooth_method="exp").score
    return min(1.0, max(0.0, float(score) / 100))
