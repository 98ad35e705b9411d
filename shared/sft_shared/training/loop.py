"""The training loop: one node fine-tunes the resident base for one cycle."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from sft_shared.data.chat import Row
from sft_shared.errors import TrainingError
from sft_shared.models.load import Base
from sft_shared.models.packed import PackedModel, packed, require_packable
from sft_shared.models.threads import cpu_threads
from sft_shared.models.tuned import AdapterState, Tuned, forked_devices
from sft_shared.models.tuning import TuningSettings, attached
from sft_shared.training.checkpoint import (
    Progress,
    random_state,
    read_checkpoint,
    training_key,
    write_checkpoint,
)
from sft_shared.training.engine import engine_for
from sft_shared.training.ewc import EwcState, Pull, consolidate, diagonal_fisher
from sft_shared.training.launch import ALONE, Processes
from sft_shared.training.losses import CrossEntropyLoss
from sft_shared.training.memory import naming_the_remedy
from sft_shared.training.order import batches_of
from sft_shared.training.plan import Plan, make_plan
from sft_shared.training.records import StepRecord
from sft_shared.training.settings import TrainingSettings
from sft_shared.training.step import Objective, class_factors
from sft_shared.training.watch import require_sound


@dataclass(frozen=True)
class TrainingResult:
    """The trained adapter and what it took."""

    state: AdapterState
    num_examples: int  # distinct examples of the node's own that were seen
    steps: int
    tokens: int
    supervised_tokens: int
    first_loss: float
    final_loss: float
    seconds: float
    best_step: int | None = None  # the step whose state this is, if the held-out loss chose it
    held_out_loss: float | None = None  # at that step
    num_skipped: int = 0
    resumed_at: int = 0  # steps that a checkpoint had done already
    ewc: EwcState | None = None  # for the next training, if the settings ask for EWC


def train(
    base: Base,
    parent: Mapping[str, torch.Tensor],
    rows: Sequence[Row],
    *,
    tuning: TuningSettings,
    settings: TrainingSettings,
    cycle: int = 1,
    general: Sequence[Row] = (),
    held_out: Sequence[Row] = (),
    ewc: EwcState | None = None,
    checkpoint: Path | None = None,
    processes: Processes = ALONE,
    on_plan: Callable[[Plan], None] | None = None,
    on_step: Callable[[StepRecord], None] | None = None,
) -> TrainingResult:
    """Train on from the adapter ``parent`` and return the new one; base and ``parent`` stay as they are.

    Deterministic: on a CPU the same arguments and number of threads give the same bits, also if the process
    was killed and ``checkpoint`` (a file) let another go on. ``cycle`` (from 1) chooses the batches and the
    place on the schedule. The optimizer starts fresh. ``general`` are the rows of ``settings.replay``,
    ``held_out`` those of ``settings.validation``, ``ewc`` what the last training left.

    Raises TrainingError on no rows, on a loss or gradient that is not finite, a loss that diverges and memory
    that does not suffice, each with its step; DataError if the sampler lacks something; ModelError if
    ``parent`` does not fit, or the model cannot be trained on packed documents.
    """
    _require_rows(rows, cycle=cycle, settings=settings, general=general, held_out=held_out)
    require_packable(base)
    start = time.perf_counter()
    with (
        cpu_threads(settings.threads),
        _seeded(settings.seed, cycle, base.device),
        naming_the_remedy(settings),
        attached(base, tuning, parent) as tuned,
        packed(base.model, prefix=tuned.prefix, checkpointing=settings.gradient_checkpointing) as network,
    ):
        run = _Run(
            tuned=tuned,
            network=network,
            rows=[*rows, *general],
            num_own=len(rows),
            held_out=held_out,
            settings=settings,
            cycle=cycle,
            processes=processes,
            checkpoint=checkpoint,
        )
        key = training_key(
            tuning.model_dump_json(),
            settings.model_dump_json(),
            cycle,
            base.fingerprint,
            base.dtype,
            processes.number,
            len(rows),
            len(general),
            None if ewc is None else training_key(rows=(), tensors=dict(ewc.fisher) | _anchors(ewc)),
            rows=[*rows, *general, *held_out],
            tensors=parent,
        )
        resumed_at = run.resume(key)
        if on_plan is not None:
            on_plan(make_plan(tuned, tuning, rows, held_out=held_out, settings=settings, done=resumed_at))
        pull = None
        if settings.ewc is not None and ewc is not None and settings.ewc.strength:
            pull = Pull(tuned, ewc, strength=settings.ewc.strength)
        for record in run.steps(key, pull):
            run.progress.seconds += time.perf_counter() - start
            start = time.perf_counter()
            if on_step is not None:
                on_step(record)
        progress = run.progress
        chosen = settings.validation is not None
        state = progress.best.state if chosen else tuned.state()
        if chosen:
            tuned.set_state(state)
        after = run.consolidated(ewc, state) if settings.ewc is not None else None
    return TrainingResult(
        state=state,
        num_examples=sum(1 for row in progress.seen if row < len(rows)),
        steps=progress.step,
        tokens=progress.tokens,
        supervised_tokens=progress.supervised_tokens,
        first_loss=progress.first_loss,
        final_loss=progress.final_loss,
        seconds=progress.seconds + time.perf_counter() - start,
        best_step=progress.best.step if chosen else None,
        held_out_loss=progress.best.loss if chosen else None,
        num_skipped=progress.num_skipped,
        resumed_at=resumed_at,
        ewc=after,
    )


class _Run:
    """One training under way: the parts that its steps share."""

    def __init__(
        self,
        *,
        tuned: Tuned,
        network: PackedModel,
        rows: Sequence[Row],
        num_own: int,
        held_out: Sequence[Row],
        settings: TrainingSettings,
        cycle: int,
        processes: Processes,
        checkpoint: Path | None,
    ) -> None:
        self.tuned, self.rows, self.num_own, self.held_out = tuned, rows, num_own, held_out
        self.settings, self.cycle, self.checkpoint = settings, cycle, checkpoint
        self.progress = Progress()
        self.saved_step = 0  # of the last checkpoint
        device = tuned.base.device
        own = rows[:num_own]
        self.objective = Objective(network, settings.loss, class_factors(settings.loss, own), device)
        self.batches = batches_of(own, len(rows) - num_own, settings, cycle=cycle, objective=self.objective)
        optimizer = torch.optim.AdamW(
            list(tuned.parameters.values()), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.engine = engine_for(
            tuned,
            optimizer,
            clip_norm=settings.clip_norm,
            accumulation=settings.accumulation,
            processes=processes,
        )
        if self.engine.sharded and checkpoint is not None and settings.checkpoint_every:
            raise TrainingError(
                "training.checkpoint_every is set, but DeepSpeed keeps the optimizer's state in shards that "
                "this checkpoint does not hold. Leave it out, or launch without DeepSpeed."
            )
        if self.engine.sharded and settings.ewc is not None:
            raise TrainingError(
                "training.ewc is set, but DeepSpeed takes away the gradients of single examples, of which "
                "the Fisher information is made. Leave it out, or launch without DeepSpeed."
            )

    def resume(self, key: str) -> int:
        """Go on where the checkpoint of this very training is; return its step, 0 without one."""
        if self.checkpoint is not None:
            found = read_checkpoint(
                self.checkpoint,
                key=key,
                tuned=self.tuned,
                optimizer=self.engine.optimizer,
                scaler=self.engine.scaler,
                index=self.engine.processes.index,
            )
            self.progress = found or self.progress
            self.saved_step = self.progress.step
            if len({int(step) for step in self.engine.processes.gather(torch.tensor(self.saved_step))}) > 1:
                raise TrainingError(
                    f"{self.checkpoint}: not all processes see the same one. Let them share the folder."
                )
        return self.progress.step

    def steps(self, key: str, pull: Pull | None) -> Iterator[StepRecord]:
        """Take the steps that are left, up to the last or until patience is over."""
        settings, progress, validation = self.settings, self.progress, self.settings.validation
        for chosen in islice(self.batches, progress.step, None):
            if validation is not None and progress.best.exhausted(validation):
                return
            started = time.perf_counter()
            record = self._step(chosen, pull)
            progress.levels.add(record.loss)
            require_sound(
                record,
                settings=settings,
                levels=progress.levels,
                num_skipped=progress.num_skipped,
                example_ids=[self.rows[index].example_id for index in chosen],
                last_good=self._last_good(),
            )
            progress.step += 1
            progress.seen.update(chosen)
            progress.tokens += record.tokens
            progress.supervised_tokens += record.supervised_tokens
            progress.first_loss = record.loss if progress.step == 1 else progress.first_loss
            progress.final_loss = record.loss
            if validation is not None and (
                progress.step % validation.every == 0 or progress.step == settings.steps
            ):
                held_out_loss = self._held_out_loss()
                if not math.isfinite(held_out_loss):
                    raise TrainingError(
                        f"step {record.step} of {record.steps}: the loss on the held-out examples is "
                        f"{held_out_loss} after the update. Lower training.learning_rate "
                        f"({settings.learning_rate:g}), or set model.dtype to fp32. {self._last_good()}"
                    )
                progress.best.offer(
                    held_out_loss, step=progress.step, state=self.tuned.state(), settings=validation
                )
                record = replace(record, held_out_loss=held_out_loss)
            yield replace(record, seconds=time.perf_counter() - started)
            every = settings.checkpoint_every
            if every and progress.step % every == 0 and not progress.levels.rising:
                self._save(key)

    def consolidated(self, before: EwcState | None, state: AdapterState) -> EwcState:
        """The EWC state after this training, its Fisher estimated on examples of its own."""
        ewc = self.settings.ewc
        assert ewc is not None
        picked = np.random.default_rng((self.settings.seed, self.cycle, 1)).permutation(self.num_own)
        likelihood = replace(self.objective, loss=CrossEntropyLoss(), factors=None)
        self._drop_out(active=False)
        fisher = diagonal_fisher(
            self.tuned,
            picked[: ewc.fisher_examples].tolist(),
            negative_log_likelihood=lambda item: likelihood([self.rows[item]]),
        )
        return consolidate(before, fisher=fisher, anchor=state, decay=ewc.decay)

    def _step(self, chosen: Sequence[int], pull: Pull | None) -> StepRecord:
        settings, progress = self.settings, self.progress
        learning_rate = settings.learning_rate_at(progress.step, cycle=self.cycle)
        supervised = sum(self.rows[index].num_supervised for index in chosen)
        self._drop_out(active=True)
        self.engine.begin(learning_rate)
        total, penalty = 0.0, 0.0
        for number, part in enumerate(np.array_split(np.array(chosen), settings.accumulation)):
            mine = [self.rows[index] for index in self.engine.processes.share(part.tolist())]
            extra = pull() if pull is not None and number == 0 else None
            penalty += 0.0 if extra is None else float(extra.detach())
            total += self.engine.backward(self.objective, mine, denominator=supervised, extra=extra)
        norm, skipped = self.engine.update()
        progress.num_skipped += skipped
        return StepRecord(
            step=progress.step + 1,
            steps=settings.steps,
            loss=self.engine.total(total) / supervised,
            learning_rate=learning_rate,
            gradient_norm=norm,
            tokens=sum(len(self.rows[index].input_ids) for index in chosen),
            supervised_tokens=supervised,
            seconds=0.0,
            penalty=penalty,
            skipped=skipped,
        )

    def _last_good(self) -> str:
        if self.saved_step:
            return f"The last good checkpoint is that of step {self.saved_step}: {self.checkpoint}."
        return "There is no earlier checkpoint (training.checkpoint_every)."

    def _save(self, key: str) -> None:
        if self.checkpoint is None:
            return
        processes = self.engine.processes
        random_states = processes.gather(random_state(self.tuned.base.device))
        if processes.is_first:
            write_checkpoint(
                self.checkpoint,
                key=key,
                tuned=self.tuned,
                optimizer=self.engine.optimizer,
                scaler=self.engine.scaler,
                progress=self.progress,
                random_states=random_states,
            )
        self.saved_step = self.progress.step

    def _held_out_loss(self) -> float:
        self._drop_out(active=False)
        return self.objective.mean_cross_entropy(self.held_out, batch_size=self.settings.batch_size)

    def _drop_out(self, *, active: bool) -> None:
        """Switch the adapter's own dropout; the base's stays off."""
        for module in self.tuned.dropouts:
            module.train(active)


def _require_rows(
    rows: Sequence[Row],
    *,
    cycle: int,
    settings: TrainingSettings,
    general: Sequence[Row],
    held_out: Sequence[Row],
) -> None:
    if not rows:
        raise TrainingError("no examples to train on. Give at least one.")
    if cycle < 1:
        raise TrainingError(f"cycle is {cycle}; cycles count from 1.")
    if settings.replay is not None and not general:
        raise TrainingError(
            "training.replay is set, but there are no general examples to replay. Name a file of them "
            "(`replay` in the client's settings), or leave training.replay out."
        )
    if settings.validation is not None and not held_out:
        raise TrainingError(
            "training.validation is set, but no example is held out. Give some examples "
            'the split "held_out" (provenance.split), or leave training.validation out.'
        )


def _anchors(ewc: EwcState) -> dict[str, torch.Tensor]:
    return {f"anchor.{name}": tensor for name, tensor in ewc.anchor.items()}


@contextmanager
def _seeded(seed: int, cycle: int, device: torch.device) -> Iterator[None]:
    """Dropout depends on (seed, cycle); the process's random state is as before afterwards."""
    with torch.random.fork_rng(devices=forked_devices(device)):
        torch.manual_seed(int(np.random.SeedSequence((seed, cycle)).generate_state(1, np.uint64)[0] >> 1))
        yield
