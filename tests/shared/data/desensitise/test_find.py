"""All personal data of a text, in Chinese and English, and nothing that only looks like it.

A case marks its finds: 【kind:value】.
"""

from __future__ import annotations

import random
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from stdnum import luhn
from stdnum.cn import ric

from sft_shared.data.desensitise.find import Finder, FindSettings

FINDER = Finder(FindSettings())
MARK = re.compile(r"【(\w+):(.*?)】", re.S)


def unmarked(case: str) -> tuple[str, list[tuple[str, int, int]]]:
    """The text of a case, and (kind, start, end) of what is marked in it."""
    text, marked, position = "", [], 0
    for mark in MARK.finditer(case):
        text += case[position : mark.start()]
        marked.append((mark[1], len(text), len(text) + len(mark[2])))
        text += mark[2]
        position = mark.end()
    return text + case[position:], marked


CASES = """
我叫【name:欧阳娜娜】，手机【phone:13812345678】
我朋友【name:周杰】介绍我来的，让【name:孙悦】明天来一趟
【name:赵】经理在吗，这单是【name:吴】女士买的
原告为【name:赵骥龙】、【name:许垚】，与【name:顾长卫】核对过
收货人：【name:爱新觉罗·启星】，联系人叫【name:热依扎】
您好，我姓【name:魏】，叫我【name:老王】就行
【name:徐志摩】投诉快递员态度恶劣
家住【address:朝阳区望京西园三区305号楼2单元1201】
送到【address:上海市浦东新区张江高科技园区碧波路690号2号楼301室】
老家是【address:四川省达州市渠县三汇镇白腊坪村3组】
寄到【address:东直门内大街9号】就行
{"new_address": "【address:合肥市蜀山区东风西路1886号绿城翡翠园15幢1148室】"}
卡号【card:6222 0212 3456 7890 128】，my amex is 【card:378282246310005】
卡【card:6222/0212/3456/7890/128】
卡号：【card:6222021234567890123】
卡号【card:六二二二零二一二三四五六七八九零一二八】
card 【card:four one one one one one one one one one one one one one one one】
身份证【resident_id:110105 19491231 002X】
号码：【resident_id:１１０１０５１９４９１２３１００２ｘ】
老身份证【resident_id:110105491231002】，SSN 【resident_id:123-45-6789】
座机【phone:010-88886666转801】，客服【phone:400-820-8820】
【phone:+86 138-0013-8000】，手机:【phone:138.0013.8000】
my number is 【phone:+44 20 7946 0958】, or 【phone:(415) 555-2671】
reach me at 【phone:four one five five five five two six seven one】
邮箱【email:zhang.san@example.com】，发我【email:lisi_88艾特qq点com】
mail me at 【email:john dot smith at gmail dot com】 or 【email:jane(at)corp(dot)co(dot)uk】
微信号：【account:zhangsan_2020】，加我QQ【account:123456789】
IBAN 【account:GB82 WEST 1234 5698 7654 32】, account no. 【account:000123456789】
订单号：【order:20240518123456789】，快递单号【order:SF1234567890123】一直不动
查一下【order:2025091164020891】这个订单
my order 【order:112-3456789-1234567】 is late
ping 【ip:192.168.1.10】 and 【ip:2001:db8::8a2e:370:7334】, mac 【mac:00:1A:2B:3C:4D:5E】
密码是【password:Abc12345】，验证码【password:829301】，请勿泄露
password: 【password:hunter2】; your verification code is 【password:482913】
mysql://root:【password:s3cr3t】@db.local/x
token=【api_key:sk-abcdefghijklmnopqrstuvwx1234】 AWS 【api_key:AKIAIOSFODNN7EXAMPLE】
Authorization: Bearer 【api_key:eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc123DEF456】
护照号【passport:E12345678】，港澳通行证【passport:C12345678】
我的车牌是【plate:京A·12345】，新能源【plate:粤BD12345】，挂车【plate:鲁H1234挂】
我是【birth_date:1990年5月12日】出生的；生日是【birth_date:1988-08-08】
DOB 【birth_date:03/14/1985】, she was born on 【birth_date:March 3, 1992】
My name is 【name:John Smith】. i'm 【name:sarah connor】 and i want a refund
Mr. 【name:Johnson】 called, thanks 【name:Ethan】, that fixed it
ship to 【name:Wei Zhang】 at 【address:123 Main St, Springfield, IL 62704】
Regards,\n【name:Olivia Brown】
I spoke with 【name:Min-seok Kim】 and 【name:Lucía A. Castillo Navarro】
name: 【name:kevin o'brien】
【address:Flat 2, 69 Victoria Road, York YO10 5DD】, ring twice
The address is 【address:Room 1377, Building 22, No. 83 Wensan Road, Xihu District, Hangzhou, Zhejiang】
【address:PO Box 1234, Austin, TX 78701】
""".strip().split("\n")


