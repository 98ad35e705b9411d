"""What markup, escapes, signs and words hide is found by the gate; ordinary lists of numbers are not."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from sft_shared.data.desensitise import gate, gate_reveal
from sft_shared.data.desensitise.gate import inspect, may_be_personal
from sft_shared.data.desensitise.gate_reveal import across, in_json, in_values, revealed
from sft_shared.data.desensitise.numerals import plain
from sft_shared.dialogue import Example

CARD, LONG_CARD, RESIDENT, PHONE = (
    "4532812345678905",
    "6222021234567890128",
    "110101199003071233",
    "13812345678",
)
SEPARATORS = (
    *("\r\n", "<br>", "<br/>\n", "&nbsp;", "</td><td>", "~", "#", ":", "+", "*", "😀", " 👉 ", "\\r\\n"),
    *("    ", "然后", " 然后是 ", "、然后、", " then ", ", then ", "…", " -- "),
)
SAID = dict(
    zip(
        "0123456789",
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
        strict=True,
    )
)


def told(*turns: str) -> Example:
    """User and assistant in turn."""
    messages = [
        {"role": ("user", "assistant")[place % 2], "content": content} for place, content in enumerate(turns)
    ]
    if len(messages) % 2:
        messages.append({"role": "assistant", "content": "ok"})
    return Example.model_validate(
        {"id": "one", "messages": messages, "provenance": {"source": "t", "session": "s"}}
    )


def calling(arguments: dict[str, Any]) -> Example:
    """An assistant's call."""
    call = {"role": "assistant", "tool_calls": [{"name": "f", "arguments": arguments}]}
    origin = {"source": "t", "session": "s"}
    messages = [{"role": "user", "content": "?"}, call]
    return Example.model_validate({"id": "one", "messages": messages, "provenance": origin})


def certain(example: Example) -> set[str]:
    """Kinds of the certain hits."""
    return {leak.kind for leak in inspect(example) if leak.certain}


def cut(number: str, *sizes: int, mark: str) -> str:
    """``number`` in groups of ``sizes`` with ``mark`` between."""
    rest, groups = iter(number), []
    for size in sizes:
        groups.append("".join(next(rest) for _ in range(size)))
    return mark.join(groups)


