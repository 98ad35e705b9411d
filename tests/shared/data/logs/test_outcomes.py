"""Which sign decides whether the user was helped."""

from __future__ import annotations

import pytest

from sft_shared.data.logs.outcomes import OutcomeSettings, places_that_teach, works
from sft_shared.data.logs.turns import Call, Turn
from sft_shared.dialogue import Outcome

SETTINGS = OutcomeSettings()


def dialogue(*said: str, tool: str | None = None, feedback: int | None = None) -> list[Turn]:
    """Question and answer in turn; with ``tool`` the first answer calls it and gets that result."""
    turns = [Turn("user" if at % 2 == 0 else "assistant", text) for at, text in enumerate(said)]
    turns[1] = turns[1]._replace(feedback=feedback)
    if tool is not None:
        turns[1:1] = [Turn("assistant", None, calls=(Call("c", "f", {}),)), Turn("tool", tool, call_id="c")]
    return [turn._replace(place=(0, at, 0)) for at, turn in enumerate(turns)]


def judge(turns: list[Turn], at: int = 1, *, repeated: bool = False, seen: bool = False) -> Outcome | None:
    places = {turns[0].place} if repeated else set()
    return SETTINGS(turns, at, repeated=places, seen=seen)


@pytest.mark.parametrize(
    ("turns", "at", "success", "reason"),
    [
        (dialogue("q", "a", "还是不行", feedback=1), 1, True, "feedback"),
        (dialogue("q", "a", "谢谢，可以了", feedback=-1), 1, False, "feedback"),
        (dialogue("q", "a", "谢谢，可以了"), 1, True, "resolved"),
        (dialogue("q", "a", "还是没解决"), 1, False, "unresolved"),
        (dialogue("q", "a", "doesn't work", "b", "that worked"), 3, True, "resolved"),
        (dialogue("q", "a", "谢谢不用转人工了"), 1, True, "thanks"),
        (dialogue("q", "a", "不需要人工，已经好了"), 1, True, "resolved"),
        (dialogue("q", "a", "转人工"), 1, False, "escalated"),
        (dialogue("q", "正在为您转接人工客服"), 1, False, "escalated"),
        (dialogue("q", "很抱歉，我无法回答这个问题"), 1, False, "apology"),
        (dialogue("q", "a", tool='{"status": "ok"}'), 3, True, "tool_ok"),
        (dialogue("q", "a", tool='{"error": "no such order"}'), 3, False, "tool_error"),
        (dialogue("q", "a", "谢谢", tool="Error: timeout"), 3, False, "tool_error"),
        (dialogue("q", "a", "谢谢"), 1, True, "thanks"),
    ],
)
def test_the_strongest_sign_decides(turns: list[Turn], at: int, success: bool, reason: str) -> None:
    outcome = judge(turns, at)
    assert outcome is not None
    assert (outcome.success, outcome.reasons[0]) == (success, reason)


def test_a_question_asked_again_was_not_answered() -> None:
    """And one that was not, by a user who would have been seen, was."""
    turns = dialogue("我的包裹到哪了", "在路上")
    assert judge(turns, repeated=True) == Outcome(success=False, reasons=("repeat_question",))
    assert judge(turns, seen=True) == Outcome(success=True, reasons=("no_repeat",))


@pytest.mark.parametrize(
    "last", ["什么时候能解决？", "那运费呢", "我要退货", "is it resolved?", "还有个问题"]
)
def test_a_user_left_waiting_is_no_success(last: str) -> None:
    """That nobody asked again says nothing if the last question was never answered."""
    turns = dialogue("我的包裹到哪了", "在路上", last)
    assert judge(turns, seen=True) is None
    assert judge(dialogue("我的包裹到哪了", "在路上", "好的，我看看"), seen=True) is not None


def test_a_bare_no_denies_unless_more_help_was_offered() -> None:
    denied = Outcome(success=False, reasons=("unresolved",))
    assert judge(dialogue("q", "a", "nope"), seen=True) == denied
    assert judge(dialogue("q", "请问解决了吗？", "没有"), seen=True) == denied
    for offer, no in (("Anything else?", "nope"), ("请问还有其他问题吗", "没有")):
        outcome = judge(dialogue("q", offer, no), seen=True)
        assert outcome == Outcome(success=True, reasons=("no_repeat",))


def test_without_a_sign_nothing_is_claimed() -> None:
    assert judge(dialogue("q", "a")) is None


def test_a_second_try_that_nobody_answers_is_no_success() -> None:
    """The user complained of the first answer, and then was gone."""
    assert judge(dialogue("q", "a", "还是不行", "b"), at=3, seen=True) is None


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ('{"ok": false}', False),
        ('{"success": true}', True),
        ('{"status": 404}', False),
        ('{"status": 200}', True),
        ('{"code": 0}', True),
        ('{"status": "failed"}', False),
        ("Traceback (most recent call last)", False),
        ("ValueError: x", False),
        ("错误：没有这个订单", False),
        ("23 degrees", None),
        ("[1]", None),
        ('{"errors": []}', None),
        ('{"status": "shipped"}', None),
    ],
)
def test_a_tools_result_says_whether_it_worked(result: str, expected: bool | None) -> None:
    assert works(result) is expected


def test_only_answers_to_questions_teach() -> None:
    turns = dialogue("我的包裹到哪了", "在路上", "谢谢", "不客气")
    assert places_that_teach(turns) == [1]
    assert places_that_teach([Turn("assistant", "您好，有什么可以帮您")]) == []
