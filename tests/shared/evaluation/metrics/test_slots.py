"""Slots: F1 of each answer, micro over all."""

from __future__ import annotations

import doctest
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.dialogue import Example
from sft_shared.evaluation.metrics import slots
from sft_shared.evaluation.metrics.slots import SlotF1, compare_slots

Make = Callable[..., Example]
parameters = st.dictionaries(
    st.sampled_from(["city", "day", "unit"]),
    st.integers(0, 3) | st.sampled_from(["罗马", "Rome", ""]),
    max_size=3,
)


def answer(**parameters: Any) -> str:
    return json.dumps({"intent": "weather", "parameters": parameters, "response": "好"}, ensure_ascii=False)


def test_the_worked_examples_hold() -> None:
    """Doctests."""
    assert doctest.testmod(slots).failed == 0


@given(parameters, parameters)
def test_f1_is_symmetric_and_one_for_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """And precision of one side is recall of the other."""
    forward, backward = compare_slots(one, other), compare_slots(other, one)
    assert forward.f1 == backward.f1
    assert forward.precision == backward.recall
    assert 0 <= forward.f1 <= 1
    assert compare_slots(one, one).f1 == 1


def test_the_total_is_micro_and_not_the_mean(make: Make) -> None:
    """1 of 1 slot right, 0 of 3 predicted with 1 wanted: mean (1 + 0)/2, micro 2*1/(1+3+1+1) = 1/3."""
    metric = SlotF1()
    examples = [make(answer(city="Rome")), make(answer(city="Lima"))]
    predictions = [answer(city="rome"), answer(city="Oslo", day=1, unit="C")]
    values = [metric(said, example) for said, example in zip(predictions, examples, strict=True)]
    assert values == [1, 0]
    assert metric.total(predictions, examples, values) == pytest.approx(1 / 3)
    precision, recall = SlotF1(figure="precision"), SlotF1(figure="recall")
    assert precision.total(predictions, examples, values) == 0.25
    assert recall.total(predictions, examples, values) == 0.5
    assert (metric.name, precision.name, recall.name) == ("slot_f1", "slot_precision", "slot_recall")


def test_the_reference_is_the_structured_answer_else_the_users_entities(make: Make) -> None:
    """An example with neither is passed over."""
    entity = {"type": "city", "value": "罗马", "message": 0, "start": 0, "end": 2}
    labelled = make("晴。", question="罗马天气", entities=[entity])
    assert SlotF1()(answer(city="罗马"), labelled) == 1
    assert SlotF1()(answer(city="米兰"), labelled) == 0
    assert SlotF1()(answer(city="罗马"), make()) is None


@pytest.mark.parametrize("prediction", ["", "{}", "weather", "[]", '{"intent": "weather", "parameters": 3}'])
def test_no_slots_are_not_right_by_saying_nothing(make: Make, prediction: str) -> None:
    """Where none is wanted only a readable answer without any is right."""
    empty = make(answer())
    assert SlotF1()(prediction, empty) == 0
    assert SlotF1()('{"intent": "weather"}', empty) == 1
    assert SlotF1()(answer(city="Rome"), empty) == 0
    assert SlotF1().total([prediction], [empty], [0.0]) == 0
