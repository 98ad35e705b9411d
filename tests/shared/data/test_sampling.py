"""Samplers are pure functions of their arguments, and draw what they promise."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sft_shared.data.sampling import (
    ClassWeightedSampling,
    CurriculumSampling,
    MixtureSampling,
    Pool,
    SamplingSettings,
    SequentialSampling,
    ShuffledSampling,
)
from sft_shared.errors import DataError

KINDS: list[Any] = [
    ShuffledSampling(),
    SequentialSampling(),
    ClassWeightedSampling(power=0.5),
    ClassWeightedSampling(weights={"a": 1, "b": 3}),
    CurriculumSampling(difficulty="length"),
    CurriculumSampling(difficulty="length", pacing="step", num_stages=3),
    MixtureSampling(weights={"x": 0.7, "y": 0.2, "z": 0.1}),
]
PACINGS: list[dict[str, Any]] = [
    {"pacing": "linear"},
    {"pacing": "root"},
    {"pacing": "step", "num_stages": 2},
    {"pacing": "step", "num_stages": 5},
]
each_kind = pytest.mark.parametrize("sampler", KINDS, ids=lambda sampler: str(sampler.kind))


def pool(rows: int) -> Pool:
    """Rows of two classes and three sources; row numbers and difficulties run in opposite directions."""
    return Pool(
        categories=tuple("ab"[row % 5 == 0] for row in range(rows)),
        sources=tuple("xyz"[row % 3] for row in range(rows)),
        difficulty=tuple(float(rows - row) for row in range(rows)),
    )


def drawn(sampler: Any, rows: Pool, **arguments: int) -> list[list[int]]:
    return list(sampler(rows, **({"batch_size": 4, "steps": 12, "seed": 0, "cycle": 1} | arguments)))


def flat(lists: list[list[int]]) -> list[int]:
    return [row for rows in lists for row in rows]


@each_kind
@settings(max_examples=25)
@given(
    rows=st.integers(6, 40),
    size=st.integers(1, 9),
    steps=st.integers(0, 15),
    seed=st.integers(0, 2**40),
    cycle=st.integers(1, 9),
)
def test_as_many_lists_as_steps(
    sampler: Any, rows: int, size: int, steps: int, seed: int, cycle: int
) -> None:
    """Every list has the batch's size, but no more than there are rows, and holds row numbers."""
    made = drawn(sampler, pool(rows), batch_size=size, steps=steps, seed=seed, cycle=cycle)
    assert [len(batch) for batch in made] == [min(size, rows)] * steps
    assert set(flat(made)) <= set(range(rows))


@each_kind
@settings(max_examples=15)
@given(st.integers(0, 12), st.integers(0, 3), st.integers(1, 3))
def test_to_resume_is_to_skip_lists(sampler: Any, done: int, seed: int, cycle: int) -> None:
    """Whoever skips k lists of a new call goes on with what the first call gives from k on."""
    whole = drawn(sampler, pool(23), seed=seed, cycle=cycle)
    again = sampler(pool(23), batch_size=4, steps=12, seed=seed, cycle=cycle)
    assert list(islice(again, done, None)) == whole[done:]


@each_kind
def test_other_random_states_do_not_matter(sampler: Any) -> None:
    """Torch's, numpy's and Python's global generators have no say."""

    def draw(noise: int) -> list[list[int]]:
        torch.manual_seed(noise)
        np.random.seed(noise)
        random.seed(noise)
        return drawn(sampler, pool(23))

    assert draw(1) == draw(2)


@pytest.mark.parametrize("sampler", [kind for kind in KINDS if kind.kind != "sequential"], ids=repr)
def test_seed_and_cycle_choose_other_lists(sampler: Any) -> None:
    """Another seed or another cycle gives other lists."""
    runs = {str(drawn(sampler, pool(23), seed=seed, cycle=cycle)) for seed in (0, 1) for cycle in (1, 2, 3)}
    assert len(runs) == 6


@each_kind
def test_no_rows_is_an_error_before_the_first_list(sampler: Any) -> None:
    """The call itself fails, not the first step."""
    with pytest.raises(DataError, match=r"no rows to draw from\. Give at least one example."):
        sampler(Pool(categories=(), sources=(), difficulty=()), batch_size=4, steps=1, seed=0, cycle=1)


@each_kind
def test_settings_survive_yaml_and_are_told_apart_by_kind(sampler: Any) -> None:
    """The union reads back every variant from its plain values."""
    assert TypeAdapter(SamplingSettings).validate_python(sampler.model_dump(mode="json")) == sampler


