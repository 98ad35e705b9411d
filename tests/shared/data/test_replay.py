"""Replay mixes in exactly its share of general rows, and loses no domain row."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sft_shared.data.replay import ReplaySettings
from sft_shared.data.sampling import (
    ClassWeightedSampling,
    CurriculumSampling,
    MixtureSampling,
    Pool,
    SequentialSampling,
    ShuffledSampling,
)
from sft_shared.errors import DataError

DOMAIN = Pool(
    categories=tuple("ab"[row % 5 == 0] for row in range(20)),
    sources=tuple("xyz"[row % 3] for row in range(20)),
    difficulty=tuple(float(row) for row in range(20)),
)
STREAMS: list[Any] = [
    ShuffledSampling(),
    SequentialSampling(),
    ClassWeightedSampling(power=1),
    MixtureSampling(weights={"x": 1, "y": 2, "z": 3}),
]


def drawn(replay: ReplaySettings, sampling: Any, **arguments: int) -> list[list[int]]:
    given = {"num_general": 7, "batch_size": 4, "steps": 50, "seed": 0, "cycle": 1} | arguments
    return list(replay(sampling, DOMAIN, **given))


def general(batch: list[int]) -> list[int]:
    return [row for row in batch if row >= 20]


@st.composite
def replays(draw: st.DrawFn) -> ReplaySettings:
    fraction = draw(st.one_of(st.just(0.05), st.floats(0.001, 0.9)))
    ramp = draw(st.integers(0, 40))
    start = draw(st.floats(fraction, 1)) if ramp else None
    return ReplaySettings(fraction=fraction, ramp_steps=ramp, start_fraction=start)


@settings(max_examples=150)
@given(replays(), st.sampled_from([1, 2, 4, 9, 16]), st.integers(1, 30), st.integers(1, 5))
def test_general_rows_are_within_one_of_their_share(
    replay: ReplaySettings, size: int, steps: int, cycle: int
) -> None:
    """After any step, of this cycle or of all cycles so far, the count is less than one off the sum."""
    total, total_target = 0, 0.0
    for number in range(1, cycle + 1):
        count, target = 0, 0.0
        made = drawn(replay, ShuffledSampling(), batch_size=size, steps=steps, cycle=number)
        assert [len(batch) for batch in made] == [size] * steps
        for step, batch in enumerate(made):
            count += len(general(batch))
            target += size * replay.share((number - 1) * steps + step)
            assert abs(count - target) < 1 + 1e-9
            assert abs(total + count - total_target - target) < 1 + 1e-9
        total, total_target = total + count, total_target + target


@pytest.mark.parametrize("size", [1, 4])
def test_small_batches_and_short_cycles_get_their_five_percent(size: int) -> None:
    """5 % of 400 slots are 20, in one cycle of small batches and in cycles of two steps."""
    replay = ReplaySettings()
    whole = drawn(replay, ShuffledSampling(), batch_size=size, steps=400 // size)
    assert sum(len(general(batch)) for batch in whole) == 20
    short = [
        drawn(replay, ShuffledSampling(), batch_size=size, steps=2, cycle=cycle)
        for cycle in range(1, 200 // size + 1)
    ]
    assert sum(len(general(batch)) for made in short for batch in made) == 20


@pytest.mark.parametrize("sampling", STREAMS, ids=repr)
@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.9])
def test_no_domain_row_is_lost(sampling: Any, fraction: float) -> None:
    """The domain rows come in the order that the sampler alone would have given them."""
    made = drawn(ReplaySettings(fraction=fraction), sampling, batch_size=8)
    domain = [row for batch in made for row in batch if row < 20]
    alone = [row for batch in sampling(DOMAIN, batch_size=8, steps=50, seed=0, cycle=1) for row in batch]
    assert len(domain) < len(alone)
    assert domain == alone[: len(domain)]


def test_general_rows_come_in_passes() -> None:
    """Each of the 7 general rows comes before one comes twice; they follow the domain's numbers."""
    order = [
        row for batch in drawn(ReplaySettings(fraction=0.5), ShuffledSampling()) for row in general(batch)
    ]
    passes = [tuple(order[start : start + 7]) for start in range(0, 98, 7)]
    assert all(sorted(one) == list(range(20, 27)) for one in passes)
    assert len(set(passes)) > 10


