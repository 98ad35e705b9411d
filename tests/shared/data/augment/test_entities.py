"""Entities: the labels, the calls and the answers all say the new value, and no other word changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sft_shared.data.augment.entities import Entities, replace_entity
from sft_shared.data.augment.values import Ambiguous, Replacement
from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError

Dialogue = Callable[..., Example]
LEXICON: dict[str, tuple[str, ...]] = {
    "city": ("郑州", "洛阳", "南阳", "开封"),
    "order_no": ("YT1000000001", "YT1000000002"),
    "town": ("London", "Rome"),
    "count": ("7", "8"),
    "card": ("6217000000000000",),
}


def test_label_call_answer_and_expected_call_get_the_same_new_value(talk: Dialogue) -> None:
    example = talk(
        "帮我查新乡的快递SF123456，发到北京",
        {
            "intent": "新乡",
            "parameters": {"from": "新乡", "to": "北京", "no": "SF123456"},
            "response": "从新乡来的SF123456",
        },
        entities={"新乡": "city", "SF123456": "order_no"},
        expected_calls=[{"name": "track", "arguments": {"no": ["SF123456", ""], "city": ["新乡"]}}],
    )
    (copy,) = Entities(lexicon=LEXICON)(example)
    city, number = (entity.value for entity in copy.entities)
    answer = json.loads(copy.messages[1].content or "")
    assert city in LEXICON["city"]
    assert number in LEXICON["order_no"]
    assert answer == {
        "intent": "新乡",  # a name, not a value
        "parameters": {"from": city, "to": "北京", "no": number},
        "response": f"从{city}来的{number}",
    }
    assert copy.expected_calls[0].arguments == {"no": [number, ""], "city": [city]}
    assert copy.messages[0].content == f"帮我查{city}的快递{number}，发到北京"
    assert Example.model_validate(copy.model_dump()) == copy
    assert (copy.id, copy.provenance.origin) == ("source~entities1", "source")


def test_tool_calls_keep_their_types_and_their_schema(talk: Dialogue) -> None:
    tool = {"name": "order", "parameters": {"type": "object", "properties": {"count": {"type": "integer"}}}}
    call = {"name": "order", "arguments": {"count": 3, "note": "3 of 13, 3.5 kg"}}
    example = talk(
        "order 3 please",
        entities={"3": "count"},
        tools=[tool],
        last={"role": "assistant", "tool_calls": [call]},
    )
    copies = list(Entities(lexicon=LEXICON, copies=2)(example))
    assert copies
    for copy in copies:
        new = copy.entities[0].value
        assert copy.messages[1].tool_calls[0].arguments == {"count": int(new), "note": f"{new} of 13, 3.5 kg"}
    narrow = {
        "name": "order",
        "parameters": {"type": "object", "properties": {"count": {"enum": [3, 4]}}},
    }
    closed = example.model_validate({**example.model_dump(), "tools": [narrow]})
    assert list(Entities(lexicon=LEXICON)(closed)) == []  # neither 7 nor 8 is allowed
    assert list(Entities(lexicon={"count": ("many",)})(example)) == []  # no integer


@pytest.mark.parametrize(
    ("old", "new", "text", "expected"),
    [
        ("Paris", "Rome", "Parisians in Paris, Paris-born", "Parisians in Rome, Rome-born"),
        ("12", "55", "12, 112, 12.5, 3:12, AB-12 (12)", "55, 112, 12.5, 3:12, AB-12 (55)"),
        ("SF1", "YT2", "SF1的SF12和XSF1", "YT2的SF12和XSF1"),
        ("新乡", "郑州", "帮我查新乡快递", "帮我查郑州快递"),
    ],
)
def test_a_value_is_never_replaced_inside_another(old: str, new: str, text: str, expected: str) -> None:
    assert Replacement(old, new, others=()).in_text(text) == expected
    assert text.replace(old, new) != expected or text.count(old) == 1


@pytest.mark.parametrize(
    ("old", "text"),
    [
        ("北京", "北京市的快递"),
        ("王明", "买了王明珠的书"),
        ("Paris", "PARIS is far"),
        ("6222020012345678", "6222 0200 1234 5678"),
        ("6222020012345678", "尾号5678的卡"),
    ],
)
def test_what_may_mean_the_value_in_another_form_stops_the_replacement(old: str, text: str) -> None:
    with pytest.raises(Ambiguous):
        Replacement(old, "x", others=()).in_text(text)


def test_another_labels_longer_value_is_left_alone() -> None:
    value = {"a": "新乡", "b": "新乡市", "c": "新乡 and 新乡市"}
    replaced = Replacement("新乡", "郑州", others={"新乡市"}).in_value(value)
    assert replaced == {"a": "郑州", "b": "新乡市", "c": "郑州 and 新乡市"}


def test_an_argument_in_another_spelling_keeps_the_entity(talk: Dialogue) -> None:
    call = {"name": "pay", "arguments": {"amount": 1200}}
    example = talk(
        "pay 1,200 now", entities={"1,200": "amount"}, last={"role": "assistant", "tool_calls": [call]}
    )
    assert replace_entity(example, "amount", "1,200", "900") is None


def test_a_parameter_that_says_the_entity_in_its_own_way_keeps_it(talk: Dialogue) -> None:
    for said, changes in (("明天", True), ("2026-11-24", False)):
        answer = {"intent": "query", "parameters": {"date": said}, "response": "好"}
        copy = replace_entity(talk("查明天的快递", answer, entities={"明天": "date"}), "date", "明天", "周一")
        assert (copy is not None) is changes


def test_json_keeps_its_layout_and_its_keys(talk: Dialogue) -> None:
    for layout in ({"separators": (",", ":")}, {"indent": 2}, {"ensure_ascii": True}):
        options: dict[str, Any] = {"ensure_ascii": False, **layout}
        answer = json.dumps({"新乡": "新乡"}, **options)
        copy = replace_entity(talk("查新乡", answer, entities={"新乡": "city"}), "city", "新乡", "郑州")
        assert copy is not None
        assert copy.messages[1].content == json.dumps({"新乡": "郑州"}, **options)


def test_a_value_that_is_in_the_example_already_is_not_taken(talk: Dialogue) -> None:
    example = talk("from Paris to Rome", entities={"Paris": "town"})
    for copy in Entities(lexicon=LEXICON, copies=5)(example):
        assert copy.messages[0].content == "from London to Rome"


def test_a_value_is_replaced_by_one_of_its_script(talk: Dialogue) -> None:
    lexicon = {"product": ("键盘", "umbrella")}
    for old, new in (("lamp", "umbrella"), ("台灯", "键盘")):
        (copy,) = Entities(lexicon=lexicon)(talk(f"1 {old} 2", entities={old: "product"}))
        assert copy.messages[0].content == f"1 {new} 2"


def test_values_come_from_a_file_too_and_its_faults_are_named(tmp_path: Path, talk: Dialogue) -> None:
    path = tmp_path / "lexicon.yaml"
    path.write_text("city: [郑州]\n", encoding="utf-8")
    (copy,) = Entities(lexicon_file=path)(talk("查新乡", entities={"新乡": "city"}))
    assert copy.messages[0].content == "查郑州"
    for text, problem in (("city: [12]", "city.0: found int"), ("a: [", "lexicon2.yaml:1: not valid YAML")):
        other = tmp_path / "lexicon2.yaml"
        other.write_text(text, encoding="utf-8")
        other = other.rename(tmp_path / f"{abs(len(text))}lexicon2.yaml")
        with pytest.raises(ConfigError, match=problem):
            list(Entities(lexicon_file=other)(talk("查新乡", entities={"新乡": "city"})))
    with pytest.raises(ConfigError, match="cannot be read"):
        list(Entities(lexicon_file=tmp_path / "none.yaml")(talk("查新乡", entities={"新乡": "city"})))
    with pytest.raises(ValidationError, match="lexicon_file"):
        Entities()