@settings(max_examples=100)
@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 20), st.integers(0, 2**33), st.integers(1, 3))
def test_shuffled_draws_what_it_always_drew(rows: int, size: int, steps: int, seed: int, cycle: int) -> None:
    """The lists are those of reshuffled passes cut into batches, seeded by (seed, cycle, pass)."""
    expected, order, number = [], [], 0
    for _ in range(steps):
        while len(order) < min(size, rows):
            order += np.random.default_rng((seed, cycle, number)).permutation(rows).tolist()
            number += 1
        expected.append(order[: min(size, rows)])
        order = order[min(size, rows) :]
    assert (
        drawn(ShuffledSampling(), pool(rows), batch_size=size, steps=steps, seed=seed, cycle=cycle)
        == expected
    )


def test_sequential_is_file_order_wrapping_round() -> None:
    """The first cycle begins at row 0; the next goes on where it ended; the seed has no say."""
    first = drawn(SequentialSampling(), pool(5), batch_size=3, steps=4, seed=1)
    assert first == [[0, 1, 2], [3, 4, 0], [1, 2, 3], [4, 0, 1]]
    assert drawn(SequentialSampling(), pool(5), batch_size=3, steps=4, seed=2) == first
    second = drawn(SequentialSampling(), pool(5), batch_size=3, steps=4, cycle=2)
    assert second[:2] == [[2, 3, 4], [0, 1, 2]]


def classes(**counts: int) -> Pool:
    names = [name for name, count in counts.items() for _ in range(count)]
    return Pool(categories=tuple(names), sources=("s",) * len(names), difficulty=None)


@pytest.mark.parametrize(
    ("sampler", "shares"),
    [
        (ClassWeightedSampling(power=0), (0.81, 0.16, 0.03)),
        (ClassWeightedSampling(power=1), (1 / 3, 1 / 3, 1 / 3)),
        (ClassWeightedSampling(power=0.5), (9 / (13 + 3**0.5), 4 / (13 + 3**0.5), 3**0.5 / (13 + 3**0.5))),
        (ClassWeightedSampling(weights={"a": 0, "b": 2, "c": 6}), (0, 0.25, 0.75)),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_classes_come_as_often_as_said(
    sampler: ClassWeightedSampling, shares: tuple[float, ...], seed: int
) -> None:
    """Class frequencies over 20,000 draws are within five standard errors of what is asked for."""
    rows = classes(a=81, b=16, c=3)
    seen = Counter(
        rows.categories[row] for row in flat(drawn(sampler, rows, batch_size=20, steps=1000, seed=seed))
    )
    for name, share in zip("abc", shares, strict=True):
        assert abs(seen[name] / 20_000 - share) <= 5 * math.sqrt(share * (1 - share) / 20_000)


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 5))
def test_a_class_is_seen_whole_before_a_row_comes_twice(a: int, b: int, seed: int) -> None:
    """The draws of one class are passes, each with every row of it once, in changing orders."""
    rows = classes(a=a, b=b)
    order = flat(drawn(ClassWeightedSampling(power=1), rows, steps=50, seed=seed))
    for name, members in (("a", range(a)), ("b", range(a, a + b))):
        own = [row for row in order if rows.categories[row] == name]
        whole = [own[at : at + len(members)] for at in range(0, len(own) - len(members) + 1, len(members))]
        assert all(sorted(one) == list(members) for one in whole)
        assert len(members) < 6 or len(set(map(tuple, whole))) > 1


def test_class_errors_say_what_to_do() -> None:
    """Rows without a category, and weights that do not fit the classes, fail when called."""
    loose = Pool(categories=("a", None, None), sources=("s",) * 3, difficulty=None)
    with pytest.raises(
        DataError,
        match=r"2 of 3 rows have no category \(the first is row 1\).*Give every example a category, or",
    ):
        ClassWeightedSampling(power=1)(loose, batch_size=1, steps=1, seed=0, cycle=1)
    with pytest.raises(
        DataError,
        match=r"fit the classes of the data: d, e unknown; b, c missing. Found in the data: a, b, c\.",
    ):
        ClassWeightedSampling(weights={"a": 1, "e": 1, "d": 1})(
            classes(a=1, b=1, c=1), batch_size=1, steps=1, seed=0, cycle=1
        )
    for wrong in ({}, {"power": 0.5, "weights": {"a": 1}}):
        with pytest.raises(ValidationError, match="needs either power or weights; give one of them"):
            ClassWeightedSampling.model_validate(wrong)


@pytest.mark.parametrize("weights", [{}, {"x": 0}, {"x": -1}, {"x": math.inf}, {"x": math.nan}])
def test_weights_that_mean_nothing_are_refused(weights: dict[str, float]) -> None:
    """No weight above 0, a negative one, or one that is no finite number."""
    for variant in (ClassWeightedSampling, MixtureSampling):
        with pytest.raises(ValidationError, match="weights"):
            variant(weights=weights)


