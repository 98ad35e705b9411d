"""Requests that repeat their conversation: every turn is counted once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.logs.requests import OpenAiRequestSource, merge_history
from sft_shared.data.logs.turns import Call, Piece, Turn
from sft_shared.lines import BadLine

SOURCE = OpenAiRequestSource(path=Path("log"))


def request(*messages: tuple[str, str], answer: str, session: str | None = None, at: int = 0) -> Piece:
    turns = [
        Turn(role, text, float(at), place=(0, at, number)) for number, (role, text) in enumerate(messages)
    ]
    return Piece(
        session, None, (*turns, Turn("assistant", answer, float(at), place=(0, at, 99))), history=True
    )


def said(turns: list[Turn]) -> list[str | None]:
    return [turn.text for turn in turns]


def test_both_forms_of_a_logged_request_are_read() -> None:
    body = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}],
        "user": "u1",
        "tools": [{"x": 1}],
    }
    reply = {"created": 1772326800, "choices": [{"message": {"role": "assistant", "content": "a"}}]}
    nested = SOURCE.parse(json.dumps({"request": body, "response": reply, "session_id": "s"}), header="")
    flat = SOURCE.parse(json.dumps({**body, **reply, "metadata": {"session_id": "s"}}), header="")
    assert nested == flat
    assert (nested.session, nested.user, nested.tools) == ("s", "u1", ({"x": 1},))
    assert [(turn.role, turn.text, turn.time) for turn in nested.turns] == [
        ("user", "q", 1772326800.0),
        ("assistant", "a", 1772326800.0),
    ]


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        ({"request": {"messages": []}, "response": {}}, "missing-field"),
        (
            {"request": {"messages": [{"role": "user", "content": "q"}]}, "response": {"error": "x"}},
            "no-answer",
        ),
        ({"request": 3}, "wrong-type"),
        ({"messages": ["q"], "choices": [{"message": {"content": "a"}}]}, "wrong-type"),
        (
            {"messages": [{"role": "user", "content": "q"}], "choices": [{"message": {}}]},
            "empty-assistant-turn",
        ),
    ],
)
def test_a_request_without_its_parts_is_a_bad_line(record: Any, rule: str) -> None:
    with pytest.raises(BadLine) as caught:
        SOURCE.parse(json.dumps(record), header="")
    assert caught.value.rule == rule


def test_calls_of_older_requests_are_read() -> None:
    """``function_call`` and the role function, of the time before tools."""
    call = {"name": "track", "arguments": '{"id": 7}'}
    messages = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "track", "content": "23"},
    ]
    reply = {"choices": [{"message": {"role": "assistant", "content": None, "function_call": call}}]}
    turns = SOURCE.parse(json.dumps({"messages": messages, **reply}), header="").turns
    assert [turn.role for turn in turns] == ["user", "assistant", "tool", "assistant"]
    assert [each for turn in turns for each in turn.calls] == [Call(None, "track", {"id": 7})] * 2


def test_turns_that_later_requests_repeat_are_counted_once() -> None:
    first = request(("system", "be kind"), ("user", "q1"), answer="a1", at=1)
    second = request(
        ("system", "be kind"), ("user", "q1"), ("assistant", "a1"), ("user", "q2"), answer="a2", at=2
    )
    (conversation,) = merge_history([first, second], one=False, known=False)
    assert said(conversation.turns) == ["be kind", "q1", "a1", "q2", "a2"]
    assert conversation.num_repeated == 3


def test_an_app_may_send_only_the_last_turns() -> None:
    first = request(("user", "q1"), answer="a1", at=1)
    second = request(("user", "q1"), ("assistant", "a1"), ("user", "q2"), answer="a2", at=2)
    third = request(("user", "q2"), ("assistant", "a2"), ("user", "q3"), answer="a3", at=3)
    (conversation,) = merge_history([first, second, third], one=False, known=False)
    assert said(conversation.turns) == ["q1", "a1", "q2", "a2", "q3", "a3"]


def test_thousands_of_conversations_that_begin_alike_take_no_time(grows_linearly: Any) -> None:
    """Such as 你好 of people that the log does not name; each goes on with its own."""
    opened = [request(("user", "hi"), answer=f"a{number}", at=number) for number in range(5000)]
    went_on = [
        request(("user", "hi"), ("assistant", f"a{number}"), ("user", "q"), answer="b", at=9000 + number)
        for number in range(5000)
    ]

    def merge(count: int) -> None:
        conversations = merge_history([*opened[:count], *went_on[:count]], one=False, known=False)
        assert len(conversations) == count
        assert {len(conversation.turns) for conversation in conversations} == {4}

    grows_linearly(merge, 5000)


def test_a_tool_loop_is_one_conversation() -> None:
    call = Turn("assistant", None, 1.0, calls=(Call("c1", "f", {}),), place=(0, 1, 1))
    result = Turn("tool", "7", 1.0, call_id="c1", place=(0, 2, 2))
    first = Piece(None, None, (Turn("user", "q", 1.0), call), history=True)
    second = Piece(
        None, None, (Turn("user", "q", 1.0), call, result, Turn("assistant", "it is 7", 2.0)), history=True
    )
    (conversation,) = merge_history([first, second], one=False, known=False)
    assert [turn.role for turn in conversation.turns] == ["user", "assistant", "tool", "assistant"]


def test_an_answer_asked_for_anew_replaces_the_first() -> None:
    """Only where it is known that the same person asks."""
    first, again = request(("user", "hi"), answer="a", at=1), request(("user", "hi"), answer="b", at=2)
    (conversation,) = merge_history([first, again], one=False, known=True)
    assert said(conversation.turns) == ["hi", "b"]
    assert said(conversation.replaced) == ["a"]
    assert len(merge_history([first, again], one=False, known=False)) == 2


def test_other_openings_are_other_conversations_unless_an_id_says_so() -> None:
    first, other = request(("user", "q1"), answer="a1", at=1), request(("user", "q9"), answer="a9", at=2)
    assert len(merge_history([first, other], one=False, known=True)) == 2
    (conversation,) = merge_history([first, other], one=True, known=True)
    assert said(conversation.turns) == ["q1", "a1", "q9", "a9"]


@given(
    st.lists(st.tuples(st.text("abc", min_size=1), st.text("xyz", min_size=1)), min_size=1, max_size=6),
    st.data(),
)
def test_no_turn_is_lost_or_told_twice(rounds: list[tuple[str, str]], data: st.DataObject) -> None:
    """A conversation of unlike questions, logged with its whole history, comes back as it was."""
    rounds = [(f"{number}{question}", answer) for number, (question, answer) in enumerate(rounds)]
    pieces, history = [], []
    for number, (question, answer) in enumerate(rounds):
        history.append(("user", question))
        pieces.append(request(*history, answer=answer, at=number))
        history.append(("assistant", answer))
    (conversation,) = merge_history(pieces, one=data.draw(st.booleans()), known=data.draw(st.booleans()))
    assert [(turn.role, turn.text) for turn in conversation.turns] == history
    assert len(conversation.turns) + conversation.num_repeated == sum(len(piece.turns) for piece in pieces)
