"""p-values against slow obvious references, and what they promise, by simulation."""

from __future__ import annotations

import doctest
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.evaluation import significance
from sft_shared.evaluation.significance import MAX_EXACT, holm, mcnemar, sign_flip


def test_the_worked_examples_hold() -> None:
    assert doctest.testmod(significance).failed == 0


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_counts_the_patterns_that_are_as_lopsided(won: int, lost: int) -> None:
    """Against the sum over all binomial coefficients; won and lost may change places."""
    total = won + lost
    as_extreme = sum(comb(total, k) for k in range(total + 1) if abs(2 * k - total) >= abs(won - lost))
    assert mcnemar(won, lost) == pytest.approx(as_extreme / 2**total)
    assert mcnemar(won, lost) == pytest.approx(mcnemar(lost, won))


def test_mcnemar_agrees_with_a_published_value() -> None:
    """Wins 9, losses 1: p = 0.0215 (Siegel and Castellan's binomial table: 0.011 one-sided, twice)."""
    assert mcnemar(9, 1) == pytest.approx(0.0215, abs=5e-5)
    with pytest.raises(ValueError, match="counts"):
        mcnemar(-1, 2)


@given(st.lists(st.integers(-6, 6), max_size=9))
def test_few_changes_are_tried_in_every_pattern(values: list[int]) -> None:
    """Against a loop over all signs; examples that tie do not count."""
    differences = [value / 4 for value in values]
    patterns = [
        sum(sign * value for sign, value in zip(signs, differences, strict=True))
        for signs in product((-1, 1), repeat=len(differences))
    ]
    expected = sum(abs(each) >= abs(sum(differences)) - 1e-9 for each in patterns) / len(patterns)
    assert sign_flip(differences, seed=0) == pytest.approx(expected)


def test_many_changes_are_drawn_to_the_same_value() -> None:
    """One above MAX_EXACT, against all patterns; drawn in one chunk and in many."""
    rng = np.random.default_rng(0)
    differences = (rng.normal(0.15, 0.5, MAX_EXACT + 1)).tolist()
    patterns = np.array(list(product((-1, 1), repeat=len(differences)))) @ np.array(differences)
    exact = float((np.abs(patterns) >= abs(sum(differences)) - 1e-12).mean())
    assert sign_flip(differences, seed=1, num_permutations=20_000) == pytest.approx(exact, abs=0.012)
    assert sign_flip(differences, seed=1) == sign_flip(differences, seed=1)


def test_chunks_do_not_lose_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a chunk of a few rows the count is that of all permutations."""
    monkeypatch.setattr(significance, "CHUNK", 100)
    same_sign = [0.5] * 30
    assert sign_flip(same_sign, seed=0, num_permutations=999) == pytest.approx(1 / 1000)


def test_a_permutation_p_is_never_zero_and_nan_is_refused() -> None:
    assert sign_flip([1.0] * 200, seed=0, num_permutations=99) == 0.01
    assert sign_flip([], seed=0) == 1.0
    with pytest.raises(ValueError, match="NaN"):
        sign_flip([1.0, float("nan")], seed=0)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_is_the_definition(p_values: list[float]) -> None:
    """Corrected p of the i-th smallest: the largest (m - j + 1) p_j up to it; order is kept."""
    ordered = sorted(p_values)
    steps = [min(1.0, (len(ordered) - j) * p) for j, p in enumerate(ordered)]
    expected = {p: max(steps[: j + 1]) for j, p in enumerate(ordered)}
    found = holm(p_values)
    assert found == pytest.approx([expected[p] for p in p_values])
    assert all(raw <= corrected <= 1 for raw, corrected in zip(p_values, found, strict=True))


def test_holm_refuses_what_is_no_p_value() -> None:
    for wrong in (float("nan"), -0.1, 1.1):
        with pytest.raises(ValueError, match="p-value"):
            holm([0.5, wrong])


def test_without_a_difference_a_family_errs_in_at_most_5_percent() -> None:
    """400 families of 6 tests on equal models: uncorrected about one in five errs, corrected at most 7 %."""
    raw = corrected = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        p_values = []
        for test in range(6):
            if test % 2:
                changed = rng.random(60) < 0.5
                won = int((rng.random(60) < 0.5)[changed].sum())
                p_values.append(mcnemar(won, int(changed.sum()) - won))
            else:
                p_values.append(sign_flip(rng.normal(0, 1, 40).tolist(), seed=seed, num_permutations=399))
        raw += min(p_values) < 0.05
        corrected += min(holm(p_values)) < 0.05
    assert raw > 0.12 * 400
    assert corrected <= 0.07 * 400
