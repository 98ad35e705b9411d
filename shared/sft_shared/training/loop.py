"""The training loop: LoRA fine-tuning of the resident base on one node for one cycle."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from sft_shared.config import Settings
from sft_shared.data.chat import Row
from sft_shared.data.collate import collate
from sft_shared.errors import TrainingError
from sft_shared.models.adapters import AdapterState, adapter_state, set_adapter_state
from sft_shared.models.load import Base
from sft_shared.models.packed import packed, require_packable
from sft_shared.models.threads import cpu_threads
from sft_shared.models.tuning import LoraSettings, attached_lora, factors_of, forked_devices
from sft_shared.training.batches import batches
from sft_shared.training.losses import supervised_cross_entropy
from sft_shared.training.schedules import CosineSchedule, ScheduleSettings


class TrainingSettings(Settings):
    """AdamW (arXiv:1711.05101) with a schedule and clipping, ``steps`` batches a cycle."""

    steps: PositiveInt
    batch_size: PositiveInt  # examples a step
    learning_rate: float = Field(gt=0)  # the schedule's peak
    schedule: ScheduleSettings = CosineSchedule()
    weight_decay: NonNegativeFloat = 0.0
    clip_norm: float | None = Field(default=1.0, gt=0)  # largest gradient norm; None: no limit
    seed: NonNegativeInt = 0
    threads: PositiveInt | None = None  # CPU threads while training; None: as many as torch has

    @model_validator(mode="after")
    def _warms_up_within_the_span(self) -> TrainingSettings:
        total = self.steps * self.schedule.span_cycles
        if self.schedule.warmup_steps >= total:
            raise ValueError(
                f"schedule.warmup_steps is {self.schedule.warmup_steps}, but the span has {total} steps "
                "(steps x span_cycles); make the warm-up shorter"
            )
        return self


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


@dataclass(frozen=True)
class TrainingResult:
    """The trained adapter and what it took."""

    state: AdapterState
    num_examples: int  # distinct examples seen
    steps: int
    tokens: int
    supervised_tokens: int
    first_loss: float
    final_loss: float
    seconds: float


def train(
    base: Base,
    parent: Mapping[str, torch.Tensor],
    rows: Sequence[Row],
    *,
    tuning: LoraSettings,
    settings: TrainingSettings,
    cycle: int = 1,
    on_step: Callable[[StepRecord], None] | None = None,
) -> TrainingResult:
    """Train on from the adapter ``parent`` and return the new one; base and ``parent`` stay as they are.

    Deterministic: on a CPU the same arguments and number of threads give the same bits. ``cycle``
    (from 1) chooses the batches and the place on the schedule. The optimizer starts fresh.

    Raises TrainingError on no rows, and with step and example ids on a loss or gradient that is not
    finite; ModelError if ``parent`` does not fit, or the model cannot be trained on packed documents.
    """
    if not rows:
        raise TrainingError("no examples to train on. Give at least one.")
    if cycle < 1:
        raise TrainingError(f"cycle is {cycle}; cycles count from 1.")
    require_packable(base)
    start = time.perf_counter()
    seen: set[int] = set()
    records: list[StepRecord] = []
    plan = batches(
        len(rows), batch_size=settings.batch_size, steps=settings.steps, seed=settings.seed, cycle=cycle
    )
    with (
        cpu_threads(settings.threads),
        _seeded(settings.seed, cycle, base.device),
        _attached(base, parent, tuning) as model,
    ):
        factors = list(factors_of(model).values())
        optimizer = torch.optim.AdamW(factors, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        with packed(model.get_base_model()) as network:
            for step, chosen in enumerate(plan):
                step_start = time.perf_counter()
                learning_rate = learning_rate_at(step, settings=settings, cycle=cycle)
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate
                batch = collate([rows[index] for index in chosen]).to(base.device)
                hidden = network.hidden(
                    batch.input_ids,
                    position_ids=batch.position_ids,
                    lengths=batch.lengths,
                    prefix=batch.prefix,
                )
                loss = supervised_cross_entropy(
                    hidden, batch.targets, head=network.head, bias=network.head_bias
                )
                loss.backward()  # type: ignore[no-untyped-call]
                norm = torch.nn.utils.clip_grad_norm_(factors, settings.clip_norm or math.inf)
                record = StepRecord(
                    step=step + 1,
                    steps=settings.steps,
                    loss=loss.item(),
                    learning_rate=learning_rate,
                    gradient_norm=norm.item(),
                    tokens=sum(len(rows[index].input_ids) for index in chosen),
                    supervised_tokens=sum(rows[index].num_supervised for index in chosen),
                    seconds=0.0,
                )
                _require_finite(record, example_ids=batch.example_ids)
                optimizer.step()
                optimizer.zero_grad()
                record = replace(record, seconds=time.perf_counter() - step_start)
                seen.update(chosen)
                records.append(record)
                if on_step is not None:
                    on_step(record)
        state = adapter_state(model)
    return TrainingResult(
        state=state,
        num_examples=len(seen),
        steps=len(records),
        tokens=sum(record.tokens for record in records),
        supervised_tokens=sum(record.supervised_tokens for record in records),
        first_loss=records[0].loss,
        final_loss=records[-1].loss,
        seconds=time.perf_counter() - start,
    )


def learning_rate_at(step: int, *, settings: TrainingSettings, cycle: int) -> float:
    """The rate for ``step`` (from 0) of ``cycle`` (from 1), on the curve over the schedule's span."""
    schedule = settings.schedule
    place = ((cycle - 1) % schedule.span_cycles) * settings.steps + step
    return settings.learning_rate * schedule.factor(place, total_steps=settings.steps * schedule.span_cycles)


def _require_finite(record: StepRecord, *, example_ids: Sequence[str]) -> None:
    if math.isfinite(record.loss) and math.isfinite(record.gradient_norm):
        return
    raise TrainingError(
        f"step {record.step} of {record.steps}: the loss is {record.loss} and the gradient's norm "
        f"{record.gradient_norm}, on the examples {', '.join(example_ids)}. Lower training.learning_rate "
        "(or set model.dtype to fp32), or look at these examples."
    )


@contextmanager
def _attached(base: Base, parent: Mapping[str, torch.Tensor], tuning: LoraSettings) -> Iterator[Any]:
    """The base with ``parent`` on it; only the adapter's own dropout is active."""
    with attached_lora(base, tuning, seed=0) as model:
        set_adapter_state(model, parent)
        model.eval()
        for name, module in model.named_modules():
            if name.endswith(".lora_dropout"):
                module.train()
        yield model


@contextmanager
def _seeded(seed: int, cycle: int, device: torch.device) -> Iterator[None]:
    """Dropout depends on (seed, cycle); the process's random state is as before afterwards."""
    with torch.random.fork_rng(devices=forked_devices(device)):
        torch.manual_seed(int(np.random.SeedSequence((seed, cycle)).generate_state(1, np.uint64)[0] >> 1))
        yield
