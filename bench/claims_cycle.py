"""How much faster a cycle reaches a quality than training from scratch: a part of `bench.claims`.

A model knows most intents; examples of some more arrive, once of few and once of more. The cycle goes on from
the model's adapter, on the new examples and, by the recipe's `replay`, on old ones of all intents among them.
From scratch, all examples are trained on. Both are trained several times, for more and more steps, each time
with a schedule of that length, and measured on questions of all intents. Short and long runs of both sides
are timed in turn, so that what else the machine does meets both.

The quality to reach is one point below the best that any training from scratch reaches. Each side's time is
that of the shortest training that reaches it, between two lengths by a straight line. All of it is done for
several seeds, and accuracies and times are their means.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from statistics import mean
from time import perf_counter
from typing import Any

import torch

from bench.study_run import TUNING, Lab
from sft_shared.data.chat import Row, tokenize_all
from sft_shared.dialogue import Example
from sft_shared.evaluation.metrics.structure import IntentAccuracy
from sft_shared.training.settings import TrainingSettings

MAX_ANSWER_TOKENS = 96
MARGIN = 0.01  # of accuracy below the best from scratch
right_intent = IntentAccuracy()


@dataclass(frozen=True)
class CyclePlan:
    """Lengths in steps: of the training that came before, and of the runs that race, shortest first.

    ``training`` is how the model before and those from scratch are trained, ``cycle_training`` how a cycle
    is, with its `replay` of old examples.
    """

    before: int
    scratch: Sequence[int]
    cycle: Sequence[int]
    training: Mapping[str, Any]
    cycle_training: Mapping[str, Any]


def race(
    lab: Lab,
    examples: Sequence[Example],
    arriving: Sequence[Collection[str]],
    questions: Sequence[Example],
    *,
    plan: CyclePlan,
    seed: int,
) -> dict[str, list[dict[str, Any]]]:
    """The curves of one seed: ``races``, one for each set of ``arriving`` intents.

    Those from scratch are the same in all. ``cycle`` and ``scratch`` are points ``{steps, seconds, right}``;
    ``right`` says of each question whether it was answered with its intent.
    """
    rows = tokenize_all(examples, lab.base.tokenizer, lab.data)
    initial = TUNING.initial(lab.base, seed=seed)
    races: list[dict[str, Any]] = []
    scratch: list[dict[str, Any]] = []

    def run(
        parent: Mapping[str, torch.Tensor], rows: Sequence[Row], steps: int, *, replayed: Sequence[Row] = ()
    ) -> tuple[dict[str, Any], Mapping[str, torch.Tensor]]:
        training = plan.cycle_training if replayed else plan.training
        settings = TrainingSettings.model_validate({**training, "steps": steps, "seed": seed})
        started = perf_counter()
        title = f"{'cycle' if replayed else 'training'}, {steps} steps, seed {seed}"
        result, _ = lab.fine_tune(parent, rows, settings=settings, title=title, general=replayed)
        seconds = perf_counter() - started
        texts = lab.answers(result.state, questions, max_new_tokens=MAX_ANSWER_TOKENS)
        right = [bool(right_intent(text, each)) for text, each in zip(texts, questions, strict=True)]
        return {"steps": steps, "seconds": seconds, "right": right}, result.state

    sides = []
    for names in arriving:
        pairs = list(zip(rows, examples, strict=True))
        known = [row for row, example in pairs if example.category not in names]
        fresh = [row for row, example in pairs if example.category in names]
        before, state = run(initial, known, plan.before)
        cycle: list[dict[str, Any]] = []
        sides.append((state, known, fresh, cycle))
        races.append(
            {
                "before": before,
                "cycle": cycle,
                "scratch": scratch,
                "num_new": len(fresh),
                "num_old": len(known),
                "replay": plan.cycle_training["replay"]["fraction"],
            }
        )
    for short, long in zip_longest(plan.cycle, plan.scratch):
        for state, known, fresh, cycle in sides if short is not None else ():
            cycle.append(run(state, fresh, short, replayed=known)[0])
        if long is not None:
            scratch.append(run(initial, rows, long)[0])
    return {"races": races}


Curve = Sequence[tuple[float, float]]
"""(seconds, accuracy) of longer and longer trainings."""


def curve(seeds: Sequence[Mapping[str, Any]], name: str, places: Sequence[int] | None = None) -> Curve:
    """The mean over seeds, on all questions or on those at ``places``."""
    rows = zip(*(each[name] for each in seeds), strict=True)
    return [
        (mean(each["seconds"] for each in row), mean(_accuracy(each, places) for each in row)) for row in rows
    ]


def _accuracy(point: Mapping[str, Any], places: Sequence[int] | None) -> float:
    right: Sequence[bool] = point["right"]
    return mean(right) if places is None else mean(right[place] for place in places)


def time_to(points: Curve, target: float) -> float | None:
    """Seconds of the shortest training that reaches ``target``, by a straight line between two lengths.

    None if none reaches it.


    >>> time_to([(10, 0.4), (20, 0.6), (40, 0.9)], 0.5), time_to([(10, 0.4)], 0.5), time_to([(10, 0.6)], 0.5)
    (15.0, None, 10)
    """
    before: tuple[float, float] | None = None
    for seconds, accuracy in points:
        if accuracy >= target:
            if before is None:
                return seconds
            share = (target - before[1]) / (accuracy - before[1])
            return before[0] + share * (seconds - before[0])
        before = (seconds, accuracy)
    return None


def speedup(cycle: Curve, scratch: Curve) -> dict[str, Any]:
    """Time from scratch over the cycle's, to one point below the best from scratch; 0 if the cycle is below.

    >>> speedup([(1, 0.5), (2, 0.75)], [(5, 0.31), (9, 0.76)])["quality"]
    0.75
    >>> speedup([(1, 0.5)], [(5, 0.3), (9, 0.76)])["ratio"]
    0.0
    """
    target = max(accuracy for _, accuracy in scratch) - MARGIN
    taken, full = time_to(cycle, target), time_to(scratch, target)
    assert full is not None
    ratio = 0.0 if taken is None else full / taken
    return {"ratio": ratio, "quality": target, "cycle_s": taken, "scratch_s": full}
