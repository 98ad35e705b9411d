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


def paired_interval(
    num_won: int, num_lost: int, *, num_total: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Tango's score interval of the difference of two paired shares (1998, Statistics in Medicine 17:891).

    Of ``num_total`` examples only ours is right on ``num_won``, only theirs on ``num_lost``. All differences
    that a score test would not reject lie inside, so it has a width also where no example changed: the less
    examples, the wider. Raises ValueError for counts that cannot be.

    >>> [round(end, 4) for end in paired_interval(12, 2, num_total=50)]
    [0.0611, 0.3447]
    >>> [round(end, 3) for end in paired_interval(0, 0, num_total=5)]
    [-0.434, 0.434]
    """
    if min(num_won, num_lost) < 0 or not 0 < num_total >= num_won + num_lost:
        raise ValueError(f"no counts of paired examples: {num_won} won, {num_lost} lost, {num_total} in all")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    difference = (num_won - num_lost) / num_total

    def is_rejected(delta: float) -> bool:
        a, c = 2 * num_total, -num_lost * delta * (1 - delta)
        b = (2 * num_total - num_won + num_lost) * delta - num_won - num_lost
        lost = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)  # its likeliest share if delta is true
        variance = num_total * (2 * lost + delta * (1 - delta))
        return (num_won - num_lost - num_total * delta) ** 2 > z * z * variance

    def end(inside: float, outside: float) -> float:
        for _ in range(50):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if is_rejected(middle) else (middle, outside)
        return inside

    return end(difference, -1.0), end(difference, 1.0)


def paired_shares(
    ours: Sequence[float], theirs: Sequence[float], *, confidence: float = 0.95
) -> PairedDifference:
    """The difference of two shares over the same examples in the same order, with `paired_interval`.

    Raises ValueError if they are not paired, or for a value that is neither 0 nor 1.

    >>> found = paired_shares([1, 1, 0, 1], [0, 1, 0, 0])
    >>> found.difference, found.num_won, found.num_lost, round(found.low, 2)
    (0.5, 2, 0, -0.23)
    """
    differences = _differences(ours, theirs)
    if not {*ours, *theirs} <= {0, 1}:
        raise ValueError("shares are of values that are 0 or 1")
    won, lost = int((differences > 0).sum()), int((differences < 0).sum())
    low, high = paired_interval(won, lost, num_total=len(ours), confidence=confidence)
    return PairedDifference(float(differences.mean()), low=low, high=high, num_won=won, num_lost=lost)


def paired_bootstrap(
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    seed: int,
    num_resamples: int = 10_000,
    confidence: float = 0.95,
) -> PairedDifference:
    """Percentile interval of the mean difference over the same examples in the same order.

    Values are any finite numbers; for right and wrong take `paired_shares`, since where few examples changed
    this interval is too narrow, and without width where none did. Whole examples are resampled, so what is
    hard for both models cancels. Where few different differences occur, their counts come from a multinomial,
    which is the same as drawing the examples.

    Raises ValueError if the two do not cover the same, non-zero number of examples, or for NaN and infinity.

    >>> found = paired_bootstrap([1, 1, 0, 1], [0, 1, 0, 0], seed=0)
    >>> found.difference, found.num_won, found.num_lost
    (0.5, 2, 0)
    """
    differences = _differences(ours, theirs)
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


def _differences(ours: Sequence[float], theirs: Sequence[float]) -> NDArray[np.float64]:
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"paired examples are needed, found {len(ours)} and {len(theirs)}")
    differences: NDArray[np.float64] = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    if not np.isfinite(differences).all():
        raise ValueError("a value is NaN or infinite; leave such examples out of both")
    return differences


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
