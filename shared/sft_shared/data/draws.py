"""Endless streams that samplers are made of: reshuffled passes, and slots shared out by weight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import count, islice
from math import gcd, lcm

import numpy as np


def passes(members: Sequence[int], *, seed: int, cycle: int, stream: int | None = None) -> Iterator[int]:
    """Yield ``members`` for ever: each pass holds every one of them once, in an order of its own.

    ``stream`` numbers the streams that one sampler mixes, so that no two of them share their orders.
    """
    lane = () if stream is None else (stream,)
    number = 0
    while members:
        shuffle = np.random.default_rng((seed, cycle, number, *lane))
        for place in shuffle.permutation(len(members)).tolist():
            yield members[place]
        number += 1


def passes_by_label(
    labels: Sequence[str], *, names: Sequence[str], seed: int, cycle: int
) -> list[Iterator[int]]:
    """For each of ``names``, endless `passes` over the rows that have it as their label."""
    members: dict[str, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        members[label].append(row)
    return [
        passes(members[name], seed=seed, cycle=cycle, stream=stream) for stream, name in enumerate(names, 1)
    ]


def cut(rows: Iterator[int], *, sizes: Iterable[int]) -> Iterator[list[int]]:
    """Cut a stream into lists of the given ``sizes``; nothing between two lists is lost."""
    for size in sizes:
        yield list(islice(rows, size))


def proportional_slots(weights: Sequence[float], *, start: int) -> Iterator[int]:
    """Yield for each slot from number ``start`` (from 0) the index of the weight that it goes to.

    After any n slots, counted from slot 0, each index has more than n w - 1 and fewer than n w + 1 of
    them, w being its share of the weights: the m-th slot of an index may not come before (m - 1) / w,
    and of those that may, the one that is due first (at m / w) goes next. This is exact (rational
    arithmetic) and holds for any number of weights, where "largest deficit first" does not. It is the
    chairman assignment problem (Tijdeman 1980), solved as in Pfair scheduling (Baruah et al. 1996).
    Weights are >= 0, one at least > 0. The slots before ``start`` are gone through, but for whole periods:
    0.7, 0.2, 0.1 have a period of 10 slots.
    """
    parts = [Fraction(repr(float(weight))) for weight in weights]  # 0.1 as written: 1/10
    scale = lcm(*(part.denominator for part in parts))
    shares = [int(part * scale) for part in parts]
    shares = [share // gcd(*shares) for share in shares]
    period = sum(shares)
    return islice(_first_due_first(shares), start % period, None)


def _first_due_first(shares: Sequence[int]) -> Iterator[int]:
    """``proportional_slots`` from slot 0, for whole-numbered ``shares``."""
    total = sum(shares)
    counts = [0] * len(shares)
    due = [Fraction(total, share) if share else Fraction(0) for share in shares]  # 0 is never open
    for slot in count(1):
        open_now = [index for index, share in enumerate(shares) if counts[index] * total < share * slot]
        chosen = min(open_now, key=due.__getitem__)
        counts[chosen] += 1
        due[chosen] = Fraction((counts[chosen] + 1) * total, shares[chosen])
        yield chosen
