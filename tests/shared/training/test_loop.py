"""Training moves the adapter, the same way every time, and leaves everything else as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sft_shared.data.chat import DataSettings, Row, tokenize_all
from sft_shared.dialogue import Example
from sft_shared.errors import ModelError, TrainingError
from sft_shared.models.adapters import (
    AdapterState,
    initial_adapter,
    load_adapter,
    save_adapter,
    set_adapter_state,
    to_bytes,
)
from sft_shared.models.load import Base
from sft_shared.models.tuning import LoraSettings, attached_lora
from sft_shared.training.loop import StepRecord, TrainingResult, TrainingSettings, train
from sft_shared.training.schedules import ConstantSchedule

TUNING = LoraSettings(rank=4, alpha=8)
SETTINGS = TrainingSettings(steps=6, batch_size=4, learning_rate=1e-2, threads=1)


@pytest.fixture(scope="module")
def rows(tiny: Base, examples: list[Example]) -> list[Row]:
    return tokenize_all(examples, tiny.tokenizer, DataSettings())


def run(
    base: Base, rows: list[Row], *, settings: TrainingSettings = SETTINGS, **options: Any
) -> TrainingResult:
    tuning = options.pop("tuning", TUNING)
    parent = options.pop("parent", None) or initial_adapter(base, tuning, seed=0)
    return train(base, parent, rows, tuning=tuning, settings=settings, **options)


def loss_of(base: Base, state: AdapterState, rows: list[Row]) -> float:
    """Mean loss over ``rows`` with transformers' own forward."""
    with attached_lora(base, TUNING, seed=9) as model, torch.no_grad():
        set_adapter_state(model, state)
        losses = [
            model(input_ids=torch.tensor([row.input_ids]), labels=torch.tensor([row.labels])).loss.item()
            for row in rows
        ]
    return sum(losses) / len(losses)


def test_the_adapter_learns_the_examples(tiny: Base, rows: list[Row]) -> None:
    """The loss falls, in the records and by an independent forward; both factors of every layer move."""
    settings = TrainingSettings(
        steps=40, batch_size=4, learning_rate=1e-2, schedule=ConstantSchedule(), threads=1
    )
    parent = initial_adapter(tiny, TUNING, seed=0)
    result = run(tiny, rows, settings=settings, parent=parent)
    assert result.final_loss < 0.9 * result.first_loss
    assert loss_of(tiny, result.state, rows) < 0.9 * loss_of(tiny, parent, rows)
    assert all(not torch.equal(result.state[name], parent[name]) for name in parent)


def test_saved_and_loaded_the_adapter_gives_the_trained_loss_again(
    tiny: Base, rows: list[Row], tmp_path: Path
) -> None:
    """A fresh adapter has another loss; the loaded one has the trained loss to the bit."""
    result = run(tiny, rows)
    trained = loss_of(tiny, result.state, rows)
    assert loss_of(tiny, initial_adapter(tiny, TUNING, seed=0), rows) != trained
    save_adapter(tmp_path, result.state, settings=TUNING, base=tiny)
    assert loss_of(tiny, load_adapter(tmp_path), rows) == trained


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_two_runs_are_bit_identical(tiny: Base, rows: list[Row], dropout: float) -> None:
    """Same arguments, same bits: other random states and an evaluation in between do not matter."""
    tuning = LoraSettings(rank=4, alpha=8, dropout=dropout)
    torch.manual_seed(1)
    first = run(tiny, rows, tuning=tuning)
    loss_of(tiny, first.state, rows)
    torch.manual_seed(2)
    second = run(tiny, rows, tuning=tuning)
    assert to_bytes(first.state) == to_bytes(second.state)
    assert first.final_loss == second.final_loss


def test_seed_cycle_and_parent_matter(tiny: Base, rows: list[Row]) -> None:
    """Each of them gives another adapter."""
    states = [
        run(tiny, rows).state,
        run(tiny, rows, settings=SETTINGS.model_copy(update={"seed": 1})).state,
        run(tiny, rows, cycle=2).state,
        run(tiny, rows, parent=initial_adapter(tiny, TUNING, seed=1)).state,
    ]
    assert len({to_bytes(state) for state in states}) == 4


