"""What one training step did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StepRecord:
    """What one step did; ``seconds`` is its wall time, ``tokens`` those of its examples."""

    step: int  # from 1
    steps: int
    loss: float  # mean over the supervised tokens, nats, before the update
    learning_rate: float
    gradient_norm: float  # before clipping
    tokens: int
    supervised_tokens: int
    seconds: float
    penalty: float = 0.0  # what EWC added to the loss
    held_out_loss: float | None = None  # after the update, where it was measured
    skipped: bool = False  # no update, since the gradient overflowed (fp16)
