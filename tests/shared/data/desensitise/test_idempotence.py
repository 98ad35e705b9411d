"""Desensitised again, nothing changes, and the leak gate finds nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sft_shared.data.desensitise.desensitise import Desensitiser
from sft_shared.data.desensitise.gate import inspect
from sft_shared.data.desensitise.numerals import luhn_remainder, resident_check_digit, write_digits
from sft_shared.dialogue import Example

Dialogue = Callable[..., Example]
Applied = Callable[[Desensitiser, Example], Example]
Steps = Mapping[str, Desensitiser]


def _card(draw: random.Random) -> str:
    body = draw.choice(["62", "4", "51"]) + "".join(draw.choices("0123456789", k=16))
    body = body[: draw.choice([15, 18]) if body.startswith("62") else 15]
    return body + next(last for last in "0123456789" if luhn_remainder(body + last) == 0)


def _resident_id(draw: random.Random) -> str:
    body = (
        f"{draw.choice(['110105', '440305'])}{draw.randint(1950, 2009)}{draw.randint(1, 12):02d}"
        f"{draw.randint(1, 28):02d}{draw.randint(0, 999):03d}"
    )
    return body + resident_check_digit(body)


def _phone(draw: random.Random) -> str:
    return f"1{draw.choice(['38', '50', '86', '99'])}{draw.randint(0, 10**8 - 1):08d}"


def _disguised(draw: random.Random, number: str) -> str:
    form = draw.choice(["plain", "wide", "spaced", "dashed", "han"])
    if form == "wide":
        return write_digits("".join("０" if sign.isdigit() else sign for sign in number), number)
    if form == "han" and number.isdigit():
        return write_digits("一" * len(number), number)
    between = {"spaced": " ", "dashed": "-"}.get(form, "")
    return between.join(number[start : start + 4] for start in range(0, len(number), 4))


MAKERS = {
    ("卡号", "card number"): lambda draw: _disguised(draw, _card(draw)),
    ("身份证号", "ID number"): lambda draw: _disguised(draw, _resident_id(draw)),
    ("手机号", "phone"): lambda draw: _disguised(draw, _phone(draw)),
    ("邮箱", "email"): lambda draw: f"u{draw.randint(0, 9999)}.li@{draw.choice(['qq.com', 'corp.cn'])}",
    ("姓名", "name"): lambda draw: draw.choice(["张伟明", "李娜", "欧阳建国", "Alice Smith", "Bob"]),
    ("地址", "address"): lambda draw: f"北京市海淀区中关村大街{draw.randint(1, 99)}号{draw.randint(1, 30)}室",
    ("账号", "account"): lambda draw: str(draw.randint(10**7, 10**12)),
    ("订单号", "order"): lambda draw: f"TB{draw.randint(10**9, 10**14)}",
    ("IP", "IP"): lambda draw: f"{draw.randint(20, 99)}.{draw.randint(1, 250)}.3.{draw.randint(1, 250)}",
    ("出生日期", "date of birth"): lambda draw: f"{draw.randint(1950, 2005)}年{draw.randint(1, 12)}月6日",
    ("密码", "password"): lambda draw: "".join(draw.choices("abcdefgXYZ23456789", k=10)),
    ("密钥", "API key"): lambda draw: "sk-" + "".join(draw.choices("abcdefgXYZ0123456789", k=32)),
}
FORMS = (
    "我的{cue}是{value}，",
    "{cue}：{value}。",
    "My {cue} is {value}. ",
    "请看{value}，",
    "({cue}: {value}) ",
)


@st.composite
def contents(draw: st.DrawFn) -> list[str | dict[str, Any]]:
    """The turns of a dialogue full of personal data, said, passed on and given back."""
    source = random.Random(draw(st.integers(0, 2**32)))
    texts, values = [], []
    for _ in range(2):
        text = ""
        for _ in range(source.randint(1, 3)):
            cues, make = source.choice(list(MAKERS.items()))
            value = make(source)
            values.append((cues[1], value))
            text += source.choice(FORMS).format(cue=source.choice(cues), value=value)
        texts.append(text)
    arguments = {cue.replace(" ", "_"): value for cue, value in source.sample(values, 2)}
    return [texts[0], texts[1], "ok", {**arguments, "n": source.randint(0, 10**12)}, "done"]


@settings(max_examples=60)
@given(turns=contents())
def test_twice_is_once(
    step: Desensitiser, turns: list[str | dict[str, Any]], dialogue: Dialogue, applied: Applied
) -> None:
    """Desensitised again, nothing changes, and JSON is still JSON."""
    once = applied(step, dialogue(*turns))
    assert applied(step, once) == once
    for message in once.messages:
        if message.role == "tool":
            json.loads(message.content or "")


@settings(max_examples=60)
@given(
    text=st.text("王李张伟明一二三〇 13869@.-[]卡号手机:，example.comEXAMPL9砚禾澄泽路quillmere", max_size=60)
)
def test_twice_is_once_for_text_that_looks_like_placeholders(steps: Steps, text: str) -> None:
    """Pieces of tags, pseudonyms and personal data in any order."""
    for step in steps.values():
        once = step.text(text, session="s")
        assert step.text(once, session="s") == once


@settings(max_examples=40)
@given(turns=contents())
def test_the_leak_gate_lets_the_result_pass(
    step: Desensitiser, turns: list[str | dict[str, Any]], dialogue: Dialogue, applied: Applied
) -> None:
    """It stopped what went in, wherever that held something certain."""
    assert [leak for leak in inspect(applied(step, dialogue(*turns))) if leak.certain] == []


NAMES = (
    "欧阳娜娜",
    "王小明",
    "陈子涵",
    "王明天",
    "买买提·艾力江",
    "Alice Okonkwo",
    "Will Smith",
    "Mark Chen",
)
CALLS = (
    "我叫{name}。",
    "{part}，好的",
    "请问{part}在吗",
    "{part}姐您好",
    "王女士，{part}",
    "Hi {part}, ok.",
    "Mr {part}'s {part}",
)
PARTS = (
    "娜娜",
    "欧阳",
    "小明",
    "子涵",
    "明天",
    "艾力江",
    "Alice",
    "Okonkwo",
    "Will",
    "Smith",
    "Mark",
    "Chen",
)


@settings(max_examples=80)
@given(
    turns=st.lists(
        st.builds(
            str.format, st.sampled_from(CALLS), name=st.sampled_from(NAMES), part=st.sampled_from(PARTS)
        ),
        min_size=2,
        max_size=6,
    )
)
def test_twice_is_once_for_parts_of_names(
    step: Desensitiser, turns: list[str], dialogue: Dialogue, applied: Applied
) -> None:
    """Whoever is called by a part of a name, of one person's or of another's."""
    once = applied(step, dialogue(*turns))
    assert applied(step, once) == once
