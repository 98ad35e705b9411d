"""Intervals: Wilson's against published numbers, the bootstrap against its limits."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.evaluation import compare
from sft_shared.evaluation.compare import paired_bootstrap, wilson_interval

answers = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80)


def test_wilson_agrees_with_published_values() -> None:
    """81 of 263 gives 25.5 % to 36.6 % (Newcombe 1998, Statistics in Medicine 17:857, table I)."""
    assert doctest.testmod(compare).failed == 0
    low, high = wilson_interval(81, num_total=263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    low, high = wilson_interval(0, num_total=20)
    assert (low, round(high, 4)) == (0.0, 0.1611)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_within_unit_bounds(counts: tuple[int, int]) -> None:
    """0 <= low <= share <= high <= 1, and mirrored for the wrong answers."""
    right, total = counts
    low, high = wilson_interval(right, num_total=total)
    assert 0 <= low <= right / total <= high <= 1
    other_low, other_high = wilson_interval(total - right, num_total=total)
    assert low == pytest.approx(1 - other_high)
    assert high == pytest.approx(1 - other_low)


@given(answers, st.integers(0, 5))
def test_the_difference_is_antisymmetric_and_seeded(pairs: list[tuple[bool, bool]], seed: int) -> None:
    """Swapping the models flips the sign; the same seed gives the same interval."""
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    forward = paired_bootstrap(ours, theirs, seed=seed, num_resamples=500)
    backward = paired_bootstrap(theirs, ours, seed=seed, num_resamples=500)
    assert forward.difference == pytest.approx(-backward.difference)
    assert (forward.num_won, forward.num_lost) == (backward.num_lost, backward.num_won)
    assert forward == paired_bootstrap(ours, theirs, seed=seed, num_resamples=500)
    assert -1 <= forward.low <= forward.high <= 1


def test_equal_models_differ_by_exactly_nothing() -> None:
    """Ties carry no noise: pairing removes the spread of question difficulty."""
    same = [True, False] * 30
    result = paired_bootstrap(same, same, seed=0)
    assert (result.difference, result.low, result.high) == (0, 0, 0)


def test_the_multinomial_draw_is_the_bootstrap_over_questions() -> None:
    """Against the slow reference that draws question numbers: intervals within half a point."""
    rng = np.random.default_rng(3)
    ours, theirs = rng.random(120) < 0.5, rng.random(120) < 0.3
    result = paired_bootstrap(ours.tolist(), theirs.tolist(), seed=1)
    delta = ours.astype(float) - theirs.astype(float)
    draws = delta[rng.integers(0, 120, size=(20_000, 120))].mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert result.low == pytest.approx(low, abs=0.01)
    assert result.high == pytest.approx(high, abs=0.01)


def test_unpaired_or_empty_input_is_refused() -> None:
    """A silent zip of unequal lists would compare different questions."""
    with pytest.raises(ValueError, match="paired"):
        paired_bootstrap([True], [True, False], seed=0)
    with pytest.raises(ValueError, match="paired"):
        paired_bootstrap([], [], seed=0)
    with pytest.raises(ValueError, match="right <= total"):
        wilson_interval(3, num_total=2)