WEIGHTS = st.lists(
    st.one_of(st.floats(1e-3, 100), st.sampled_from([0, 1, 1, 2, 20, 50])), min_size=1, max_size=8
).filter(any)


@settings(max_examples=150)
@given(WEIGHTS, st.integers(1, 7), st.integers(1, 20), st.integers(1, 6))
def test_mixture_counts_are_within_one_of_the_weights(
    weights: list[float], size: int, steps: int, cycle: int
) -> None:
    """After any slot, counted over all cycles so far, each source is less than one row off its share."""
    names = [f"s{number}" for number in range(len(weights))]
    rows = Pool(categories=(None,) * 2 * len(names), sources=tuple(names * 2), difficulty=None)
    sampler = MixtureSampling(weights=dict(zip(names, weights, strict=True)))
    seen: Counter[str] = Counter()
    slots = 0
    for number in range(1, cycle + 1):
        for row in flat(drawn(sampler, rows, batch_size=size, steps=steps, cycle=number)):
            slots += 1
            seen[rows.sources[row]] += 1
            for name, weight in zip(names, weights, strict=True):
                assert abs(seen[name] - slots * weight / sum(weights)) < 1 + 1e-9


def test_mixture_holds_where_the_largest_deficit_does_not() -> None:
    """Weights for which serving the largest deficit first goes 1.2 rows off; and a zero weight gets none."""
    weights = {"a": 1, "b": 1, "c": 50, "d": 1, "e": 50, "f": 20, "g": 1, "h": 1, "i": 0}
    rows = Pool(categories=(None,) * 9, sources=tuple(weights), difficulty=None)
    order = flat(drawn(MixtureSampling(weights=weights), rows, batch_size=1, steps=500))
    for slots in range(1, 501):
        seen = Counter(order[:slots])
        assert all(abs(seen[row] - slots * weight / 125) < 1 for row, weight in enumerate(weights.values()))
    assert seen[8] == 0
    assert [seen[row] for row in range(8)] == [4, 4, 200, 4, 200, 80, 4, 4]


def test_mixture_takes_a_source_in_passes_and_a_rare_one_over_short_cycles() -> None:
    """A source's rows all come before one comes twice; 2 % gets its turn though a cycle has 5 slots."""
    rows = Pool(categories=(None,) * 12, sources=("x",) * 10 + ("y",) * 2, difficulty=None)
    sampler = MixtureSampling(weights={"x": 0.98, "y": 0.02})
    own = [row for row in flat(drawn(sampler, rows, steps=30)) if row < 10]
    for start in range(0, 110, 10):
        assert sorted(own[start : start + 10]) == list(range(10))
    cycles = [flat(drawn(sampler, rows, batch_size=5, steps=1, cycle=cycle)) for cycle in range(1, 101)]
    assert sum(row >= 10 for row in flat(cycles)) == 10


def test_mixture_errors_say_which_sources() -> None:
    """Weights for sources that are not there, or none for one that is, fail when called."""
    with pytest.raises(
        DataError, match=r"fit the sources of the data: w unknown; z missing. Found in the data: x, y, z\."
    ):
        MixtureSampling(weights={"x": 1, "y": 1, "w": 1})(pool(6), batch_size=1, steps=1, seed=0, cycle=1)


@pytest.mark.parametrize("pacing", PACINGS)
@settings(max_examples=60)
@given(start=st.floats(0.01, 1), full=st.floats(0.01, 1), steps=st.integers(2, 60))
def test_competence_grows_from_the_start_share_to_all(
    pacing: dict[str, Any], start: float, full: float, steps: int
) -> None:
    """It begins at start_share, never falls, is whole from full_after on and at the last step."""
    sampler = CurriculumSampling(difficulty="loss", start_share=start, full_after=full, **pacing)
    shares = [sampler.share(step, steps=steps) for step in range(steps)]
    assert shares[0] == pytest.approx(start)
    assert shares == sorted(shares)
    assert all(share == 1 for step, share in enumerate(shares) if step >= max(1, full * steps))
    assert shares[-1] == 1


def test_competence_is_that_of_the_paper() -> None:
    """Platanios et al.: c0 + (1 - c0) t, and its root counterpart; the stages are levels of the first."""

    def shares(**pacing: Any) -> list[float]:
        sampler = CurriculumSampling(difficulty="loss", start_share=0.2, full_after=1, **pacing)
        return [sampler.share(step, steps=5) for step in range(5)]

    assert shares(pacing="linear") == pytest.approx([0.2, 0.4, 0.6, 0.8, 1])
    assert shares(pacing="root") == pytest.approx([math.sqrt(0.04 + 0.96 * t / 4) for t in range(5)])
    assert shares(pacing="step", num_stages=3) == pytest.approx([0.2, 0.2, 0.6, 0.6, 1])
    half = CurriculumSampling(difficulty="loss", start_share=0.2, full_after=0.5, pacing="linear")
    assert [half.share(step, steps=6) for step in range(6)] == pytest.approx([0.2, 0.6, 1, 1, 1, 1])


