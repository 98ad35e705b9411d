"""``sft-client train``: the node's own data alone, without a server. What a federation has to beat."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

from pydantic import ValidationError

from sft_client.config import ClientConfig
from sft_client.cycle_folders import CycleFolders, CycleSummary
from sft_client.dataset import Library, Material
from sft_client.ewc_history import EwcHistory
from sft_shared.config import load_yaml
from sft_shared.errors import ConfigError, TrainingError
from sft_shared.evaluation.stages import measure_stage
from sft_shared.files import held_folder, write_atomic
from sft_shared.models.adapters import WEIGHTS, load_adapter, save_adapter
from sft_shared.models.load import Base, load_base
from sft_shared.models.memory import peak_memory_bytes
from sft_shared.models.tuned import AdapterState, require_shapes
from sft_shared.recipe import Recipe
from sft_shared.runlog import RunLog
from sft_shared.training.ewc import FILE as EWC_FILE
from sft_shared.training.ewc import EwcState, load_ewc, save_ewc
from sft_shared.training.launch import Processes
from sft_shared.training.loop import TrainingResult, train
from sft_shared.training.plan import Forecast, Plan
from sft_shared.training.records import StepRecord


@dataclass(frozen=True)
class LocalResult:
    """What a local training was and gave; the content of ``result.json``."""

    node: str
    model: str
    base_fingerprint: str
    dtype: str
    method: str
    recipe_sha256: str
    num_examples: int  # in the file; those seen are at most these
    num_dropped: int  # too long, and the recipe says to leave such out
    num_cycles: int
    num_processes: int
    steps: int  # over all cycles
    tokens: int
    supervised_tokens: int
    first_loss: float
    final_loss: float
    held_out_loss: float | None  # of the last cycle's best step
    train_s: float
    wall_s: float  # of this run, with loading and saving
    peak_memory_bytes: int  # of this process
    cycles: tuple[CycleSummary, ...]

    @property
    def tokens_per_s(self) -> float:
        """Tokens of whole examples a second of training."""
        return self.tokens / self.train_s


@dataclass(frozen=True)
class Reports:
    """Where what happens is told."""

    say: Callable[[str], None]
    plan: Callable[[Plan, int], None]  # with the number of examples that are too long and left out
    step: Callable[[str, StepRecord], None]


QUIET = Reports(say=lambda text: None, plan=lambda plan, num_dropped: None, step=lambda label, record: None)


def train_locally(
    config: ClientConfig,
    *,
    out: Path,
    steps: int | None,
    num_cycles: int | None,
    processes: Processes,
    reports: Reports,
    origin: Path | None = None,
) -> LocalResult:
    """Train for ``num_cycles`` cycles, as the node would if it were alone, from the initial adapter.

    Or from the one in ``origin``, the folder of an earlier training, with what EWC kept beside it.

    Batches, schedule and seeds are those of the cycles 1 to ``num_cycles`` of a federation with the same
    recipe; None is one, or as many as the recipe's stages have. ``steps`` overrides the recipe's steps.
    Writes the adapter (loadable by PEFT where PEFT knows the method), result.json and run.jsonl into ``out``.

    Killed and started again with the same files it goes on with the cycle that was under way, and within it
    after the last checkpoint, if the recipe has any; the result is the same to the bit on a CPU.

    Raises ConfigError, DataError, ModelError or TrainingError.
    """
    start = time.perf_counter()
    recipe = _recipe(config, steps=steps)
    wanted = num_cycles or sum(stage.cycles for stage in recipe.stages) or 1
    library = Library(config)
    snapshot = library.own.read()
    reached = [stage for cycle in range(1, wanted + 1) if (stage := recipe.stage_at(cycle))]
    library.own.require_stages(reached, measured=recipe.stages)
    if processes.is_first:
        reports.say(f"{len(snapshot.examples)} examples in {library.own.path}")
        if snapshot.doubts:
            reports.say(snapshot.doubts)
        reports.say(f"loading base model {recipe.model.name}")
    base = load_base(recipe.model)
    material = library.material(base, recipe, cycle=1)
    parts = [recipe.sha256(), library.sha256(), base.fingerprint, *_digests(origin)]
    key = hashlib.sha256(" ".join(parts).encode()).hexdigest()
    with held_folder(out, holder="training") if processes.is_first else nullcontext():
        session = _Session(
            config, recipe, base, library, out=out, key=key, processes=processes, reports=reports
        )
        state = session.run(wanted, origin=origin)
        summary = _summary(session, material, start=start)
        if processes.is_first:
            session.finish(state, summary)
    return summary


class _Session:
    """The cycles of one local training, gone on with where an earlier process stopped."""

    def __init__(
        self,
        config: ClientConfig,
        recipe: Recipe,
        base: Base,
        library: Library,
        *,
        out: Path,
        key: str,
        processes: Processes,
        reports: Reports,
    ) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.out = out
        self.config, self.recipe, self.base, self.library = config, recipe, base, library
        self.processes, self.reports = processes, reports if processes.is_first else QUIET
        self.folders = CycleFolders(out / "cycles", key=key)
        self.ewc = EwcHistory(self.folders.path / "ewc")
        self.checkpoint = self.folders.path / "checkpoint.safetensors"
        self.log = RunLog(out / "run.jsonl")
        self.done: list[CycleSummary] = []

    def finish(self, state: AdapterState, summary: LocalResult) -> None:
        """Write what stays; what was kept to go on with goes."""
        save_adapter(self.out, state, settings=self.recipe.tuning, base=self.base)
        ewc = self._ewc_before(summary.num_cycles + 1)
        if ewc is None:
            (self.out / EWC_FILE).unlink(missing_ok=True)
        else:
            save_ewc(self.out, ewc)
        write_atomic(self.out / "result.json", (json.dumps(asdict(summary), indent=2) + "\n").encode())
        self.log.write("finished", **asdict(summary))
        self.folders.remove()

    def run(self, num_cycles: int, *, origin: Path | None) -> AdapterState:
        """Train the cycles that are missing; return the last one's adapter."""
        recipe = self.recipe
        self.done, state = self.folders.finished()
        if len(self.done) > num_cycles:  # an earlier run was asked for more; its last adapter is not ours
            self.done, state = [], None
        self.processes.wait()  # nobody writes before all have looked
        if state is None:
            state = self._first_state(origin)
        else:
            self.reports.say(f"going on after cycle {len(self.done)}, which an earlier run finished")
        if self.processes.is_first:
            self.log.write("start", node=self.config.name, done=len(self.done), recipe_sha256=recipe.sha256())
        for cycle in range(len(self.done) + 1, num_cycles + 1):
            state = self._cycle(cycle, state, num_cycles=num_cycles)
        return state

    def _first_state(self, origin: Path | None) -> AdapterState:
        if self.processes.is_first:
            self.folders.begin()
        if origin is None:
            return self.recipe.tuning.initial(self.base, seed=self.recipe.training.seed)
        state = load_adapter(origin)
        require_shapes(state, self.recipe.tuning.shapes(self.base))
        kept = load_ewc(origin) if self.recipe.training.ewc is not None else None
        if kept is not None and self.processes.is_first:
            self.ewc.put(0, kept)
        self.processes.wait()
        self.reports.say(f"starting from the adapter in {origin}" + (" and its EWC state" if kept else ""))
        return state

    def _ewc_before(self, cycle: int) -> EwcState | None:
        if self.recipe.training.ewc is None:
            return None
        state = self.ewc.before(cycle)
        if state is None and cycle > 1:
            raise TrainingError(
                f"{self.folders.path}: what EWC kept of cycle {cycle - 1} is missing. Remove the folder to "
                "begin anew."
            )
        return state

    def _cycle(self, cycle: int, parent: AdapterState, *, num_cycles: int) -> AdapterState:
        recipe, stage = self.recipe, self.recipe.stage_at(cycle)
        material = self.library.material(self.base, recipe, cycle=cycle)
        label = f"cycle {cycle}/{num_cycles}" + (f" ({stage.kind})" if stage else "")
        forecast = Forecast()
        if stage is not None and material.own.num_other_stages:
            others = material.own.num_other_stages
            self.reports.say(f"{label}: {others} examples have nothing for this stage and are left out")
        if stage is not None and not material.own.held_out:
            self.reports.say(f"{label}: no example is held out, so stages are not measured")

        def note(record: StepRecord) -> None:
            left_s = forecast.add(record.seconds, steps_left=record.steps - record.step)
            if left_s is not None:
                peak = peak_memory_bytes(self.base.device) / 1e9
                self.reports.say(
                    f"{label}: about {left_s:.0f} s left in this cycle; peak memory so far {peak:.2f} GB"
                )
            if self.processes.is_first:
                self.log.write("step", cycle=cycle, **asdict(record))
            self.reports.step(label, record)

        result = train(
            self.base,
            parent,
            material.own.train,
            tuning=recipe.tuning,
            settings=recipe.training,
            cycle=cycle,
            general=material.general,
            held_out=material.own.held_out,
            ewc=self._ewc_before(cycle),
            checkpoint=self.checkpoint,
            processes=self.processes,
            on_plan=lambda plan: self._plan(plan, num_dropped=material.num_dropped),
            on_step=note,
        )
        summary = self._measured(cycle, result)
        if self.processes.is_first:
            if result.ewc is not None:
                self.ewc.put(cycle, result.ewc)
            self.folders.put(cycle, result.state, summary)
            self.checkpoint.unlink(missing_ok=True)
        self.processes.wait()
        self.done.append(summary)
        return result.state

    def _plan(self, plan: Plan, *, num_dropped: int) -> None:
        if self.checkpoint.exists() and not plan.resumed_at:
            self.reports.say(f"{self.checkpoint} is of another training and is not used")
        if self.processes.is_first:
            self.log.write("plan", num_dropped=num_dropped, **asdict(plan))
        self.reports.plan(plan, num_dropped)

    def _measured(self, cycle: int, result: TrainingResult) -> CycleSummary:
        """The cycle's numbers; at the end of a stage every stage is measured on what is held out."""
        recipe, held_out = self.recipe, self.library.own.read().held_out
        stage = recipe.stage_at(cycle)
        scores: dict[str, tuple[int, int]] = {}
        if held_out and self.processes.is_first and self._ends_a_stage(cycle):
            for each in recipe.stages:
                self.reports.say(f"measuring {each.kind} on the examples held out")
                score = measure_stage(
                    each,
                    self.base,
                    result.state,
                    held_out,
                    tuning=recipe.tuning,
                    data=recipe.data,
                    settings=recipe.evaluation,
                )
                scores[each.kind] = (score.correct, score.n)
        return CycleSummary(
            cycle=cycle,
            stage=None if stage is None else stage.kind,
            steps=result.steps,
            resumed_at=result.resumed_at,
            num_examples=result.num_examples,
            tokens=result.tokens,
            supervised_tokens=result.supervised_tokens,
            first_loss=result.first_loss,
            final_loss=result.final_loss,
            best_step=result.best_step,
            held_out_loss=result.held_out_loss,
            seconds=result.seconds,
            scores=scores,
        )

    def _ends_a_stage(self, cycle: int) -> bool:
        return cycle in accumulate(stage.cycles for stage in self.recipe.stages)