@pytest.mark.parametrize("case", [case.replace("\\n", "\n") for case in CASES])
def test_personal_data_is_found(case: str) -> None:
    """Each marked value lies within a find of its kind, and there is no find that is not marked."""
    text, marked = unmarked(case)
    found = FINDER.find(text)
    for kind, start, end in marked:
        assert any(each.kind == kind and each.start <= start and end <= each.end for each in found), (
            kind,
            text[start:end],
        )
    for each in found:
        assert any(
            kind == each.kind and each.start < end and start < each.end for kind, start, end in marked
        ), each


HARMLESS = """
今天天气不错，马上就到，方便的话打个电话，高兴就好
金额是1234567890元，共计12345678901元，单价¥12,345.67
iPhone 15 Pro Max 256GB 黑色，型号是SM-G9980，执行GB/T 2828.1-2012标准
时间戳1716012345678，2024-05-18 12:30:45，时长01:23:45
version 1.2.3.4 is out, upgrade to v10.0.2.1 now
固件从4.2.1.17升到4.2.2.3之后断流
ISBN 978-7-111-12345-6，商品条码6901234567892，坐标116.397428,39.90923
May I help you? Will you mark it? May is the best month.
We flew from Paris to Jordan on a Sunday in June
New York Times subscription, Black Friday at Best Buy, Good Morning America
王府井大街人多吗，白天和晚上都行，时间你定
请问常用的方案有哪些，万一失败怎么办，何时恢复
于是我就向客服反映了，和平时一样，张贴在门口，这张卡
周大福和李宁哪个近，王老吉和康师傅各来两箱，马克杯一个
3号线转8号线到中关村，5楼有空调，第3条第2款
Order 2 pizzas and 3 cokes, 24 Hour Road service, 12 Months Free Drive
Dear customer, your account has been updated. Kind regards, Customer Support Team
password is incorrect, forgot my password, 密码错误，验证码收不到
昨晚双色球开的02 03 09 10 27 33，我一个没中
build 28.18.14 commit 29e1c1f at 1738151997
SKU KL-3869-UPN, 货号EP-1873-JZB, 成功率99.95%, 第110105号公告
北京市朝阳区的天气怎么样，江浙沪包邮吗
Is Dr Pepper sold here? How about Jack Daniel's?
""".strip().split("\n")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_it_is_left(text: str) -> None:
    """Amounts, times, versions, codes, places, brands and words that look like names are no finds."""
    assert FINDER.find(text) == []


WORDS = st.sampled_from(
    [
        "请问",
        "我的",
        "麻烦您",
        "谢谢",
        "今天",
        "这个",
        "hello",
        "please",
        "thanks",
        "，",
        "。",
        "? ",
        " ",
        "查一下",
        "还没收到",
    ]
)
AROUND = st.lists(WORDS, max_size=4).map("".join)
HAN = dict(zip("0123456789", "零幺二三四五六七八九", strict=True))
ENGLISH = dict(
    zip(
        "0123456789",
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
        strict=True,
    )
)


def disguised(digits: str, how: str) -> str:
    """The same number as people write it."""
    if how == "wide":
        return "".join(chr(ord(char) + 0xFEE0) for char in digits)
    if how == "han":
        return "".join(HAN.get(char, char) for char in digits)
    if how == "english":
        return " ".join(ENGLISH.get(char, char) for char in digits)
    if how == "invisible":
        return "\u200b".join(digits)
    return how.join(re.findall(".{1,4}", digits)) if how else digits


DISGUISES = st.sampled_from(["", " ", "-", ".", "wide", "han", "english", "invisible"])


