"""Intervals: Wilson's against published numbers, the bootstrap against its limits."""

import doctest
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.evaluation import compare
from sft_shared.evaluation.compare import (
    MAX_DISTINCT,
    paired_bootstrap,
    paired_interval,
    paired_shares,
    wilson_interval,
)

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


def test_many_different_values_are_drawn_as_examples() -> None:
    """Above MAX_DISTINCT differences: against the slow reference, and in several chunks."""
    rng = np.random.default_rng(5)
    ours, theirs = rng.normal(0.5, 0.2, 90), rng.normal(0.4, 0.2, 90)
    assert len(set(ours - theirs)) > MAX_DISTINCT
    result = paired_bootstrap(ours.tolist(), theirs.tolist(), seed=1, num_resamples=50_000)
    delta = ours - theirs
    draws = [delta[[rng.integers(90) for _ in range(90)]].mean() for _ in range(4_000)]
    assert result.difference == pytest.approx(delta.mean())
    assert (result.low, result.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.006)
    assert result.num_won == (delta > 0).sum()
    assert result.num_lost == (delta < 0).sum()


def test_both_ways_of_drawing_agree() -> None:
    """Values just equal and just not equal give the same interval: one function, one distribution."""
    rng = np.random.default_rng(6)
    ours = rng.choice([0.0, 0.5, 1.0], 150)
    theirs = rng.choice([0.0, 0.5], 150)
    few = paired_bootstrap(ours.tolist(), theirs.tolist(), seed=1)
    many = paired_bootstrap((ours + rng.normal(0, 1e-9, 150)).tolist(), theirs.tolist(), seed=2)
    assert (few.low, few.high) == pytest.approx((many.low, many.high), abs=0.01)


@pytest.mark.parametrize("binary", [True, False])
def test_a_95_percent_interval_covers_the_truth_in_about_95_percent(binary: bool) -> None:
    """300 seeded experiments of 150 examples, correlated as two models on the same questions are."""
    covered = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        hardness = rng.random(150)
        noise = rng.normal(0, 0.25, (2, 150))
        if binary:
            # P(hardness + noise < level) at 0.6 and 0.45, by a long simulation below
            ours, theirs = hardness + noise[0] < 0.6, hardness + noise[1] < 0.45
            truth = TRUE_DIFFERENCE
        else:
            ours, theirs = hardness + noise[0] + 0.05, hardness + noise[1] ** 2
            truth = 0.05 - 0.25**2
        found = paired_bootstrap(
            [float(value) for value in ours], [float(value) for value in theirs], seed=seed, num_resamples=600
        )
        covered += found.low <= truth <= found.high
    assert 0.90 * 300 <= covered <= 0.99 * 300


def _level(bar: float) -> float:
    rng = np.random.default_rng(99)
    return float((rng.random(2_000_000) + rng.normal(0, 0.25, 2_000_000) < bar).mean())


TRUE_DIFFERENCE = _level(0.6) - _level(0.45)


def test_the_score_interval_agrees_with_published_values() -> None:
    """21 children: Fagerland and others (2017), Statistical Analysis of Contingency Tables, chapter 8.

    Without a flip among n the ends are z²/(n + z²), as the score test has it in closed form.
    """
    assert [round(end, 3) for end in paired_interval(1, 7, num_total=21)] == [-0.517, -0.026]
    square = 1.959964**2
    for total in (1, 5, 54, 2000):
        assert paired_interval(0, 0, num_total=total) == pytest.approx(
            (-square / (total + square), square / (total + square)), abs=1e-6
        )


counts = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200)).filter(any)


@given(counts)
def test_the_score_interval_holds_the_difference_and_turns_with_the_sign(found: tuple[int, int, int]) -> None:
    """Also of none and of all, inside -1 and 1."""
    won, lost, same = found
    total = won + lost + same
    low, high = paired_interval(won, lost, num_total=total)
    assert -1 <= low <= (won - lost) / total <= high <= 1
    assert paired_interval(lost, won, num_total=total) == pytest.approx((-high, -low), abs=1e-9)


@given(counts)
def test_its_ends_are_where_the_score_test_rejects(found: tuple[int, int, int]) -> None:
    """Against the likeliest share by a search over all of them, in place of the formula."""
    won, lost, same = found
    total = won + lost + same
    for end in paired_interval(won, lost, num_total=total):
        if abs(end) > 1 - 1e-6:
            continue
        shares = np.linspace(max(0.0, -end), (1 - end) / 2, 200_001)[1:-1]
        terms = ((won, shares + end), (lost, shares), (same, 1 - 2 * shares - end))
        with np.errstate(divide="ignore", invalid="ignore"):
            likelihood = sum(count * np.log(share) for count, share in terms if count)
        best = shares[np.nanargmax(likelihood)]
        score = (won - lost - total * end) / np.sqrt(total * (2 * best + end - end**2))
        assert abs(score) == pytest.approx(1.96, abs=0.02)


@pytest.mark.parametrize("total", [8, 10, 20, 50])
@pytest.mark.parametrize("shares", [(0.05, 0.05), (0.1, 0.05), (0.05, 0.15), (0.2, 0.1), (0.3, 0.1)])
def test_the_score_interval_covers_the_truth_where_few_examples_changed(
    total: int, shares: tuple[float, float]
) -> None:
    """2000 seeded experiments of ``total`` examples: 93 % or more; of 50, no more than 2 points too many."""
    draws = np.random.default_rng(total).multinomial(total, [*shares, 1 - sum(shares)], size=2_000)
    truth = shares[0] - shares[1]
    covered = 0
    for (won, lost, _), times in Counter(map(tuple, draws.tolist())).items():
        low, high = paired_interval(won, lost, num_total=total)
        covered += times * (low <= truth <= high)
    assert covered >= 0.93 * 2_000
    assert total < 50 or covered <= 0.97 * 2_000


def test_the_bootstrap_would_cover_much_less() -> None:
    """The same with 10 examples, of which 10 % are won and 5 % lost: 2 of 3 instead of 95 of 100."""
    covered = 0
    for seed in range(200):
        won, lost, same = np.random.default_rng(seed).multinomial(10, [0.1, 0.05, 0.85])
        ours, theirs = [1] * won + [0] * lost + [1] * same, [0] * won + [1] * lost + [1] * same
        pair = paired_bootstrap(ours, theirs, seed=seed, num_resamples=400)
        covered += pair.low <= 0.05 <= pair.high
    assert covered <= 0.8 * 200


def test_unpaired_or_empty_input_is_refused() -> None:
    """A silent zip of unequal lists would compare different questions."""
    with pytest.raises(ValueError, match="paired"):
        paired_bootstrap([True], [True, False], seed=0)
    with pytest.raises(ValueError, match="paired"):
        paired_bootstrap([], [], seed=0)
    with pytest.raises(ValueError, match="right <= total"):
        wilson_interval(3, num_total=2)
    with pytest.raises(ValueError, match="NaN"):
        paired_bootstrap([1.0, float("nan")], [1.0, 0.0], seed=0)
    with pytest.raises(ValueError, match="0 or 1"):
        paired_shares([0.5, 1.0], [1.0, 0.0])
    for won, lost, total in ((-1, 0, 3), (2, 2, 3), (0, 0, 0)):
        with pytest.raises(ValueError, match="counts"):
            paired_interval(won, lost, num_total=total)
