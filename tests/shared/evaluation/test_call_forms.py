"""Calls in other forms than JSON: the worked examples, and time on hostile text."""

import doctest
from typing import Any

import pytest

from sft_shared.evaluation import call_forms
from sft_shared.evaluation.call_forms import (
    has_announcement,
    has_concrete_call,
    has_json_call,
    has_marked_call,
    has_statement,
)


def test_the_worked_examples_hold() -> None:
    """Doctests."""
    assert doctest.testmod(call_forms).failed == 0


@pytest.mark.parametrize(
    "text", ["[{", 'name:"', "\n", '{"name":"pay",', "a.", "pay(", "pay ", "x = ", "-", "pay:a"]
)
def test_any_text_is_looked_through_in_linear_time(text: str, grows_linearly: Any) -> None:
    """50,000 times a piece that begins what is looked for."""
    for look in (has_json_call, has_statement, has_announcement, has_concrete_call):
        grows_linearly(lambda count, look=look: look(text * count, ["pay"]), 50_000)
    grows_linearly(lambda count: has_marked_call(text * count), 50_000)


def test_names_are_taken_as_they_are() -> None:
    """A dot in a name is a dot, and without tools only what names its arguments is a call."""
    assert has_statement("maps.find(place='x')", ["maps.find"])
    assert not has_statement("mapsXfind(place='x')", ["maps.find"])
    assert has_json_call('{"tool_name": "fly", "parameters": {}}', [])
    assert not has_json_call('{"name": "fly"}', [])