@st.composite
def values(draw: st.DrawFn) -> tuple[str, str]:
    """A valid value of a kind, written some way: (kind, text)."""
    source = random.Random(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["card", "resident_id", "phone"]))
    if kind == "card":
        digits = source.choice(["622202", "621483", "4", "51"]) + "".join(source.choices("0123456789", k=18))
        digits = digits[: 18 if digits.startswith("62") else 15]
        digits += luhn.calc_check_digit(digits)
    elif kind == "resident_id":
        born = f"{source.randint(1940, 2015)}{source.randint(1, 12):02}{source.randint(1, 28):02}"
        digits = source.choice(["110105", "440305", "510104"]) + born + f"{source.randint(0, 999):03}"
        digits += ric.calc_check_digit(digits + "0")
    else:
        digits = "1" + source.choice("3589") + "".join(source.choices("0123456789", k=9))
    return kind, disguised(digits, draw(DISGUISES))


@settings(max_examples=200)
@given(AROUND, values(), AROUND)
def test_a_valid_number_is_found_however_it_is_written(
    before: str, value: tuple[str, str], after: str
) -> None:
    """Cards, IDs and mobiles need no cue; separators, widths and dictation do not hide them."""
    kind, written = value
    before = before + " " if before and before[-1].isascii() and before[-1].isalnum() else before
    after = " " + after if after and after[0].isascii() and after[0].isalnum() else after
    cue = {"card": "卡号", "resident_id": "身份证", "phone": "手机"}[kind]
    text = f"{before}{cue}{written}{after}"
    start = len(before) + len(cue)
    found = FINDER.find(text)
    assert any(
        each.kind == kind and each.start <= start and start + len(written) <= each.end for each in found
    ), found


@given(
    AROUND,
    st.from_regex(r"[a-z][a-z0-9]{2,9}(?:[._][a-z0-9]{1,6})?@[a-z]{2,9}\.(?:com|cn|org)", fullmatch=True),
    AROUND,
)
def test_an_email_is_found_in_any_text(before: str, address: str, after: str) -> None:
    """Whatever stands around it, Chinese without a space too."""
    before = before + " " if before and before[-1].isascii() and before[-1].isalnum() else before
    after = " " + after if after and after[0].isascii() and after[0].isalnum() else after
    found = FINDER.find(before + address + after)
    start = len(before)
    assert any(
        each.kind == "email" and each.start <= start and start + len(address) <= each.end for each in found
    )


@given(st.text(alphabet="张王李伟路12345号栋-. @a:ABJohn零一\n\u200b１，卡密码是order", max_size=60))
def test_finds_are_in_bounds_in_order_and_apart(text: str) -> None:
    """Any text at all; and the same finds a second time."""
    found = FINDER.find(text)
    assert all(0 <= each.start < each.end <= len(text) and 0.5 <= each.confidence <= 1 for each in found)
    assert all(left.end <= right.start for left, right in pairwise(found))
    assert found == FINDER.find(text)


def test_only_the_kinds_asked_for_are_given() -> None:
    """A card is not given as an account because cards are not looked for."""
    text = "账号 6222021234567890128，手机13812345678"
    assert [each.kind for each in Finder(FindSettings(kinds=("account", "phone"))).find(text)] == ["phone"]


def test_only_sure_finds_are_given_if_so_set() -> None:
    """The card has a check digit, the order number has none."""
    finder = Finder(FindSettings(min_confidence=0.99))
    assert [each.kind for each in finder.find("卡号6222021234567890128，订单20240518123456")] == ["card"]


def test_no_kinds_are_refused() -> None:
    """Looking for nothing is a mistake."""
    with pytest.raises(ValidationError, match="no kind is named"):
        FindSettings(kinds=())


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "1 ",
        "1-",
        "王",
        "张伟路",
        "路1号",
        "一",
        "a",
        "Ab ",
        "@",
        "a@",
        "a.",
        "a at ",
        "1:",
        "1 A St, ",
        "密码是",
        "token ",
    ],
)
def test_time_grows_with_length_only(unit: str, grows_linearly: Any) -> None:
    """100 kB of any nonsense."""
    grows_linearly(lambda count: FINDER.find(unit * count), 100_000 // len(unit))
