"""Batches are a pure function of (seed, cycle, number of rows)."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.training.batches import batches


@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 20), st.integers(0, 3), st.integers(1, 3))
def test_every_pass_visits_every_row_once(rows: int, size: int, steps: int, seed: int, cycle: int) -> None:
    """Over any number of steps two rows differ by at most one visit in complete passes."""
    made = list(batches(rows, batch_size=size, steps=steps, seed=seed, cycle=cycle))
    assert [len(batch) for batch in made] == [min(size, rows)] * steps
    flat = [row for batch in made for row in batch]
    for start in range(0, len(flat) - rows + 1, rows):
        assert sorted(flat[start : start + rows]) == list(range(rows))
    assert max(Counter(flat).values()) - min(Counter(flat)[row] for row in range(rows)) <= 1


def test_other_random_states_do_not_matter() -> None:
    """Torch's, numpy's and Python's global generators have no say in the batches."""

    def draw(noise: int) -> list[list[int]]:
        torch.manual_seed(noise)
        np.random.seed(noise)
        random.seed(noise)
        return list(batches(17, batch_size=4, steps=9, seed=3, cycle=2))

    assert draw(1) == draw(2)


def test_seed_and_cycle_choose_other_batches() -> None:
    """Another seed or another cycle gives another order."""
    orders = {
        str(list(batches(17, batch_size=4, steps=4, seed=seed, cycle=cycle)))
        for seed in (0, 1)
        for cycle in (1, 2, 3)
    }
    assert len(orders) == 6


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    """The number of steps does not change the batches before the end."""
    short = list(batches(11, batch_size=3, steps=4, seed=0, cycle=1))
    assert list(batches(11, batch_size=3, steps=9, seed=0, cycle=1))[:4] == short
