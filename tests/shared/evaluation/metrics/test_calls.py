"""Tool calls: BFCL's match where calls are wanted, silence where none is."""

from __future__ import annotations

import doctest
import json
from collections.abc import Callable
from typing import Any

import pytest

from sft_shared.data.toolcalls.no_call import REFUSALS
from sft_shared.dialogue import Example
from sft_shared.evaluation.metrics import calls
from sft_shared.evaluation.metrics.calls import RightFunction, ToolCallMatch

Make = Callable[..., Example]
TOOLS = [
    {
        "name": name,
        "parameters": {
            "type": "object",
            "required": ["city"],
            "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
        },
    }
    for name in ("get_weather", "get_time")
]
ROME = {"name": "get_weather", "arguments": {"city": "Rome"}}
LIMA = {"name": "get_time", "arguments": {"city": "Lima"}}


def text(*made: dict[str, Any]) -> str:
    return json.dumps(made)


def test_the_worked_examples_hold() -> None:
    """Doctests."""
    assert doctest.testmod(calls).failed == 0


def test_calls_match_in_any_order_with_optional_arguments_and_allowed_values(make: Make) -> None:
    """The expected calls decide; an empty value among them may be left out."""
    expected = [
        {"name": "get_weather", "arguments": {"city": ["Rome", "Roma"], "unit": ["", "C"]}},
        {"name": "get_time", "arguments": {"city": ["Lima"]}},
    ]
    example = make(None, tools=TOOLS, tool_calls=[ROME, LIMA], expected_calls=expected)
    roma = {"name": "get_weather", "arguments": {"city": "Roma", "unit": "C"}}
    match, function = ToolCallMatch(), RightFunction()
    for right in (text(ROME, LIMA), text(LIMA, roma)):
        assert (match(right, example), function(right, example)) == (1, 1)
    wrong_value = text(LIMA, {"name": "get_weather", "arguments": {"city": "Oslo"}})
    assert (match(wrong_value, example), function(wrong_value, example)) == (0, 1)
    for wrong in (text(ROME), text(ROME, LIMA, LIMA), text(ROME, ROME), "", "[]", example.prompt[0].content):
        assert (match(wrong or "", example), function(wrong or "", example)) == (0, 0)


def test_the_reference_answers_calls_stand_in_for_missing_expected_ones(make: Make) -> None:
    """Then exactly those are right."""
    example = make(None, tools=TOOLS, tool_calls=[ROME])
    assert ToolCallMatch()(text(ROME), example) == 1
    assert ToolCallMatch()(text(LIMA), example) == 0


@pytest.mark.parametrize(
    "call",
    [
        text(ROME),
        json.dumps(ROME),
        "Sure [1]! " + text(ROME),
        text(ROME)[:-9],
        "get_weather(city='Rome')",
        "<tool_call>{}</tool_call>",
        "```json\n{'name': 'get_weather', 'arguments': {}}\n```",
        '{"get_weather": {"city": "Rome"}}',
        '[{"name": "get_weather"}]',
        '{"tool": "get_weather", "args": {}}',
        '{"action": "book_flight", "action_input": {"to": "Rome"',
        "<function=get_weather>{}",
        "<|python_tag|>get_weather.call()",
        "Let me see.\nAction: get_weather\nAction Input: Rome",
        "调用工具：get_weather",
        "GET_WEATHER(city='Rome')",
        "```python\nprint(get_weather('Rome'))\n```",
        "weather = get_weather()",
        "I would ask get_weather('Rome') now.",
        "",
        "  \n",
    ],
)
def test_where_no_call_is_wanted_any_attempt_and_an_empty_answer_are_wrong(make: Make, call: str) -> None:
    """Also a call that is broken off, in Python's syntax, or behind prose."""
    example = make(REFUSALS["en"][0], tools=TOOLS)
    assert ToolCallMatch()(call, example) == 0
    assert RightFunction()(call, example) == 0


MENTIONS = (
    "[]",
    "The name: Rome. {x}",
    "The tool get_weather(city) exists, but I cannot use it.",
    "get_weather(city) only knows the weather. 我不能用 get_weather 订票。",
    "I have two tools:\n- get_weather(city)\n- get_time: tells the time",
    "Tool: get_weather is not what you need.",
    "Get_time (5 of them) and get_weather do not help.",
    '{"name": "Rome", "population": 2800000}',
)


@pytest.mark.parametrize("answer", [*REFUSALS["zh"], *REFUSALS["en"], *MENTIONS])
def test_where_no_call_is_wanted_prose_is_right(make: Make, answer: str) -> None:
    """All our own ways to say that no tool fits, and sentences that only mention a tool."""
    assert ToolCallMatch()(answer, make(REFUSALS["en"][0], tools=TOOLS)) == 1


def test_an_always_caller_and_a_never_caller_fail_on_a_mixed_set(make: Make) -> None:
    """Each is right on half at most."""
    examples = [make(None, tools=TOOLS, tool_calls=[ROME]), make(REFUSALS["zh"][0], tools=TOOLS)]
    metric = ToolCallMatch()
    for said in (text(LIMA), REFUSALS["zh"][1], "", "is it open?"):
        values = [metric(said, example) for example in examples]
        assert metric.total([said] * 2, examples, values) <= 0.5
    assert metric("Yes.", make()) is None
