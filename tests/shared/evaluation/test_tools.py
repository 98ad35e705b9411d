"""The judge of tool calls: BFCL's rules, no reward for constant, echoed or guessed answers."""

import doctest
import json
import time
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.dialogue import ExpectedCall, Tool, ToolCall
from sft_shared.evaluation import tools as judge
from sft_shared.evaluation.tools import can_pair, extract_calls, score_calls, values_match

WEATHER = Tool(
    name="get_weather",
    parameters={
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "alerts": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["city"],
    },
)
PARIS = ExpectedCall(
    name="get_weather", arguments={"city": ["Paris", "Paris, France"], "days": [3], "unit": ["celsius", ""]}
)
ROME = ExpectedCall(name="get_weather", arguments={"city": ["Rome"], "days": ["", 1]})


def calls(*arguments: dict[str, Any], name: str = "get_weather") -> str:
    return json.dumps([{"name": name, "arguments": each} for each in arguments])


def reason(prediction: str, *expected: ExpectedCall) -> str | None:
    return score_calls(prediction, expected=expected or (PARIS,), tools=(WEATHER,)).reason


def test_the_worked_examples_hold() -> None:
    """Every example in the docstrings is run."""
    assert doctest.testmod(judge).failed == 0


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (calls({"city": "Paris", "days": 3}), None),
        (calls({"city": "paris,france", "days": 3, "unit": "Celsius"}), None),
        (calls({"city": "Paris", "days": 3, "unit": "fahrenheit"}), "wrong-value"),
        (calls({"city": "Paris", "days": 3.0}), "wrong-value"),
        (calls({"city": "Paris", "days": "3"}), "wrong-value"),
        (calls({"city": "Paris"}), "missing-argument"),
        (calls({"days": 3}), "missing-argument"),
        (calls({"city": "Paris", "days": 3, "alerts": []}), "unknown-argument"),
        (calls({"city": "Paris", "days": 3, "mood": 1}), "unknown-argument"),
        (calls({"city": "Paris", "days": 3}, name="weather"), "wrong-function"),
        (calls({"city": "Paris", "days": 3}, {"city": "Paris", "days": 3}), "wrong-count"),
        ("[]", "wrong-count"),
        ("", "broken-json"),
        ("I cannot help with that.", "broken-json"),
        ('[{"name": "get_weather", "arguments": {"city": "Paris", "days": NaN}}]', "broken-json"),
        ('[{"name": "get_weather", "arguments": "{}"}]', "broken-json"),
        ('[{"name": "get_weather", "parameters": {}}]', "broken-json"),
        ('["get_weather"]', "broken-json"),
        ('[{"name": "get_weather", "arguments": {"city": "Paris", "days": 3}}', "broken-json"),
        ("[{" * 100_000, "broken-json"),
        ('{"a":' * 100_000, "broken-json"),
    ],
)
def test_a_failure_has_its_reason(prediction: str, expected: str | None) -> None:
    """Each way to be wrong has one name, and hostile text is only wrong, never a crash."""
    assert reason(prediction) == expected


def test_prose_around_the_answer_is_ignored() -> None:
    """Also a mention of the call, brackets that are no call, and an empty object."""
    right = calls({"city": "Paris", "days": 3})
    assert reason(f"Sure, as in [1]:\n```json\n{right}\n```\nDone {{}} {{x}}") is None
    assert reason(f"{right} I asked get_weather(city) and get_weather(city='Paris'). [see] {{") is None
    assert reason(right[1:-1]) is None  # one call without its list


RIGHT = {"city": "Paris", "days": 3}
BEHIND = {
    "a second list": "\n" + calls({"city": "Lima", "days": 3}),
    "the same list once more": calls(RIGHT),
    "a call without a list": "\n" + calls({"city": "Lima", "days": 3})[1:-1],
    "a further block": f"</tool_call><tool_call>{calls({'city': 'Lima', 'days': 3})[1:-1]}</tool_call>",
    "another function": ' {"name": "pay", "arguments": {"amount": 1000000, "to": "Mallory"}}',
    "a call cut off": ' [{"name": "pay", "arguments": {"amount": 10',
    "another key": ' {"name": "pay", "parameters": {"amount": 5}}',
    "no arguments": ' [{"name": "get_weather"}]',
    "behind brackets": " {x} [{} " + calls({"city": "Lima", "days": 3}),
    "Python's syntax": "\nget_weather(city='Lima')",
    "ReAct's syntax": "\nAction: get_weather\nAction Input: Lima",
}


def first_value_only(prediction: str) -> str:
    """The text up to the end of its first JSON value: all that was once looked at."""
    start = prediction.index("[")
    return prediction[: start + json.JSONDecoder().raw_decode(prediction[start:])[1]]


@pytest.mark.parametrize("which", BEHIND)
def test_a_call_behind_a_right_one_is_wrong(which: str) -> None:
    """Whatever its form: it would be carried out too. By the first value alone each would be right."""
    prediction = calls(RIGHT) + BEHIND[which]
    assert reason(prediction) in ("wrong-count", "broken-json")
    assert reason(first_value_only(prediction)) is None


def test_a_line_of_python_before_the_answer_is_a_call_too() -> None:
    assert reason("get_weather(city='Lima')\n" + calls(RIGHT)) == "broken-json"


def test_calls_may_be_in_blocks_or_lines_of_their_own() -> None:
    """As several models write parallel calls; a wrong one cannot be mended by a right one after it."""
    paris, rome = calls(RIGHT)[1:-1], calls({"city": "Rome"})[1:-1]
    for text in (
        f"<tool_call>\n{paris}\n</tool_call>\n<tool_call>\n{rome}\n</tool_call>",
        f"{paris}\n{rome}",
        f"[{paris}]\n[{rome}]",
        f"First:\n```json\n{rome}\n```\nand then\n```json\n{paris}\n```",
    ):
        assert reason(text, PARIS, ROME) is None
    assert reason(f"{rome}\n{paris}") == "wrong-count"


