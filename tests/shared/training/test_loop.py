"""Training moves the adapter, the same way every time, and leaves everything else as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sft_shared.data.chat import Row
from sft_shared.data.replay import ReplaySettings
from sft_shared.data.sampling import CurriculumSampling, MixtureSampling, SequentialSampling
from sft_shared.errors import DataError, ModelError, TrainingError
from sft_shared.models.adapters import load_adapter, save_adapter, to_bytes
from sft_shared.models.load import Base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.tuned import AdapterState
from sft_shared.models.tuning import attached
from sft_shared.training.ewc import EwcSettings
from sft_shared.training.loop import TrainingResult, train
from sft_shared.training.records import StepRecord
from sft_shared.training.schedules import ConstantSchedule
from sft_shared.training.settings import TrainingSettings, ValidationSettings
from sft_shared.training.step import Objective

TUNING = LoraSettings(rank=4, alpha=8)
SETTINGS = TrainingSettings(steps=6, batch_size=4, learning_rate=1e-2, threads=1)


def run(
    base: Base, rows: list[Row], *, settings: TrainingSettings = SETTINGS, **options: Any
) -> TrainingResult:
    tuning = options.pop("tuning", TUNING)
    parent = options.pop("parent", None) or tuning.initial(base, seed=0)
    return train(base, parent, rows, tuning=tuning, settings=settings, **options)


def loss_of(base: Base, state: AdapterState, rows: list[Row]) -> float:
    """Mean loss over ``rows`` with transformers' own forward."""
    with attached(base, TUNING, state) as tuned, torch.no_grad():
        losses = [
            tuned.model(
                input_ids=torch.tensor([row.input_ids]), labels=torch.tensor([row.labels])
            ).loss.item()
            for row in rows
        ]
    return sum(losses) / len(losses)


def test_the_adapter_learns_the_examples(tiny: Base, rows: list[Row]) -> None:
    """The loss falls, in the records and by an independent forward; both factors of every layer move."""
    settings = TrainingSettings(
        steps=40, batch_size=4, learning_rate=1e-2, schedule=ConstantSchedule(), threads=1
    )
    parent = TUNING.initial(tiny, seed=0)
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
    assert loss_of(tiny, TUNING.initial(tiny, seed=0), rows) != trained
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
        run(tiny, rows, parent=TUNING.initial(tiny, seed=1)).state,
    ]
    assert len({to_bytes(state) for state in states}) == 4


def test_base_parent_and_random_state_stay_as_they_were(tiny: Base, rows: list[Row]) -> None:
    """Bit for bit: weights, modules, attention, gradient flags, torch's generator and threads."""
    parent = TUNING.initial(tiny, seed=0)
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
    parent = TUNING.initial(tiny, seed=0)
    next(iter(parent.values()))[0, 0] = float("nan")
    with pytest.raises(TrainingError, match="step 1 of 6: the loss is nan"):
        run(tiny, rows, parent=parent)


def test_what_cannot_be_trained_is_refused(tiny: Base, rows: list[Row]) -> None:
    """No rows, a cycle before the first, and a parent of another rank are each one clear error."""
    with pytest.raises(TrainingError, match="no examples"):
        run(tiny, [])
    with pytest.raises(TrainingError, match="cycles count from 1"):
        run(tiny, rows, cycle=0)
    wrong = LoraSettings(rank=2).initial(tiny, seed=0)
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


