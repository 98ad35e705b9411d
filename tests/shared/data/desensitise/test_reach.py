"""What names a value and what says it may stand in two sentences, two lines or two turns."""

from __future__ import annotations

import pytest

from sft_shared.data.desensitise.desensitise import DesensitiseSettings
from sft_shared.data.desensitise.find import Finder, FindSettings
from sft_shared.data.desensitise.gate import inspect
from sft_shared.dialogue import Example, Message, Provenance

FINDER = Finder(FindSettings())


def found(text: str) -> list[str]:
    return [text[span.start : span.end] for span in FINDER.find(text)]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("请告诉我您的密码。", "abc12345Q"),
        ("Please tell me the password.", "hunter2xyz"),
        ("请提供您收到的验证码。", "482913"),
        ("请提供您的护照号码。", "C12345678"),
        ("请提供您的座机号码。", "8765 4321"),
        ("请提供您的会员账号！", "99887766"),
        ("请您提供一下订单编号。", "AB1234567"),
        ("Please tell me your licence plate.", "KX21 ABC"),
    ],
)
def test_a_request_that_ends_in_a_full_stop_asks_as_well(asked: str, said: str) -> None:
    """The commonest form of an agent's question."""
    finds = FINDER.find_in_turns([asked, said])
    assert [said[span.start : span.end] for span in finds[1]] == [said]


@pytest.mark.parametrize("said", ["谢谢你", "ok thanks", "我想想再说"])
def test_an_answer_without_a_value_is_left(said: str) -> None:
    """A request alone makes no find."""
    assert FINDER.find_in_turns(["请告诉我您的密码。", said])[1] == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Ship to: 500 Market Avenue.\nSan Francisco, CA 94105", "CA 94105"),
        ("2561 Sunset Blvd.\nRaleigh, NC 27609", "NC 27609"),
        ("Flat 3, Sunrise Apartments.\nMG Road, Pune 411001", "Pune 411001"),
        ("You will see the licence plate on my permit.\nKX21 ABC is the new one", "KX21 ABC"),
        ("My new number plate arrived today!\nKX21 ABC is what it says now", "KX21 ABC"),
        ("门口保安登记一下我的车牌号码。京AABCD1 谢谢您了", "京AABCD1"),
        ("I was trying to sign in to my account yesterday.\nThe code 482913 did not work", "482913"),
        ("好的，请您告诉我订单编号。AB1234567 谢谢您了麻烦了", "AB1234567"),
        ("请告诉我您的微信号。Zhangsan88 就是这个", "Zhangsan88"),
        ("手机号是这一个请记录一下：一三八零零。一三八零零零", "一三八零零。一三八零零零"),
        ("I never got my voucher.\n+49 151 74636525", "+49 151 74636525"),
        ("Please resend my voucher (415) 555-2671", "(415) 555-2671"),
        ("Text me when you have the receipt 415-555-2671", "415-555-2671"),
        ("请补打一张小票\n13912345678", "13912345678"),
        ("请补打一张小票\n010-88886666", "010-88886666"),
        ("postgres://app:S3cr3tPw9@db.example.net/orders", "S3cr3tPw9"),
    ],
)
def test_what_is_said_a_sentence_or_a_line_later_is_found(text: str, value: str) -> None:
    """No end of a sentence and no noun on the line before hides it."""
    assert any(value in each for each in found(text)), found(text)


@pytest.mark.parametrize("text", ["receipt no. 415-555-2671", "voucher code: 415-555-2671"])
def test_a_number_that_is_called_one_stays(text: str) -> None:
    """Where the noun says that its number follows."""
    assert [span.kind for span in FINDER.find(text) if span.kind == "phone"] == []


def test_the_gate_passes_a_url_whose_password_was_replaced(tmp_path_factory: pytest.TempPathFactory) -> None:
    """And stops it before."""
    url = "postgres://app:S3cr3tPw9@db-main/orders"
    example = Example(
        id="a",
        messages=(Message(role="user", content=f"It fails: {url}"), Message(role="assistant", content="ok")),
        provenance=Provenance(source="s", session="s"),
    )
    step = DesensitiseSettings(key=tmp_path_factory.mktemp("key") / "key").open()
    after = step(example)
    assert isinstance(after, Example)
    assert [leak.kind for leak in inspect(example) if leak.certain] == ["password"]
    assert [leak for leak in inspect(after) if leak.certain] == []
