"""Measure one stage of tool calling on held-out examples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from sft_shared.data.chat import DataSettings, answer_text
from sft_shared.data.stages import StageSettings, views
from sft_shared.dialogue import Example
from sft_shared.errors import DataError
from sft_shared.evaluation.answering import EvaluationSettings, answers
from sft_shared.evaluation.compare import wilson_interval
from sft_shared.evaluation.metrics.calls import expected_of
from sft_shared.evaluation.tools import score_calls
from sft_shared.models.load import Base
from sft_shared.models.tuning import TuningSettings


@dataclass(frozen=True)
class StageScore:
    """Right answers of a stage; ``ci95`` is Wilson's interval of the share."""

    stage: str
    n: int
    correct: int
    ci95: tuple[float, float]

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0 to 1."""
        return self.correct / self.n


def measure_stage(
    stage: StageSettings,
    base: Base,
    state: Mapping[str, torch.Tensor] | None,
    examples: Sequence[Example],
    *,
    tuning: TuningSettings,
    data: DataSettings,
    settings: EvaluationSettings,
) -> StageScore:
    """Let the base with ``state`` answer the stage's views of ``examples``.

    Right is, for selection, the same names in any order; for parameters, calls that match the expected ones
    (those of the answer where an example has none); for results, the same words.

    Raises DataError if no example has anything for the stage.
    """
    seen = views(stage, examples)
    if not seen:
        raise DataError(
            f"no held-out example has anything for the stage {stage.kind!r}. Hold some out, or drop it."
        )
    texts = answers(base, state, seen, tuning=tuning, data=stage.data(data), settings=settings)
    correct = sum(_RIGHT[stage.kind](view, text) for view, text in zip(seen, texts, strict=True))
    return StageScore(
        stage=stage.kind, n=len(seen), correct=correct, ci95=wilson_interval(correct, num_total=len(seen))
    )


def _right_selection(view: Example, text: str) -> bool:
    try:
        names = json.loads(text)
        wanted = json.loads(answer_text(view.answer))
    except (ValueError, RecursionError):
        return False
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return False
    return sorted(names) == sorted(wanted)


def _right_calls(view: Example, text: str) -> bool:
    return score_calls(text, expected=expected_of(view), tools=view.tools).match


def _right_words(view: Example, text: str) -> bool:
    return text.casefold().split() == answer_text(view.answer).casefold().split()


_RIGHT = {"selection": _right_selection, "parameters": _right_calls, "result": _right_words}
