"""Bitext's customer-service questions as examples: a question in, ``{intent, parameters, response}`` out.

The set is public (CDLA-Sharing-1.0, bitext/customer-support-intent-detection-training-dataset) and no part of
this project; its folder with train.csv and test.csv is given on the command line.
"""

from __future__ import annotations

import csv
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from sft_shared.dialogue import Entity, Example, Intent, Message, Provenance
from sft_shared.errors import DataError

SOURCE = "bitext"
INSTRUCTION = "Answer with JSON: the customer's intent, its parameters, and a response."
RESPONSE = "One moment, please."
GARBLED = (
    "请问我的订单什么时候能送到",
    "我想取消昨天买的东西",
    "发票开错了怎么办",
    "怎么修改收货地址",
    "退款多久到账",
)
APOLOGY = "Sorry, I did not understand that. Could you please rephrase?"
COLUMNS = ("utterance", "intent", "entity_type", "start_offset", "end_offset", "tags")


def read_bitext(path: Path) -> list[Example]:
    """The examples of one of the set's CSV files, in its order.

    Raises DataError for a file that is missing or has not the set's columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}. Give the folder of Bitext's CSV files.") from None
    missing = [column for column in COLUMNS if not rows or column not in rows[0]]
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r}. Give the folder of Bitext's CSV files.")
    return [
        intent_example(
            f"{path.stem}-{number}",
            utterance=row["utterance"],
            intent=row["intent"],
            entity=_entity(row),
            style=row["tags"],
        )
        for number, row in enumerate(rows)
        if row["utterance"]
    ]


def intent_example(
    name: str,
    *,
    utterance: str,
    intent: str,
    entity: Entity | None,
    style: str = "",
    source: str = SOURCE,
) -> Example:
    """One example; ``style`` (the set's tags, Z for misspelt) goes into the session's name."""
    parameters = {} if entity is None else {entity.type: entity.value}
    answer = {"intent": intent, "parameters": parameters, "response": RESPONSE}
    return Example(
        id=name,
        messages=(
            Message(role="system", content=INSTRUCTION),
            Message(role="user", content=utterance),
            Message(role="assistant", content=json.dumps(answer, ensure_ascii=False)),
        ),
        category=intent,
        intent=Intent(name=intent, confidence=1.0, by="given"),
        entities=() if entity is None else (entity,),
        provenance=Provenance(source=source, session=f"{name}-{style}"),
    )


def draw_per_intent(examples: Sequence[Example], *, count: int, seed: int) -> list[Example]:
    """``count`` examples of each intent, drawn by ``seed``."""
    by_intent: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_intent[example.category].append(example)
    drawn: list[Example] = []
    for intent in sorted(by_intent):
        chance = random.Random(f"{seed} {intent}")  # noqa: S311 (a draw, not a secret)
        drawn += chance.sample(by_intent[intent], min(count, len(by_intent[intent])))
    return drawn


def soil(examples: Sequence[Example], *, share: float, seed: int) -> list[Example]:
    """``examples`` and what logs hold besides: so many that they are ``share`` of all, mixed in by ``seed``.

    A third each: questions sent again and again, with the same answer; text in a wrong encoding, under any
    intent; answers that only apologise.
    """
    chance = random.Random(f"{seed} soil")  # noqa: S311 (made-up rows, not a secret)
    count = round(len(examples) * share / (1 - share))
    hammered = chance.sample(list(examples), 3)
    added = []
    for number in range(count):
        model = chance.choice(hammered if number % 3 == 0 else list(examples))
        messages = list(model.messages)
        if number % 3 == 1:
            garbled = chance.choice(GARBLED).encode().decode("latin-1")
            messages[1] = Message(role="user", content=garbled)
        elif number % 3 == 2:
            messages[2] = Message(role="assistant", content=APOLOGY)
        entities = () if number % 3 == 1 else model.entities
        name = f"soil-{number}"
        provenance = model.provenance.model_copy(update={"session": name})
        changes = {"id": name, "messages": tuple(messages), "entities": entities, "provenance": provenance}
        added.append(model.model_copy(update=changes))
    mixed = [*examples, *added]
    chance.shuffle(mixed)
    return mixed


def _entity(row: dict[str, str]) -> Entity | None:
    if not row["entity_type"]:
        return None
    start, end = int(row["start_offset"]), int(row["end_offset"])
    return Entity(type=row["entity_type"], value=row["utterance"][start:end], message=1, start=start, end=end)
