"""Values that take several turns, or are asked in one and said in the next."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.desensitise.find import Finder, FindSettings

FINDER = Finder(FindSettings())


def found(turns: list[str]) -> list[list[tuple[str, str]]]:
    """(kind, value) of each find of each turn."""
    return [
        [(each.kind, text[each.start : each.end]) for each in spans]
        for text, spans in zip(turns, FINDER.find_in_turns(turns), strict=True)
    ]


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (["我的卡号是6222 0212 3456", "7890 128"], [[("card", "6222 0212 3456")], [("card", "7890 128")]]),
        (
            ["请说前半段卡号", "前面是621462386700", "后面呢？", "后面是51409，对了吗"],
            [[], [("card", "621462386700")], [], [("card", "51409")]],
        ),
        (
            ["what's your number?", "415 555", "ok", "2671"],
            [[], [("phone", "415 555")], [], [("phone", "2671")]],
        ),
        (["tel?", "+44", "7911123456"], [[], [("phone", "+44")], [("phone", "7911123456")]]),
        (
            ["手机号是多少？", "137", "嗯", "5951", "3315", "记下了"],
            [[], [("phone", "137")], [], [("phone", "5951")], [("phone", "3315")], []],
        ),
        (
            ["身份证前六位110105", "然后是19491231", "最后002X"],
            [[("resident_id", "110105")], [("resident_id", "19491231")], [("resident_id", "002X")]],
        ),
        (["邮箱是zhang.wei@", "qq.com"], [[("email", "zhang.wei@")], [("email", "qq.com")]]),
        (["What is your name?", "John Smith"], [[], [("name", "John Smith")]]),
        (["Who am I speaking to?", "it's nguyen quoc bao"], [[], [("name", "nguyen quoc bao")]]),
        (["请问您贵姓？", "免贵姓张，张伟"], [[], [("name", "张"), ("name", "张伟")]]),
        (["请问您怎么称呼？", "高兴"], [[], []]),
        (["请提供一下订单号", "2024051812345678"], [[], [("order", "2024051812345678")]]),
        (["好的，请报一下账号", "1234567890"], [[], [("account", "1234567890")]]),
        (["要多少个？", "138", "好的", "还有0013", "8000"], [[], [], [], [], []]),
        (["你好", "有什么可以帮您"], [[], []]),
        (
            ["刚说到187", "您继续", "2255", "还有", "4418"],
            [[("phone", "187")], [], [("phone", "2255")], [], [("phone", "4418")]],
        ),
        (["订单187", "2255", "4418"], [[], [], []]),
        (["187", "22", "55", "4418"], [[], [], [], []]),
        (["+86 136", "嗯", "6197 2405"], [[("phone", "+86 136")], [], [("phone", "6197 2405")]]),
        (["415", "go on", "5552671"], [[("phone", "415")], [], [("phone", "5552671")]]),
        (["how many?", "415", "and then", "5552671"], [[], [], [], []]),
        (["021-", "等一下", "5081 7726"], [[("phone", "021-")], [], [("phone", "5081 7726")]]),
        ([], []),
    ],
)
def test_split_values_are_found_in_every_turn(
    turns: list[str], expected: list[list[tuple[str, str]]]
) -> None:
    """Each turn has its part, and a question without a value has none."""
    assert found(turns) == expected


@given(st.lists(st.text(alphabet="张伟138 0013@a.com，卡号\nJohn", max_size=30), max_size=5))
def test_spans_lie_in_their_own_turn(turns: list[str]) -> None:
    """In bounds, in order, apart, whatever the turns."""
    for text, spans in zip(turns, FINDER.find_in_turns(turns), strict=True):
        assert all(0 <= each.start < each.end <= len(text) for each in spans)
        assert all(left.end <= right.start for left, right in pairwise(spans))


def test_one_turn_is_a_text() -> None:
    """A conversation of one turn gives what the text alone gives."""
    text = "我是李晓明，电话13812345678，住在幸福路12号"
    assert FINDER.find_in_turns([text]) == [FINDER.find(text)]
