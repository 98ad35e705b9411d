"""Examples made from other examples: who descends from whom, and who falls with whom."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_GENERATIONS = 32
"""Origins followed upwards; a longer chain, or a ring, ends there."""


def parents(ids: NDArray[Any], origins: NDArray[Any]) -> NDArray[np.int64]:
    """The place of each example's origin, -1 without one or if it is not there."""
    order = np.argsort(ids, kind="stable")
    at = np.minimum(np.searchsorted(ids[order], origins), max(len(ids) - 1, 0))
    found = order[at] if len(ids) else np.zeros(0, np.int64)
    return np.where((origins != 0) & (ids[found] == origins), found, -1)


def families(ids: NDArray[Any], origins: NDArray[Any]) -> NDArray[np.uint64]:
    """One number for all examples that descend from one: its id, also where it is not there itself."""
    parent = parents(ids, origins)
    top = np.arange(len(ids))
    for _ in range(MAX_GENERATIONS):
        above = parent[top]
        if (above < 0).all():
            break
        top = np.where(above < 0, top, above)
    return np.where(origins[top] == 0, ids[top], origins[top]).astype(np.uint64)


def fallen(
    ids: NDArray[Any],
    origins: NDArray[Any],
    *,
    held_out: NDArray[Any],
    rules: NDArray[np.uint8],
    twins: NDArray[np.int64],
    codes: tuple[int, int],
) -> None:
    """Mark in ``rules`` the training examples whose origin is held out (first code) or dropped (second)."""
    parent = parents(ids, origins)
    for _ in range(MAX_GENERATIONS):
        above = np.maximum(parent, 0)
        stays = (rules == 0) & (parent >= 0)
        given_away = stays & ~held_out & (held_out[above] | (rules[above] == codes[0]))
        orphaned = stays & ~given_away & (rules[above] != 0)
        if not (given_away | orphaned).any():
            return
        rules[given_away], rules[orphaned] = codes
        goes = given_away | orphaned
        twins[goes] = parent[goes]
