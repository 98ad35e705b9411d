"""How sure a share is, and whether one model beats another on the same questions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class PairedDifference:
    """``ours - theirs`` as shares in [-1, 1], its confidence interval, and the questions that decided it."""

    difference: float
    low: float
    high: float
    num_won: int  # right by ours only
    num_lost: int  # right by theirs only


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
    ours: Sequence[bool],
    theirs: Sequence[bool],
    *,
    seed: int,
    num_resamples: int = 10_000,
    confidence: float = 0.95,
) -> PairedDifference:
    """Percentile interval of the difference in accuracy over the same questions in the same order.

    Whole questions are resampled, so what is hard for both models cancels. A question can only be won,
    lost or tied: drawing their counts from a multinomial is the same as drawing the questions.
    Raises ValueError if the two do not cover the same, non-zero number of questions.
    """
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"paired questions are needed, found {len(ours)} and {len(theirs)}")
    total = len(ours)
    won = sum(mine and not other for mine, other in zip(ours, theirs, strict=True))
    lost = sum(other and not mine for mine, other in zip(ours, theirs, strict=True))
    chances = np.array([won, lost, total - won - lost]) / total
    draws = np.random.default_rng(seed).multinomial(total, chances, size=num_resamples)
    differences = (draws[:, 0] - draws[:, 1]) / total
    tail = (1 - confidence) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    return PairedDifference(
        difference=(won - lost) / total, low=float(low), high=float(high), num_won=won, num_lost=lost
    )
