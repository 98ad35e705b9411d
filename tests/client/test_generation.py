"""Generation by a real, tiny, random model: it writes nonsense, and none of it gets past the rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sft_client.generation import GenerateSettings, completion, generate_examples
from sft_shared.data.steps import Rejected
from sft_shared.dialogue import Example, write_examples
from sft_shared.errors import ModelError
from sft_shared.models.load import ModelSettings, load_base


def test_a_model_is_a_function_from_prompts_to_texts(tiny_model: Path) -> None:
    base = load_base(ModelSettings(name=str(tiny_model), dtype="fp32", device="cpu"))
    complete = completion(base, max_new_tokens=8, batch_size=2)
    prompts = ["What is the weather?", "帮我查快递", "one"]
    replies = complete(prompts)
    assert len(replies) == 3
    assert all(reply for reply in replies)
    assert replies == complete(prompts)
    assert complete(prompts[:1]) == replies[:1]


def test_what_a_random_model_writes_is_rejected_with_the_rule(tmp_path: Path, tiny_model: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    example = Example.model_validate(
        {
            "id": "seed",
            "messages": [
                {"role": "user", "content": "Where is my parcel?"},
                {"role": "assistant", "content": json.dumps({"intent": "logistics_query"})},
            ],
            "intent": {"name": "logistics_query", "confidence": 1, "by": "given"},
            "provenance": {"source": "test", "session": "s"},
        }
    )
    write_examples(path, [example])
    settings = GenerateSettings.model_validate(
        {
            "seeds": path,
            "language": "en",
            "count": 2,
            "rounds": 2,
            "rules": [{"kind": "schema"}, {"kind": "round_trip"}],
            "model": {"name": str(tiny_model), "dtype": "fp32", "device": "cpu"},
            "max_new_tokens": 24,
        }
    )
    items = list(settings.examples())
    counts = generate_examples(settings, out=tmp_path / "new" / "made.jsonl")
    assert sum(counts.values()) == len(items)
    assert counts["kept"] == 0
    rejected = (tmp_path / "new" / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["rule"] for line in rejected] == [item.rule for item in items]
    assert all(isinstance(item, Rejected) for item in items)
    rules = [item.rule for item in items if isinstance(item, Rejected)]
    assert rules[-1] == "too-few"
    assert set(rules) <= {"no-label", "schema", "round_trip", "too-few"}
    assert items == list(settings.examples())


def test_a_model_that_is_not_there_costs_no_earlier_examples(tmp_path: Path) -> None:
    """The file of an earlier run stays until the new one is whole."""
    out = tmp_path / "made.jsonl"
    out.write_text("earlier\n", encoding="utf-8")
    settings = GenerateSettings.model_validate(
        {
            "seeds": tmp_path / "seeds.jsonl",
            "language": "en",
            "count": 1,
            "rules": [],
            "model": {"name": str(tmp_path / "no-model"), "device": "cpu"},
        }
    )
    with pytest.raises(ModelError):
        generate_examples(settings, out=out)
    assert out.read_text(encoding="utf-8") == "earlier\n"
