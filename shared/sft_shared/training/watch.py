"""When to stop: a loss that rises for good, a held-out loss that gets no better."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from sft_shared.errors import TrainingError
from sft_shared.models.tuned import AdapterState
from sft_shared.training.records import StepRecord
from sft_shared.training.settings import TrainingSettings, ValidationSettings

MAX_SKIPPED = 20  # steps whose fp16 gradients overflow before training is given up
MIN_LOSS_WITH_GRADIENT = 1e-3  # nats; below, rounding may leave none
WINDOW = 8  # steps whose mean loss is a level, so that one hard batch is no alarm
MIN_STEPS = 3  # before them nothing is called divergence
MIN_RISE = 2.0  # nats above the lowest level that count as divergence, if that is twice the level at least


@dataclass
class Levels:
    """The loss over a few steps, now and at its lowest."""

    recent: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    lowest: float = float("inf")  # a level, or the first step's loss

    def add(self, loss: float) -> None:
        """Take in the next step's loss."""
        self.recent.append(loss)
        if len(self.recent) == WINDOW:
            self.lowest = min(self.lowest, self.now)
        elif len(self.recent) == 1:
            self.lowest = loss

    @property
    def now(self) -> float:
        """Mean of the last steps."""
        return sum(self.recent) / len(self.recent)

    @property
    def diverged(self) -> bool:
        """Whether the level is above twice the lowest and more than MIN_RISE nats above it.

        Before WINDOW steps are done, twice as far.
        """
        if len(self.recent) < MIN_STEPS:
            return False
        limit = max(2 * self.lowest, self.lowest + MIN_RISE)
        return self.now > (limit if len(self.recent) == WINDOW else 2 * limit)

    @property
    def rising(self) -> bool:
        """Whether the level is halfway to divergence, so that the state is not one to go back to."""
        return self.now > max(1.5 * self.lowest, self.lowest + MIN_RISE / 2)


@dataclass
class Best:
    """The best state by held-out loss so far."""

    loss: float = float("inf")
    step: int = 0
    state: AdapterState = field(default_factory=dict)
    num_since: int = 0  # measurements since then

    def offer(self, loss: float, *, step: int, state: AdapterState, settings: ValidationSettings) -> None:
        """Take ``state`` if its ``loss`` is lower by more than ``min_improvement``."""
        if loss < self.loss - settings.min_improvement:
            self.loss, self.step, self.state, self.num_since = loss, step, state, 0
        else:
            self.num_since += 1

    def exhausted(self, settings: ValidationSettings) -> bool:
        """Whether patience is over."""
        return settings.patience is not None and self.num_since >= settings.patience


def require_sound(
    record: StepRecord,
    *,
    settings: TrainingSettings,
    levels: Levels,
    num_skipped: int,
    example_ids: Sequence[str],
    last_good: str,
) -> None:
    """Raise TrainingError, with the step and ``last_good``, if training cannot go on from ``record``.

    That is: a loss or gradient that is not finite, with the examples; too many steps left out in fp16; and,
    if the settings say so, a loss that has risen for good or a gradient that has vanished.
    """
    where = f"step {record.step} of {record.steps}"
    lower = f"Lower training.learning_rate ({settings.learning_rate:g})"
    finite = math.isfinite(record.loss) and (record.skipped or math.isfinite(record.gradient_norm))
    if not finite or num_skipped > MAX_SKIPPED:
        raise TrainingError(
            f"{where}: the loss is {record.loss} and the gradient's norm {record.gradient_norm}, on the "
            f"examples {', '.join(example_ids)}. {lower} (or set model.dtype to fp32), or look at these "
            f"examples. {last_good}"
        )
    if not settings.stop_on_divergence:
        return
    if record.gradient_norm == 0 and record.loss > MIN_LOSS_WITH_GRADIENT:
        raise TrainingError(
            f"{where}: training diverges: the gradient is exactly zero at a loss of {record.loss:.2f}, so "
            f"the parameters have run away from where they can learn. {lower}. {last_good}"
        )
    if levels.diverged:
        ewc = ""
        if settings.ewc is not None and record.penalty > 0:
            ewc = f" or training.ewc.strength ({settings.ewc.strength:g})"
        raise TrainingError(
            f"{where}: training diverges: the loss is {levels.now:.2f} (mean of the last steps), it was "
            f"{levels.lowest:.2f}. {lower}{ewc}, or lengthen schedule.warmup_steps; with "
            f"other settings the training begins anew. {last_good}"
        )
