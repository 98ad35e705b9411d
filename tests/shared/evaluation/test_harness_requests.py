"""What a task of lm-evaluation-harness asks for is done or refused, never passed over."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.errors import ConfigError
from sft_shared.evaluation import harness_requests
from sft_shared.evaluation.harness_requests import LENGTHS, cut_at_stops, read_generation_request


def test_the_worked_examples_hold() -> None:
    """Every example in the docstrings is run."""
    assert doctest.testmod(harness_requests).failed == 0


@pytest.mark.parametrize("name", LENGTHS)
def test_a_length_has_many_names(name: str) -> None:
    """Each of those that lm_eval knows; without one the model's own setting counts."""
    assert read_generation_request("Hi", {name: 7}, default_max_tokens=256).max_tokens == 7
    both = read_generation_request("Hi", {"max_gen_toks": 5, name: 7}, default_max_tokens=256)
    assert both.max_tokens == (7 if name == LENGTHS[0] else 5)
    assert read_generation_request("Hi", {}, default_max_tokens=256).max_tokens == 256


@pytest.mark.parametrize(
    ("given_settings", "complaint"),
    [
        ({"do_sample": True}, "asks for sampling"),
        ({"temperature": 0.7}, "asks for sampling"),
        ({"num_beams": 4}, "num_beams is nothing that fedsft can do"),
        ({"repetition_penalty": 1.1, "until": ["x"]}, "repetition_penalty is nothing"),
        ({"max_gen_toks": 0}, "max_gen_toks at least 1"),
        ({"until": [3]}, "until must be texts"),
    ],
)
def test_what_cannot_be_done_is_refused(given_settings: dict[str, Any], complaint: str) -> None:
    """A number that was computed otherwise than asked for would be a wrong number."""
    with pytest.raises(ConfigError, match=complaint):
        read_generation_request("Hi", given_settings, default_max_tokens=256)


def test_an_empty_text_cannot_be_continued() -> None:
    with pytest.raises(ConfigError, match="empty text"):
        read_generation_request("", {}, default_max_tokens=256)


def test_what_says_greedy_in_other_words_is_done() -> None:
    """Settings of sampling change nothing where none is done."""
    asked = {"do_sample": False, "temperature": 0.7, "top_p": 0.9, "until": "\n\n"}
    request = read_generation_request("Hi", asked, default_max_tokens=9)
    assert (request.stops, request.max_tokens, request.given) == (("\n\n",), 9, asked)
    assert read_generation_request("Hi", {"temperature": 0.0}, default_max_tokens=9).max_tokens == 9


@given(st.text("ab\n", max_size=12), st.lists(st.text("ab\n", max_size=2), max_size=3))
def test_an_answer_ends_before_the_first_stop(text: str, stops: list[str]) -> None:
    """No stop is left in it, and nothing before the first was lost."""
    cut = cut_at_stops(text, stops)
    assert text.startswith(cut)
    assert not any(stop and stop in cut for stop in stops)
    if cut != text:
        assert any(stop and text.startswith(stop, len(cut)) for stop in stops)
