"""The training part of a recipe."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from sft_shared.config import Settings
from sft_shared.data.replay import ReplaySettings
from sft_shared.data.sampling import SamplingSettings, ShuffledSampling
from sft_shared.training.ewc import EwcSettings
from sft_shared.training.losses import CrossEntropyLoss, LossSettings
from sft_shared.training.schedules import CosineSchedule, ScheduleSettings


class ValidationSettings(Settings):
    """Measure the loss on held-out examples; return the best state, and stop when it gets no better."""

    every: PositiveInt = 10  # steps between two measurements; the last step is always measured
    patience: PositiveInt | None = None  # measurements without a better one before stopping; None: never stop
    min_improvement: NonNegativeFloat = 0.0  # nats by which a loss must be lower to be better


class TrainingSettings(Settings):
    """AdamW (arXiv:1711.05101) with a schedule and clipping, ``steps`` batches a cycle."""

    steps: PositiveInt
    batch_size: PositiveInt  # examples an optimizer step
    accumulation: PositiveInt = 1  # parts a batch is computed in: less memory, the same step
    gradient_checkpointing: bool = False  # compute activations twice instead of keeping them
    learning_rate: float = Field(gt=0)  # the schedule's peak
    schedule: ScheduleSettings = CosineSchedule()
    weight_decay: NonNegativeFloat = 0.0
    clip_norm: float | None = Field(default=1.0, gt=0)  # largest gradient norm; None: no limit
    loss: LossSettings = CrossEntropyLoss()
    sampling: SamplingSettings = ShuffledSampling()
    replay: ReplaySettings | None = None  # general examples among the node's own
    ewc: EwcSettings | None = None
    validation: ValidationSettings | None = None
    checkpoint_every: PositiveInt | None = None  # steps; None: a killed training begins anew
    stop_on_divergence: bool = True  # end with an error once the loss has risen for good
    seed: int = Field(default=0, ge=0, lt=2**63)
    threads: int | None = Field(
        default=None, ge=1, le=1024
    )  # CPU threads while training; None: as many as torch has

    @model_validator(mode="after")
    def _warms_up_within_the_span(self) -> TrainingSettings:
        total = self.steps * self.schedule.span_cycles
        if self.schedule.warmup_steps >= total:
            raise ValueError(
                f"schedule.warmup_steps is {self.schedule.warmup_steps}, but the span has {total} steps "
                "(steps x span_cycles); make the warm-up shorter"
            )
        return self

    @model_validator(mode="after")
    def _parts_hold_examples(self) -> TrainingSettings:
        if self.accumulation > self.batch_size:
            raise ValueError(
                f"accumulation is {self.accumulation}, but a batch has {self.batch_size} examples to part; "
                "make it at most batch_size"
            )
        return self

    def learning_rate_at(self, step: int, *, cycle: int) -> float:
        """The rate for ``step`` (from 0) of ``cycle`` (from 1), on the curve over the schedule's span."""
        place = ((cycle - 1) % self.schedule.span_cycles) * self.steps + step
        return self.learning_rate * self.schedule.factor(
            place, total_steps=self.steps * self.schedule.span_cycles
        )
