"""What a training is about to do, said before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sft_shared.data.chat import Row
from sft_shared.models.tuned import Tuned, Tuning
from sft_shared.training.settings import TrainingSettings

FORECAST_AFTER = 4  # steps


@dataclass(frozen=True)
class Plan:
    """Sizes are in bytes, counts of tokens in whole examples."""

    method: str
    num_trained: int  # numbers that training moves
    num_base: int  # numbers in the base model
    num_examples: int
    num_held_out: int
    mean_tokens: float  # of an example
    max_tokens: int
    steps: int
    resumed_at: int
    tokens_per_step: float  # expected
    weights_bytes: int  # the base and, in fp32, what is trained
    optimizer_bytes: int  # two moments and a gradient
    update_bytes: int  # what would travel, uncompressed in fp32
    note: str = ""  # what a user may not expect of the method

    @property
    def share(self) -> float:
        """Trained numbers over the base's."""
        return self.num_trained / self.num_base


def make_plan(
    tuned: Tuned,
    tuning: Tuning,
    rows: Sequence[Row],
    *,
    held_out: Sequence[Row],
    settings: TrainingSettings,
    done: int,
) -> Plan:
    """The plan of a training of ``rows`` on ``tuned``; time comes with its first steps."""
    lengths = [len(row.input_ids) for row in rows]
    base = tuned.base
    stored = sum(parameter.numel() for parameter in tuned.parameters.values())
    return Plan(
        method=tuning.method,
        num_trained=tuned.num_trained,
        num_base=base.num_parameters,
        num_examples=len(rows),
        num_held_out=len(held_out),
        mean_tokens=sum(lengths) / len(lengths),
        max_tokens=max(lengths),
        steps=settings.steps,
        resumed_at=done,
        tokens_per_step=min(settings.batch_size, len(rows)) * sum(lengths) / len(lengths),
        weights_bytes=base.num_parameters * base.dtype.itemsize + 4 * stored,
        optimizer_bytes=3 * 4 * stored,
        update_bytes=4 * stored,
        note=tuning.note(base),
    )


class Forecast:
    """How long a training will take, from its own first steps."""

    def __init__(self) -> None:
        self._seconds: list[float] = []

    def add(self, seconds: float, *, steps_left: int) -> float | None:
        """Take in a step's seconds; once, after FORECAST_AFTER steps, return the seconds left, else None."""
        self._seconds.append(seconds)
        if len(self._seconds) != FORECAST_AFTER:
            return None
        warm = self._seconds[1:]  # the first step also warms up
        return steps_left * sum(warm) / len(warm)
