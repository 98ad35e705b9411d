"""The manifest: what each step kept, changed and dropped, and why; the counts add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def add_up(counts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of counts of the same shape: numbers are added, mappings by key. Keys come out sorted."""
    total: dict[str, Any] = {}
    for each in counts:
        for key, value in each.items():
            if isinstance(value, Mapping):
                total[key] = add_up([total.get(key, {}), value])
            else:
                total[key] = total.get(key, 0) + value
    return {key: total[key] for key in sorted(total)}


def account(
    read: Mapping[str, Any],
    made: Mapping[str, Any],
    *,
    twins: Mapping[str, int],
    last_twins: Mapping[str, Any],
) -> dict[str, Any]:
    """The steps of the road in order, each with what went in, what was kept and what was dropped by rule.

    ``read`` are the counts of all units, ``made`` those of all parts, ``twins`` the examples that went before
    they were desensitised because another says the same, by rule; ``last_twins`` those that went after it: by
    rule, by split and by intent.
    """

    def get(counts: Mapping[str, Any], name: str) -> int:
        return int(counts.get(name, 0))

    rejected = get(read, "rejected_records")
    refused_turns = dict(made.get("refused_turns", {}))
    refused_examples = dict(made.get("refused_examples", {}))
    unclear = get(made, "unclear_dropped")
    built = get(made, "answers") - unclear - sum(refused_examples.values())
    stages: dict[str, Any] = {
        "lines": {
            "read": get(read, "lines"),
            "blank": get(read, "blank_lines"),
            "headers": get(read, "headers"),
            "byte_order_marks": get(read, "byte_order_marks"),
        },
        "records": {
            "in": get(read, "records") + rejected,
            "kept": get(read, "records"),
            "dropped": dict(read.get("rules", {})),
        },
        "turns": {
            "in": get(read, "turns"),
            "kept": get(made, "turns_in_sessions"),
            "repeated": get(made, "turns_repeated"),
            "dropped": refused_turns,
        },
        "sessions": {
            "in": get(made, "sessions"),
            "kept": get(made, "sessions") - get(made, "sessions_without_answer"),
            "dropped": {"no-answer": get(made, "sessions_without_answer")},
        },
        "answers": {
            "in": get(made, "answers"),
            "kept": built,
            "dropped": {"unclear": unclear, **refused_examples},
            "by_sign": dict(made.get("outcomes", {})),
        },
        "made": {
            "in": get(made, "made"),
            "kept": get(made, "made") - sum(made.get("refused_made", {}).values()),
            "dropped": dict(made.get("refused_made", {})),
        },
        "steps": {
            name: {
                "in": get(step, "in"),
                "kept": get(step, "in") - sum(step["dropped"].values()),
                "changed": get(step, "changed"),
                "dropped": dict(step["dropped"]),
            }
            for name, step in made.get("steps", {}).items()
        },
        "twins": {
            "in": get(made, "selected"),
            "kept": get(made, "selected") - sum(twins.values()),
            "dropped": dict(twins),
        },
        "desensitised": made.get("desensitised", {}),
        "suspects": dict(made.get("suspects", {})),
        "copies": dict(made.get("copies", {})),
        "last_twins": {
            "in": get(made, "train") + get(made, "held_out"),
            "kept": get(made, "train") + get(made, "held_out") - sum(last_twins["twins"].values()),
            "dropped": dict(last_twins["twins"]),
        },
        "negatives": get(made, "negatives"),
        "examples": {
            "train": get(made, "train") - last_twins["split"]["train"],
            "held_out": get(made, "held_out") - last_twins["split"]["held_out"],
            "by_intent": {
                intent: count
                for intent, all_of_it in made.get("intents", {}).items()
                if (count := all_of_it - last_twins["intent"][intent])
            },
        },
    }
    return stages
