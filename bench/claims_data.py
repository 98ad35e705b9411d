"""The two task families of `bench.claims`: customers' intents from Bitext, tool calls from BFCL."""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.bitext import draw_per_intent, intent_example, read_bitext
from bench.claims_family import Family
from bench.conduct import shipped_compliance
from bench.study_data import tool_calls
from sft_shared.data.bfcl import BfclCategory
from sft_shared.data.chat import DataSettings
from sft_shared.data.partition import question_words
from sft_shared.dialogue import Example, Message
from sft_shared.errors import DataError

CLIENTS = ("edge-1", "edge-2", "edge-3")
BFCL: dict[str, tuple[BfclCategory, ...]] = {
    "edge-1": ("simple_python",),
    "edge-2": ("multiple",),
    "edge-3": ("live_simple",),
}
FINANCE_RULES = Path("configs/finance/compliance.yaml")
OTHER = "other"
"""The intent of a question of another trade, so that the agent need not make up a name for it."""
NUM_OTHER = 60  # questions of another trade that are trained on, dealt out to all clients


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


def intents(
    folder: Path, *, banking: Path, per_intent: int, recipe: Mapping[str, Any], num_cycles: int
) -> Family:
    """Bitext: each client knows a third of the intents, no other. All know a few questions of another trade.

    Every prompt lists the intents, so that the base can know what is asked for; few-shot prompts show three
    solved questions too. Measured on the set's whole test file.
    """
    train = draw_per_intent(trainable(folder), count=per_intent, seed=0)
    names = intent_names(train)
    train, held_out = listing(train, names), listing(read_bitext(folder / "test.csv"), names)
    chance = random.Random(0)  # noqa: S311 (a draw, not a secret)
    others = chance.sample(banking_questions(banking / "train.csv", names), NUM_OTHER)
    shares = by_topic(train)
    for number, share in enumerate(shares.values()):
        share += others[number :: len(shares)]
    return Family(
        name="intents",
        clients=shares,
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


def trainable(folder: Path) -> list[Example]:
    """The rows of Bitext's train.csv whose words, but for numbers, are those of no row that may be asked."""
    asked = {question_words(row) for name in ("test", "dev") for row in read_bitext(folder / f"{name}.csv")}
    return [row for row in read_bitext(folder / "train.csv") if question_words(row) not in asked]


def intent_names(examples: Sequence[Example]) -> list[str]:
    """All that an answer may name: the examples' own intents, and `OTHER`."""
    return [*sorted({example.category for example in examples}), OTHER]


def banking_questions(path: Path, names: Sequence[str]) -> list[Example]:
    """banking77's questions, each once, in the same prompt; its trade is another. Raises DataError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            texts = dict.fromkeys(row["text"] for row in csv.DictReader(file))
    except (OSError, UnicodeDecodeError, KeyError) as error:
        raise DataError(
            f"{path}: cannot be read: {error}. Give the folder of banking77's CSV files."
        ) from None
    made = [
        intent_example(
            f"banking-{path.stem}-{number}", utterance=text, intent=OTHER, entity=None, source="banking77"
        )
        for number, text in enumerate(texts)
    ]
    return listing(made, names)


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
