"""A number is no telephone if the noun right before it says so."""

from __future__ import annotations

import pytest

from sft_shared.data.desensitise.announced import announced_as_other
from sft_shared.data.desensitise.find import Finder, FindSettings

FINDER = Finder(FindSettings())


def telephones(text: str) -> list[str]:
    return [text[span.start : span.end] for span in FINDER.find(text) if span.kind == "phone"]


@pytest.mark.parametrize(
    "text",
    [
        *("资产编号 13912345678", "准考证号13912345678", "序列号是 0755-26881234", "trace_id=15912345678"),
        *("播放量冲到13811223344", "工单15800012345已关闭", "兑换码15712345670", "15912345678笔交易"),
        *(
            "合同HT-0755-26649017",
            "短信发送时间 1741659727123",
            "总资产13926174058.22",
            "call at 1741659727 failed",
        ),
        *(
            "我买的号码是01 15 28 31 33，守号三年",
            "开奖号码13 17 21 25 29 31",
            "10:22:07.123456",
            "part 415-5550132",
        ),
        *("serial 415-555-2671", "sn: 15912345678", "人口13812345678", "证书编号400-820-8820"),
    ],
)
def test_a_number_that_another_noun_announces_is_no_telephone(text: str) -> None:
    """Whatever its shape."""
    assert telephones(text) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("编号12，电话13900278461", "13900278461"), ("订单里留的手机是13900278461", "13900278461")),
        *(("13900278461只能发短信", "13900278461"), ("13900278461手机一直开着", "13900278461")),
        *(("充值13900278461失败", "13900278461"), ("尽量打13900278461", "13900278461")),
        *(("账单发到13900278461", "13900278461"), ("下单的号13900278461", "13900278461")),
        *(("座机0571-87654321#203", "0571-87654321#203"), ("(86)13900278461", "(86)13900278461")),
        *(("tel 00 49 30 901820", "00 49 30 901820"), ("ph: 98765 43210", "98765 43210")),
    ],
)
def test_a_telephone_is_found_beside_other_nouns_and_words(text: str, number: str) -> None:
    """A word that begins like a unit is no unit, and a nearer word of telephones counts more."""
    assert telephones(text) == [number]


def test_the_noun_has_to_stand_right_before_or_be_said_of_it_after() -> None:
    """A noun elsewhere in the sentence announces nothing."""
    assert announced_as_other("资产编号 13912345678", 5, 16) == 2
    assert announced_as_other("13912345678这个批次", 0, 11) == 11
    assert announced_as_other("编号错了，打13912345678", 6, 17) is None
