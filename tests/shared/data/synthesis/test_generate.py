"""Generation with a scripted model: the documented interface is a function from prompts to replies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sft_shared.data.steps import Rejected
from sft_shared.data.synthesis.generate import Generation
from sft_shared.data.synthesis.replies import read_label, read_questions
from sft_shared.dialogue import Example, write_examples
from sft_shared.errors import DataError, ModelError

RULES = [
    {"kind": "length", "min_chars": 6, "max_chars": 60},
    {"kind": "language"},
    {"kind": "banned", "words": ["笨蛋"]},
    {"kind": "duplicate"},
    {"kind": "schema", "parameters": {"logistics_query": {"type": "object", "required": ["city"]}}},
    {"kind": "round_trip"},
]


def seed(number: int, intent: str, text: str, parameters: dict[str, str]) -> Example:
    answer = json.dumps(
        {"intent": intent, "parameters": parameters, "response": "好的。"}, ensure_ascii=False
    )
    return Example.model_validate(
        {
            "id": f"seed-{number}",
            "messages": [{"role": "user", "content": text}, {"role": "assistant", "content": answer}],
            "intent": {"name": intent, "confidence": 1, "by": "given"},
            "provenance": {"source": "test", "session": f"s{number}"},
        }
    )


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    path = tmp_path / "seeds.jsonl"
    write_examples(
        path,
        [
            seed(1, "logistics_query", "帮我查新乡快递", {"city": "新乡"}),
            seed(2, "logistics_query", "北京的包裹到了吗", {"city": "北京"}),
            seed(3, "refund", "我要退款", {}),
        ],
    )
    return path


LABELS = {
    "洛阳的快递走到哪一步了": {
        "intent": "logistics_query",
        "parameters": {"city": "洛阳"},
        "response": "正在查询。",
    },
    "南阳那边的件怎么还没动静": {
        "intent": "refund",
        "parameters": {"city": "南阳"},
        "response": "正在查询。",
    },
    "开封的包裹今天能到吗？": {
        "intent": "logistics_query",
        "parameters": {"city": "郑州"},
        "response": "正在查询。",
    },
    "寄到许昌的东西呢请问": {"intent": "logistics_query", "parameters": {}, "response": "正在查询。"},
    "笨蛋快递到底在哪里啊": {
        "intent": "logistics_query",
        "parameters": {"city": "快递"},
        "response": "正在查询。",
    },
    "信阳快递": {"intent": "logistics_query", "parameters": {"city": "信阳"}, "response": "正在查询。"},
    "where is my 新乡 parcel": {
        "intent": "logistics_query",
        "parameters": {"city": "新乡"},
        "response": "正在查询。",
    },
    "帮我查新乡快递！": {
        "intent": "logistics_query",
        "parameters": {"city": "新乡"},
        "response": "正在查询。",
    },
}
EXPECTED = ["round_trip", "round_trip", "schema", "banned", "length", "language", "duplicate"]


def scripted(prompts: Sequence[str]) -> list[str]:
    """Writes the questions of LABELS for logistics, and labels them as listed there."""
    replies = []
    for prompt in prompts:
        asked = next((text for text in LABELS if prompt.rstrip().endswith(f"用户：{text}")), None)
        if asked is not None:
            replies.append(f"标签：{json.dumps(LABELS[asked], ensure_ascii=False)}")
        elif "logistics_query" in prompt:
            replies.append(json.dumps(list(LABELS), ensure_ascii=False))
        else:
            replies.append("好的，以下是：\n")
    return replies


def generation(path: Path, **changes: Any) -> Generation:
    settings = {
        "seeds": path,
        "language": "zh",
        "count": 1,
        "rules": RULES,
        "intents": ["logistics_query"],
        "rounds": 2,
        **changes,
    }
    return Generation.model_validate(settings)


def test_what_passes_becomes_an_example_and_the_rest_is_named(seeds: Path) -> None:
    items = list(generation(seeds, count=5, rounds=1).make(scripted))
    (example,) = [item for item in items if isinstance(item, Example)]
    assert example.messages[0].content == "洛阳的快递走到哪一步了"
    assert json.loads(example.answer.content or "") == LABELS["洛阳的快递走到哪一步了"]
    assert [(it.type, it.value, it.start) for it in example.entities] == [("city", "洛阳", 0)]
    assert example.intent is not None
    assert example.intent.name == "logistics_query"
    rejected = [item for item in items if isinstance(item, Rejected)]
    assert sorted(item.rule for item in rejected) == sorted([*EXPECTED, "too-few"])
    assert rejected[-1] == Rejected("logistics_query", "too-few", "1 of 5 after 1 requests")
    places = {item.where: item.rule for item in rejected}
    assert places["logistics_query/1/2"] == "round_trip"
    assert places["logistics_query/1/8"] == "duplicate"


@pytest.mark.parametrize("kind", sorted(set(EXPECTED)))
def test_with_a_rule_off_the_candidates_that_it_refused_become_examples(seeds: Path, kind: str) -> None:
    rules = [rule for rule in RULES if rule["kind"] != kind]
    items = list(generation(seeds, count=8, rounds=1, rules=rules).make(scripted))
    made = {item.messages[0].content for item in items if isinstance(item, Example)}
    bad = {text for text, rule in zip(list(LABELS)[1:], EXPECTED, strict=True) if rule == kind}
    assert made == {next(iter(LABELS)), *bad}


def test_it_stops_at_the_count_and_a_repeated_reply_adds_nothing(seeds: Path) -> None:
    items = list(generation(seeds, count=1, rounds=5).make(scripted))
    assert sum(isinstance(item, Example) for item in items) == 1
    items = list(generation(seeds, count=5, rounds=3).make(scripted))
    assert sum(isinstance(item, Example) for item in items) == 1


def test_a_classifier_can_judge_instead_of_the_model(seeds: Path) -> None:
    items = list(
        generation(seeds, count=8, rounds=1).make(
            scripted, classify=lambda text: "refund" if "洛阳" in text else "logistics_query"
        )
    )
    made = {item.messages[0].content for item in items if isinstance(item, Example)}
    assert made == {"南阳那边的件怎么还没动静"}


def test_requests_show_seeds_of_the_intent_that_change_and_labels_do_not_tell_it(seeds: Path) -> None:
    asked: list[str] = []

    def listening(prompts: Sequence[str]) -> list[str]:
        asked.extend(prompts)
        return scripted(prompts)

    list(generation(seeds, count=9, rounds=8, shots=1, intents=[]).make(listening))
    writing = [prompt for prompt in asked if "logistics_query：" in prompt and "再写" in prompt]
    assert {"帮我查新乡快递" in prompt for prompt in writing} == {True, False}
    assert not any("我要退款" in prompt for prompt in writing)
    labelling = [prompt for prompt in asked if "判断用户的意图" in prompt]
    assert labelling
    assert all(
        prompt.count("logistics_query") == prompt.count('"logistics_query"') + 1 for prompt in labelling
    )


def test_the_same_seed_asks_the_same(seeds: Path) -> None:
    settings = generation(seeds, count=9, rounds=4, intents=[])
    assert list(settings.make(scripted)) == list(settings.make(scripted))


def test_replies_are_read_leniently() -> None:
    assert read_questions('Sure:\n```json\n["a?", {"question": "b?"}, 3, ""]\n```') == ["a?", "b?"]
    assert read_questions("Here you go:\n1. a b?\n2) c\n- “d”\n* e") == ["a b?", "c", "d", "e"]
    assert read_questions("以下是：\n1、甲\n2：乙") == ["甲", "乙"]
    assert read_questions("") == []
    assert read_label('ok {"intent": "a", "parameters": {"x": "}"}} done {"b": 1}') == {
        "intent": "a",
        "parameters": {"x": "}"},
    }
    assert read_label("{broken") is None


def test_a_label_without_json_and_a_missing_answer_are_rejections_too(seeds: Path) -> None:
    def mute(prompts: Sequence[str]) -> list[str]:
        return ['["洛阳的快递走到哪一步了"]' if "再写" in prompt else "logistics" for prompt in prompts]

    items = list(generation(seeds, rounds=1).make(mute))
    assert [item.rule for item in items if isinstance(item, Rejected)] == ["no-label", "too-few"]

    def silent(prompts: Sequence[str]) -> list[str]:
        return ['["洛阳的快递走到哪一步了"]' if "再写" in prompt else '{"intent": "x"}' for prompt in prompts]

    items = list(generation(seeds, rounds=1, rules=[], answer="text").make(silent))
    assert [item.rule for item in items if isinstance(item, Rejected)] == ["no-answer", "too-few"]


def test_seeds_without_the_intent_and_a_model_that_skips_prompts_are_refused(seeds: Path) -> None:
    with pytest.raises(DataError, match=r"seeds\.jsonl: no example of the intent 'weather'"):
        list(generation(seeds, intents=["weather"]).make(scripted))
    with pytest.raises(ModelError, match="0 replies to 1 prompts"):
        list(generation(seeds).make(lambda prompts: []))
