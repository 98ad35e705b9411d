"""Tool calls: are they the right ones, and is none made where none is wanted?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sft_shared.dialogue import Example, ExpectedCall, Tool
from sft_shared.evaluation.call_forms import (
    has_announcement,
    has_concrete_call,
    has_json_call,
    has_marked_call,
    has_statement,
)
from sft_shared.evaluation.metrics.metric import MetricSettings
from sft_shared.evaluation.tools import extract_calls, score_calls


def expected_of(example: Example) -> tuple[ExpectedCall, ...]:
    """The calls that are right: the expected ones, else exactly those of the reference answer."""
    return example.expected_calls or tuple(
        ExpectedCall(name=call.name, arguments={key: [value] for key, value in call.arguments.items()})
        for call in example.answer.tool_calls
    )


def calls_nothing(prediction: str, tools: Sequence[Tool]) -> bool:
    """Whether an answer says something and holds no call, not even a broken one.

    A call is a call's JSON or a piece of one, a model's mark of a call, or a tool's name with values in a
    bracket or on a line of its own (see `call_forms`); a sentence that only mentions a tool is none. An empty
    list says that nothing is to be called; an empty answer says nothing, which is wrong.

    >>> tools = [Tool(name="get_weather")]
    >>> calls_nothing("Sorry, I have no tool for that.", tools), calls_nothing("[]", tools)
    (True, True)
    >>> calls_nothing('[{"name": "get_weather", "arguments": {"city":', tools), calls_nothing(" ", tools)
    (False, False)
    >>> calls_nothing("get_weather(city='Rome')", tools), calls_nothing("get_weather(city) is off.", tools)
    (False, True)
    """
    if not prediction.strip() or extract_calls(prediction) or has_marked_call(prediction):
        return False
    names = [tool.name for tool in tools]
    looks = (has_json_call, has_statement, has_announcement, has_concrete_call)
    return not any(look(prediction, names) for look in looks)


def calls_match(prediction: str, example: Example) -> bool:
    """Whether the calls of ``prediction`` are the example's: BFCL's AST match, in any order.

    Function, required and optional arguments and allowed values must be right. An example without calls
    wants no call (see `calls_nothing`).
    """
    expected = expected_of(example)
    if not expected:
        return calls_nothing(prediction, example.tools)
    return score_calls(prediction, expected=expected, tools=example.tools).match


def right_functions(prediction: str, example: Example) -> bool:
    """Whether ``prediction`` calls the right functions, whatever their arguments."""
    expected = expected_of(example)
    if not expected:
        return calls_nothing(prediction, example.tools)
    return score_calls(prediction, expected=expected, tools=example.tools).right_function


def wants_call_or_none(example: Example) -> bool:
    """Whether an example is about calling: it expects calls, or offers tools that are not to be used."""
    return bool(expected_of(example) or example.tools)


class ToolCallMatch(MetricSettings):
    """1 if all calls are right and nothing else is called; for no-call examples, if nothing is called."""

    kind: Literal["tool_calls"] = "tool_calls"

    def __call__(self, prediction: str, example: Example) -> float | None:
        """1 or 0; None if the example has neither calls nor tools."""
        return float(calls_match(prediction, example)) if wants_call_or_none(example) else None


class RightFunction(MetricSettings):
    """1 if the right functions are called, whatever their arguments; for no-call examples, none."""

    kind: Literal["right_function"] = "right_function"

    def __call__(self, prediction: str, example: Example) -> float | None:
        """1 or 0; None if the example has neither calls nor tools."""
        return float(right_functions(prediction, example)) if wants_call_or_none(example) else None