def batches_of(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The ids of the rows that each step's loss was made of, as they come."""
    found: list[list[str]] = []
    own = Objective.__call__

    def spy(objective: Objective, rows: Sequence[Row]) -> torch.Tensor:
        found.append([row.example_id for row in rows])
        return own(objective, rows)

    monkeypatch.setattr(Objective, "__call__", spy)
    return found


def test_general_rows_come_at_their_fraction(
    tiny: Base, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 8 steps of 4, a quarter; only the node's own rows count as its examples."""
    batches = batches_of(monkeypatch)
    own, general = rows[:7], [replace(row, example_id=f"general-{row.example_id}") for row in rows[7:]]
    settings = SETTINGS.model_copy(update={"steps": 8, "replay": ReplaySettings(fraction=0.25)})
    result = run(tiny, own, settings=settings, general=general)
    counts = [sum(name.startswith("general") for name in batch) for batch in batches]
    assert [len(batch) for batch in batches] == [4] * 8
    assert counts == [1] * 8
    assert len({name for batch in batches for name in batch if name.startswith("general")}) == 5
    assert result.num_examples == 7
    ramp = ReplaySettings(fraction=0.25, start_fraction=0.75, ramp_steps=4)
    batches.clear()
    run(tiny, own, settings=settings.model_copy(update={"replay": ramp}), general=general)
    falling = [sum(name.startswith("general") for name in batch) for batch in batches]
    assert falling[0] == 3
    assert falling[-4:] == [1] * 4


def test_replay_without_general_rows_is_refused(tiny: Base, rows: list[Row]) -> None:
    """It says where they come from."""
    settings = SETTINGS.model_copy(update={"replay": ReplaySettings()})
    with pytest.raises(TrainingError, match="there are no general examples to replay"):
        run(tiny, rows, settings=settings)


def test_the_sampler_of_the_settings_chooses_the_batches(
    tiny: Base, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In file order; from short to long; from what the model knows to what it does not."""
    batches = batches_of(monkeypatch)
    run(tiny, rows, settings=SETTINGS.model_copy(update={"steps": 2, "sampling": SequentialSampling()}))
    assert batches == [[row.example_id for row in rows[place : place + 4]] for place in (0, 4)]
    parent = TUNING.initial(tiny, seed=0)
    easiest = {
        "length": sorted(rows, key=lambda row: len(row.input_ids)),
        "loss": sorted(rows, key=lambda row: loss_of(tiny, parent, [row])),
    }
    for difficulty, order in easiest.items():
        batches.clear()
        sampling = CurriculumSampling(difficulty=difficulty, start_share=0.3)
        run(tiny, rows, settings=SETTINGS.model_copy(update={"sampling": sampling}), parent=parent)
        worst = {"length": lambda row: len(row.input_ids), "loss": lambda row: loss_of(tiny, parent, [row])}
        limit = worst[difficulty](order[3])
        first = [row for row in rows if row.example_id in batches[0]]
        assert all(worst[difficulty](row) <= limit for row in first), difficulty


def test_a_sampler_that_lacks_something_is_a_data_error(tiny: Base, rows: list[Row]) -> None:
    """Weights for a source that no row has; the base is free afterwards."""
    settings = SETTINGS.model_copy(update={"sampling": MixtureSampling(weights={"elsewhere": 1.0})})
    with pytest.raises(DataError, match="elsewhere unknown"):
        run(tiny, rows, settings=settings)
    assert run(tiny, rows).steps == 6


def test_a_node_with_fewer_rows_than_parts_trains(tiny: Base, rows: list[Row]) -> None:
    """Two rows, four parts: the empty ones add nothing."""
    whole = run(tiny, rows[:2])
    parted = run(tiny, rows[:2], settings=SETTINGS.model_copy(update={"accumulation": 4}))
    assert parted.final_loss == pytest.approx(whole.final_loss, abs=1e-4)


def test_the_held_out_loss_and_the_fisher_are_measured_without_dropout(tiny: Base, rows: list[Row]) -> None:
    """A rate so small that nothing moves: they are those of an adapter without dropout, to rounding."""
    found = []
    for dropout in (0.0, 0.9):
        tuning = LoraSettings(rank=4, dropout=dropout)
        start = {name: torch.full_like(t, 0.05) for name, t in tuning.initial(tiny, seed=0).items()}
        settings = TrainingSettings(
            steps=1,
            batch_size=2,
            learning_rate=1e-12,
            ewc=EwcSettings(fisher_examples=3),
            validation=ValidationSettings(every=1),
        )
        found.append(train(tiny, start, rows, tuning=tuning, settings=settings, held_out=rows[:4]))
    plain, dropping = found
    assert plain.ewc is not None
    assert dropping.ewc is not None
    assert dropping.held_out_loss == pytest.approx(plain.held_out_loss, rel=1e-5)
    for name, fisher in plain.ewc.fisher.items():
        torch.testing.assert_close(dropping.ewc.fisher[name], fisher, rtol=1e-3, atol=1e-9)
