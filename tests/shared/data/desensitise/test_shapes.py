"""What is remembered of the shape of a text is what all recognisers find in it, whatever its digits."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sft_shared.data.desensitise.canonical import read
from sft_shared.data.desensitise.dictation import read_digits
from sft_shared.data.desensitise.disguises import escapes, separators
from sft_shared.data.desensitise.folding import Canonical, fold
from sft_shared.data.desensitise.shapes import find_alone, find_by_all, find_written

PIECES = """
手机号是13812345678|我的卡号6222021234567890128|card 4111 1111 1111 1111
身份证11010519491231002X|尾号1234的银行卡
订单号DD20240518123456|order 2024-05-18|账号acc636985
my account no. 12/05/2019|1Z999AA10123456784|订单1Z 2345
出生于1990年3月5日|born 19900305|生日是03-05
男，1985-06-01|DOB 12/05/1985|2019年12月
密码是19870101|验证码 2024|PIN 1999|your 2fa code is 482913
cvv2 123|wpa2 key is abc12345|登录 root/mp3abc|mp3 8812
mail zhang.wei88@qq.com|ping 192.168.1.254|version 1.2.3.4
mac 00:1A:2B:3C:4D:5E|ip 2001:db8::7|10:11:12:13:14:15
粤B12345|plate AB12 CDE|passport E12345678|SSN 123-45-6789
000-12-3456|sk-abc123def456ghi789jkl|ya29.abcdefghijklmnopqrstuv
call 021-62345678|+44 20 7946 0958|(415) 555-2671|打95588
拨打12345|1-800-FLOWERS|400-820-8820|资产编号 13912345678
12 1/2 Main Street, Springfield, IL 62704|221B Baker Street
北京市朝阳区建国路88号2单元301室|GB29NWBK60161331926819
我叫张伟|My name is John Smith|等了15天了|within 10 minutes
金额13800138000元|7. 第12章|一三八零零一三八零零零|138&#45;0013
""".strip()
WORDS = [piece for line in PIECES.splitlines() for piece in line.split("|")]
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map("，".join)


def with_other_digits(text: str, seed: int) -> str:
    """Every digit drawn anew, or most of them."""
    draw = random.Random(seed)
    signs = [
        draw.choice("0123456789") if sign in "0123456789" and draw.random() < 0.8 else sign for sign in text
    ]
    return "".join(signs)


@given(TEXTS, st.integers(0, 2**32), st.booleans())
@example("密码是mp3abc，cvv2 123", 0, True)
@settings(max_examples=300)
def test_nothing_is_lost_or_added_by_remembering_shapes(text: str, seed: int, first: bool) -> None:
    """The finds are those of all recognisers, for the first text of a shape and for one with other digits."""
    folded = fold(text if first else with_other_digits(text, seed)).text
    find_alone(fold(text).text)
    everything = [*find_written(folded), *find_by_all(Canonical(folded), digits=True)]
    assert sorted(set(find_alone(folded))) == sorted(set(everything))


@pytest.mark.parametrize("digits", ["2019-05", "1111-11", "0000-00"])
def test_a_year_is_no_order(digits: str) -> None:
    """What a recogniser asks of certain digits is asked of each text anew: a shape is not its first text."""
    text = f"订单号 {digits}"
    assert sorted(find_alone(text)) == sorted(
        [*find_written(text), *find_by_all(Canonical(text), digits=True)]
    )


@given(TEXTS, st.integers(0, 2**32))
@settings(max_examples=300)
def test_texts_of_a_shape_are_read_each_as_it_is(text: str, seed: int) -> None:
    """`read` skips its steps only where they change nothing."""
    for each in (text, with_other_digits(text, seed)):
        folded = fold(each)
        changed = read_digits(folded) is not folded or any(
            next(iter(disguise(folded.text)), None) for disguise in (escapes, separators)
        )
        assert (read(each)[1].text != folded.text) <= changed
        if not changed:
            assert read(each)[1] == folded
