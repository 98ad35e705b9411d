"""What is said before a training begins is what is true of it."""

from __future__ import annotations

from typing import Any

import pytest

from sft_shared.data.chat import Row
from sft_shared.models.full import FullSettings
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.tuning import TuningSettings
from sft_shared.training.loop import train
from sft_shared.training.plan import FORECAST_AFTER, Forecast, Plan
from sft_shared.training.settings import TrainingSettings, ValidationSettings

VOCABULARY = 470
# width 64, two key-value heads of 16, 160 inside the MLP, two layers; the head is tied
LAYER = 64 * 64 + 2 * 64 * 32 + 64 * 64 + 3 * 64 * 160 + 2 * 64
NUM_BASE = VOCABULARY * 64 + 2 * LAYER + 64
SIDES = (64 + 64) + 2 * (64 + 32) + (64 + 64) + 3 * (64 + 160)  # in + out of a layer's linears


def plan_of(base: Base, rows: list[Row], tuning: TuningSettings, **options: Any) -> Plan:
    plans: list[Plan] = []
    settings = TrainingSettings(steps=2, batch_size=4, learning_rate=1e-3, threads=1)
    settings = settings.model_copy(update=options.pop("changed", {}))
    parent = tuning.initial(base, seed=0)
    train(base, parent, rows, tuning=tuning, settings=settings, on_plan=plans.append, **options)
    (plan,) = plans
    return plan


def test_the_plan_of_lora_counts_what_there_is(tiny: Base, rows: list[Row]) -> None:
    """By hand for a known model: numbers trained, tokens, bytes."""
    changed = {"validation": ValidationSettings()}
    plan = plan_of(tiny, rows[:10], LoraSettings(rank=4), held_out=rows[10:], changed=changed)
    lengths = [len(row.input_ids) for row in rows[:10]]
    assert plan.method == "lora"
    assert (plan.num_base, plan.num_trained) == (NUM_BASE, 2 * 4 * SIDES)
    assert plan.share == 2 * 4 * SIDES / NUM_BASE
    assert (plan.num_examples, plan.num_held_out, plan.steps, plan.resumed_at) == (10, 2, 2, 0)
    assert (plan.mean_tokens, plan.max_tokens) == (sum(lengths) / 10, max(lengths))
    assert plan.tokens_per_step == pytest.approx(4 * sum(lengths) / 10)
    assert plan.weights_bytes == 4 * (NUM_BASE + 2 * 4 * SIDES)
    assert plan.optimizer_bytes == 3 * plan.update_bytes == 3 * 4 * 2 * 4 * SIDES
    assert plan.note == ""


def test_the_frozen_half_of_pissa_is_stored_but_not_trained(tiny: Base, rows: list[Row]) -> None:
    """It travels and takes memory; the note says so."""
    plan = plan_of(tiny, rows, LoraSettings(rank=4, init="pissa"))
    assert plan.num_trained == 2 * 4 * SIDES
    assert plan.update_bytes == 2 * 4 * 2 * 4 * SIDES
    assert "stored with rank 8, half of it frozen" in plan.note


def test_full_training_moves_all(tiny: Base, tiny_folder: Any, rows: list[Row]) -> None:
    """In bf16 the base's two bytes a number come on top of the fp32 masters."""
    assert plan_of(tiny, rows, FullSettings()).share == 1
    brain = load_base(ModelSettings(name=str(tiny_folder), dtype="bf16", device="cpu"))
    plan = plan_of(brain, rows, FullSettings())
    assert plan.weights_bytes == NUM_BASE * (2 + 4)
    assert "every update is as large as the model" in plan.note


def test_a_batch_is_never_larger_than_the_examples(tiny: Base, rows: list[Row]) -> None:
    """Three examples with a batch size of four: three a step."""
    plan = plan_of(tiny, rows[:3], LoraSettings(rank=4))
    assert plan.tokens_per_step == pytest.approx(sum(len(row.input_ids) for row in rows[:3]))


def test_the_forecast_comes_once_and_leaves_the_first_step_out() -> None:
    """A slow first step, then two seconds each: ten steps left take twenty."""
    forecast = Forecast()
    said = [forecast.add(seconds, steps_left=10) for seconds in (60.0, 1.0, 3.0, 2.0, 5.0, 5.0)]
    assert said == [None, None, None, 20.0, None, None]
    assert FORECAST_AFTER == 4


def test_the_plan_says_that_a_tied_head_becomes_a_copy(tiny: Base, rows: list[Row]) -> None:
    """As the user sees it: while the head is already swapped."""
    plans: list[Plan] = []
    tuning = LoraSettings(rank=2, modules_to_save=("lm_head",))
    settings = TrainingSettings(steps=1, batch_size=2, learning_rate=1e-3)
    state = tuning.initial(tiny, seed=0)
    train(tiny, state, rows, tuning=tuning, settings=settings, on_plan=plans.append)
    assert "tied to the input embedding, so trained as a copy of its own" in plans[0].note
