"""Training stops where it should: at a loss that rises for good, a held-out loss that gets no better."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sft_shared.data.chat import IGNORED, Row
from sft_shared.errors import TrainingError
from sft_shared.models.adapters import to_bytes
from sft_shared.models.full import FullSettings
from sft_shared.models.load import Base
from sft_shared.models.lora import LoraSettings
from sft_shared.training.engine import Engine
from sft_shared.training.loop import TrainingResult, train
from sft_shared.training.records import StepRecord
from sft_shared.training.settings import TrainingSettings, ValidationSettings
from sft_shared.training.watch import MIN_RISE, WINDOW, Best, Levels

TUNING = LoraSettings(rank=4, alpha=8)
STEADY = TrainingSettings(
    steps=12, batch_size=4, learning_rate=2e-2, threads=1, schedule={"kind": "constant"}
)

FULL = STEADY.model_copy(update={"learning_rate": 1e-2})  # of all weights: its held-out loss rises fast


def run(base: Base, rows: Sequence[Row], settings: TrainingSettings, **options: Any) -> TrainingResult:
    tuning = options.pop("tuning", TUNING)
    return train(base, tuning.initial(base, seed=0), rows, tuning=tuning, settings=settings, **options)


def run_full(base: Base, rows: Sequence[Row], settings: TrainingSettings, **options: Any) -> TrainingResult:
    return run(base, rows, settings, tuning=FullSettings(), **options)


def contradicting(rows: Sequence[Row]) -> list[Row]:
    """The same prompts with the answers' tokens moved: what training teaches makes these worse."""
    moved = []
    for row in rows:
        ids = tuple(
            (token + 101) % 400 + 3 if label != IGNORED else token
            for token, label in zip(row.input_ids, row.labels, strict=True)
        )
        labels = tuple(
            new if label != IGNORED else IGNORED for new, label in zip(ids, row.labels, strict=True)
        )
        moved.append(replace(row, input_ids=ids, labels=labels))
    return moved


def first_alarm(losses: Sequence[float]) -> int | None:
    levels = Levels()
    for step, loss in enumerate(losses):
        levels.add(loss)
        if levels.diverged:
            return step
    return None


def test_a_loss_that_rises_for_good_is_an_alarm() -> None:
    """From 2 to 10 nats, within a window; also where it rises from the first step on."""
    alarm = first_alarm([2.0] * 20 + [10.0] * WINDOW)
    assert alarm is not None
    assert 20 < alarm < 20 + WINDOW
    assert first_alarm([2.0 + step for step in range(WINDOW)]) == WINDOW - 1


def test_a_noisy_but_stable_loss_is_none() -> None:
    """A thousand steps of wide noise; one hard batch; a slow fall with a small rise; near zero."""
    chance = random.Random(0)
    assert first_alarm([chance.uniform(0.5, 3.5) for _ in range(1000)]) is None
    assert first_alarm([2.0] * 20 + [12.0] + [2.0] * 20) is None
    assert first_alarm([5 - step / 10 for step in range(40)] + [1.0 + MIN_RISE - 0.1] * 20) is None
    assert first_alarm([0.001] * 20 + [1.5] * 20) is None


def test_divergence_ends_with_step_and_rate_and_saves_nothing_on_the_way_up(
    tiny: Base, rows: list[Row], tmp_path: Path
) -> None:
    """A rate of 10 is far too high; with the guard off the same run goes on to its last step."""
    wild = STEADY.model_copy(update={"learning_rate": 10.0, "steps": 30, "checkpoint_every": 2})
    path = tmp_path / "checkpoint"
    records: list[StepRecord] = []
    with pytest.raises(TrainingError) as failure:
        run(tiny, rows, wild, tuning=FullSettings(), checkpoint=path, on_step=records.append)
    done = len(records)
    assert done < WINDOW - 1  # a short training diverges as well
    text = str(failure.value)
    assert f"step {done + 1} of 30: training diverges: the loss is " in text
    assert "Lower training.learning_rate (10)" in text
    assert "There is no earlier checkpoint" in text  # what was reached on the way up is none to go back to
    assert not path.exists()
    unguarded = run(tiny, rows, wild.model_copy(update={"stop_on_divergence": False}), tuning=FullSettings())
    assert unguarded.steps == 30
    assert unguarded.final_loss > 2 * unguarded.first_loss


def test_a_weight_that_is_no_number_ends_with_step_examples_and_checkpoint(
    tiny: Base, rows: list[Row], tmp_path: Path
) -> None:
    """And from the checkpoint named, training goes on to the bits of a run that was left in peace."""
    settings = STEADY.model_copy(update={"steps": 6, "checkpoint_every": 2})
    path = tmp_path / "checkpoint"
    layer = tiny.model.get_decoder().layers[0].mlp.down_proj
    before = layer.weight.data

    def poison(record: StepRecord) -> None:
        if record.step == 3:
            layer.weight.data = before * float("nan")

    try:
        with pytest.raises(TrainingError) as failure:
            run(tiny, rows, settings, checkpoint=path, on_step=poison)
    finally:
        layer.weight.data = before
    text = str(failure.value)
    assert "step 4 of 6: the loss is nan" in text
    assert text.count("weather-") == 4
    assert f"The last good checkpoint is that of step 2: {path}." in text
    resumed = run(tiny, rows, settings, checkpoint=path)
    assert resumed.resumed_at == 2
    assert to_bytes(resumed.state) == to_bytes(run(tiny, rows, settings).state)