def test_base_parent_and_random_state_stay_as_they_were(tiny: Base, rows: list[Row]) -> None:
    """Bit for bit: weights, modules, attention, gradient flags, torch's generator and threads."""
    parent = initial_adapter(tiny, TUNING, seed=0)
    parent_before = to_bytes(parent)
    weights = {name: tensor.clone() for name, tensor in tiny.model.state_dict().items()}
    modules = [(name, type(module)) for name, module in tiny.model.named_modules()]
    random_before, threads = torch.get_rng_state(), torch.get_num_threads()
    run(tiny, rows, parent=parent)
    assert to_bytes(parent) == parent_before
    assert tiny.model.state_dict().keys() == weights.keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in tiny.model.state_dict().items())
    assert [(name, type(module)) for name, module in tiny.model.named_modules()] == modules
    assert not any("forward" in vars(module) for module in tiny.model.modules())
    assert not any(parameter.requires_grad for parameter in tiny.model.parameters())
    assert tiny.model.config._attn_implementation == "sdpa"
    assert torch.equal(torch.get_rng_state(), random_before)
    assert torch.get_num_threads() == threads


def test_the_records_count_steps_tokens_and_examples(tiny: Base, rows: list[Row]) -> None:
    """Every step is reported once; the result is their sum; distinct examples are counted once."""
    records: list[StepRecord] = []
    result = run(tiny, rows[:5], on_step=records.append)
    assert [record.step for record in records] == [1, 2, 3, 4, 5, 6]
    assert result.num_examples == 5
    assert result.tokens == sum(record.tokens for record in records)
    assert result.supervised_tokens == sum(record.supervised_tokens for record in records)
    assert (result.first_loss, result.final_loss) == (records[0].loss, records[-1].loss)
    assert records[0].learning_rate == SETTINGS.learning_rate > records[-1].learning_rate > 0
    assert run(tiny, rows, settings=SETTINGS.model_copy(update={"steps": 2})).num_examples == 8


def test_clipping_bounds_the_step(tiny: Base, rows: list[Row]) -> None:
    """A clipped run differs from an unclipped one; the recorded norm is the one before clipping."""
    clipped: list[StepRecord] = []
    tight = SETTINGS.model_copy(update={"clip_norm": 1e-3})
    free = SETTINGS.model_copy(update={"clip_norm": None})
    first = run(tiny, rows, settings=tight, on_step=clipped.append)
    second = run(tiny, rows, settings=free)
    assert clipped[0].gradient_norm > 1e-3
    assert to_bytes(first.state) != to_bytes(second.state)


def test_a_loss_that_is_not_finite_names_step_and_examples(tiny: Base, rows: list[Row]) -> None:
    """An absurd learning rate ends with one clear error, and the base is free for the next run."""
    absurd = TrainingSettings(steps=9, batch_size=2, learning_rate=1e30, threads=1)
    with pytest.raises(
        TrainingError, match=r"step \d of 9: the loss is .* examples weather-\d+, weather-\d+"
    ):
        run(tiny, rows, settings=absurd)
    assert run(tiny, rows).final_loss > 0


def test_poisoned_weights_are_caught_at_the_first_step(tiny: Base, rows: list[Row]) -> None:
    """A parent with a NaN in it trains no step."""
    parent = initial_adapter(tiny, TUNING, seed=0)
    next(iter(parent.values()))[0, 0] = float("nan")
    with pytest.raises(TrainingError, match="step 1 of 6: the loss is nan"):
        run(tiny, rows, parent=parent)


def test_what_cannot_be_trained_is_refused(tiny: Base, rows: list[Row]) -> None:
    """No rows, a cycle before the first, and a parent of another rank are each one clear error."""
    with pytest.raises(TrainingError, match="no examples"):
        run(tiny, [])
    with pytest.raises(TrainingError, match="cycles count from 1"):
        run(tiny, rows, cycle=0)
    wrong = initial_adapter(tiny, LoraSettings(rank=2), seed=0)
    with pytest.raises(ModelError, match="expected"):
        run(tiny, rows, parent=wrong)
    assert not hasattr(tiny.model, "peft_config")


def test_long_documents_train_like_short_ones(tiny: Base, rows: list[Row]) -> None:
    """A row beyond the plain products' limit goes through the blocked kernel and trains."""
    long = replace(
        rows[0],
        input_ids=rows[0].input_ids[:1] * 700 + rows[0].input_ids,
        labels=(-100,) * 700 + rows[0].labels,
    )
    result = run(tiny, [long, rows[1]], settings=SETTINGS.model_copy(update={"steps": 2}))
    assert result.final_loss < result.first_loss
