"""Whether a difference is more than chance, and what many looks at the same data cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

MAX_EXACT = 12
"""Up to so many changed examples every pattern of signs is tried; of more, a seeded draw of patterns."""
CHUNK = 1 << 22  # signs drawn at a time


def mcnemar(num_won: int, num_lost: int) -> float:
    """Exact two-sided p-value of McNemar's test (1947, Psychometrika 12:153): do a fair coin's wins look so?

    Examples that both get right or both get wrong say nothing.

    >>> mcnemar(0, 0), mcnemar(5, 5)
    (1.0, 1.0)
    >>> mcnemar(6, 0)  # 2 of 64 patterns are as lopsided
    0.03125
    """
    if min(num_won, num_lost) < 0:
        raise ValueError(f"counts are needed, found {num_won} and {num_lost}")
    if num_won + num_lost == 0:
        return 1.0
    return float(binomtest(num_won, num_won + num_lost, 0.5).pvalue)


def sign_flip(differences: Sequence[float], *, seed: int, num_permutations: int = 10_000) -> float:
    """Two-sided p-value of a paired permutation test: could each difference as well have the other sign?

    Exact for up to MAX_EXACT changed examples. Else the observed pattern counts as one of the draws, so that
    p is never 0 and never too small (Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9:39).
    Raises ValueError for NaN and infinity.

    >>> sign_flip([0.2, 0.1, 0.4, 0.0], seed=0)  # 2 of 8 patterns
    0.25
    """
    values = np.asarray(differences, dtype=float)
    if not np.isfinite(values).all():
        raise ValueError("a difference is NaN or infinite; leave such examples out")
    changed = values[values != 0]
    if not len(changed):
        return 1.0
    # a pattern that gives the same sum in another order of adding is as extreme, not more
    bar = abs(changed.sum()) - 1e-12 * np.abs(changed).sum()
    if len(changed) <= MAX_EXACT:
        places = np.arange(2 ** len(changed))[:, None] >> np.arange(len(changed))
        sums = (1.0 - 2.0 * (places & 1)) @ changed
        return float((np.abs(sums) >= bar).mean())
    rng = np.random.default_rng(seed)
    rows = max(1, CHUNK // len(changed))
    num_extreme = 0
    for done in range(0, num_permutations, rows):
        size = (min(rows, num_permutations - done), len(changed))
        signs = 1.0 - 2.0 * rng.integers(0, 2, size=size, dtype=np.int8)
        num_extreme += int((np.abs(signs @ changed) >= bar).sum())
    return (num_extreme + 1) / (num_permutations + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction, in the same order (1979, Scand. J. Statist. 6:65).

    Where all that are below 0.05 afterwards are called real, a single mistake among them is made in at most
    5 % of such families, however the tests depend on each other.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("a p-value lies from 0 to 1")
    corrected = [0.0] * len(p_values)
    worst = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = worst
    return corrected
