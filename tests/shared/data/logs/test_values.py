"""Times, feedback and ids as logs write them."""

from __future__ import annotations

from typing import Any

import pytest

from sft_shared.data.logs.values import look_up, read_calls, read_feedback, read_id, read_time
from sft_shared.lines import BadLine

NINE = 1772326800.0  # 2026-03-01T09:00:00+08:00


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-01T09:00:00+08:00",
        "2026-03-01T01:00:00Z",
        1772326800,
        1772326800000,
        "1772326800",
        "1772326800000",
    ],
)
def test_a_time_is_read_in_every_form(value: Any) -> None:
    assert read_time(value) == NINE


def test_a_time_without_a_zone_needs_the_setting() -> None:
    assert read_time("2026-03-01 09:00:00", zone="+08:00") == NINE
    assert read_time("2026-03-01 09:00:00", zone="Asia/Shanghai") == NINE
    with pytest.raises(BadLine, match="no zone"):
        read_time("2026-03-01 09:00:00")


def test_a_time_in_a_format_of_its_own() -> None:
    assert read_time("01/03/2026 09:00", time_format="%d/%m/%Y %H:%M", zone="+08:00") == NINE


@pytest.mark.parametrize("value", ["soon", True, [], 1e300, "2026-13-01T00:00:00Z", float("inf")])
def test_what_is_no_time_is_a_bad_line(value: Any) -> None:
    with pytest.raises(BadLine) as caught:
        read_time(value)
    assert caught.value.rule == "bad-time"


@pytest.mark.parametrize(
    ("value", "scale", "expected"),
    [
        (1, "thumbs", 1),
        (-1, "thumbs", -1),
        (0, "thumbs", 0),
        (0, "binary", -1),
        (1, "binary", 1),
        (1, "stars", -1),
        (5, "stars", 1),
        (3, "stars", 0),
        ("4.5", "stars", 1),
        ("2/5", "thumbs", -1),
        ("5星", "thumbs", 1),
        (True, "thumbs", 1),
        ("down", "thumbs", -1),
        ("非常满意", "thumbs", 1),
        ("不满意", "thumbs", -1),
        ({"score": 2}, "stars", -1),
        ("未评价", "thumbs", None),
        (None, "thumbs", None),
    ],
)
def test_feedback_is_read_on_its_scale(value: Any, scale: Any, expected: int | None) -> None:
    assert read_feedback(value, scale=scale) == expected


@pytest.mark.parametrize(
    ("value", "scale"), [(5, "thumbs"), (7, "stars"), (2, "binary"), ("whatever", "thumbs")]
)
def test_feedback_off_its_scale_is_refused_and_not_guessed(value: Any, scale: Any) -> None:
    """A star taken for a thumb would turn bad into good."""
    with pytest.raises(BadLine, match="scale"):
        read_feedback(value, scale=scale)


def test_a_dot_leads_into_an_object() -> None:
    assert look_up({"meta": {"id": "a"}}, ("session", "meta.id")) == "a"
    assert look_up({"meta": 1}, ("session", "meta.id")) is None
    assert look_up({"session": None, "meta": {"id": "a"}}, ("session", "meta.id")) == "a"


def test_an_id_is_text_or_a_whole_number() -> None:
    assert read_id(17, what="id") == "17"
    assert read_id("", what="id") is None
    for value in (1.5, True, {}):
        with pytest.raises(BadLine):
            read_id(value, what="id")


@pytest.mark.parametrize(
    "value",
    [
        "not json",
        {"name": "f"},
        [{"function": {"arguments": "{}"}}],
        [{"name": "f", "arguments": "["}],
        [{"name": "f", "arguments": "[1]"}],
        [{"name": "f", "arguments": '{"x": NaN}'}],
        [3],
    ],
)
def test_a_broken_tool_call_is_a_bad_line(value: Any) -> None:
    with pytest.raises(BadLine) as caught:
        read_calls(value)
    assert caught.value.rule == "bad-tool-call"


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ([{"name": "f", "arguments": '{"a": 1, "a": 2}'}], "duplicate-key"),
        ('[{"name": "f", "arguments": {"a": {"b": 1, "b": 2}}}]', "duplicate-key"),
        ([{"id": "c", "name": "f"}, {"id": "c", "name": "g"}], "duplicate-tool-id"),
    ],
)
def test_a_call_that_can_be_read_in_two_ways_is_a_bad_line(value: Any, rule: str) -> None:
    with pytest.raises(BadLine) as caught:
        read_calls(value)
    assert caught.value.rule == rule


def test_tool_calls_are_read_in_both_forms() -> None:
    openai = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}]
    assert read_calls(openai) == read_calls([{"id": "c1", "name": "f", "arguments": {"x": 1}}])
