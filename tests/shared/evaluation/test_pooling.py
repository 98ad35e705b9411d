"""Totals of corpora: what sums give, against computing them from all answers anew."""

from __future__ import annotations

import doctest
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.evaluation import pooling
from sft_shared.evaluation.metrics.text import bleu_parts
from sft_shared.evaluation.pooling import Parts, PooledDifference, pooled, pooled_difference, pooled_interval

TEXTS = (
    "the parcel comes today at ten",
    "the refund is on its way to you",
    "no",
    "a parcel is on its way today",
)
grams = st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3)), min_size=1, max_size=5)


def words(*texts: str) -> list[Parts]:
    return [{word: text.split().count(word) for word in text.split()} for text in texts]


def compared(ours: Sequence[Parts], theirs: Sequence[Parts], *, draws: int) -> PooledDifference:
    return pooled_difference(
        ours, theirs, pooling="distinct", seed=1, num_resamples=draws, num_permutations=draws
    )


def test_the_worked_examples_hold() -> None:
    """Doctests."""
    assert doctest.testmod(pooling).failed == 0


@given(st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from(TEXTS)), min_size=1, max_size=6))
def test_bleu_of_sums_is_sacrebleus_of_the_corpus(pairs: list[tuple[str, str]]) -> None:
    said, wanted = zip(*pairs, strict=True)
    theirs = sacrebleu.corpus_bleu(list(said), [list(wanted)]).score / 100
    assert pooled([bleu_parts(*pair) for pair in pairs], pooling="bleu") == pytest.approx(theirs, abs=1e-9)


@given(grams)
def test_distinct_is_counted_over_all_answers(parts: list[dict[str, int]]) -> None:
    every = [gram for answer in parts for gram, times in answer.items() for _ in range(times)]
    expected = len(set(every)) / len(every) if every else 0.0
    assert pooled(parts, pooling="distinct") == pytest.approx(expected)


@given(grams, st.randoms(use_true_random=False))
def test_the_p_value_is_that_of_all_exchanges(ours: list[dict[str, int]], chance: object) -> None:
    """Against every pattern of sides, computed answer by answer."""
    theirs: list[dict[str, int]] = [{"a": 1} for _ in ours]
    found = pooled_difference(
        ours, theirs, pooling="distinct", seed=0, num_resamples=2_000, num_permutations=2_000
    )

    def difference(sides: tuple[bool, ...]) -> float:
        one = [other if side else own for own, other, side in zip(ours, theirs, sides, strict=True)]
        two = [own if side else other for own, other, side in zip(ours, theirs, sides, strict=True)]
        return pooled(one, pooling="distinct") - pooled(two, pooling="distinct")

    every = [difference(sides) for sides in product((False, True), repeat=len(ours))]
    exact = np.mean([abs(each) >= abs(every[0]) - 1e-12 for each in every])
    assert found.difference == pytest.approx(every[0])
    assert found.p_value == pytest.approx(exact, abs=0.06)


def test_the_interval_is_that_of_drawing_the_answers_anew() -> None:
    """Against the slow reference, and with few numbers in memory at a time."""
    rng = np.random.default_rng(0)
    ours = words(*(" ".join(rng.choice(list("abcdefghijklmnop"), 6)) for _ in range(40)))
    theirs = words(*(" ".join(rng.choice(list("abcdef"), 6)) for _ in range(40)))
    found = pooled_difference(
        ours, theirs, pooling="distinct", seed=1, num_resamples=1_000, num_permutations=1_000
    )
    drawn = []
    for _ in range(1_000):
        places = rng.integers(0, 40, 40)
        totals = [pooled([each[place] for place in places], pooling="distinct") for each in (ours, theirs)]
        drawn.append(totals[0] - totals[1])
    half = 1.96 * np.std(drawn)
    assert (found.low, found.high) == pytest.approx(
        (found.difference - half, found.difference + half), abs=0.15 * half
    )
    low, high = pooled_interval(ours, pooling="distinct", seed=1, num_resamples=500)
    assert low < pooled(ours, pooling="distinct") < high


def test_little_memory_changes_nothing_but_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = words(*TEXTS), words(*reversed(TEXTS))
    whole = pooled_difference(
        ours, theirs, pooling="distinct", seed=0, num_resamples=500, num_permutations=500
    )
    monkeypatch.setattr(pooling, "CHUNK", 50)
    parts = pooled_difference(
        ours, theirs, pooling="distinct", seed=0, num_resamples=500, num_permutations=500
    )
    assert (parts.difference, parts.p_value) == (whole.difference, whole.p_value)


def test_exchanging_the_two_turns_the_signs() -> None:
    ours, theirs = words(*TEXTS), words(*["no"] * 4)
    there = pooled_difference(
        ours, theirs, pooling="distinct", seed=0, num_resamples=300, num_permutations=300
    )
    back = pooled_difference(
        theirs, ours, pooling="distinct", seed=0, num_resamples=300, num_permutations=300
    )
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p_value == back.p_value


def test_equal_systems_differ_by_nothing_and_unequal_lengths_are_refused() -> None:
    same = pooled_difference(
        words(*TEXTS), words(*TEXTS), pooling="distinct", seed=0, num_resamples=100, num_permutations=100
    )
    assert (same.difference, same.p_value) == (0, 1)
    with pytest.raises(ValueError, match="paired"):
        pooled_difference(
            words(*TEXTS), words("no"), pooling="distinct", seed=0, num_resamples=100, num_permutations=100
        )
    assert pooled([{}, {}], pooling="distinct") == 0
