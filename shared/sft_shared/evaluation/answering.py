"""Let a model answer examples, and judge tool calls: generate, judge, count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from pydantic import PositiveInt

from sft_shared.config import Settings
from sft_shared.data.chat import DataSettings, render_prompt
from sft_shared.dialogue import Example
from sft_shared.errors import DataError
from sft_shared.evaluation.compare import wilson_interval
from sft_shared.evaluation.tools import ToolCallScore, score_calls
from sft_shared.models.generate import generate
from sft_shared.models.load import Base
from sft_shared.models.threads import cpu_threads
from sft_shared.models.tuning import TuningSettings, attached


class EvaluationSettings(Settings):
    """How answers are generated: greedy, so that the same model gives the same answers."""

    max_new_tokens: PositiveInt = 96  # an answer longer than this is cut off, and so not JSON
    batch_size: PositiveInt = (
        32  # prompts at a time; in bf16 it can change an answer's last digits, so its words
    )
    threads: PositiveInt | None = (
        None  # CPU threads; None: as many as torch has. Few are safe on a busy machine
    )


@dataclass(frozen=True)
class Prediction:
    """What the model wrote for one example, and the judgement on it."""

    example_id: str
    category: str
    text: str
    score: ToolCallScore


@dataclass(frozen=True)
class EvaluationResult:
    """Counts and shares (0 to 1) over ``n`` examples; ``ci95`` is Wilson's interval of the accuracy."""

    n: int
    correct: int
    accuracy: float
    valid_json: float
    right_function: float
    ci95: tuple[float, float]
    seconds: float
    predictions: tuple[Prediction, ...]


def answers(
    base: Base,
    state: Mapping[str, torch.Tensor] | None,
    examples: Sequence[Example],
    *,
    tuning: TuningSettings,
    data: DataSettings,
    settings: EvaluationSettings,
    shots: Sequence[Example] = (),
    on_batch: Callable[[int], None] | None = None,
) -> list[str]:
    """What the base with the adapter ``state`` (None: the base alone) writes for each example.

    ``shots`` are solved examples put before every question. ``on_batch`` is told how many answers are done.
    The base is left as it was. Raises ModelError if the state does not fit ``tuning``.
    """
    prompts = [render_prompt(example, base.tokenizer, data, shots=shots) for example in examples]
    with cpu_threads(settings.threads), answering(base, state, tuning) as prefix:
        return generate(
            base,
            prompts,
            prefix=prefix,
            max_new_tokens=settings.max_new_tokens,
            batch_size=settings.batch_size,
            on_batch=on_batch,
        )


@contextmanager
def answering(
    base: Base, state: Mapping[str, torch.Tensor] | None, tuning: TuningSettings | None
) -> Iterator[torch.Tensor | None]:
    """The base with an adapter on it (None: alone) for the length of a block; gives its learned prefix."""
    if state is None:
        yield None
        return
    assert tuning is not None
    with attached(base, tuning, state) as tuned:
        yield tuned.prefix


def judge(examples: Sequence[Example], texts: Sequence[str], *, seconds: float) -> EvaluationResult:
    """Score the answer ``texts[i]`` to ``examples[i]``, which took ``seconds`` in all.

    Raises DataError without examples or without expected calls, ValueError if they are not one to one.
    """
    if not examples:
        raise DataError("there is nothing to evaluate on. Give at least one held-out example.")
    unjudgeable = next((example.id for example in examples if not example.expected_calls), None)
    if unjudgeable is not None:
        raise DataError(f"example {unjudgeable!r} has no expected_calls to judge an answer by. Add them.")
    predictions = tuple(
        Prediction(
            example_id=example.id,
            category=example.category,
            text=text,
            score=score_calls(text, expected=example.expected_calls, tools=example.tools),
        )
        for example, text in zip(examples, texts, strict=True)
    )
    n = len(predictions)
    correct = sum(prediction.score.match for prediction in predictions)
    return EvaluationResult(
        n=n,
        correct=correct,
        accuracy=correct / n,
        valid_json=sum(prediction.score.valid_json for prediction in predictions) / n,
        right_function=sum(prediction.score.right_function for prediction in predictions) / n,
        ci95=wilson_interval(correct, num_total=n),
        seconds=seconds,
        predictions=predictions,
    )
