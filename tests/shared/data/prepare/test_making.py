"""From a bucket of turns to a part: steps change and drop examples, and every one is accounted for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sft_shared.data.hygiene.minhash import SIGNATURE, signatures
from sft_shared.data.prepare.making import Maker
from sft_shared.data.prepare.manifest import add_up
from sft_shared.data.prepare.part import EXAMPLES, NEGATIVES, REFUSED_EXAMPLES, SIGNATURES
from sft_shared.data.prepare.plan import make_plan
from sft_shared.data.prepare.sections import SectionFile
from sft_shared.data.prepare.settings import PrepareSettings
from sft_shared.data.prepare.treatment import Treatment
from sft_shared.data.prepare.work import Work
from sft_shared.dialogue import Example
from sft_shared.errors import LeakError

CARD = "6222021234567890128"  # passes Luhn; made up


def make(folder: Path, **fields: Any) -> tuple[SectionFile, SectionFile]:
    """What a maker with these settings makes of the logs in ``folder``: selected, and protected."""
    source = {"kind": "jsonl", "path": str(folder / "*.jsonl")}
    values = {"steps": (), "desensitise": None, **fields}
    settings = PrepareSettings.model_validate({"sources": [source], "out": str(folder / "out"), **values})
    work = Work(folder / "work", make_plan(settings), settings)
    work.save()
    for stage in ("read", "repeats"):
        for number in work.open_tasks(stage):
            work.do(stage, number, progress=lambda _: None)
    label = settings.intents.labeller()
    maker = Maker(work.plan, settings, label=label, treatment=Treatment(settings))
    units = [work.unit(number) for number in range(len(work.plan.units))]
    maker.make_part(0, units=units, repeats=[work.repeats(0)], path=folder / "part")
    selected = SectionFile(folder / "part")
    twins = bytes(len(list(selected.lines(EXAMPLES))))
    path = folder / "protected"
    maker.protect(folder / "part", twins=twins, path=path, progress=lambda _: None)
    return selected, SectionFile(path)


def read(part: SectionFile, *sections: int) -> list[dict[str, Any]]:
    return [json.loads(line) for section in sections for line in part.lines(section)]


def test_steps_run_in_order_on_examples_and_negatives(tmp_path: Path, road: Any) -> None:
    """What a step drops never reaches the next one, and is listed with its rule."""
    road.write_logs()
    everything = read(make(tmp_path)[0], EXAMPLES, NEGATIVES)
    shortest = min(sum(len(turn["content"]) for turn in each["messages"][:-1]) for each in everything)
    first = {"kind": "length", "min_prompt_chars": 0, "max_prompt_chars": shortest}
    key = {"key": str(tmp_path / "key")}
    selected, part = make(tmp_path, steps=[first, {"kind": "length"}], desensitise=key)
    steps = add_up([selected.counts(), part.counts()])["steps"]
    num_made, num_dropped = len(read(part, EXAMPLES, NEGATIVES)), len(read(selected, REFUSED_EXAMPLES))
    assert steps["1-length"] == {"in": 40, "changed": 0, "dropped": {"prompt-too-long": num_dropped}}
    assert 0 < num_dropped < 40
    assert steps["2-length"]["in"] == steps["desensitise"]["in"] == steps["leak_gate"]["in"] == num_made
    assert {each["rule"] for each in read(selected, REFUSED_EXAMPLES)} == {"prompt-too-long"}
    counts = part.counts()
    assert counts["train"] + counts.get("held_out", 0) + counts["negatives"] == num_made == 40 - num_dropped
    assert part.place(SIGNATURES)[1] == len(read(part, EXAMPLES)) * SIGNATURE.itemsize


def test_fingerprints_are_those_of_what_is_written(tmp_path: Path, road: Any) -> None:
    """Whether an example kept the one it had, or changed, or is a copy."""
    road.write_logs()
    _log_with_a_card(road, "谢谢，可以了")
    noise = {"kind": "noise", "strength": 0.5, "copies": 1}
    for part in make(tmp_path, desensitise={"key": str(tmp_path / "key")}, augment=[noise]):
        examples = [Example.model_validate(each) for each in read(part, EXAMPLES)]
        assert part.data(SIGNATURES) == signatures(examples).tobytes()
        assert examples


def _log_with_a_card(road: Any, closing: str) -> None:
    lines = road.session(1, closing=closing)
    lines[0]["text"] = f"从这张卡 {CARD} 退款"
    road.write("a.jsonl", *lines)


@pytest.mark.parametrize("closing", ["谢谢，可以了", "还是不行"])
def test_a_card_number_is_replaced_on_its_way(tmp_path: Path, road: Any, closing: str) -> None:
    """In examples and in negatives; the counts tell the kind, nothing tells the number."""
    _log_with_a_card(road, closing)
    _, part = make(tmp_path, desensitise={"key": str(tmp_path / "key")}, held_out=0)
    assert len(read(part, EXAMPLES, NEGATIVES)) == 1
    assert CARD not in (tmp_path / "protected").read_text("utf-8", "replace")
    assert part.counts()["desensitised"]["replaced"]["content"]["card"] == 1


def test_without_desensitising_the_gate_drops_it_or_stops(tmp_path: Path, road: Any) -> None:
    """With the gate off as well, the card is in what would be trained on."""
    _log_with_a_card(road, "谢谢，可以了")
    _, part = make(tmp_path)
    (refused,) = read(part, REFUSED_EXAMPLES)
    assert refused["rule"] == "leak"
    assert refused["reason"].endswith(": card")
    assert CARD not in json.dumps(refused) + json.dumps(read(part, EXAMPLES))
    with pytest.raises(LeakError, match="card is left after") as caught:
        make(tmp_path, leak_gate="stop")
    assert CARD not in str(caught.value)
    assert CARD in json.dumps(read(make(tmp_path, leak_gate="off")[1], EXAMPLES))


def test_copies_are_made_of_training_examples_alone(tmp_path: Path, road: Any) -> None:
    """Not of held-out ones and not of negatives; each copy names its origin."""
    road.write_logs()
    noise = {"kind": "noise", "strength": 0.5, "copies": 2}
    _, part = make(tmp_path, augment=[noise], held_out=0.3)
    examples = read(part, EXAMPLES)
    copies = [each for each in examples if "origin" in each["provenance"]]
    originals = {each["id"]: each for each in examples if "origin" not in each["provenance"]}
    assert part.counts()["copies"]["noise"] == len(copies) > 0
    origins = [originals[each["provenance"]["origin"]] for each in copies]
    assert all(each["provenance"].get("split", "train") == "train" for each in (*origins, *copies))
    assert not [each for each in read(part, NEGATIVES) if "origin" in each["provenance"]]


def test_a_session_that_is_no_dialogue_is_refused_with_its_reason(tmp_path: Path, road: Any) -> None:
    """Such as one whose declared tools have no name."""
    messages = [{"role": line["role"], "content": line["text"]} for line in road.session(1)]
    road.write("a.jsonl", {"session": "s", "messages": messages, "tools": [{"function": {}}]})
    part, _ = make(tmp_path)
    (refused,) = read(part, REFUSED_EXAMPLES)
    assert refused["rule"] == "not-an-example"
    assert part.counts()["refused_examples"] == {"not-an-example": 1}
