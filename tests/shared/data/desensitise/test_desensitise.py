"""Examples in, examples without personal data out: alike throughout, and still examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

from sft_shared.data.desensitise.audit import Audit
from sft_shared.data.desensitise.desensitise import Desensitiser, DesensitiseSettings
from sft_shared.data.desensitise.gate import inspect
from sft_shared.data.desensitise.replace import PseudonymReplacement
from sft_shared.data.images import ImageQuestions
from sft_shared.data.steps import Dropped
from sft_shared.dialogue import Example

Dialogue = Callable[..., Example]
Applied = Callable[[Desensitiser, Example], Example]
Steps = Mapping[str, Desensitiser]
PSEUDONYMS = DesensitiseSettings(key=Path("unused"), replacement=PseudonymReplacement())
CARD, PHONE, MAIL = "6222021234567890128", "13812345678", "zhang.wei88@qq.com"


def test_a_value_is_replaced_alike_throughout_the_dialogue(
    step: Desensitiser, dialogue: Dialogue, applied: Applied, steps: Steps
) -> None:
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
    if step is steps["pseudonym"]:
        assert isinstance(arguments["card"], int)
        said = (changed.messages[0].content or "").partition("卡号")[2].partition("，")[0]
        assert said.replace(" ", "") == str(arguments["card"])
    else:
        assert (name, arguments["card"]) == ("[姓名]", "[信用卡号]")


def test_sessions_and_keys_have_pseudonyms_of_their_own(
    dialogue: Dialogue, applied: Applied, steps: Steps
) -> None:
    """The same card in another session, or by another key, is another card."""
    example = dialogue(f"卡号{CARD}")
    other = dialogue(f"卡号{CARD}", provenance={"source": "test", "session": "t"})
    step, another = steps["pseudonym"], Desensitiser(PSEUDONYMS, key=b"x" * 32)
    contents = [
        applied(step, example).messages[0].content,
        applied(step, other).messages[0].content,
        applied(another, example).messages[0].content,
    ]
    assert len(set(contents)) == 3
    assert applied(step, example.model_copy(update={"id": "two"})).messages == applied(step, example).messages


def test_labels_take_the_new_text(step: Desensitiser, dialogue: Dialogue, applied: Applied) -> None:
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


def test_ids_and_tools_are_looked_at_too(step: Desensitiser, dialogue: Dialogue, applied: Applied) -> None:
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


def test_a_number_split_over_turns_is_replaced(
    step: Desensitiser, dialogue: Dialogue, applied: Applied
) -> None:
    """No half of it stays."""
    changed = applied(step, dialogue("我的银行卡号前面是6222 0212 3456", "好的，后面呢？", "7890 128"))
    text = " ".join(message.content or "" for message in changed.messages)
    assert "0212" not in text
    assert "7890" not in text


def test_pictures_stay_with_their_turn(step: Desensitiser, tmp_path: Path, applied: Applied) -> None:
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


@pytest.mark.parametrize(
    "path", [f"/data/张伟/{PHONE}.png", f"{PHONE}.png", "李小明/身份证.jpg", f"x/{MAIL}.png"]
)
def test_a_picture_whose_path_tells_is_dropped(step: Desensitiser, path: str, dialogue: Dialogue) -> None:
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
def test_disguised_values_are_replaced(
    step: Desensitiser, turns: list[str], dialogue: Dialogue, applied: Applied
) -> None:
    """What the gate stops goes in, what it lets pass comes out, and a second time changes nothing."""
    example = dialogue(*turns)
    assert any(leak.certain for leak in inspect(example))
    changed = applied(step, example)
    assert not any(leak.certain for leak in inspect(changed))
    assert not any(
        piece in changed.model_dump_json() for piece in ("8123", "19900307", "zhangwei88", "622202")
    )
    assert applied(step, changed) == changed


def test_a_number_in_pieces_that_are_arguments_is_replaced(
    step: Desensitiser, dialogue: Dialogue, applied: Applied
) -> None:
    """Groups in a list, as texts or numbers; other lists stay."""
    changed = applied(step, dialogue("hi", {"a": ["4532", "8123", "4567", "8905"], "n": [1200, 3400, 5600]}))
    assert "8123" not in changed.model_dump_json()
    assert changed.messages[1].tool_calls[0].arguments["n"] == [1200, 3400, 5600]


def test_labels_of_an_example_are_looked_at(step: Desensitiser, dialogue: Dialogue, applied: Applied) -> None:
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


def test_an_id_or_session_with_a_name_is_hidden(
    step: Desensitiser, dialogue: Dialogue, applied: Applied
) -> None:
    """Others stay, also in Chinese."""
    origin = {"source": "log", "session": "张伟-1"}
    changed = applied(step, dialogue("hi", id="李小明的对话", provenance=origin))
    assert "张伟" not in changed.provenance.session
    assert "李小明" not in changed.id
    kept = dialogue("hi", id="会话-17", provenance={"source": "客服日志", "session": "对话-3"})
    assert step(kept) == kept


@pytest.mark.parametrize("key", ["张伟", PHONE, MAIL, f"card {CARD}"])
def test_a_tool_or_argument_that_tells_is_dropped(step: Desensitiser, key: str, dialogue: Dialogue) -> None:
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


def test_the_audit_counts_and_holds_no_value(dialogue: Dialogue, steps: Steps) -> None:
    """By field and kind; what is replaced is said in the provenance, once."""
    example = dialogue(f"手机{PHONE}", {"mail": MAIL})
    changed, audit = steps["tag"].apply(example)
    assert isinstance(changed, Example)
    assert audit.to_json()["replaced"] == {
        "arguments": {"email": 1},
        "content": {"email": 1, "phone": 1},
    }
    assert changed.provenance.steps == ("desensitise:tag",)
    assert steps["tag"].apply(changed) == (changed, Audit(1, 0))
    clean = dialogue("今天天气不错")
    assert steps["tag"].apply(clean) == (clean, Audit(1, 0))


def test_what_is_not_looked_for_stays(tmp_path: Path) -> None:
    """Kinds and confidence are settings, and so is the language of tags."""
    values = {"find": {"kinds": ["phone"]}, "replacement": {"kind": "tag", "language": "en"}}
    step = DesensitiseSettings.model_validate({"key": tmp_path / "key", **values}).open()
    assert step.text(f"手机{PHONE}，邮箱{MAIL}", session="s") == f"手机[PHONE]，邮箱{MAIL}"
    assert len((tmp_path / "key").read_bytes()) == 32


def test_the_tags_are_in_the_dialogue_s_language(dialogue: Dialogue, applied: Applied, steps: Steps) -> None:
    """Also those of bare arguments."""
    assert applied(steps["tag"], dialogue("请充值", {"p": PHONE})).messages[1].tool_calls[0].arguments == {
        "p": "[电话号码]"
    }
    assert applied(steps["tag"], dialogue("top up", {"p": PHONE})).messages[1].tool_calls[0].arguments == {
        "p": "[PHONE]"
    }


def test_parts_of_a_name_go_with_it(step: Desensitiser, dialogue: Dialogue, applied: Applied) -> None:
    """The given name spoken to, the surname before a title, either name in Latin letters; not the words."""
    changed = applied(
        step,
        dialogue(
            "我叫欧阳娜娜，明天来取",
            "好的，娜娜，欧阳女士，明天见",
            "my name is Alice Okonkwo, and Mark the date",
            "Mrs Okonkwo, thank you. Alice, mark the date",
        ),
    )
    written = " ".join(message.content or "" for message in changed.messages)
    assert not any(part in written for part in ("娜娜", "欧阳", "Alice", "Okonkwo"))
    assert written.count("明天") == 2
    assert "Mark the date" in written
    assert applied(step, changed) == changed


def test_arguments_that_are_nested_too_deeply_are_dropped(dialogue: Dialogue, steps: Steps) -> None:
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
    changed = steps["tag"](example)
    assert isinstance(changed, Dropped)
    assert changed.rule == "too-nested"
