"""What every kind of augmentation promises, on dialogues that hypothesis makes up."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sft_shared.data.augment.kinds import Augmentation
from sft_shared.dialogue import Example

LEXICON = {"city": ["郑州", "洛阳", "Rome"], "order_no": ["YT1", "YT2", "77"]}
ADAPTER: TypeAdapter[Any] = TypeAdapter(Augmentation)
PARTS = st.sampled_from(
    [
        "我把订单取消了，",
        "订单被我取消了。",
        "You cancelled my order. ",
        "帮我查",
        "的快递",
        " my parcel ",
        "，",
        "?",
        "12.5",
        "新乡站",
    ]
)


@st.composite
def dialogues(draw: st.DrawFn) -> Example:
    """Text with labelled values in it, which the JSON answer repeats."""
    text, entities, parameters = "", [], {}
    for name, values in (("city", ("新乡", "北京", "Paris")), ("order_no", ("SF123", "88", "JD0001"))):
        text += draw(PARTS) + draw(st.text(alphabet="我的快递ab 1，", max_size=6)) + " "
        value = draw(st.sampled_from(values))
        entities.append(
            {"type": name, "value": value, "message": 0, "start": len(text), "end": len(text) + len(value)}
        )
        parameters[name] = value
        text += value + " "
    text += draw(PARTS)
    answer = json.dumps(
        {"intent": "query", "parameters": parameters, "response": f"好 {value}"}, ensure_ascii=False
    )
    return Example.model_validate(
        {
            "id": draw(st.sampled_from(["a", "b"])),
            "messages": [{"role": "user", "content": text}, {"role": "assistant", "content": answer}],
            "entities": entities,
            "provenance": {"source": "test", "session": "s", "split": "held_out", "steps": ["before"]},
        }
    )


@st.composite
def augmentations(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["entities", "voice", "noise"]))
    chosen = {
        "kind": kind,
        "copies": 2,
        "seed": draw(st.integers(0, 3)),
        "strength": draw(st.sampled_from([0.4, 1.0])),
    }
    return {**chosen, "lexicon": LEXICON} if kind == "entities" else chosen


@settings(max_examples=150)
@given(dialogues(), augmentations())
def test_labels_stay_valid_and_the_answer_says_what_they_say(
    example: Example, chosen: dict[str, Any]
) -> None:
    for number, copy in enumerate(ADAPTER.validate_python(chosen)(example)):
        assert Example.model_validate(copy.model_dump()) == copy
        parameters = json.loads(copy.messages[1].content or "")["parameters"]
        assert parameters == {entity.type: entity.value for entity in copy.entities}
        assert [entity.type for entity in copy.entities] == [entity.type for entity in example.entities]
        assert copy != example
        assert copy.id.startswith(f"{example.id}~{chosen['kind']}")
        assert number < 2
        assert (copy.provenance.origin, copy.provenance.split) == (example.id, "held_out")
        assert copy.provenance.steps[0] == "before"
        assert copy.provenance.steps[1].startswith(chosen["kind"])
        assert copy.provenance.steps[1].endswith(f":{chosen['strength']:g}")


@settings(max_examples=60)
@given(dialogues(), dialogues(), augmentations())
def test_a_copy_depends_on_the_settings_and_the_example_alone(
    example: Example, other: Example, chosen: dict[str, Any]
) -> None:
    first, second = ADAPTER.validate_python(chosen), ADAPTER.validate_python(chosen)
    list(second(other))  # what came before does not matter
    assert list(first(example)) == list(second(example))
    assert list(ADAPTER.validate_python({**chosen, "strength": 0})(example)) == []


def test_the_chain_of_origins_leads_to_the_source() -> None:
    example = Example.model_validate(
        {
            "id": "log-7",
            "messages": [
                {"role": "user", "content": "我把订单取消了"},
                {"role": "assistant", "content": "好"},
            ],
            "provenance": {"source": "test", "session": "s"},
        }
    )
    (turned,) = ADAPTER.validate_python({"kind": "voice"})(example)
    (noisy,) = ADAPTER.validate_python({"kind": "noise", "strength": 0.9})(turned)
    assert noisy.id == "log-7~voice1~noise1"
    by_id = {each.id: each for each in (example, turned, noisy)}
    assert by_id[by_id[noisy.provenance.origin].provenance.origin] is example


def test_another_process_with_another_hash_seed_makes_the_same_copies() -> None:
    program = """
from sft_shared.data.augment.noise import Noise
from sft_shared.data.augment.entities import Entities
from sft_shared.dialogue import Example
e = Example.model_validate({"id": "a", "messages": [{"role": "user", "content": "帮我查新乡快递 please"},
    {"role": "assistant", "content": "新乡"}], "provenance": {"source": "t", "session": "s"},
    "entities": [{"type": "city", "value": "新乡", "message": 0, "start": 3, "end": 5}]})
for made in (Noise(strength=0.7, copies=4)(e), Entities(lexicon={"city": ("a", "b", "c")}, copies=3)(e)):
    print([copy.model_dump_json() for copy in made])
"""
    runs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
            text=True,
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout
    assert "source~" not in runs[0].stdout
    assert runs[0].stderr == ""  # jieba says nothing
