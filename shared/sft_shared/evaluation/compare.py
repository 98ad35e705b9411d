"""How sure a share is, and by how much one model beats another on the same examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

MAX_DISTINCT = 64
"""Up to so many different differences are drawn by their counts; of more, the examples themselves."""
CHUNK = 1 << 22  # numbers drawn at a time


@dataclass(frozen=True)
class PairedDifference:
    """Mean of ``ours - theirs``, its confidence interval, and the examples that decided it."""

    difference: float
    low: float
    high: float
    num_won: int  # ours is larger
    num_lost: int  # theirs is larger


def wilson_interval(num_right: int, *, num_total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share, inside [0, 1] also for none and all right (1927, JASA 22:209).

    >>> low, high = wilson_interval(0, num_total=120)
    >>> round(low, 3), round(high, 3)
    (0.0, 0.031)
    """
    if not 0 <= num_right <= num_total or num_total == 0:
        raise ValueError(f"a share needs 0 <= right <= total and total > 0, found {num_right} of {num_total}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = num_right / num_total
    spread = z**2 / num_total
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / num_total + spread / (4 * num_total))
    low = 0.0 if num_right == 0 else max(0.0, centre - half)
    high = 1.0 if num_right == num_total else min(1.0, centre + half)
    return low, high


def paired_bootstrap(
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    seed: int,
    num_resamples: int = 10_000,
    confidence: float = 0.95,
) -> PairedDifference:
    """Percentile interval of the mean difference over the same examples in the same order.

    Values are any finite numbers; right and wrong are 1 and 0. Whole examples are resampled, so what is hard
    for both models cancels. Where few different differences occur, as among right and wrong, their counts
    come from a multinomial, which is the same as drawing the examples. If no example changed, the interval
    has no width: the examples say nothing of how sure that is.

    Raises ValueError if the two do not cover the same, non-zero number of examples, or for NaN and infinity.

    >>> found = paired_bootstrap([1, 1, 0, 1], [0, 1, 0, 0], seed=0)
    >>> found.difference, found.num_won, found.num_lost
    (0.5, 2, 0)
    """
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"paired examples are needed, found {len(ours)} and {len(theirs)}")
    differences = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    if not np.isfinite(differences).all():
        raise ValueError("a value is NaN or infinite; leave such examples out of both")
    means = _resampled_means(differences, num_resamples=num_resamples, rng=np.random.default_rng(seed))
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return PairedDifference(
        difference=float(differences.mean()),
        low=float(low),
        high=float(high),
        num_won=int((differences > 0).sum()),
        num_lost=int((differences < 0).sum()),
    )


def _resampled_means(
    differences: NDArray[np.float64], *, num_resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    total = len(differences)
    distinct, counts = np.unique(differences, return_counts=True)
    if len(distinct) <= MAX_DISTINCT:
        draws = rng.multinomial(total, counts / total, size=num_resamples)
        means: NDArray[np.float64] = draws @ distinct / total
        return means
    rows = max(1, CHUNK // total)
    sizes = [min(rows, num_resamples - done) for done in range(0, num_resamples, rows)]
    return np.concatenate(
        [differences[rng.integers(0, total, size=(size, total))].mean(axis=1) for size in sizes]
    )
