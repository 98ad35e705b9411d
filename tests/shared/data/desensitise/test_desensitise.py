"""Examples in, examples without personal data out: once, alike throughout, and still examples."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from sft_shared.data.desensitise.audit import Audit
from sft_shared.data.desensitise.desensitise import Desensitiser, DesensitiseSettings
from sft_shared.data.desensitise.gate import inspect
from sft_shared.data.desensitise.numerals import luhn_remainder, resident_check_digit, write_digits
from sft_shared.data.desensitise.replace import PseudonymReplacement
from sft_shared.data.images import ImageQuestions
from sft_shared.data.steps import Dropped
from sft_shared.dialogue import Example

KEY = b"k" * 32
TAGS = DesensitiseSettings(key=Path("unused"))
PSEUDONYMS = DesensitiseSettings(key=Path("unused"), replacement=PseudonymReplacement())
STEPS = {"tag": Desensitiser(TAGS, key=KEY), "pseudonym": Desensitiser(PSEUDONYMS, key=KEY)}
BOTH = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
CARD, PHONE, MAIL = "6222021234567890128", "13812345678", "zhang.wei88@qq.com"


def dialogue(*contents: str | dict[str, Any], **changes: Any) -> Example:
    """Turns by user and assistant in turn; a dict is the arguments of a call, and its result follows."""
    messages: list[dict[str, Any]] = []
    for content in contents:
        if isinstance(content, dict):
            messages.append({"role": "assistant", "tool_calls": [{"name": "f", "arguments": content}]})
            messages.append({"role": "tool", "content": json.dumps(content, ensure_ascii=False)})
        else:
            last = messages[-1]["role"] if messages else "assistant"
            messages.append({"role": "assistant" if last != "assistant" else "user", "content": content})
    if messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": "ok"})
    values = {"id": "one", "messages": messages, "provenance": {"source": "test", "session": "s"}, **changes}
    return Example.model_validate(values)


def applied(step: Desensitiser, example: Example) -> Example:
    """The example after the step, which keeps it."""
    changed = step(example)
    assert isinstance(changed, Example)
    return changed


@BOTH
def test_a_value_is_replaced_alike_throughout_the_dialogue(step: Desensitiser) -> None:
    """In what the user says, in the call as text and as number, in its result, and in the answer."""
    example = dialogue(
        f"我叫张伟明，卡号6222 0212 3456 7890 128，手机{PHONE}",
        {"name": "张伟明", "card": int(CARD), "tel": "138-1234-5678", "nested": [{"who": "张伟明"}], "n": 3},
        f"张伟明您好，{PHONE}已登记",
        expected_calls=[{"name": "f", "arguments": {"name": ["张伟明"], "card": [int(CARD)]}}],
    )
    changed = applied(step, example)
    for private in (*("张伟明", CARD, PHONE, "138-1234"), "6222 0212"):
        assert private not in changed.model_dump_json()
    arguments = changed.messages[1].tool_calls[0].arguments
    name = arguments["name"]
    assert arguments["nested"] == [{"who": name}]
    assert arguments["n"] == 3
    assert (changed.messages[0].content or "").startswith(f"我叫{name}，卡号")
    assert json.loads(changed.messages[2].content or "") == arguments
    assert (changed.messages[3].content or "").startswith(f"{name}您好，")
    assert changed.expected_calls[0].arguments == {"name": [name], "card": [arguments["card"]]}
    if step is STEPS["pseudonym"]:
        assert isinstance(arguments["card"], int)
        said = (changed.messages[0].content or "").partition("卡号")[2].partition("，")[0]
        assert said.replace(" ", "") == str(arguments["card"])
    else:
        assert (name, arguments["card"]) == ("[姓名]", "[信用卡号]")


def test_sessions_and_keys_have_pseudonyms_of_their_own() -> None:
    """The same card in another session, or by another key, is another card."""
    example = dialogue(f"卡号{CARD}")
    other = dialogue(f"卡号{CARD}", provenance={"source": "test", "session": "t"})
    step, another = STEPS["pseudonym"], Desensitiser(PSEUDONYMS, key=b"x" * 32)
    contents = [
        applied(step, example).messages[0].content,
        applied(step, other).messages[0].content,
        applied(another, example).messages[0].content,
    ]
    assert len(set(contents)) == 3
    assert applied(step, example.model_copy(update={"id": "two"})).messages == applied(step, example).messages


@BOTH
def test_labels_take_the_new_text(step: Desensitiser) -> None:
    """An entity is where it was, and its value is what stands there now."""
    text = f"请给{PHONE}打电话，谢谢"
    start = text.index(PHONE)
    entities = [
        {"type": "phone", "value": PHONE, "message": 0, "start": start, "end": start + 11},
        {"type": "word", "value": "谢谢", "message": 0, "start": text.index("谢谢"), "end": len(text)},
    ]
    changed = applied(step, dialogue(text, entities=entities))
    assert PHONE not in changed.entities[0].value
    assert (changed.messages[0].content or "").startswith(f"请给{changed.entities[0].value}打")
    assert changed.entities[1].value == "谢谢"


@BOTH
def test_ids_and_tools_are_looked_at_too(step: Desensitiser) -> None:
    """A telling id, session or origin is hidden whole, the same one in the same way; others stay."""
    tool = {
        "name": "f",
        "description": f"Write to {MAIL}.",
        "parameters": {"type": "object", "enum": [PHONE]},
    }
    origin = {"source": "log", "session": f"wx-{PHONE}", "origin": f"chat {PHONE}"}
    changed = applied(step, dialogue("hi", id=f"chat {PHONE}", tools=[tool], provenance=origin))
    assert PHONE not in changed.model_dump_json()
    assert MAIL not in changed.model_dump_json()
    assert changed.id == changed.provenance.origin
    assert changed.provenance.session != changed.id
    assert changed.provenance.source == "log"
    assert applied(step, dialogue("hi")).id == "one"


@BOTH
def test_a_number_split_over_turns_is_replaced(step: Desensitiser) -> None:
    """No half of it stays."""
    changed = applied(step, dialogue("我的银行卡号前面是6222 0212 3456", "好的，后面呢？", "7890 128"))
    text = " ".join(message.content or "" for message in changed.messages)
    assert "0212" not in text
    assert "7890" not in text


@BOTH
def test_pictures_stay_with_their_turn(step: Desensitiser, tmp_path: Path) -> None:
    """An edit beside a picture leaves the picture and its place, from the maker to the file and back."""
    Picture.new("RGB", (4, 3), "red").save(tmp_path / "a.png")
    records = tmp_path / "records.jsonl"
    question = f"请看<image>和4111<image>1111 1111 1111，我的手机{PHONE}"
    records.write_text(json.dumps({"image": ["a.png", "a.png"], "question": question, "answer": "ok"}))
    (made,) = ImageQuestions(file=records, folder=tmp_path).examples()
    assert isinstance(made, Example)
    changed = applied(step, made)
    assert PHONE not in changed.model_dump_json()
    assert changed.messages[0].images == made.messages[0].images
    assert Example.model_validate(changed.model_dump()) == changed


@BOTH
@pytest.mark.parametrize(
    "path", [f"/data/张伟/{PHONE}.png", f"{PHONE}.png", "李小明/身份证.jpg", f"x/{MAIL}.png"]
)
def test_a_picture_whose_path_tells_is_dropped(step: Desensitiser, path: str) -> None:
    """Its file keeps its name, so the example goes; with any other path it stays."""
    picture = {"role": "user", "content": "<image>?", "images": [{"path": path}]}
    answer = {"role": "assistant", "content": "ok"}
    dropped = step(dialogue("?", messages=[picture, answer]))
    assert isinstance(dropped, Dropped)
    assert dropped.rule == "personal-path"
    for other in (
        "images/0001.png",
        "发票/余额.png",
        "IMG_20240612_093015.jpg",
        "表格/账单-3.png",
        "截图.png",
    ):
        kept = dialogue("?", messages=[{**picture, "images": [{"path": other}]}, answer])
        assert step(kept) == kept


@BOTH
@pytest.mark.parametrize(
    "turns",
    [
        *(
            [f"卡号{mark.join(['4532', '8123', '4567', '8905'])}，谢谢"]
            for mark in ("\r\n", "<br>", "&nbsp;", "~", "#", ":", "+", "*", "😀", "然后", " then ", "    ")
        ),
        *([f"身份证{mark.join(['110101', '19900307', '1233'])}"] for mark in ("\r\n", "<br>", "~", "然后")),
        *(["**1101**01199003071233"], ["邮箱zhangwei88%40qq.com"], ["邮箱zhangwei88&#64;qq.com"]),
        *(['["4532","8123","4567","8905"]'], ['{"prefix": "622202", "rest": "1234567890128"}']),
        ["卡号是4532，8123", "好的", "4567，然后8905"],
        ["邮箱是zhangwei88", "@什么", "@qq.com"],
    ],
)
def test_disguised_values_are_replaced(step: Desensitiser, turns: list[str]) -> None:
    """What the gate stops goes in, what it lets pass comes out, and a second time changes nothing."""
    example = dialogue(*turns)
    assert any(leak.certain for leak in inspect(example))
    changed = applied(step, example)
    assert not any(leak.certain for leak in inspect(changed))
    assert not any(
        piece in changed.model_dump_json() for piece in ("8123", "19900307", "zhangwei88", "622202")
    )
    assert applied(step, changed) == changed


@BOTH
def test_a_number_in_pieces_that_are_arguments_is_replaced(step: Desensitiser) -> None:
    """Groups in a list, as texts or numbers; other lists stay."""
    changed = applied(step, dialogue("hi", {"a": ["4532", "8123", "4567", "8905"], "n": [1200, 3400, 5600]}))
    assert "8123" not in changed.model_dump_json()
    assert changed.messages[1].tool_calls[0].arguments["n"] == [1200, 3400, 5600]


@BOTH
def test_labels_of_an_example_are_looked_at(step: Desensitiser) -> None:
    """Its category, intent, reasons and kinds of entities; ordinary ones stay."""
    entities = [{"type": f"客户{PHONE}", "value": "谢谢", "message": 0, "start": 0, "end": 2}]
    example = dialogue(
        "谢谢，我叫张伟明",
        category=f"客户张伟明{PHONE}",
        intent={"name": f"给张伟明转账_{CARD}", "confidence": 1, "by": "given"},
        outcome={"success": True, "reasons": [MAIL, "resolved"]},
        entities=entities,
    )
    changed = applied(step, example)
    written = changed.model_dump_json()
    assert not any(private in written for private in ("张伟明", PHONE, CARD, MAIL))
    assert changed.outcome is not None
    assert changed.outcome.reasons[1] == "resolved"
    for category, name in (
        ("card_arrival", "查询余额"),
        ("change_pin", "create_account"),
        ("BEN", "修改密码"),
    ):
        clean = dialogue("hi", category=category, intent={"name": name, "confidence": 1, "by": "given"})
        assert step(clean) == clean


@BOTH
def test_an_id_or_session_with_a_name_is_hidden(step: Desensitiser) -> None:
    """Others stay, also in Chinese."""
    origin = {"source": "log", "session": "张伟-1"}
    changed = applied(step, dialogue("hi", id="李小明的对话", provenance=origin))
    assert "张伟" not in changed.provenance.session
    assert "李小明" not in changed.id
    kept = dialogue("hi", id="会话-17", provenance={"source": "客服日志", "session": "对话-3"})
    assert step(kept) == kept


@BOTH
@pytest.mark.parametrize("key", ["张伟", PHONE, MAIL, f"card {CARD}"])
def test_a_tool_or_argument_that_tells_is_dropped(step: Desensitiser, key: str) -> None:
    """Names of tools and keys stay as they are, so the example goes."""
    tool = {"name": "f", "parameters": {"type": "object", "properties": {key: {"type": "string"}}}}
    for example in (
        dialogue("hi", {key: 1}),
        dialogue("hi", tools=[tool]),
        dialogue("hi", tools=[{"name": key}]),
        dialogue("hi", expected_calls=[{"name": "f", "arguments": {key: [1]}}]),
    ):
        dropped = step(example)
        assert isinstance(dropped, Dropped)
        assert dropped.rule == "personal-key"
    kept = dialogue("hi", {"卡号": "x", "user_name": "y", "余额": 3}, tools=[{"name": "get_weather"}])
    assert step(kept) == kept


def test_the_audit_counts_and_holds_no_value() -> None:
    """By field and kind; what is replaced is said in the provenance, once."""
    example = dialogue(f"手机{PHONE}", {"mail": MAIL})
    changed, audit = STEPS["tag"].apply(example)
    assert isinstance(changed, Example)
    assert audit.to_json()["replaced"] == {
        "arguments": {"email": 1},
        "content": {"email": 1, "phone": 1},
    }
    assert changed.provenance.steps == ("desensitise:tag",)
    assert STEPS["tag"].apply(changed) == (changed, Audit(1, 0))
    clean = dialogue("今天天气不错")
    assert STEPS["tag"].apply(clean) == (clean, Audit(1, 0))


def test_what_is_not_looked_for_stays(tmp_path: Path) -> None:
    """Kinds and confidence are settings, and so is the language of tags."""
    values = {"find": {"kinds": ["phone"]}, "replacement": {"kind": "tag", "language": "en"}}
    step = DesensitiseSettings.model_validate({"key": tmp_path / "key", **values}).open()
    assert step.text(f"手机{PHONE}，邮箱{MAIL}", session="s") == f"手机[PHONE]，邮箱{MAIL}"
    assert len((tmp_path / "key").read_bytes()) == 32


def test_the_tags_are_in_the_dialogue_s_language() -> None:
    """Also those of bare arguments."""
    assert applied(STEPS["tag"], dialogue("请充值", {"p": PHONE})).messages[1].tool_calls[0].arguments == {
        "p": "[电话号码]"
    }
    assert applied(STEPS["tag"], dialogue("top up", {"p": PHONE})).messages[1].tool_calls[0].arguments == {
        "p": "[PHONE]"
    }


def test_arguments_that_are_nested_too_deeply_are_dropped() -> None:
    """What cannot be looked at does not go on."""
    deep: Any = PHONE
    for _ in range(900):
        deep = [deep]
    message = dialogue("hi").messages[0]
    call = dialogue("hi", {"x": 1}).messages[1]
    nested = call.model_copy(
        update={"tool_calls": (call.tool_calls[0].model_copy(update={"arguments": {"x": deep}}),)}
    )
    example = dialogue("hi").model_copy(update={"messages": (message, nested)})
    changed = STEPS["tag"](example)
    assert isinstance(changed, Dropped)
    assert changed.rule == "too-nested"


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
def dialogues(draw: st.DrawFn) -> Example:
    """Dialogues full of personal data, said, passed on and given back."""
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
    return dialogue(texts[0], texts[1], "ok", {**arguments, "n": source.randint(0, 10**12)}, "done")


@BOTH
@settings(max_examples=60, deadline=None)
@given(example=dialogues())
def test_twice_is_once(step: Desensitiser, example: Example) -> None:
    """Desensitised again, nothing changes, and JSON is still JSON."""
    once = applied(step, example)
    assert applied(step, once) == once
    for message in once.messages:
        if message.role == "tool":
            json.loads(message.content or "")


@settings(max_examples=60, deadline=None)
@given(
    text=st.text("王李张伟明一二三〇 13869@.-[]卡号手机:，example.comEXAMPL9砚禾澄泽路quillmere", max_size=60)
)
def test_twice_is_once_for_text_that_looks_like_placeholders(text: str) -> None:
    """Pieces of tags, pseudonyms and personal data in any order."""
    for step in STEPS.values():
        once = step.text(text, session="s")
        assert step.text(once, session="s") == once


@BOTH
@settings(max_examples=40, deadline=None)
@given(example=dialogues())
def test_the_leak_gate_lets_the_result_pass(step: Desensitiser, example: Example) -> None:
    """It stopped what went in, wherever that held something certain."""
    assert [leak for leak in inspect(applied(step, example)) if leak.certain] == []
