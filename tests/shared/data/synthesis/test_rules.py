"""Every rule refuses what it is there for, and lets the rest pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sft_shared.data.synthesis.rules import Candidate, Known, Rule, first_refusal

GOOD = Candidate(
    id="refund/1/1",
    intent="refund",
    language="en",
    text="Please refund order A123, I paid 12.5",
    label={"intent": "refund", "parameters": {"order_no": "A123", "amount": 12.5}, "response": "Done."},
    labelled="refund",
)
CHINESE = replace(GOOD, language="zh", text="订单A123要退款12.5元")
ADAPTER: TypeAdapter[Any] = TypeAdapter(Rule)
ALL = [
    {"kind": "schema", "parameters": {"refund": {"type": "object", "required": ["order_no"]}}},
    {"kind": "length", "max_chars": 60},
    {"kind": "banned", "words": ["Idiot", "白痴", "ass"]},
    {"kind": "duplicate", "similarity": 0.85},
    {"kind": "round_trip"},
    {"kind": "language"},
]


def refused(candidate: Candidate, rules: list[dict[str, Any]], *seeds: str) -> str | None:
    known = Known()
    for seed in seeds:
        known.add(seed)
    refusal = first_refusal([ADAPTER.validate_python(rule) for rule in rules], candidate, known)
    return refusal and refusal[0]


def labelled(**changes: Any) -> Candidate:
    return replace(GOOD, label={**(GOOD.label or {}), **changes})


B777 = labelled(parameters={"order_no": "B777"})
BAD = [
    ("schema", labelled(parameters={"amount": 12.5})),
    ("schema", labelled(response="")),
    ("schema", replace(GOOD, label={"parameters": {"order_no": "A123"}, "response": "Done."})),
    ("length", replace(GOOD, text=GOOD.text * 3)),
    ("banned", replace(GOOD, text=GOOD.text + ", you ＩＤＩＯＴ!")),
    ("banned", replace(CHINESE, text=CHINESE.text + "你这白痴")),
    ("banned", labelled(response="Idiot.")),
    ("duplicate", replace(B777, text="please refund  order B777!")),
    ("duplicate", replace(B777, text="Please refund your order A123, B777")),
    ("round_trip", replace(GOOD, labelled="cancel")),
    ("round_trip", labelled(parameters={"order_no": "A124"})),
    ("round_trip", labelled(parameters={"order_no": "A123", "amount": 2.5})),  # only a part of 12.5
    ("round_trip", labelled(parameters={"order_no": {"deep": 1}})),
    ("language", replace(CHINESE, text="Please refund order A123, 12.5 元")),
    ("language", replace(GOOD, text="订单A123要退款12.5元")),
    ("language", replace(GOOD, text="A123 12.5 ?!")),
]


@pytest.mark.parametrize(("kind", "candidate"), BAD)
def test_a_bad_candidate_is_refused_by_its_rule_and_passes_with_that_rule_off(
    kind: str, candidate: Candidate
) -> None:
    seeds = ("Please refund order B777", "Please refund your order A123, B776")
    assert refused(candidate, ALL, *seeds) == kind
    assert refused(candidate, [rule for rule in ALL if rule["kind"] != kind], *seeds) is None


@pytest.mark.parametrize(
    "candidate",
    [
        GOOD,
        CHINESE,
        replace(GOOD, text="First class passes: refund A123, 12.5"),  # no banned word stands in it whole
        replace(GOOD, text="Refund A 123 please, 12.50 no 12.5"),
        replace(CHINESE, text="用iPhone付的订单Ａ123怎么退款12.5"),
    ],
)
def test_a_good_candidate_passes_all_rules(candidate: Candidate) -> None:
    assert refused(candidate, ALL, "Something else entirely") is None


def test_no_reason_repeats_the_text() -> None:
    for _, candidate in BAD:
        known = Known(["please refund order b777"])
        for rule in ALL:
            reason = ADAPTER.validate_python(rule).refuse(candidate, known) or ""
            assert not any(word in reason for word in ("A123", "A124", "IDIOT", "idiot", "白痴", "B777"))


def test_a_schema_that_is_none_is_refused_when_it_is_read() -> None:
    with pytest.raises(ValidationError, match="refund: no JSON Schema"):
        ADAPTER.validate_python({"kind": "schema", "parameters": {"refund": {"type": "thing"}}})
