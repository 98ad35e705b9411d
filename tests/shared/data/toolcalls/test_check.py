"""CheckTools lets sound dialogues through and names the rule that another one breaks."""

from __future__ import annotations

from typing import Any

import pytest

from sft_shared.data.steps import Dropped
from sft_shared.data.toolcalls.check import CheckTools
from sft_shared.dialogue import Example

TOOL = {
    "name": "track",
    "parameters": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
}


def call(arguments: str = '{"number": "SF1"}', *, name: str = "track", call_id: str = "c1") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def example(*messages: dict[str, Any], tools: Any = (TOOL,)) -> Example:
    user = {"role": "user", "content": "SF1 到哪了"}
    return Example.model_validate(
        {
            "id": "e",
            "messages": [user, *messages],
            "tools": list(tools),
            "provenance": {"source": "s", "session": "s"},
        }
    )


def turn(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": list(calls)}


def result(content: str = '{"city": "武汉", "days": 2}', *, call_id: str = "c1") -> dict[str, Any]:
    return {"role": "tool", "content": content, "tool_call_id": call_id}


def said(content: str) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


@pytest.mark.parametrize(
    "messages",
    [
        (turn(call()),),
        (turn(call()), result(), said("在武汉，还要 2 天")),
        (turn(call(), call(call_id="c2")), result(call_id="c2"), result(), said("都在武汉")),
        (said("请问单号是多少？"),),
    ],
)
def test_a_sound_dialogue_passes_unchanged(messages: tuple[dict[str, Any], ...]) -> None:
    """A last call needs no result, parallel results come in any order, and no call is fine."""
    sound = example(*messages)
    assert CheckTools()(sound) == sound


@pytest.mark.parametrize(
    ("messages", "rule"),
    [
        ((turn(call(name="trak")),), "tool-unknown"),
        ((turn(call("{}")),), "tool-argument-missing"),
        ((turn(call('{"number": 1}')),), "tool-argument-type"),
        ((turn(call('{"number": "1", "fast": true}')),), "tool-argument-undeclared"),
        ((turn(call()), said("在武汉")), "tool-result-missing"),
        ((turn(call()), result(call_id="c9"), said("在武汉")), "tool-result-orphan"),
        ((turn(call()), result(), result(), said("在武汉")), "tool-result-orphan"),
        ((turn(call(), call()), result(), said("在武汉")), "tool-id-twice"),
        ((turn(call()), result(), said("还要 3 天")), "answer-invents-value"),
    ],
)
def test_a_broken_rule_is_named(messages: tuple[dict[str, Any], ...], rule: str) -> None:
    """The first rule in the order tools, calls, results, answers."""
    dropped = CheckTools()(example(*messages))
    assert isinstance(dropped, Dropped)
    assert dropped.rule == rule
    assert "武汉" not in dropped.detail


def test_settings_loosen_what_is_checked_of_arguments_and_answers() -> None:
    """Each check can be turned to what a data set can bear, and `use_result` is the strictest."""
    undeclared = example(turn(call('{"number": "1", "fast": true}')))
    assert CheckTools(undeclared_arguments="as_schema")(undeclared) == undeclared
    invented = example(turn(call()), result(), said("还要 3 天"))
    assert CheckTools(answers="ignore")(invented) == invented
    evasive = example(turn(call()), result(), said("好的"))
    assert CheckTools()(evasive) == evasive
    dropped = CheckTools(answers="use_result")(evasive)
    assert isinstance(dropped, Dropped)
    assert dropped.rule == "answer-ignores-result"


def test_tools_themselves_are_checked() -> None:
    """A schema that is none, one of another type, and two tools of one name."""
    for tools, rule in [
        ([{"name": "track", "parameters": {"type": "dict"}}], "tool-schema-invalid"),
        ([{"name": "track", "parameters": {"type": "array"}}], "tool-schema-invalid"),
        ([TOOL, TOOL], "tool-name-twice"),
    ]:
        dropped = CheckTools()(example(said("好"), tools=tools))
        assert isinstance(dropped, Dropped)
        assert dropped.rule == rule
