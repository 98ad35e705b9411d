"""Perplexity: how surprised a model is by the reference answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sft_shared.data.chat import DataSettings, Row, tokenize_all
from sft_shared.dialogue import Example
from sft_shared.evaluation.answering import EvaluationSettings, answering
from sft_shared.evaluation.likelihood import likelihoods
from sft_shared.evaluation.results import Measured
from sft_shared.models.load import Base
from sft_shared.models.packed import PackedModel, packed, require_packable
from sft_shared.models.threads import cpu_threads
from sft_shared.models.tuning import TuningSettings

RESAMPLES_AT_ONCE = 1 << 22  # draws held in memory


@dataclass(frozen=True)
class Surprise:
    """The negative log-likelihood of one reference answer in nats, over its ``num_tokens`` tokens."""

    example_id: str
    nll: float
    num_tokens: int


def perplexity_of(surprises: Sequence[Surprise]) -> float:
    """exp of the mean negative log-likelihood of a token; 1 is the best, infinite where it overflows.

    Two tokens at chance 1/2 and one at 1/4 cost 2 ln 2 + ln 4 = 4 ln 2 in all: exp(4/3 ln 2) = 2.52.

    >>> round(perplexity_of([Surprise("a", 2 * math.log(2), 2), Surprise("b", math.log(4), 1)]), 2)
    2.52
    """
    mean = sum(each.nll for each in surprises) / sum(each.num_tokens for each in surprises)
    return math.exp(mean) if mean < 700 else math.inf


def perplexity_interval(
    surprises: Sequence[Surprise], *, seed: int, num_resamples: int = 2_000, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of `perplexity_of`; whole answers are drawn anew, since their tokens hang together.

    >>> perplexity_interval([Surprise("a", math.log(8), 3)] * 5, seed=0)
    (2.0, 2.0)
    """
    sums = np.array([(each.nll, each.num_tokens) for each in surprises], dtype=np.float64)
    rng = np.random.default_rng(seed)
    chunk = max(1, RESAMPLES_AT_ONCE // len(sums))
    means = [
        (drawn := rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=size) @ sums)[:, 0]
        / drawn[:, 1]
        for size in (min(chunk, num_resamples - start) for start in range(0, num_resamples, chunk))
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(np.exp(min(low, 700))), float(np.exp(min(high, 700)))


def measured_perplexity(surprises: Sequence[Surprise], *, seed: int) -> Measured | None:
    """`perplexity_of` with its interval; None where it overflows."""
    value = perplexity_of(surprises)
    if not math.isfinite(value):
        return None
    return Measured(
        value=value,
        ci95=perplexity_interval(surprises, seed=seed),
        n=len(surprises),
        binary=False,
        higher_is_better=False,
    )


def surprises_of(
    base: Base,
    state: Mapping[str, torch.Tensor] | None,
    examples: Sequence[Example],
    *,
    tuning: TuningSettings | None,
    data: DataSettings,
    settings: EvaluationSettings,
) -> list[Surprise]:
    """What each reference answer costs the base with the adapter ``state`` (None: the base alone).

    The answer's tokens count up to and with its end token, and nothing of the prompt. The base is left as it
    was. Examples that are too long are left out where ``data`` says so. Raises DataError if an example cannot
    be used or none is left, ModelError if the state does not fit ``tuning``.
    """
    rows = tokenize_all(examples, base.tokenizer, data)
    require_packable(base)
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].input_ids))
    found: dict[int, Surprise] = {}
    with (
        cpu_threads(settings.threads),
        torch.no_grad(),
        answering(base, state, tuning) as prefix,
        packed(base.model, prefix=prefix) as network,
    ):
        _measure(network, base.device, rows, order, settings.batch_size, found)
    return [found[index] for index in range(len(rows))]


def _measure(
    network: PackedModel,
    device: torch.device,
    rows: Sequence[Row],
    order: Sequence[int],
    batch_size: int,
    found: dict[int, Surprise],
) -> None:
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        batch = [rows[place] for place in places]
        for place, each in zip(places, likelihoods(network, batch, device), strict=True):
            found[place] = Surprise(rows[place].example_id, each.nll, rows[place].num_supervised)
