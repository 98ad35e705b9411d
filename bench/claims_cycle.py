"""How much faster a cycle reaches a quality than training from scratch: a part of `bench.claims`.

A model knows most intents; examples of some more arrive. The cycle goes on from the model's adapter, on the
new examples and as many old ones. From scratch, all examples are trained on. Both are trained several times,
for more and more steps, each time with a schedule of that length, and measured on questions of all intents;
the time is that of the training that was long enough.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bench.study_run import Lab
from sft_shared.data.chat import Row, tokenize_all
from sft_shared.dialogue import Example
from sft_shared.evaluation.metrics.structure import IntentAccuracy
from sft_shared.training.settings import TrainingSettings

MAX_ANSWER_TOKENS = 96
right_intent = IntentAccuracy()


@dataclass(frozen=True)
class CyclePlan:
    """Lengths in steps: of the training that came before, and of the runs that race."""

    before: int
    scratch: Sequence[int]
    cycle: Sequence[int]
    training: Mapping[str, Any]


def runs(
    lab: Lab,
    parent: Mapping[str, torch.Tensor],
    rows: Sequence[Row],
    questions: Sequence[Example],
    *,
    lengths: Sequence[int],
    training: Mapping[str, Any],
    title: str,
) -> tuple[list[dict[str, Any]], Mapping[str, torch.Tensor]]:
    """A whole training of each length, with a schedule of its own; seconds and right answers of each."""
    state, points = parent, []
    for steps in lengths:
        settings = TrainingSettings.model_validate({**training, "steps": steps})
        started = time.perf_counter()
        result, _ = lab.fine_tune(parent, rows, settings=settings, title=f"{title}, {steps} steps")
        seconds = time.perf_counter() - started
        state = result.state
        texts = lab.answers(state, questions, max_new_tokens=MAX_ANSWER_TOKENS)
        right = [bool(right_intent(text, each)) for text, each in zip(texts, questions, strict=True)]
        points.append({"steps": steps, "seconds": seconds, "right": right})
    return points, state


def race(
    lab: Lab,
    initial: Mapping[str, torch.Tensor],
    old: Sequence[Example],
    new: Sequence[Example],
    questions: Sequence[Example],
    *,
    plan: CyclePlan,
) -> dict[str, Any]:
    """Both curves. ``new`` are the examples that arrive."""
    known = tokenize_all(old, lab.base.tokenizer, lab.data)
    fresh = tokenize_all(new, lab.base.tokenizer, lab.data)
    common: dict[str, Any] = {"training": plan.training}
    before, state = runs(lab, initial, known, questions, lengths=[plan.before], title="before", **common)
    replayed = known[:: max(1, len(known) // len(fresh))][: len(fresh)]
    rows = [*fresh, *replayed]
    cycle, _ = runs(lab, state, rows, questions, lengths=plan.cycle, title="cycle", **common)
    rows = [*known, *fresh]
    scratch, _ = runs(lab, initial, rows, questions, lengths=plan.scratch, title="from scratch", **common)
    return {
        "before": before[-1],
        "cycle": cycle,
        "scratch": scratch,
        "new_share": len(fresh) / (len(known) + len(fresh)),
        "num_new": len(fresh),
        "num_old": len(known),
    }


def first_at(points: Sequence[Mapping[str, Any]], target: float) -> Mapping[str, Any] | None:
    """The first point whose accuracy is at least ``target``."""
    return next((point for point in points if accuracy(point) >= target), None)


def accuracy(point: Mapping[str, Any]) -> float:
    """Share of right answers."""
    right: Sequence[bool] = point["right"]
    return sum(right) / len(right)


def speedup(found: Mapping[str, Any]) -> dict[str, Any]:
    """Time from scratch over the cycle's, each to the best quality that both reach.

    >>> point = lambda seconds, right: {"seconds": seconds, "right": [True] * right + [False] * (4 - right)}
    >>> speedup({"cycle": [point(1, 2), point(2, 3)], "scratch": [point(5, 1), point(9, 3)]})
    {'ratio': 4.5, 'quality': 0.75, 'cycle_s': 2, 'scratch_s': 9}
    """
    quality = min(max(map(accuracy, found["cycle"])), max(map(accuracy, found["scratch"])))
    cycle, scratch = first_at(found["cycle"], quality), first_at(found["scratch"], quality)
    assert cycle is not None
    assert scratch is not None
    return {
        "ratio": scratch["seconds"] / cycle["seconds"],
        "quality": quality,
        "cycle_s": cycle["seconds"],
        "scratch_s": scratch["seconds"],
    }
