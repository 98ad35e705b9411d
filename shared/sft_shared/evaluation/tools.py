"""Tool calls judged by their meaning: is this prediction the right call, by BFCL's rules of AST match?

The rules are those of the Berkeley Function Calling Leaderboard's checker for Python. Where that checker
treats a value by its nesting depth, ours treats every depth alike: text in lists of lists is normalised,
an integer stands for a float inside a list, and dicts may hold dicts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from sft_shared.dialogue import ExpectedCall, Tool, ToolCall
from sft_shared.evaluation.call_forms import has_announcement, has_json_call, has_statement

Reason = Literal[
    "broken-json", "wrong-count", "wrong-function", "missing-argument", "unknown-argument", "wrong-value"
]

_ANSWER_START = re.compile(r"\[\s*[{\]]|\{")
_IGNORED_IN_TEXT = re.compile(r"[ ,./\-_*^]")


MAX_UNREADABLE = 1_000
"""Behind calls so many brackets may open what is no JSON; more are hostile, and would take long to try."""


@dataclass(frozen=True)
class ToolCallScore:
    """What a prediction got right, from easy to hard; ``reason`` is the first failure, None on a match."""

    valid_json: bool
    right_function: bool
    match: bool
    reason: Reason | None


def score_calls(prediction: str, *, expected: Sequence[ExpectedCall], tools: Sequence[Tool]) -> ToolCallScore:
    """Judge ``prediction`` (what the model wrote) against the ``expected`` calls, in any order.

    >>> tools = [Tool(name="area", parameters={"type": "object", "required": ["base"],
    ...     "properties": {"base": {"type": "number"}, "unit": {"type": "string"}}})]
    >>> expected = [ExpectedCall(name="area", arguments={"base": [10], "unit": ["", "cm"]})]
    >>> score_calls('[{"name": "area", "arguments": {"base": 10.0}}]', expected=expected, tools=tools).match
    True
    >>> score_calls('[{"name": "area", "arguments": {"base": 9}}]', expected=expected, tools=tools).reason
    'wrong-value'
    >>> score_calls('area(base=10)', expected=expected, tools=tools).reason
    'broken-json'
    """
    calls = extract_calls(prediction, names=[tool.name for tool in tools])
    if calls is None:
        return ToolCallScore(valid_json=False, right_function=False, match=False, reason="broken-json")
    right_function = sorted(call.name for call in calls) == sorted(call.name for call in expected)
    reason = _compare_calls(calls, expected, {tool.name: tool.parameters for tool in tools})
    return ToolCallScore(valid_json=True, right_function=right_function, match=reason is None, reason=reason)


def extract_calls(prediction: str, *, names: Sequence[str] = ()) -> list[ToolCall] | None:
    """Find the calls in ``prediction``: JSON lists of ``{"name": ..., "arguments": {...}}``, or single ones.

    The answer starts at the first ``[`` before a ``{`` or ``]``, or at the first ``{``, and must be valid
    JSON from there to its end; prose, a code fence or ``<tool_call>`` around it is ignored. What is called
    behind it, in further lists, lines or ``<tool_call>`` blocks, is called too.
    A cut-off list, Python's syntax, another key, or arguments that are not an object: None, no second try.
    Likewise where a call stands beside it in a form that is not read, of any name or of the tools ``names``.

    >>> extract_calls('Sure [1]: ```json [{"name": "f", "arguments": {"x": 1}}] ``` Anything else?')
    [ToolCall(name='f', arguments={'x': 1}, id=None)]
    >>> len(extract_calls('{"name": "f", "arguments": {}} and {"name": "g", "arguments": {}}'))
    2
    >>> extract_calls('[{"name": "f", "arguments": {"x": 1}}') is None
    True
    >>> extract_calls('{"name": "f", "arguments": {}}' + chr(10) + 'f(x=2)', names=["f"]) is None
    True
    """
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    calls: list[ToolCall] = []
    beside: list[str] = []  # the text around what was read as calls
    place = end = unreadable = 0
    while start := _ANSWER_START.search(prediction, place):
        try:
            value, place = decoder.raw_decode(prediction, start.start())
            found = _calls_in(value)
        except json.JSONDecodeError as error:  # what was passed over stays in the text beside
            place, found = max(error.pos, start.start() + 1), None
            unreadable += 1
        except (ValueError, RecursionError):
            return None
        if found is not None:
            calls += found
            beside.append(prediction[end : start.start()])
            end = place
        elif not beside or unreadable > MAX_UNREADABLE:
            return None
    if not beside or has_statement(beside[0], names):
        return None
    others = [*beside[1:], prediction[end:]]
    looks = (has_json_call, has_statement, has_announcement)
    return None if any(look(text, names) for text in others for look in looks) else calls


def _calls_in(value: Any) -> list[ToolCall] | None:
    calls = []
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, dict) or set(item) != {"name", "arguments"}:
            return None
        name, arguments = item["name"], item["arguments"]
        if not isinstance(name, str) or not name or not isinstance(arguments, dict):
            return None
        calls.append(ToolCall(name=name, arguments=arguments))
    return calls


def compare_call(call: ToolCall, expected: ExpectedCall, *, schema: Mapping[str, Any]) -> Reason | None:
    """Say what is wrong with ``call``, or None if it is right. ``schema`` is its function's JSON Schema.

    An argument may be left out if ``""`` is among its allowed values and the schema does not require it.
    An argument nobody expects is wrong, even if it repeats the function's default.
    """
    if call.name != expected.name:
        return "wrong-function"
    required = schema.get("required", ())
    for name, allowed in expected.arguments.items():
        if name not in call.arguments and (name in required or "" not in allowed):
            return "missing-argument"
    if any(name not in call.arguments for name in required):
        return "missing-argument"
    properties = schema.get("properties", {})
    if any(name not in properties or name not in expected.arguments for name in call.arguments):
        return "unknown-argument"
    for name, value in call.arguments.items():
        if not any(values_match(value, right, schema=properties[name]) for right in expected.arguments[name]):
            return "wrong-value"
    return None


def values_match(value: Any, right: Any, *, schema: Mapping[str, Any] = MappingProxyType({})) -> bool:
    """Compare a predicted value with one allowed value; ``schema`` is the argument's JSON Schema.

    Text is compared without case, spaces and ``,./-_*^``. An integer stands for a float, a float for an
    integer only where the schema does not ask for an integer. True is not 1. Lists compare in order.
    Inside dicts each key has its own list of allowed values, ``""`` again meaning that it may be missing.

    >>> values_match("April 1, 2024", "april 1 2024")
    True
    >>> values_match(5, 5.0), values_match(5.0, 5, schema={"type": "integer"}), values_match("5", 5)
    (True, False, False)
    >>> values_match([1, "New York"], [1, "new-york"])
    True
    >>> values_match({"city": "Bonn"}, {"city": ["Bonn", "bonn, DE"], "zip": ["53111", ""]})
    True
    """
    declared = schema.get("type")
    if right == "" and not value:  # an empty text or list says the same as leaving the argument out
        return (value == "" and declared in (None, "string")) or (value == [] and declared == "array")
    if isinstance(value, str) and isinstance(right, str):
        return normalise_text(value) == normalise_text(right)
    if isinstance(value, bool) or isinstance(right, bool):
        return value is right
    if isinstance(value, int | float) and isinstance(right, int | float):
        too_loose = isinstance(value, float) and isinstance(right, int) and declared == "integer"
        return value == right and not too_loose
    if isinstance(value, list) and isinstance(right, list):
        inner = schema.get("items", {})
        pairs = zip(value, right, strict=False)
        return len(value) == len(right) and all(values_match(*pair, schema=inner) for pair in pairs)
    if isinstance(value, dict) and isinstance(right, dict):
        return _dicts_match(value, right, properties=schema.get("properties", {}))
    return value is None and right is None


def normalise_text(text: str) -> str:
    """Drop spaces and ``,./-_*^``, lower the case, make single quotes double: BFCL's standard form.

    >>> normalise_text("San Francisco, C.A.")
    'sanfranciscoca'
    """
    return _IGNORED_IN_TEXT.sub("", text).lower().replace("'", '"')


def _compare_calls(
    calls: Sequence[ToolCall], expected: Sequence[ExpectedCall], schemas: Mapping[str, Mapping[str, Any]]
) -> Reason | None:
    if len(calls) != len(expected):
        return "wrong-count"
    reasons = [
        [compare_call(call, wanted, schema=schemas.get(wanted.name, {})) for call in calls]
        for wanted in expected
    ]
    if can_pair([[reason is None for reason in row] for row in reasons]):
        return None
    # The pairing failed: report the closest failure of the first expected call that no prediction meets.
    unmet = next((row for row in reasons if None not in row), reasons[0])
    return next((reason for reason in unmet if reason not in (None, "wrong-function")), "wrong-function")


def can_pair(fits: Sequence[Sequence[bool]]) -> bool:
    """Whether each row can take a column of its own that fits: a bipartite matching by augmenting paths.

    Takes rows * columns * rows steps at most (Kuhn 1955), where trying all orders takes rows!.

    >>> can_pair([[True, True], [True, False]]), can_pair([[True, False], [True, False]])
    (True, False)
    """
    owner: dict[int, int] = {}  # column -> the row that takes it
    for row in range(len(fits)):
        came: dict[int, int] = {}  # column -> the row that it was reached from
        todo, free = [row], None
        while todo and free is None:
            now = todo.pop()
            for column, fit in enumerate(fits[now]):
                if fit and column not in came:
                    came[column] = now
                    if column not in owner:
                        free = column
                        break
                    todo.append(owner[column])
        if free is None:
            return False
        taken = {holder: column for column, holder in owner.items()}
        while free is not None:
            holder = came[free]
            owner[free], free = holder, taken.get(holder)
    return True


def _dicts_match(value: dict[str, Any], right: dict[str, Any], *, properties: Mapping[str, Any]) -> bool:
    choices = {key: inner if isinstance(inner, list) else [inner] for key, inner in right.items()}
    if any(key not in choices for key in value):
        return False
    for key, allowed in choices.items():
        if key not in value:
            if "" not in allowed:
                return False
        elif not any(values_match(value[key], each, schema=properties.get(key, {})) for each in allowed):
            return False
    return True


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
