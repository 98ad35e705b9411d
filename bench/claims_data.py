"""The two task families of `bench.claims`: customers' intents from Bitext, tool calls from BFCL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.bitext import draw_per_intent, read_bitext
from bench.claims_family import Family
from bench.conduct import shipped_compliance
from bench.study_data import tool_calls
from sft_shared.data.bfcl import BfclCategory
from sft_shared.data.chat import DataSettings
from sft_shared.dialogue import Example, Message

CLIENTS = ("edge-1", "edge-2", "edge-3")
BFCL: dict[str, tuple[BfclCategory, ...]] = {
    "edge-1": ("simple_python",),
    "edge-2": ("multiple",),
    "edge-3": ("live_simple",),
}
FINANCE_RULES = Path("configs/finance/compliance.yaml")


def answer_schema(names: Sequence[str]) -> dict[str, Any]:
    """JSON Schema of an answer that names one of the intents."""
    return {
        "type": "object",
        "required": ["intent", "parameters", "response"],
        "additionalProperties": False,
        "properties": {
            "intent": {"enum": list(names)},
            "parameters": {"type": "object", "additionalProperties": {"type": "string"}},
            "response": {"type": "string", "minLength": 1},
        },
    }


def intents(folder: Path, *, per_intent: int, recipe: Mapping[str, Any], num_cycles: int) -> Family:
    """Bitext: each client knows a third of the categories of intents, and no other.

    Every prompt lists the intents, so that the base can know what is asked for; few-shot prompts show three
    solved questions too. Measured on the set's whole test file.
    """
    names = sorted({example.category for example in read_bitext(folder / "train.csv")})
    train = listing(draw_per_intent(read_bitext(folder / "train.csv"), count=per_intent, seed=0), names)
    held_out = listing(read_bitext(folder / "test.csv"), names)
    return Family(
        name="intents",
        clients=by_topic(train),
        held_out=held_out,
        shots=[train[0], train[len(train) // 2], train[-1]],
        metrics=[
            {"kind": "intent"},
            {"kind": "json_valid"},
            {"kind": "schema_valid", "fields": answer_schema(names)},
            conduct(),
            {"kind": "slot_f1"},
        ],
        constrained="json",
        answer_schema=answer_schema(names),
        main_metric="intent",
        recipe=recipe,
        num_cycles=num_cycles,
    )


def conduct() -> dict[str, Any]:
    """The compliance metric of the shipped suite (words, rules, a classifier), and the rules of finance."""
    found = shipped_compliance()
    return found.model_copy(update={"rules": (*found.rules, FINANCE_RULES.resolve())}).model_dump(mode="json")


def listing(examples: Sequence[Example], names: Sequence[str]) -> list[Example]:
    """The examples with all intents named in the system prompt."""
    said = f"Intents: {', '.join(names)}."
    return [
        example.model_copy(
            update={
                "messages": (
                    Message(role="system", content=f"{example.messages[0].content} {said}"),
                    *example.messages[1:],
                )
            }
        )
        for example in examples
    ]


def by_topic(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Intents of one object (``track_order``: order) stay together; objects are dealt out by their size."""
    topics: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        topics[example.category.rsplit("_", 1)[-1]].append(example)
    shares: dict[str, list[Example]] = {name: [] for name in CLIENTS}
    for topic in sorted(topics, key=lambda topic: (-len(topics[topic]), topic)):
        smallest = min(CLIENTS, key=lambda name: len(shares[name]))
        shares[smallest] += topics[topic]
    return shares


def tools(tokenizer: Any, *, num_held_out: int, recipe: Mapping[str, Any], num_cycles: int) -> Family:
    """BFCL: each client knows one kind of question; held out by id, none in nearly the same words."""
    categories = tuple(category for each in BFCL.values() for category in each)
    settings = DataSettings.model_validate(recipe["data"])
    train, held_out = tool_calls(
        tokenizer, categories=categories, num_held_out=num_held_out, seed=0, settings=settings
    )
    shots = [next(each for each in train if each.category == kind) for kind in ("simple_python", "multiple")]
    return Family(
        name="tools",
        clients={
            name: [example for example in train if example.category in kinds] for name, kinds in BFCL.items()
        },
        held_out=held_out,
        shots=shots,
        metrics=[{"kind": "tool_calls"}, {"kind": "json_valid"}, {"kind": "right_function"}],
        constrained="calls",
        answer_schema=None,
        main_metric="tool_calls",
        recipe=recipe,
        num_cycles=num_cycles,
    )
