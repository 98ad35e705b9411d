"""The texts of an example one by one, and the example written again."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.desensitise.texts import Edit, Passage, passages_of, rewrite
from sft_shared.dialogue import Example, ExpectedCall, Tool


def example(**changes: Any) -> Example:
    """A dialogue with a call, its result, and labels."""
    values = {
        "id": "one",
        "messages": [
            {"role": "user", "content": "call SECRET now"},
            {"role": "assistant", "tool_calls": [{"name": "f", "arguments": {"userName": "SECRET"}}]},
            {"role": "tool", "content": '{ "a": "x SECRET", "b\\n": ["SECRET", 77],  "SECRET": null }'},
            {"role": "assistant", "content": "SECRET it is, SECRET."},
        ],
        "provenance": {"source": "test", "session": "s"},
        **changes,
    }
    return Example.model_validate(values)


def rewritten(value: Example, old: str = "SECRET", new: str = "me") -> Example:
    """Every ``old`` replaced."""

    def visit(passage: Passage) -> Sequence[Edit]:
        return [Edit(found.start(), found.end(), new) for found in re.finditer(old, passage.text)]

    return rewrite(value, visit)


def test_every_text_is_rewritten_and_keys_stay() -> None:
    """Messages, arguments, and the values of JSON in a message, which keeps its layout."""
    messages = rewritten(example()).messages
    assert messages[0].content == "call me now"
    assert messages[1].tool_calls[0].arguments == {"userName": "me"}
    assert messages[2].content == '{ "a": "x me", "b\\n": ["me", 77],  "SECRET": null }'
    assert messages[3].content == "me it is, me."


def test_an_example_without_edits_is_the_same_object() -> None:
    """Nothing is built anew."""
    value = example()
    assert rewrite(value, lambda passage: ()) is value


@pytest.mark.parametrize("new", ['quote " and \\ backslash', "新\n行", "x"])
def test_json_in_a_message_stays_json(new: str) -> None:
    """Whatever is put into a string, a number or a string with escapes."""
    content = json.dumps({"text": "SECRET", "escaped": "a\nSECRET", "inner": json.dumps({"k": "SECRET"})})
    messages = [
        {"role": "user", "content": "?"},
        {"role": "tool", "content": content},
        {"role": "assistant", "content": "."},
    ]
    changed = json.loads(rewritten(example(messages=messages), new=new).messages[1].content or "")
    assert changed["text"] == new
    assert changed["escaped"] == f"a\n{new}"
    assert json.loads(changed["inner"]) == {"k": new}


@pytest.mark.parametrize(
    ("value", "new", "expected"),
    [(77, "88", 88), (77.0, "88", 88.0), (77, "[X]", "[X]"), (True, "88", True), (0.77, "88", 0.77)],
)
def test_numbers_are_texts_too(value: Any, new: str, expected: Any) -> None:
    """A number stays one if what replaces it is one; truths and fractions are no numbers of anyone."""
    messages = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "tool_calls": [{"name": "f", "arguments": {"deep": [{"n": value}]}}]},
    ]
    changed = rewritten(example(messages=messages), "77", new).messages[1].tool_calls[0].arguments
    assert changed == {"deep": [{"n": expected}]}
    assert type(changed["deep"][0]["n"]) is type(expected)


def test_json_within_prose_stays_json() -> None:
    """A number there takes quotes when it becomes a word; one in a sentence does not."""
    messages = [
        {"role": "user", "content": 'see 77: ```{"a": 77, "b": [1]}```'},
        {"role": "assistant", "content": "ok"},
    ]
    changed = rewritten(example(messages=messages), "77", "[X]")
    assert changed.messages[0].content == 'see [X]: ```{"a": "[X]", "b": [1]}```'
    assert rewritten(example(messages=messages), "77", "88").messages[0].content == (
        'see 88: ```{"a": 88, "b": [1]}```'
    )


def test_digits_of_a_large_number_are_not_lost() -> None:
    """A number with an exponent is read in full; what is no exact float is put there as a text."""
    messages = [
        {"role": "user", "content": '{"a": 6.222021234567890128e18, "b": 2.5e3, "c": 1e99}'},
        {"role": "assistant", "tool_calls": [{"name": "f", "arguments": {"n": 6.5e18}}]},
    ]
    changed = rewritten(example(messages=messages), "^6[0-9]{18}$", "6200001234567890123").messages
    assert changed[0].content == '{"a": 6200001234567890123, "b": 2.5e3, "c": 1e99}'
    assert changed[1].tool_calls[0].arguments == {"n": "6200001234567890123"}


def test_a_number_in_a_dictionary_of_python_takes_quotes_too() -> None:
    """It stays one that Python reads."""
    messages = [{"role": "user", "content": "see {'a': 77}"}, {"role": "assistant", "content": "ok"}]
    assert rewritten(example(messages=messages), "77", "[X]").messages[0].content == "see {'a': \"[X]\"}"
    assert rewritten(example(messages=messages), "77", "88").messages[0].content == "see {'a': 88}"


def test_the_key_is_the_cue_of_its_value() -> None:
    """In words, also within JSON in a message; what tools say of their parameters has none."""
    seen: list[Passage] = []

    def visit(passage: Passage) -> Sequence[Edit]:
        seen.append(passage)
        return ()

    tool = {"name": "f", "description": "d", "parameters": {"type": "object", "cardNumber": {"enum": ["e"]}}}
    rewrite(example(tools=[tool]), visit)
    cues = {(passage.text, passage.cue) for passage in seen}
    assert {("SECRET", "user Name"), ("x SECRET", "a"), ("77", "b\n"), ("e", "")} <= cues
    assert [passage.text for passage in seen if passage.turn] == ["call SECRET now", "SECRET it is, SECRET."]


def test_labels_move_along() -> None:
    """Behind an edit, around one, and inside one: then the label covers all that was put there."""
    entities = [
        {"type": "before", "value": "call", "message": 0, "start": 0, "end": 4},
        {"type": "same", "value": "SECRET", "message": 0, "start": 5, "end": 11},
        {"type": "inside", "value": "CRE", "message": 0, "start": 7, "end": 10},
        {"type": "around", "value": "SECRET now", "message": 0, "start": 5, "end": 15},
        {"type": "behind", "value": "it", "message": 3, "start": 7, "end": 9},
        {"type": "in JSON", "value": "x SECRET", "message": 2, "start": 8, "end": 16},
    ]
    changed = rewritten(example(entities=entities), new="somebody else")
    assert [entity.value for entity in changed.entities] == [
        "call",
        "somebody else",
        "somebody else",
        "somebody else now",
        "it",
        "x somebody else",
    ]


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "x", '{"k": 1e5}', "[]"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("aBc"), inner, max_size=3),
)


@given(
    st.dictionaries(st.sampled_from(["userName", "id_no"]), VALUES), st.sampled_from(["x", "编号 1234567"])
)
def test_the_passages_are_what_is_visited(arguments: dict[str, Any], name: str) -> None:
    """In the same order, at any depth of arguments, tools and JSON in a text."""
    value = example(id=name, category=name).model_copy(deep=True)
    message, call = value.messages[1], value.messages[1].tool_calls[0]
    call = call.model_copy(update={"arguments": arguments, "id": name})
    said = message.model_copy(update={"tool_calls": (call,), "tool_call_id": name})
    tool = Tool(name="f", description=name, parameters=arguments)
    expected = ExpectedCall(name="f", arguments={key: [each] for key, each in arguments.items()})
    value = value.model_copy(
        update={"messages": (value.messages[2], said), "tools": (tool,), "expected_calls": (expected,)}
    )
    visited: list[Passage] = []

    def visit(passage: Passage) -> Sequence[Edit]:
        visited.append(passage)
        return ()

    rewrite(value, visit)
    assert passages_of(value) == visited
