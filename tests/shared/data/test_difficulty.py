"""Difficulty scores that need no model."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_shared.data.chat import Row
from sft_shared.data.difficulty import length_difficulty, rarity_difficulty


def row(*tokens: int) -> Row:
    return Row(input_ids=tokens, labels=tokens, example_id="e")


TOKENS = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=8), min_size=1, max_size=8)


def test_length_counts_all_tokens() -> None:
    """One number a row, in the order of the rows."""
    assert length_difficulty([row(1, 2, 3), row(9), row(4, 4)]) == (3.0, 1.0, 2.0)


def test_rarity_is_the_mean_surprise_of_a_token() -> None:
    """Token 1 is three of four, token 2 one of four; a row of both has the mean of their -log frequency."""
    common, rare = -math.log(3 / 4), -math.log(1 / 4)
    assert rarity_difficulty([row(1, 1), row(1, 2)]) == pytest.approx((common, (common + rare) / 2))


@settings(max_examples=60)
@given(TOKENS)
def test_rarity_is_free_of_length(tokens: list[list[int]]) -> None:
    """Every row said three times over is as rare as it was: frequencies and means stay."""
    once = rarity_difficulty([row(*ids) for ids in tokens])
    assert rarity_difficulty([row(*ids * 3) for ids in tokens]) == pytest.approx(once)


@settings(max_examples=60)
@given(TOKENS)
def test_mean_rarity_by_tokens_is_the_entropy(tokens: list[list[int]]) -> None:
    """Weighted by length, the scores average to the entropy of the token distribution."""
    every = [token for ids in tokens for token in ids]
    shares = [every.count(token) / len(every) for token in set(every)]
    scores = rarity_difficulty([row(*ids) for ids in tokens])
    mean = sum(score * len(ids) for score, ids in zip(scores, tokens, strict=True)) / len(every)
    assert mean == pytest.approx(-sum(share * math.log(share) for share in shares), abs=1e-12)
