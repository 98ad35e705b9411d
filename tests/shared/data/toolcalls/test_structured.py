"""Structured answers are built, read back and checked against the parameters of their intent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.config import load_yaml
from sft_shared.data.steps import Dropped
from sft_shared.data.toolcalls.structured import (
    CheckStructured,
    IntentSchemas,
    Structured,
    ToStructured,
    parse_structured,
    structured_example,
    structured_text,
)
from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError

YAML = """
intents:
  logistics_query:
    description: Where a parcel is.
    parameters:
      type: object
      properties:
        {order_id: {type: string}, days: {type: integer}, cities: {type: array, items: {type: string}}}
      required: [order_id]
  greeting: {}
"""


LOGISTICS = '{"intent": "logistics_query", "parameters": %s, "response": "x"}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "intents.yaml"
    file.write_text(YAML, encoding="utf-8")
    return file


JSON_OBJECT = st.dictionaries(
    st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())
)


@given(st.text(min_size=1), JSON_OBJECT, st.text())
def test_what_is_written_is_read_back(intent: str, parameters: dict[str, object], response: str) -> None:
    """Any intent, parameters and response survive, on one line."""
    text = structured_text(intent, parameters=parameters, response=response)
    assert parse_structured(text) == Structured(intent, parameters, response)
    assert parse_structured(f"```json\n{text}\n```") == Structured(intent, parameters, response)
    assert "\n" not in text


def test_an_example_is_made_of_fields(path: Path) -> None:
    """System message with one intent a line, the utterance, and compact JSON with Chinese as it is."""
    schemas = load_yaml(path, IntentSchemas)
    made = structured_example(
        "我的快递A17到哪了", example_id="e1", intent="logistics_query", parameters={"order_id": "A17"},
        response="正在为您查询", source="bench", schemas=schemas,
    )  # fmt: skip
    assert (
        made.answer.content
        == '{"intent":"logistics_query","parameters":{"order_id":"A17"},"response":"正在为您查询"}'
    )
    system = made.messages[0].content or ""
    assert (
        "logistics_query(order_id: str, days: int = ..., cities: list[str] = ...) - Where a parcel is"
        in system
    )
    assert system.count("\n") == len(schemas.intents)
    assert (made.category, made.intent and made.intent.name) == ("logistics_query", "logistics_query")
    assert CheckStructured(schemas=path)(made) == made


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("查一下", "structured-not-json"),
        ('{"intent": "greeting", "mood": 1}', "structured-not-json"),
        ('{"intent": "greeting", "intent": "logistics_query"}', "structured-not-json"),
        ("[" * 100_000, "structured-not-json"),
        ('{"intent": "greeting", "parameters": {}, "response": " "}', "structured-fields"),
        ('{"intent": "joke", "parameters": {}, "response": "x"}', "structured-intent-unknown"),
        (LOGISTICS % "{}", "structured-parameter-missing"),
        (LOGISTICS % '{"order_id": 7}', "structured-parameter-type"),
        (LOGISTICS % '{"order_id": "7", "a": 7}', "structured-parameter-undeclared"),
    ],
)
def test_what_does_not_fit_is_dropped_by_rule(path: Path, answer: str, rule: str) -> None:
    """Also broken, doubled and bottomless JSON."""
    made = structured_example("x", example_id="e", intent="i", parameters={}, response="r", source="s")
    message = made.answer.model_copy(update={"content": answer})
    dropped = CheckStructured(schemas=path)(made.model_copy(update={"messages": (*made.prompt, message)}))
    assert isinstance(dropped, Dropped)
    assert dropped.rule == rule


def labelled(**changes: object) -> Example:
    text = "单号 A17，3 天了，从上海到北京"
    entities = [
        {
            "type": name,
            "value": value,
            "message": 1,
            "start": text.index(value),
            "end": text.index(value) + len(value),
        }
        for name, value in [("order_id", "A17"), ("days", "3"), ("cities", "上海"), ("cities", "北京")]
    ]
    values = {
        "id": "e",
        "messages": [
            {"role": "system", "content": "你是客服"},
            {"role": "user", "content": text},
            {"role": "assistant", "content": "正在查询"},
        ],
        "intent": {"name": "logistics_query", "confidence": 0.9, "by": "given"},
        "entities": entities,
        "provenance": {"source": "s", "session": "s"},
        **changes,
    }
    return Example.model_validate(values)


def test_an_example_with_intent_and_entities_becomes_structured(path: Path) -> None:
    """Entities become typed parameters, several of a kind a list; labels still stand where they say."""
    made = ToStructured(schemas=path)(labelled())
    assert isinstance(made, Example)
    answer = json.loads(made.answer.content or "")
    assert answer == {
        "intent": "logistics_query",
        "parameters": {"order_id": "A17", "days": 3, "cities": ["上海", "北京"]},
        "response": "正在查询",
    }
    assert Example.model_validate(made.model_dump()) == made
    assert [entity.message for entity in made.entities] == [1, 1, 1, 1]
    assert made.provenance.steps == ("to_structured",)
    assert CheckStructured(schemas=path)(made) == made


def test_an_example_without_what_is_needed_is_dropped(path: Path) -> None:
    """No intent, an unsure one, an undeclared one, a required parameter that nobody said."""
    step = ToStructured(schemas=path, min_confidence=0.95)
    sure = {"name": "logistics_query", "confidence": 1, "by": "given"}
    for example, rule in [
        (labelled(intent=None), "structured-no-intent"),
        (labelled(), "structured-no-intent"),
        (labelled(intent={"name": "joke", "confidence": 1, "by": "given"}), "structured-intent-unknown"),
        (labelled(intent=sure, entities=[]), "structured-parameter-missing"),
    ]:  # fmt: skip
        dropped = step(example)
        assert isinstance(dropped, Dropped)
        assert dropped.rule == rule


def test_a_wrong_schema_names_its_line(tmp_path: Path) -> None:
    """The file is refused before any example is read."""
    file = tmp_path / "intents.yaml"
    file.write_text("intents:\n  a:\n    parameters: {type: text}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"intents.yaml:2: intents.a: .*at type"):
        load_yaml(file, IntentSchemas)
