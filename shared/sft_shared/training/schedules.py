"""Learning-rate schedules: a factor on the peak rate for each step of a span of cycles."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from sft_shared.config import Settings


class _Schedule(Settings):
    """What all schedules share.

    ``span_cycles`` cycles of training lie under one curve, so a federation of many short
    cycles anneals once, not in each; after the span it starts anew.
    """

    warmup_steps: NonNegativeInt = 0  # steps of linear rise at the start of the span; the first is not zero
    span_cycles: PositiveInt = 1

    def factor(self, step: int, *, total_steps: int) -> float:
        """The factor in [0, 1] for ``step`` (from 0) of the span's ``total_steps``."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        remaining = total_steps - self.warmup_steps
        return self._decay((step - self.warmup_steps) / remaining) if remaining > 0 else 1.0

    @abstractmethod
    def _decay(self, progress: float) -> float:
        """The factor once ``progress`` (0 to 1) of the steps after the warm-up is done."""


class CosineSchedule(_Schedule):
    """Half a cosine from 1 down to ``min_ratio`` (SGDR, arXiv:1608.03983, without its restarts)."""

    kind: Literal["cosine"] = "cosine"
    min_ratio: float = Field(default=0.0, ge=0, le=1)  # share of the peak rate left at the end of the span

    def _decay(self, progress: float) -> float:
        return self.min_ratio + (1 - self.min_ratio) * (1 + math.cos(math.pi * progress)) / 2


class CosineRestartsSchedule(_Schedule):
    """``num_arcs`` half cosines of equal length, each from 1 to ``min_ratio`` (SGDR, arXiv:1608.03983)."""

    kind: Literal["cosine_restarts"] = "cosine_restarts"
    num_arcs: PositiveInt
    min_ratio: float = Field(default=0.0, ge=0, le=1)  # share of the peak rate left at the end of each arc

    def _decay(self, progress: float) -> float:
        along = (progress * self.num_arcs) % 1.0
        return self.min_ratio + (1 - self.min_ratio) * (1 + math.cos(math.pi * along)) / 2


class LinearSchedule(_Schedule):
    """A straight line from 1 down to ``min_ratio``."""

    kind: Literal["linear"] = "linear"
    min_ratio: float = Field(default=0.0, ge=0, le=1)

    def _decay(self, progress: float) -> float:
        return 1 - (1 - self.min_ratio) * progress


class ConstantSchedule(_Schedule):
    """The peak rate throughout, after the warm-up."""

    kind: Literal["constant"] = "constant"

    def _decay(self, progress: float) -> float:
        return 1.0


ScheduleSettings = Annotated[
    CosineSchedule | CosineRestartsSchedule | LinearSchedule | ConstantSchedule, Field(discriminator="kind")
]