@pytest.mark.parametrize("pacing", PACINGS)
@settings(max_examples=40)
@given(
    st.integers(1, 40),
    st.integers(1, 8),
    st.integers(1, 30),
    st.floats(0.01, 1),
    st.floats(0.05, 1),
    st.integers(0, 9),
)
def test_curriculum_draws_from_the_easiest_rows(
    pacing: dict[str, Any], rows: int, size: int, steps: int, start: float, full: float, seed: int
) -> None:
    """Every step keeps to the easiest share (at least a batch), and no batch holds a row twice."""
    sampler = CurriculumSampling(difficulty="loss", start_share=start, full_after=full, **pacing)
    made = drawn(sampler, pool(rows), batch_size=size, steps=steps, seed=seed)
    for step, batch in enumerate(made):
        in_use = max(math.ceil(sampler.share(step, steps=steps) * rows - 1e-9), min(size, rows))
        assert all(rows - 1 - row < in_use for row in batch)  # the last row is the easiest
        assert len(set(batch)) == len(batch)


def test_first_step_is_easy_and_the_end_sees_all() -> None:
    """100 rows, a tenth at first: steps of 5 stay among the 10 easiest, later ones reach every row."""
    sampler = CurriculumSampling(difficulty="rarity", start_share=0.1, full_after=0.5, pacing="linear")
    made = drawn(sampler, pool(100), batch_size=5, steps=80)
    assert set(made[0]) <= set(range(90, 100))
    hardest = [min(flat(made[: step + 1])) for step in range(80)]
    assert hardest[5] > hardest[20] > hardest[39]
    assert set(flat(made[40:])) == set(range(100))


@settings(max_examples=60)
@given(st.integers(4, 30), st.integers(1, 6), st.sampled_from(PACINGS), st.integers(0, 9))
def test_rows_of_equal_standing_are_seen_equally_often(
    rows: int, size: int, pacing: dict[str, Any], seed: int
) -> None:
    """Rows that came into use at the same step never differ by more than one visit."""
    sampler = CurriculumSampling(difficulty="length", start_share=0.2, **pacing)
    made = drawn(sampler, pool(rows), batch_size=size, steps=30, seed=seed)
    since: dict[int, list[int]] = {}
    for place in range(rows):
        step = next(
            step
            for step in range(30)
            if place < max(math.ceil(sampler.share(step, steps=30) * rows - 1e-9), min(size, rows))
        )
        since.setdefault(step, []).append(rows - 1 - place)
    for end in range(1, 31):
        seen = Counter(flat(made[:end]))
        for members in since.values():
            visits = [seen[row] for row in members]
            assert max(visits) - min(visits) <= 1


def test_a_row_new_to_the_curriculum_joins_the_pass() -> None:
    """With everything in use from the second step on, one pass brings every row that is still due."""
    sampler = CurriculumSampling(difficulty="length", start_share=0.5, full_after=0.01)
    made = drawn(sampler, pool(12), batch_size=3, steps=5)
    assert set(made[0]) <= set(range(6, 12))
    assert sorted(flat(made[:4])) == list(range(12))


def test_ties_in_difficulty_fall_to_the_seed() -> None:
    """Equally hard rows begin the curriculum in an order of the seed, not of the file."""
    level = Pool(categories=(None,) * 50, sources=("s",) * 50, difficulty=(1.0,) * 50)
    sampler = CurriculumSampling(difficulty="length", start_share=0.1)
    firsts = [set(drawn(sampler, level, batch_size=5, steps=4, seed=seed)[0]) for seed in range(10)]
    assert len({tuple(sorted(first)) for first in firsts}) == 10
    assert len(set.union(*firsts)) > 25


def test_curriculum_errors_say_what_to_do() -> None:
    """A difficulty that is no number names its row; stages go with step pacing and only with it."""
    rows = Pool(categories=(None,) * 4, sources=("s",) * 4, difficulty=(1.0, math.nan, 2.0, math.inf))
    with pytest.raises(
        DataError, match=r"\(loss\) of 2 of 4 rows is not a finite number \(the first is row 1\)"
    ):
        CurriculumSampling(difficulty="loss")(rows, batch_size=1, steps=1, seed=0, cycle=1)
    for wrong in ({"pacing": "step"}, {"pacing": "root", "num_stages": 3}):
        with pytest.raises(ValidationError, match="step pacing needs num_stages, and the others have none"):
            CurriculumSampling.model_validate({"difficulty": "loss"} | wrong)