def test_a_gradient_that_is_no_number_is_caught_before_the_loss_is(
    tiny: Base, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is still fine; the step is not taken."""
    own = Engine.backward

    def backward(engine: Engine, *args: Any, **options: Any) -> float:
        total = own(engine, *args, **options)
        parameter = next(iter(engine.tuned.parameters.values()))
        assert parameter.grad is not None
        parameter.grad[0, 0] = float("nan")
        return total

    monkeypatch.setattr(Engine, "backward", backward)
    with pytest.raises(TrainingError, match=r"step 1 of 12: the loss is 6\.\d+ and the gradient's norm nan"):
        run(tiny, rows, STEADY)


def test_without_checkpoints_the_error_says_so(tiny: Base, rows: list[Row]) -> None:
    """An absurd rate, and no file to go on from."""
    with pytest.raises(TrainingError, match=r"There is no earlier checkpoint \(training.checkpoint_every\)"):
        run(tiny, rows, STEADY.model_copy(update={"learning_rate": 1e30}))


def test_a_held_out_loss_that_is_not_finite_is_an_error(tiny: Base, rows: list[Row]) -> None:
    """The last update may be the one that spoils the weights, and no training loss comes after it."""
    settings = STEADY.model_copy(
        update={"steps": 1, "learning_rate": 1e30, "validation": ValidationSettings()}
    )
    with pytest.raises(TrainingError, match=r"step 1 of 1: the loss on the held-out examples is (nan|inf)"):
        run(tiny, rows[:8], settings, held_out=rows[8:])


@pytest.fixture
def rising(tiny: Base, rows: list[Row]) -> tuple[list[StepRecord], TrainingResult]:
    """A run whose held-out loss falls at first and then rises."""
    records: list[StepRecord] = []
    settings = FULL.model_copy(update={"validation": ValidationSettings(every=1)})
    result = run_full(tiny, rows[:8], settings, held_out=contradicting(rows[8:]), on_step=records.append)
    return records, result


def test_the_best_state_by_held_out_loss_is_returned(
    tiny: Base, rows: list[Row], rising: tuple[list[StepRecord], TrainingResult]
) -> None:
    """Not the last: it is to the bit what training ends with if it ends at the best step."""
    records, result = rising
    measured = [record.held_out_loss for record in records]
    assert None not in measured
    assert result.best_step == measured.index(min(measured)) + 1 < FULL.steps == result.steps
    assert result.held_out_loss == min(measured)
    shorter = run_full(tiny, rows[:8], FULL.model_copy(update={"steps": result.best_step}))
    assert to_bytes(result.state) == to_bytes(shorter.state)
    assert to_bytes(result.state) != to_bytes(run_full(tiny, rows[:8], FULL).state)


def test_patience_stops_early(
    tiny: Base, rows: list[Row], rising: tuple[list[StepRecord], TrainingResult]
) -> None:
    """After two measurements without a better one; the result is the same best state."""
    settings = FULL.model_copy(update={"validation": ValidationSettings(every=1, patience=2)})
    result = run_full(tiny, rows[:8], settings, held_out=contradicting(rows[8:]))
    assert result.best_step == rising[1].best_step
    assert result.best_step is not None
    assert result.steps == result.best_step + 2 < FULL.steps
    assert to_bytes(result.state) == to_bytes(rising[1].state)


def test_only_a_large_enough_improvement_counts(
    tiny: Base, rows: list[Row], rising: tuple[list[StepRecord], TrainingResult]
) -> None:
    """With 100 nats asked for the first measurement stays the best, and patience ends there."""
    demanding = ValidationSettings(every=1, patience=1, min_improvement=100.0)
    settings = FULL.model_copy(update={"validation": demanding})
    result = run_full(tiny, rows[:8], settings, held_out=contradicting(rows[8:]))
    assert (result.best_step, result.steps) == (1, 2)
    assert rising[1].best_step != 1


def test_the_last_step_is_measured_too(tiny: Base, rows: list[Row]) -> None:
    """Every fifth of twelve steps, and the twelfth."""
    records: list[StepRecord] = []
    settings = STEADY.model_copy(update={"validation": ValidationSettings(every=5)})
    run(tiny, rows[:8], settings, held_out=rows[8:], on_step=records.append)
    assert [record.step for record in records if record.held_out_loss is not None] == [5, 10, 12]


def test_validation_without_held_out_examples_is_refused(tiny: Base, rows: list[Row]) -> None:
    """It says where they come from."""
    settings = STEADY.model_copy(update={"validation": ValidationSettings()})
    with pytest.raises(TrainingError, match="no example is held out"):
        run(tiny, rows, settings)


def test_the_best_is_replaced_only_by_a_better_one() -> None:
    """An equal one is not better; patience counts measurements since the best."""
    best, settings = Best(), ValidationSettings(patience=2)
    for step, loss in enumerate([3.0, 2.0, 2.0, 2.5], 1):
        assert not best.exhausted(settings)
        best.offer(loss, step=step, state={"w": torch.tensor([float(step)])}, settings=settings)
    assert (best.loss, best.step, best.state["w"].item(), best.num_since) == (2.0, 2, 2.0, 2)
    assert best.exhausted(settings)
    assert not best.exhausted(ValidationSettings())