def test_curriculum_keeps_to_its_steps_under_replay() -> None:
    """Replay takes slots, not steps: the first lists are easy, and the last reach all rows."""
    sampling = CurriculumSampling(difficulty="length", start_share=0.25, full_after=0.5)
    made = drawn(ReplaySettings(fraction=0.5), sampling)
    assert all(row < 5 for row in made[0] if row < 20)
    assert {row for batch in made[25:] for row in batch} == set(range(27))


def test_the_share_falls_in_a_line_and_stays() -> None:
    """From start_fraction at the first step to fraction at step ramp_steps, counted over all cycles."""
    replay = ReplaySettings(fraction=0.1, ramp_steps=4, start_fraction=0.5)
    assert [replay.share(step) for step in range(6)] == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1, 0.1])
    made = drawn(replay, ShuffledSampling(), batch_size=10, steps=3)
    assert [len(general(batch)) for batch in made] == [5, 4, 3]
    made = drawn(replay, ShuffledSampling(), batch_size=10, steps=3, cycle=2)
    assert [len(general(batch)) for batch in made] == [2, 1, 1]


@settings(max_examples=30)
@given(replays(), st.integers(0, 50), st.integers(0, 3), st.integers(1, 3))
def test_to_resume_is_to_skip_lists(replay: ReplaySettings, done: int, seed: int, cycle: int) -> None:
    """Whoever skips k lists of a new call goes on with what the first call gives from k on."""
    whole = drawn(replay, ShuffledSampling(), seed=seed, cycle=cycle)
    again = replay(ShuffledSampling(), DOMAIN, num_general=7, batch_size=4, steps=50, seed=seed, cycle=cycle)
    assert list(islice(again, done, None)) == whole[done:]


def test_seed_and_cycle_choose_other_general_rows() -> None:
    """Another seed or another cycle brings the general rows in another order."""
    orders = {
        str(
            [
                general(batch)
                for batch in drawn(ReplaySettings(), SequentialSampling(), seed=seed, cycle=cycle)
            ]
        )
        for seed in (0, 1)
        for cycle in (1, 2, 3)
    }
    assert len(orders) == 6


def test_settings_that_contradict_each_other_are_refused() -> None:
    """A ramp has a length and a start, and goes down; the share is above 0 and at most 0.9."""
    for half in ({"ramp_steps": 5}, {"start_fraction": 0.5}):
        with pytest.raises(ValidationError, match="a ramp needs both, and without one leave both out"):
            ReplaySettings.model_validate(half)
    with pytest.raises(ValidationError, match=r"start_fraction is 0.1, below fraction, which is 0.2"):
        ReplaySettings(fraction=0.2, ramp_steps=5, start_fraction=0.1)
    for fraction in (0, 0.91):
        with pytest.raises(ValidationError, match="fraction"):
            ReplaySettings(fraction=fraction)


def test_replay_needs_general_examples_and_a_domain() -> None:
    """Both errors come from the call itself, not from the first step."""
    with pytest.raises(
        DataError, match=r"no general examples to mix in. Give at least one, or leave replay out"
    ):
        ReplaySettings()(SequentialSampling(), DOMAIN, num_general=0, batch_size=4, steps=1, seed=0, cycle=1)
    empty = Pool(categories=(), sources=(), difficulty=None)
    with pytest.raises(DataError, match="no rows to draw from"):
        ReplaySettings()(SequentialSampling(), empty, num_general=3, batch_size=4, steps=1, seed=0, cycle=1)