def test_parallel_calls_match_in_any_order_once_each() -> None:
    """Each expected call needs a prediction of its own; one right call twice is not two."""
    paris, rome = {"city": "Paris", "days": 3}, {"city": "Rome"}
    assert reason(calls(rome, paris), PARIS, ROME) is None
    assert reason(calls(paris, paris), PARIS, ROME) == "wrong-value"
    assert reason(calls(paris), PARIS, ROME) == "wrong-count"


def test_pairing_is_not_greedy() -> None:
    """A call that fits two expectations is given to the one that nothing else fits."""
    broad = ExpectedCall(name="get_weather", arguments={"city": ["Rome", "Paris"], "days": [3]})
    rome = ExpectedCall(name="get_weather", arguments={"city": ["Rome"], "days": [3]})
    both = calls({"city": "Rome", "days": 3}, {"city": "Paris", "days": 3})
    assert reason(both, broad, rome) is None
    assert reason(both, rome, broad) is None


def by_all_orders(fits: list[list[bool]]) -> bool:
    """The slow reference."""
    columns = range(len(fits))
    return any(all(fits[row][order[row]] for row in columns) for order in permutations(columns))


@given(
    st.integers(0, 6).flatmap(
        lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=n, max_size=n)
    )
)
def test_the_pairing_is_that_of_trying_all_orders(fits: list[list[bool]]) -> None:
    assert can_pair(fits) is by_all_orders(fits)


def test_many_alike_calls_and_a_wrong_one_are_judged_at_once() -> None:
    """By trial 10 took 8 s, and each more ten times as long."""
    expected = [PARIS] * 39 + [ROME]
    began = time.process_time()
    assert reason(calls(*[RIGHT] * 40), *expected) == "wrong-value"
    assert reason(calls(*[RIGHT] * 39, {"city": "Rome"}), *expected) is None
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    "hostile", ["[{", '{"a":', '{"name":"get_weather",', "[{}", "get_weather(", '{"a":NaN,']
)
def test_hostile_text_behind_a_call_is_judged_in_time(hostile: str, grows_linearly: Any) -> None:
    grows_linearly(lambda count: reason(calls(RIGHT) + hostile * count), 50_000)


def test_scores_go_from_easy_to_hard() -> None:
    """Valid JSON and the right function are counted even where the values are wrong."""
    score = score_calls(calls({"city": "Lima", "days": 3}), expected=(PARIS,), tools=(WEATHER,))
    assert (score.valid_json, score.right_function, score.match) == (True, True, False)
    score = score_calls(calls({}, name="other"), expected=(PARIS,), tools=(WEATHER,))
    assert (score.valid_json, score.right_function, score.match) == (True, False, False)


@pytest.mark.parametrize(
    ("value", "right", "schema", "expected"),
    [
        (True, 1, {}, False),
        (1, True, {}, False),
        (0, False, {"type": "integer"}, False),
        (5, 5.0, {"type": "number"}, True),
        (5.0, 5, {"type": "number"}, True),
        ([5.0], [5], {"type": "array", "items": {"type": "integer"}}, False),
        ([5], [5.0], {"type": "array", "items": {"type": "number"}}, True),
        ([1, 2], [2, 1], {}, False),
        ([1], [1, 2], {}, False),
        ([["New York"]], [["new york"]], {}, True),
        (None, None, {}, True),
        (None, "", {"type": "string"}, False),
        ("", "", {"type": "string"}, True),
        ("", "", {"type": "integer"}, False),
        ([], "", {"type": "array"}, True),
        ({}, "", {"type": "object"}, False),
        ({"a": 1}, {"a": [1, 2]}, {}, True),
        ({"a": 3}, {"a": [1, 2]}, {}, False),
        ({"a": 1, "b": 1}, {"a": [1]}, {}, False),
        ({}, {"a": [1]}, {}, False),
        ({}, {"a": [1, ""]}, {}, True),
        ({"a": {"b": "X"}}, {"a": [{"b": ["x"]}]}, {}, True),
        ([{"a": 1}], [{"a": [1]}], {}, True),
        ({"position": {"x": 1}}, {"position": [{"x": 1}]}, {}, True),
        ("don't", 'don"t', {}, True),
        ("2024-01-02", "2024/01/02", {}, True),
        ("(", "[", {}, False),
    ],
)
def test_values_compare_as_bfcl_does(value: Any, right: Any, schema: dict[str, Any], expected: bool) -> None:
    """Text loosely, numbers by value and declared type, lists in order, dicts by alternatives."""
    assert values_match(value, right, schema=schema) is expected


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text(min_size=1, max_size=4), JSON_VALUES, max_size=4), st.text(max_size=20))
def test_what_is_expected_matches_itself(arguments: dict[str, Any], noise: str) -> None:
    """Any call written as JSON is read back and right, whatever prose stands after it."""
    tool = Tool(name="find_it", parameters={"type": "object", "properties": {name: {} for name in arguments}})
    expected = ExpectedCall(name="find_it", arguments={name: [value] for name, value in arguments.items()})
    prediction = json.dumps([{"name": "find_it", "arguments": arguments}], ensure_ascii=False) + noise
    assert extract_calls(prediction) == [ToolCall(name="find_it", arguments=arguments)]
    assert score_calls(prediction, expected=(expected,), tools=(tool,)).match


@given(st.text(max_size=60))
def test_any_text_is_judged_without_a_crash(text: str) -> None:
    """Model output is untrusted: whatever it is, it gets a score."""
    assert score_calls(text, expected=(PARIS,), tools=(WEATHER,)).match is False
