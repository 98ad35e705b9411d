"""Answers become measurements: every metric over a task, and over each of its slices, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sft_shared.data.hygiene.language import language_of
from sft_shared.data.hygiene.texts import num_words, prompt_text, question_text
from sft_shared.dialogue import Example
from sft_shared.evaluation.answer_cache import Answer
from sft_shared.evaluation.compare import wilson_interval
from sft_shared.evaluation.metrics.kinds import Metric
from sft_shared.evaluation.pooling import pooled_interval
from sft_shared.evaluation.results import AnswerRow, Latency, Measured, SliceName, TaskResult
from sft_shared.evaluation.suites import TaskSettings, silence

SHORT, MEDIUM = 32, 128
"""Words (of Chinese: characters) of a prompt that is ``short`` or ``medium`` at most; ``long`` above.

The bounds are fixed, not terciles: a slice means the same in every task and stays the same as data grows.
"""

NONE = "(none)"
"""The slice of examples without a category or source."""

NUM_RESAMPLES = 2_000
NUM_CORPUS_RESAMPLES = 500  # only their spread is used
_BLOCK = 1_000_000  # drawn numbers in memory at a time


def length_of(example: Example) -> str:
    """``short``, ``medium`` or ``long``: by the words of all that comes before the answer, without tools."""
    words = num_words(prompt_text(example))
    return "short" if words <= SHORT else "medium" if words <= MEDIUM else "long"


def slices_of(example: Example) -> dict[SliceName, str]:
    """Where an example belongs. The language is that of what the user says."""
    return {
        "category": example.category or NONE,
        "client": example.provenance.source or NONE,
        "language": language_of(question_text(example)).language,
        "length": length_of(example),
    }


def score_answers(
    task: TaskSettings,
    examples: Sequence[Example],
    answers: Sequence[Answer],
    *,
    held: Sequence[bool] = (),
    seed: int = 0,
    latency: Latency | None = None,
    perplexity: Measured | None = None,
) -> tuple[TaskResult, list[AnswerRow]]:
    """Judge ``answers[i]`` to ``examples[i]``, whoever gave them; the rows keep the order.

    ``held[i]`` says that an answer was held to a form (without them none was). One that was cut off in it
    has no form at all, and is worth the least that a metric gives.
    Raises DataError if a metric says nothing about any example, ValueError if they are not one to one.
    """
    rows = []
    for example, answer, form in zip(examples, answers, held or [False] * len(answers), strict=True):
        values = {
            metric.name: _value(metric, answer, example, broken=form and answer.cut)
            for metric in task.metrics
        }
        rows.append(
            AnswerRow(
                id=example.id,
                **slices_of(example),
                prediction=answer.text,
                values=values,
                parts={
                    metric.name: dict(metric.parts(answer.text, example))
                    for metric in task.metrics
                    if metric.pooling != "mean" and values[metric.name] is not None
                },
                seconds=answer.seconds,
                cut=answer.cut,
            )
        )
    metrics = {}
    for metric in task.metrics:
        found = measure(metric, examples, rows, seed=seed)
        if found is None:
            raise silence(task, metric, num_examples=len(rows))
        metrics[metric.name] = found
    result = TaskResult(
        name=task.name,
        role=task.role,
        n=len(rows),
        metrics=metrics,
        slices={name: _by_slice(task, name, examples, rows, seed=seed) for name in task.slices},
        num_cut=sum(row.cut for row in rows),
        seconds=sum(row.seconds for row in rows),
        latency=latency,
        perplexity=perplexity,
    )
    return result, rows


def _value(metric: Metric, answer: Answer, example: Example, *, broken: bool) -> float | None:
    value = metric(answer.text, example)
    if value is None or not broken:
        return value
    return 0.0 if metric.higher_is_better else 1.0


def _by_slice(
    task: TaskSettings, name: SliceName, examples: Sequence[Example], rows: Sequence[AnswerRow], *, seed: int
) -> dict[str, dict[str, Measured]]:
    """Value of the slice -> metric; metrics that say nothing there are left out."""
    groups: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(getattr(row, name), []).append(place)
    tables = {}
    for value, places in sorted(groups.items()):
        inside = [examples[place] for place in places], [rows[place] for place in places]
        found = {metric.name: measure(metric, *inside, seed=seed) for metric in task.metrics}
        tables[value] = {metric: each for metric, each in found.items() if each is not None}
    return tables


def measure(
    metric: Metric, examples: Sequence[Example], rows: Sequence[AnswerRow], *, seed: int
) -> Measured | None:
    """A metric over all rows about which it says something; None if there are none.

    Shares of right answers get Wilson's interval, means a percentile bootstrap. What is computed over a whole
    corpus (BLEU, distinct-n, micro F1) gets that of `pooled_interval`.
    """
    judged = [
        (row, example, value)
        for row, example in zip(rows, examples, strict=True)
        if (value := row.values[metric.name]) is not None
    ]
    if not judged:
        return None
    known, references, values = map(list, zip(*judged, strict=True))
    total = metric.total([row.prediction for row in known], references, values)
    if metric.binary:
        interval = wilson_interval(round(sum(values)), num_total=len(values))
    elif metric.pooling == "mean":
        interval = _bootstrap_mean(np.array(values), seed=seed)
    else:
        parts = [row.parts[metric.name] for row in known]
        interval = pooled_interval(
            parts, pooling=metric.pooling, seed=seed, num_resamples=NUM_CORPUS_RESAMPLES
        )
    return Measured(
        value=total,
        ci95=interval,
        n=len(values),
        binary=metric.binary,
        higher_is_better=metric.higher_is_better,
        pooling=metric.pooling,
    )


def _bootstrap_mean(values: np.ndarray, *, seed: int) -> tuple[float, float]:
    draws = np.random.default_rng(seed)
    at_once = max(1, _BLOCK // len(values))
    means: list[float] = []
    while len(means) < NUM_RESAMPLES:
        size = (min(at_once, NUM_RESAMPLES - len(means)), len(values))
        means += values[draws.integers(0, len(values), size=size)].mean(1).tolist()
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
