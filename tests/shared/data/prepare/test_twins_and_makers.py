"""What comes from elsewhere than logs, and what goes because another example says the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sft_shared.data.prepare.settings import PrepareSettings
from sft_shared.dialogue import read_examples

QUESTIONS = (
    "你好，我想问一下上周买的那台洗衣机什么时候能送到我家里",
    "发票抬头写错了，可以麻烦你们重新开一张电子发票给我吗",
    "How do I change the delivery address of an order that has not been shipped yet?",
)


def _example(name: str, question: str, answer: str, *, split: str = "train") -> dict[str, Any]:
    return {
        "id": name,
        "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
        "provenance": {"source": "people", "session": name, "split": split},
    }


def _ids(road: Any, out: str) -> list[str]:
    return [each["id"] for each in road.read("examples.jsonl", out)]


def test_a_held_out_examples_near_twin_never_trains(tmp_path: Path, road: Any) -> None:
    """Wherever it comes from; with dedup off it does."""
    one, two, three = QUESTIONS
    rows = [
        _example("t1", one + "？谢谢", "明天送到"),
        _example("t2", two, "可以，请告诉我新的抬头"),
        _example("t3", two.replace("可以麻烦", "能不能麻烦"), "可以，请告诉我新的抬头。"),
        _example("t4", three, "Open the order and choose edit."),
        _example("h1", one, "后天送到", split="held_out"),
    ]
    (tmp_path / "sets").mkdir()
    makers = [
        {"kind": "dataset", "path": str(road.write("sets/one.jsonl", *rows[:3]))},
        {"kind": "dataset", "path": str(road.write("sets/two.jsonl", *rows[3:]))},
    ]
    result = road.run(sources=(), makers=makers, dedup={})
    assert _ids(road, "out") == ["t2", "t4", "h1"]
    assert result.manifest["counts"]["twins"]["dropped"] == {"held-out-twin": 1, "near-duplicate": 1}
    assert result.manifest["counts"]["examples"] == {"train": 2, "held_out": 1, "by_intent": {"unknown": 3}}
    road.run(out="off", sources=(), makers=makers)
    assert _ids(road, "off") == ["t1", "t2", "t3", "t4", "h1"]


@pytest.mark.parametrize("dedup", [None, {}])
def test_of_two_examples_with_one_id_the_later_one_is_rejected(
    tmp_path: Path, road: Any, dedup: dict[str, Any] | None
) -> None:
    """Else nobody can read what comes out; an id is taken by those that stay only."""
    one, two, three = QUESTIONS
    (tmp_path / "sets").mkdir()
    first = road.write("sets/1.jsonl", _example("a", one, "明天"), _example("b", two, "可以"))
    second = road.write("sets/2.jsonl", _example("a", three, "Yes."), _example("c", one, "明天"))
    third = road.write("sets/3.jsonl", _example("c", three, "Open it."), _example("b", two, "可以"))
    makers = [{"kind": "dataset", "path": str(path)} for path in (first, second, third)]
    counts = road.run(sources=(), makers=makers, dedup=dedup).manifest["counts"]
    kept = [each.id for each in read_examples(road.out / "examples.jsonl")]
    assert kept == ["a", "b", "c"]
    rejected = [(each["where"], each["rule"]) for each in road.read("rejected.jsonl")]
    why = "duplicate-id" if dedup is None else "exact-duplicate"
    assert rejected == [("a", "duplicate-id"), ("c", why), ("b", "duplicate-id")]
    assert counts["twins"]["in"] == counts["twins"]["kept"] + len(rejected) == 6


def test_makers_and_logs_go_the_same_road(tmp_path: Path, road: Any) -> None:
    """What a maker cannot make is rejected with its place; a killed or second run changes nothing."""
    road.write_logs()
    (tmp_path / "sets").mkdir()
    path = road.write("sets/one.jsonl", _example("t1", QUESTIONS[0], "好的"), '{"id": ')
    counts = road.run(makers=[{"kind": "dataset", "path": str(path)}]).manifest["counts"]
    assert counts["made"] == {"in": 2, "kept": 1, "dropped": {"broken-json": 1}}
    made = [each for each in road.read("examples.jsonl") if each["provenance"]["source"] == "people"]
    assert [each["id"] for each in made] == ["t1"]
    assert [each["where"] for each in road.read("rejected.jsonl") if str(path) in each["where"]] == [
        f"{path}:2"
    ]
    assert not road.run(makers=[{"kind": "dataset", "path": str(path)}]).changed
    path.write_text(json.dumps(_example("t2", QUESTIONS[1], "好的")) + "\n")
    assert road.run(makers=[{"kind": "dataset", "path": str(path)}]).changed
    made = [each for each in road.read("examples.jsonl") if each["provenance"]["source"] == "people"]
    assert [each["id"] for each in made] == ["t2"]


def test_without_any_input_it_says_so() -> None:
    with pytest.raises(ValidationError, match="sources: missing, and so are makers"):
        PrepareSettings.model_validate({"out": "out", "desensitise": None})


def test_desensitising_has_to_be_decided() -> None:
    """Nobody leaves personal data in by leaving a line out."""
    with pytest.raises(ValidationError, match=r"desensitise\n.*Field required"):
        PrepareSettings.model_validate({"sources": [{"kind": "jsonl", "path": "a"}], "out": "out"})
