"""Structure: strict JSON, schemas, and the intent that an answer names."""

from __future__ import annotations

import doctest
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError, DataError
from sft_shared.evaluation.metrics import metric, structure
from sft_shared.evaluation.metrics.structure import (
    IntentAccuracy,
    JsonValid,
    SchemaValid,
    json_valid,
    read_json,
)

Make = Callable[..., Example]
REFERENCE = '{"intent": "cancel_order", "parameters": {"order_id": "SF1"}, "response": "好的"}'
SCHEMA = {"type": "object", "required": ["intent"], "properties": {"intent": {"type": "string"}}}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def test_the_worked_examples_hold() -> None:
    """Doctests."""
    assert doctest.testmod(structure).failed == 0
    assert doctest.testmod(metric).failed == 0


@given(values)
def test_what_json_writes_is_read_back(value: object) -> None:
    """Whatever the value, fenced or not."""
    text = json.dumps(value, ensure_ascii=False)
    for shown, fence in ((text, False), (text, True), (f"```json\n{text}\n```", True)):
        parsed = read_json(shown, fence=fence)
        assert parsed is not None
        assert parsed.value == value


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        "[Infinity]",
        "{'a': 1}",
        '{"a": 1,}',
        "",
        "[" * 9999,
        '"\\ud800"',
        "7",
    ],
)
def test_what_is_no_strict_json_is_invalid(text: str) -> None:
    """Duplicate keys, NaN, Python's syntax, halves of characters, bare numbers."""
    assert not json_valid(text)


def test_json_is_asked_of_examples_whose_reference_is_json(make: Make) -> None:
    """Tool calls and structured answers; prose says nothing."""
    assert JsonValid()(REFERENCE, make(REFERENCE)) == 1
    assert JsonValid()(f"```json\n{REFERENCE}\n```", make(REFERENCE)) == 0
    assert JsonValid(fence=True)(f"```json\n{REFERENCE}\n```", make(REFERENCE)) == 1
    assert JsonValid()("Yes.", make("Yes.")) is None
    assert JsonValid()("[]", make(None, tool_calls=[{"name": "f", "arguments": {}}])) == 1


def test_the_schema_decides(make: Make, tmp_path: Path) -> None:
    """Given in the settings, as a JSON Schema file, or as a file of intents."""
    schema = tmp_path / "answer.json"
    schema.write_text(json.dumps(SCHEMA), encoding="utf-8")
    intents = tmp_path / "intents.yaml"
    intents.write_text(
        "intents:\n  cancel_order:\n    parameters:\n      type: object\n      required: [order_id]\n"
        "      properties: {order_id: {type: string}}\n",
        encoding="utf-8",
    )
    metrics = (SchemaValid(fields=SCHEMA), SchemaValid(file=schema), SchemaValid(intents=intents))
    assert [each.name for each in metrics] == ["schema_valid", "schema_valid-answer", "schema_valid-intents"]
    for each in metrics:
        assert each(REFERENCE, make(REFERENCE)) == 1
        assert each('{"parameters": {}}', make(REFERENCE)) == 0
        assert each("", make(REFERENCE)) == 0
        assert each(REFERENCE, make("Yes.")) is None
    assert metrics[2](REFERENCE.replace("order_id", "order"), make(REFERENCE)) == 0
    assert metrics[2](f"```json\n{REFERENCE}\n```", make(REFERENCE)) == 0


def test_an_unusable_schema_is_named_with_its_file(make: Make, tmp_path: Path) -> None:
    """Neither a traceback nor a metric that is silently passed."""
    path = tmp_path / "s.json"
    for text in ("[]", '{"type": 3}', "{", '{"$ref": "http://x/y"}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=r"s\.json:1: "):
            SchemaValid(file=path)("{}", make("{}"))
    with pytest.raises(ConfigError, match="cannot be read"):
        SchemaValid(file=tmp_path / "none.json")("{}", make("{}"))
    for fields in ({}, {"fields": SCHEMA, "file": path}, {"fields": {"type": 3}}):
        with pytest.raises(ValidationError):
            SchemaValid.model_validate(fields)


@pytest.mark.parametrize(
    ("prediction", "value"),
    [
        (REFERENCE, 1.0),
        ('{"intent": "Cancel-Order"}', 1.0),
        ("cancel order", 1.0),
        ('"cancel_order"', 1.0),
        ('{"intent": "track_order"}', 0.0),
        ('{"intent": ["cancel_order"]}', 0.0),
        ("", 0.0),
        ("cancel_order, track_order, refund", 0.0),
        ("The intents are cancel_order(order_id: str), track_order. How do I cancel?", 0.0),
    ],
)
def test_the_intent_of_an_answer(make: Make, prediction: str, value: float) -> None:
    """In JSON or as the bare label; a list of all labels, as an echo of the prompt is, names none."""
    example = make(REFERENCE, intent={"name": "cancel_order", "confidence": 1, "by": "given"})
    assert IntentAccuracy()(prediction, example) == value
    assert IntentAccuracy()(prediction, make(category="cancel_order")) == value
    assert IntentAccuracy()(prediction, make()) is None


def test_the_total_is_the_mean_of_what_is_known(make: Make) -> None:
    """Silent examples do not count; nothing but silence is a mistake of the suite."""
    accuracy = IntentAccuracy()
    examples = [make(category="a"), make(category="b"), make()]
    values = [accuracy("a", example) for example in examples]
    assert values == [1, 0, None]
    assert accuracy.total(["a"] * 3, examples, values) == 0.5
    with pytest.raises(DataError, match="metric 'intent': none of 1 examples"):
        accuracy.total(["a"], [make()], [None])
    assert IntentAccuracy(label="mine").name == "mine"