@pytest.mark.parametrize("mark", SEPARATORS)
def test_whatever_stands_between_the_groups(mark: str) -> None:
    """Cards and identity numbers in their groups, in a sentence."""
    assert certain(told(f"卡号{cut(CARD, 4, 4, 4, 4, mark=mark)}，谢谢")) == {"card"}
    assert certain(told(f"卡号{cut(LONG_CARD, 4, 4, 4, 4, 3, mark=mark)}，谢谢")) == {"card"}
    assert certain(told(f"my ID {cut(RESIDENT, 6, 8, 4, mark=mark)} ok")) == {"resident_id"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"**{RESIDENT[:4]}**{RESIDENT[4:]}", "resident_id"),
        (f"**{CARD[:4]}** **{CARD[4:8]}** {CARD[8:]}", "card"),
        ("".join(f"{digit}\ufe0f\u20e3" for digit in CARD), "card"),
        ("my card is " + " ".join(SAID[digit] for digit in CARD), "card"),
        ("call " + ", ".join(SAID[digit] for digit in PHONE), "phone"),
        ("".join(f"&#{ord(digit)};" for digit in CARD), "card"),
        ("".join(f"%{ord(digit):x}" for digit in PHONE), "phone"),
        ("138<b>1234</b>5678", "phone"),
        ("138    1234    5678", "phone"),
        ("zhangwei88%40qq.com", "email"),
        ("zhangwei88%2540qq.com", "email"),
        ("zhangwei88&#64;qq.com", "email"),
        ("zhangwei88&amp;#64;qq&#46;com", "email"),
        ("zhangwei88 (at) qq dot com", "email"),
        ("zhangwei88 at qq dot com", "email"),
        ("zhangwei88[at]qq[dot]com", "email"),
        ("zhangwei88艾特qq点com", "email"),
        (json.dumps([CARD[:4], CARD[4:8], CARD[8:12], CARD[12:]]), "card"),
        (json.dumps({"prefix": LONG_CARD[:6], "rest": LONG_CARD[6:]}), "card"),
        ('{"card": 6.22202123456789011e18}', "card"),
    ],
)
def test_what_is_hidden_is_found(text: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the look behind it switched off it passes."""
    assert certain(told(text)) == {kind}
    monkeypatch.setattr(gate, "_hidden", lambda *_: iter(()))
    monkeypatch.setattr(gate, "across", lambda _: iter(()))
    assert certain(told(text)) == set()


def test_a_number_in_pieces_that_are_values() -> None:
    """Of a list, of an object, as texts or as numbers."""
    pieces = [CARD[:4], CARD[4:8], CARD[8:12], CARD[12:]]
    for arguments in (
        {"card": pieces},
        {"card": [int(piece) for piece in pieces]},
        {"prefix": LONG_CARD[:6], "rest": LONG_CARD[6:]},
        {"a": {"b": RESIDENT[:6]}, "c": [RESIDENT[6:14], RESIDENT[14:]]},
    ):
        assert len(certain(calling(arguments))) == 1
    assert certain(calling({"a": 4532, "b": [8123, 4567], "c": "x", "d": 8905})) == set()


@pytest.mark.parametrize(
    "turns",
    [
        [f"卡号是{CARD[:4]}，{CARD[4:8]}", "好的", f"{CARD[8:12]}，然后{CARD[12:]}"],
        [f"my card: {CARD[:4]} and {CARD[4:8]}", "yes", f"{CARD[8:12]} then {CARD[12:]}, please"],
        [f"身份证{RESIDENT[:6]}", "嗯", f"{RESIDENT[6:10]}，{RESIDENT[10:14]}，{RESIDENT[14:]}"],
        ["邮箱是zhangwei88", "@什么", "@qq.com"],
        ["my mail is zhangwei88@", "go on", "qq.com"],
        ["zhangwei88", "@qq.com"],
    ],
)
def test_several_pieces_a_turn_and_addresses_that_break_off(turns: list[str]) -> None:
    """Over turns."""
    assert len(certain(told(*turns))) == 1


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2018+2019+2020+2021",
            "1000~2000、3000~4000",
            "4:3, 16:9, 21:9, 5:4, 3:2, 1:1",
            "a**2 + b**2",
            "100% & 50%",
        ),
        *(
            "第一，第二，第三，第四",
            "one, two, three, four",
            "<table><td>12</td><td>4000</td></table>",
            "`x`",
        ),
        *(
            "12:30:45\r\n12:31:45\r\n12:32:45\r\n12:33:45",
            "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]",
        ),
        *(
            "meet at example.com",
            "look at page dot",
            "https://shop.cn/?q=%E5%BC%A0",
            '{"id": 1001, "n": [4000, 5000]}',
        ),
    ],
)
def test_ordinary_text_stays_clean(text: str) -> None:
    """Sums, ratios, tables, times, code."""
    assert certain(told(text)) == set()
    assert not may_be_personal("12~34")


def test_random_lists_are_seldom_certain() -> None:
    """Of lists of numbers of all sizes one in some hundreds; of just four groups of four one in forty."""
    draw = random.Random(3)
    lists = [
        [str(draw.randint(1, 10 ** draw.randint(1, 6))) for _ in range(draw.randint(3, 9))]
        for _ in range(3000)
    ]
    hits = sum(any(hit.certain for hit in across(" + ".join(row))) for row in lists)
    hits += sum(any(hit.certain for hit in in_values(row)) for row in lists)
    assert hits <= 6
    fours = [[str(draw.randint(1000, 9999)) for _ in range(4)] for _ in range(2000)]
    assert sum(any(hit.certain for hit in across(" ~ ".join(row))) for row in fours) < 2000 / 25


def test_text_without_disguise_is_not_read_again() -> None:
    """So the second look costs nothing there."""
    assert revealed("你好，我的订单 2024-09-18 到了吗？ 3,000 元, one of them") is None
    assert list(in_json("[4111")) == []
    assert gate_reveal.revealed("a<b>c") == "a c"


@pytest.mark.parametrize(
    "piece", ["4 ~ ", "4", "&#5", "%3", "<a", "one two ", "4然后", "**", "a (at) ", "\\u00", "a点"]
)
def test_hostile_text_takes_linear_time(piece: str, grows_linearly: Any) -> None:
    """200 kB of what the patterns are made of."""
    grows_linearly(lambda count: list(across(plain(piece * count))), 200_000 // len(piece))
    grows_linearly(lambda count: revealed(piece * count), 200_000 // len(piece))
