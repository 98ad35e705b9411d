"""Every promoted adapter has its card beside it: counts and settings, and no name of a node or a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from sft_server.card import facts_of
from sft_server.config import EvaluationPlan
from sft_server.cycle import CARD


@pytest.fixture
def fleet(bench: Any, make_node: Any, make_fleet: Any) -> Any:
    nodes = [make_node("clinic-mayer", num_examples=10), make_node("bank-li", num_examples=30)]
    for node in nodes:
        bench.store.add_node(node.card)
    answers = {
        node.name: (
            lambda order, node=node: node.update(
                order, bench.delta(0.001), metrics={"final_loss": node.num_examples / 10}
            )
        )
        for node in nodes
    }
    return make_fleet(nodes, answers)


def card_of(bench: Any, cycle: Any) -> str:
    return (bench.runner().layout.adapter(cycle.adapter_sha256) / CARD).read_text(encoding="utf-8")


def test_an_unmeasured_adapter_says_that_it_is(bench: Any, fleet: Any) -> None:
    """Without a suite and held-out examples: what it was made of, and nothing of how good it is."""
    bench.runner().run(fleet)
    cycle = bench.runner().run(fleet)
    text = card_of(bench, cycle)
    data = ModelCard(text).data
    assert (data.base_model, data.library_name) == ("tiny", "peft")
    assert "| Trained by | 2 clients, whose texts stayed with them |" in text
    assert "| Examples | 40 |" in text
    assert "| Method | LoRA, rank 2, alpha 4, on q_proj |" in text
    assert "| loss, first and last cycle | 2.000, 2.000 |" in text
    num_bytes = sum(update.num_bytes for number in (1, 2) for update in bench.store.updates(number))
    assert f"| bytes sent | {num_bytes:,} up, those down not counted |" in text
    assert "| Sources | nodes of the federation, as they say 40 |" in text
    assert "No differential privacy was used" in text
    assert "It was not measured." in text
    assert "cycle 2 was compared with no other model." in text
    for secret in ("clinic", "mayer", "bank-li", str(bench.config.state), str(bench.config.recipe.parent)):
        assert secret not in text


def test_a_measured_adapter_shows_what_the_gates_said(bench: Any, fleet: Any, tmp_path: Path) -> None:
    """Both models with their intervals, and no question."""
    (tmp_path / "pairs.jsonl").write_text(
        json.dumps({"prompt": "Where is my secret order today?", "completion": "[]"})
    )
    task = {"name": "forms", "data": "pairs.jsonl", "metrics": [{"kind": "json_valid"}]}
    generation = {"max_new_tokens": 2, "threads": 1}
    suite = {"name": "shop", "tasks": [task], "generation": generation, "latency": None}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite))
    plan = EvaluationPlan(suite=tmp_path / "suite.yaml")
    bench.config = bench.config.model_copy(update={"evaluation": plan})
    text = card_of(bench, bench.runner().run(fleet))
    assert "| task, metric | n | cycle 1 | initial adapter | p |" in text
    assert "| forms, json_valid | 1 | 0.0 % (0.0 to 79.3) | 0.0 % (0.0 to 79.3) |" in text
    assert "| no worse: all metrics on all tasks | passed |" in text
    assert "languages of the questions: en 1" in text
    assert ModelCard(text).data.language == ["en"]
    assert "secret order" not in text
    bench.runner()
    suite["gates"] = []
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite))
    text = card_of(bench, bench.runner().run(fleet))
    assert "| task, metric | n | cycle 2 | cycle 1 | p |" in text
    assert "No gate was asked." in text


@pytest.mark.parametrize(
    ("tuning", "method"),
    [
        ({"kind": "full"}, "Full fine-tuning"),
        ({"kind": "adapter", "width": 8}, "Adapter, width 8"),
        ({"kind": "prefix", "num_virtual_tokens": 4}, "Prefix, 4 virtual tokens"),
        ({"kind": "lora", "rank": 4, "alpha": 8}, "LoRA, rank 4, alpha 8, on all-linear"),
    ],
)
def test_every_method_is_named(bench: Any, tuning: dict[str, Any], method: str) -> None:
    """And a model of a hub or a package keeps its name, where a folder loses its place."""
    recipe = bench.recipe.model_dump() | {"tuning": tuning}
    recipe["model"] = {**recipe["model"], "name": "owner/model"}
    facts = facts_of(
        bench.config, type(bench.recipe).model_validate(recipe), shapes={"a": (2, 3), "b": (4,)}, cycles=[]
    )
    assert (facts.method, facts.num_parameters, facts.base_model) == (method, 10, "owner/model")
