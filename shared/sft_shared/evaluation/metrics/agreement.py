"""Agreement of people who judge the same things: Cohen's and Fleiss' kappa, Krippendorff's alpha."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval"]
Unit = Sequence[float | None]
"""What each rater gave one thing, in the order of raters; None where one gave nothing."""


@dataclass(frozen=True)
class Agreement:
    """A coefficient: 1 is agreement, 0 what chance would give; ``n`` things went in.

    It is None where there is nothing to compare: everybody gave the same value to everything.
    """

    name: str
    value: float | None
    ci95: tuple[float, float] | None
    n: int


def cohen_kappa(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Kappa of two raters (Cohen 1960): (observed - chance) / (1 - chance). None if chance is 1.

    Of 50 they agree on 20 yes and 15 no: observed 0.7; chance is 0.5*0.6 + 0.5*0.4 = 0.5; kappa is 0.4.

    >>> first, second = [1] * 25 + [0] * 25, [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    >>> round(cohen_kappa(first, second), 12)
    0.4
    """
    n = len(first)
    if n == 0 or n != len(second):
        raise ValueError(f"kappa needs as many values of both raters, found {n} and {len(second)}")
    observed = sum(one == other for one, other in zip(first, second, strict=True)) / n
    ours, theirs = Counter(first), Counter(second)
    chance = sum(ours[value] * theirs[value] for value in ours) / n**2
    return None if chance == 1 else (observed - chance) / (1 - chance)


def fleiss_kappa(units: Sequence[Sequence[float]]) -> float | None:
    """Kappa of the same number of raters for every unit (Fleiss 1971). None if chance is 1.

    Three raters, two things: {1, 1, 1} agrees fully, {1, 2, 2} in 1 of 3 pairs: observed 2/3. Chance is
    (4/6)^2 + (2/6)^2 = 5/9; kappa is (2/3 - 5/9) / (4/9) = 1/4.

    >>> round(fleiss_kappa([[1, 1, 1], [1, 2, 2]]), 12)
    0.25
    """
    sizes = {len(unit) for unit in units}
    if len(sizes) != 1 or (size := sizes.pop()) < 2:
        raise ValueError("Fleiss' kappa needs the same number of raters, two or more, for every unit")
    counts = [Counter(unit) for unit in units]
    observed = sum(
        (sum(times**2 for times in count.values()) - size) / (size * (size - 1)) for count in counts
    ) / len(units)
    shares = sum(counts, Counter())
    chance = sum((times / (size * len(units))) ** 2 for times in shares.values())
    return None if abs(1 - chance) < 1e-12 else (observed - chance) / (1 - chance)


def krippendorff_alpha(units: Sequence[Unit], *, level: Level = "ordinal") -> float | None:
    """Alpha of any number of raters with gaps: 1 - observed / expected disagreement (Krippendorff 2011).

    Units with fewer than two values do not count. None if all values are the same.
    Two raters give (1, 1), (2, 2), (1, 2). Coincidences: o11 = 2, o22 = 2, o12 = o21 = 1; n1 = n2 = 3, n = 6.
    Of nominal values: observed 2/6, expected 2*3*3/(6*5) = 3/5, alpha = 1 - (1/3)/(3/5) = 4/9.

    >>> round(krippendorff_alpha([(1, 1), (2, 2), (1, 2)], level="nominal"), 12)
    0.444444444444
    """
    rated = [tuple(value for value in unit if value is not None) for unit in units]
    rated = [unit for unit in rated if len(unit) > 1]
    values = sorted({value for unit in rated for value in unit})
    if len(values) < 2:
        return None
    return _alpha(np.array([_coincidences(unit, values) for unit in rated]).sum(axis=0), values, level)


def alpha_interval(
    units: Sequence[Unit],
    *,
    seed: int,
    level: Level = "ordinal",
    num_resamples: int = 2_000,
    confidence: float = 0.95,
) -> tuple[float, float] | None:
    """Percentile interval of alpha, units drawn anew; None if alpha is None.

    Draws in which all values are the same have no alpha and are left out.
    """
    rated = [tuple(value for value in unit if value is not None) for unit in units]
    rated = [unit for unit in rated if len(unit) > 1]
    values = sorted({value for unit in rated for value in unit})
    if len(values) < 2:
        return None
    each = np.array([_coincidences(unit, values) for unit in rated])
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(rated), np.full(len(rated), 1 / len(rated)), size=num_resamples)
    alphas = [
        alpha
        for counts in draws
        if (alpha := _alpha(np.tensordot(counts, each, axes=1), values, level)) is not None
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(alphas, [tail, 1 - tail])
    return float(low), float(high)


def agreements(units: Sequence[Unit], *, seed: int) -> list[Agreement]:
    """What can be said of these raters: Cohen's kappa for two, Fleiss' for more, and ordinal alpha.

    Kappa looks at the units that all raters judged, and takes every difference to be alike; alpha takes all
    units with two values, and counts how far values are apart in rank.
    """
    found: list[Agreement] = []
    num_raters = max((len(unit) for unit in units), default=0)
    complete = [tuple(value for value in unit if value is not None) for unit in units if None not in unit]
    if num_raters >= 2 and complete:
        if num_raters == 2:
            pairs = list(zip(*complete, strict=True))
            kappa = cohen_kappa(pairs[0], pairs[1])
        else:
            kappa = fleiss_kappa(complete)
        name = "cohen_kappa" if num_raters == 2 else "fleiss_kappa"
        found.append(Agreement(name, kappa, None, len(complete)))
    rated = [unit for unit in units if sum(value is not None for value in unit) > 1]
    if rated:
        interval = alpha_interval(rated, seed=seed)
        found.append(Agreement("krippendorff_alpha", krippendorff_alpha(rated), interval, len(rated)))
    return found


def _coincidences(unit: Sequence[float], values: Sequence[float]) -> Matrix:
    """[V, V]: ordered pairs of values within a unit, each by 1 / (number of its values - 1)."""
    counts = np.array([unit.count(value) for value in values], dtype=np.float64)
    return (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)


def _alpha(coincidences: Matrix, values: Sequence[float], level: Level) -> float | None:
    totals = coincidences.sum(axis=1)
    n = totals.sum()
    distances = _DISTANCES[level](totals, np.array(values, dtype=np.float64))
    expected = (np.outer(totals, totals) * distances).sum() / (n - 1)
    if expected <= 0:
        return None
    return float(1 - (coincidences * distances).sum() / expected)


def _nominal(totals: Matrix, values: Matrix) -> Matrix:
    return 1.0 - np.eye(len(values))


def _interval(totals: Matrix, values: Matrix) -> Matrix:
    return (values[:, None] - values[None, :]) ** 2


def _ordinal(totals: Matrix, values: Matrix) -> Matrix:
    """Squared number of values given between two ranks, half of either rank's own counted."""
    distances = np.zeros((len(values), len(values)))
    for low, high in combinations(range(len(values)), 2):
        between = totals[low : high + 1].sum() - (totals[low] + totals[high]) / 2
        distances[low, high] = distances[high, low] = between**2
    return distances


_DISTANCES: dict[Level, Callable[[Matrix, Matrix], Matrix]] = {
    "nominal": _nominal,
    "ordinal": _ordinal,
    "interval": _interval,
}