def _summary(session: _Session, material: Material, *, start: float) -> LocalResult:
    done, base = session.done, session.base
    return LocalResult(
        node=session.config.name,
        model=base.name,
        base_fingerprint=base.fingerprint,
        dtype=str(base.dtype).removeprefix("torch."),
        method=session.recipe.tuning.kind,
        recipe_sha256=session.recipe.sha256(),
        num_examples=len(session.library.own.read().examples),
        num_dropped=material.num_dropped,
        num_cycles=len(done),
        num_processes=session.processes.number,
        steps=sum(cycle.steps for cycle in done),
        tokens=sum(cycle.tokens for cycle in done),
        supervised_tokens=sum(cycle.supervised_tokens for cycle in done),
        first_loss=done[0].first_loss,
        final_loss=done[-1].final_loss,
        held_out_loss=done[-1].held_out_loss,
        train_s=sum(cycle.seconds for cycle in done),
        wall_s=time.perf_counter() - start,
        peak_memory_bytes=peak_memory_bytes(base.device),
        cycles=tuple(done),
    )


def _digests(origin: Path | None) -> list[str]:
    """Hashes of the adapter, and of what EWC kept, in ``origin``."""
    if origin is None:
        return []
    files = [origin / name for name in (WEIGHTS, EWC_FILE)]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.exists()]


def _recipe(config: ClientConfig, *, steps: int | None) -> Recipe:
    if config.recipe is None:
        raise ConfigError("recipe: missing in the client's settings. Training without a server needs one.")
    recipe = load_yaml(config.recipe, Recipe)
    if steps is None:
        return recipe
    values = recipe.model_dump()
    values["training"]["steps"] = steps
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"--steps {steps}: {message}.") from None
