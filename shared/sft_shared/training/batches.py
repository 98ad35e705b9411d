"""Which rows make up which step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def batches(num_rows: int, *, batch_size: int, steps: int, seed: int, cycle: int) -> Iterator[list[int]]:
    """Yield ``steps`` lists of row numbers: reshuffled passes over the rows, cut into batches.

    A pure function of its arguments. Each pass visits every row once; a batch may span two passes. A
    batch never holds more rows than there are.
    """
    size = min(batch_size, num_rows)
    order: list[int] = []
    passes = 0
    for _ in range(steps):
        while len(order) < size:
            shuffle = np.random.default_rng((seed, cycle, passes))
            order += shuffle.permutation(num_rows).tolist()
            passes += 1
        yield order[:size]
        order = order[size:]
