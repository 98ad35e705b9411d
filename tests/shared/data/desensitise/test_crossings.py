"""Two turns are read as one only where something may reach over, and nothing that does is missed."""

from __future__ import annotations

import pytest

from sft_shared.data.desensitise.crossings import crossings
from sft_shared.data.desensitise.find import Finder, FindSettings
from sft_shared.data.desensitise.spans import Span

FINDER = Finder(FindSettings())


def _joined(texts: list[str]) -> list[list[int]]:
    nothing: list[list[Span]] = [[] for _ in texts]
    return [[turn for turn, _, _ in stretches] for stretches in crossings(texts, nothing)]


@pytest.mark.parametrize(
    "texts",
    [
        ["订单什么时候到？", "预计26天内送达。"],
        ["我的账号是acc075498", "已经为您查询到订单DD00632525849431。"],
        ["Where is my parcel?", "It is at the sorting centre."],
        ["好的。", "13800138000"],
    ],
)
def test_turns_that_stand_for_themselves_are_not_joined(texts: list[str]) -> None:
    """An end of a sentence, or a value that was said already, leaves nothing open."""
    assert _joined(texts) == []


@pytest.mark.parametrize(
    "texts",
    [
        ["62220212", "34567890128"],
        ["请问您的卡号是多少？", "6222021234567890128"],
        ["收件人：", "赵德柱"],
        ["寄到北京市朝阳区", "建国路12号8栋302室"],
        ["13800138000", "是我的手机号"],
        ["my name is", "John Smith"],
        ["I live at 527 Cedar Lane", "Madison, WI 53703"],
        ["one three eight", "zero zero one three eight"],
        ["生日是1990年5", "月12日"],
    ],
)
def test_turns_that_leave_something_open_are_joined_with_the_next(texts: list[str]) -> None:
    """Numbers that go on, questions, labels, addresses, and what says of which kind a value was."""
    finds = [FINDER.find(text) for text in texts]
    assert [[turn for turn, _, _ in each] for each in crossings(texts, finds)] == [[0, 1]]


def test_short_turns_in_a_row_are_read_together() -> None:
    """A value in three pieces needs all three."""
    assert _joined(["寄到北京市", "朝阳区", "建国路12号"]) == [[0, 1, 2]]


def test_of_long_turns_only_the_sentences_beside_the_boundary_are_read() -> None:
    """Time does not grow with the length of turns."""
    long = "今天天气很好，我们出去走走。" * 100
    (stretches,) = crossings([f"{long}卡号是", f"6222021234567890128。{long}"], [[], []])
    assert all(end - start < 260 for _, start, end in stretches)


def test_what_only_the_turns_together_tell_is_found_across() -> None:
    """And what a turn tells alone is not."""
    assert FINDER.find_across(["我的手机号13800138000", "好的。"]) == [[], []]
    across = FINDER.find_across(["请发一下卡号", "尾号之前是6222 0212 3456 7890 128"])
    assert [span.kind for span in across[1]] == ["card"]
