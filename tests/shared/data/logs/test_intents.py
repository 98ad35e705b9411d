"""Intents by rule, by classifier, and unknown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from sft_shared.data.logs.intents import IntentRule, IntentSettings
from sft_shared.errors import DataError

CONFIRMED = [
    *(
        (text, "logistics")
        for text in ("我的包裹到哪了", "快递几天能到", "where is my parcel", "物流一直没更新")
    ),
    *((text, "refund") for text in ("我要退款", "退款多久到账", "I want my money back", "怎么申请退款")),
    *((text, "password") for text in ("忘记密码了", "怎么重置密码", "reset my password", "密码错误登录不了")),
]


def confirmed(folder: Path, texts: list[tuple[str, str]]) -> Path:
    path = folder / "confirmed.jsonl"
    lines = [json.dumps({"text": text, "intent": intent}, ensure_ascii=False) for text, intent in texts]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_rules_come_first_and_in_order() -> None:
    rules = (
        IntentRule(intent="complaint", all=("投诉", "快递")),
        IntentRule(intent="logistics", any=("快递", "PARCEL")),
        IntentRule(intent="order", regex=r"\bDD\d{4}"),
    )
    label = IntentSettings(rules=rules).labeller()
    found = label(["我要投诉快递", "我的快递呢", "my ｐａｒｃｅｌ", "DD1234 怎么了", "别的"])
    assert [intent.name for intent in found] == ["complaint", "logistics", "logistics", "order", "unknown"]
    assert [intent.by for intent in found] == ["rule:1", "rule:2", "rule:2", "rule:3", "none"]


def test_the_classifier_generalises_and_keeps_its_confidence(tmp_path: Path) -> None:
    """On texts that were not confirmed, in both languages."""
    label = IntentSettings(confirmed=confirmed(tmp_path, CONFIRMED), min_confidence=0.4).labeller()
    found = label(["请问我的包裹现在在哪", "申请退款", "I need to reset the password"])
    assert [intent.name for intent in found] == ["logistics", "refund", "password"]
    assert all(intent.by == "classifier" and 0.4 <= intent.confidence < 1 for intent in found)


def test_below_the_least_confidence_the_intent_is_unknown(tmp_path: Path) -> None:
    label = IntentSettings(confirmed=confirmed(tmp_path, CONFIRMED), min_confidence=0.99).labeller()
    (intent,) = label(["xyz"])
    assert (intent.name, intent.by) == ("unknown", "classifier")
    assert 0 < intent.confidence < 0.99


def test_training_anew_gives_the_same_whatever_the_batch(tmp_path: Path) -> None:
    settings = IntentSettings(confirmed=confirmed(tmp_path, CONFIRMED))
    texts = [text for text, _ in CONFIRMED]
    at_once = settings.labeller()(texts)
    one_by_one = [settings.labeller()([text])[0] for text in texts]
    assert at_once == one_by_one


def test_csv_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "confirmed.csv"
    path.write_text(
        "text,intent\n" + "".join(f'"{text}",{intent}\n' for text, intent in CONFIRMED), encoding="utf-8"
    )
    assert IntentSettings(confirmed=path).labeller()(["我要退款"])[0].name == "refund"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "too few confirmed texts: none"),
        ([("a", "x"), ("b", "x"), ("c", "x")], r"at least 2 intents"),
        ([*CONFIRMED, ("a", "rare")], r"rare \(1\)"),
    ],
)
def test_too_few_confirmed_texts_are_an_error(
    tmp_path: Path, texts: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        IntentSettings(confirmed=confirmed(tmp_path, texts)).labeller()


@pytest.mark.parametrize("line", ["not json", '{"text": "a"}', '{"text": "", "intent": "x"}', "[]"])
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "confirmed.jsonl"
    path.write_text('{"text": "a", "intent": "x"}\n' + line + "\n")
    with pytest.raises(DataError, match=r"confirmed.jsonl:2: "):
        IntentSettings(confirmed=path).labeller()


def test_a_rule_that_asks_for_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs any, all or regex"):
        IntentRule(intent="x")
