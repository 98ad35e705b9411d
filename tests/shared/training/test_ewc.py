"""Elastic weight consolidation is its formula, and keeps what the earlier task needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from sft_shared.data.chat import Row
from sft_shared.errors import ModelError, TrainingError
from sft_shared.models.adapters import to_bytes
from sft_shared.models.full import FullSettings
from sft_shared.models.load import Base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.packed import packed
from sft_shared.models.tuned import AdapterState, Tuned
from sft_shared.models.tuning import TuningSettings, attached
from sft_shared.training.ewc import (
    FILE,
    EwcSettings,
    EwcState,
    Pull,
    consolidate,
    diagonal_fisher,
    load_ewc,
    save_ewc,
)
from sft_shared.training.loop import TrainingResult, train
from sft_shared.training.losses import CrossEntropyLoss
from sft_shared.training.records import StepRecord
from sft_shared.training.settings import TrainingSettings
from sft_shared.training.step import Objective

TUNING = LoraSettings(rank=4, alpha=8)
SETTINGS = TrainingSettings(
    steps=8, batch_size=4, learning_rate=1e-2, threads=1, schedule={"kind": "constant"}
)


def numbers(base: Base, **values: list[float]) -> Tuned:
    """A Tuned of a few numbers, for the maths alone."""
    return Tuned(
        base=base, model=None, parameters={name: nn.Parameter(torch.tensor(v)) for name, v in values.items()}
    )


def run(
    base: Base,
    parent: AdapterState,
    rows: list[Row],
    *,
    before: EwcState | None = None,
    on_step: Callable[[StepRecord], None] | None = None,
    **ewc: float,
) -> TrainingResult:
    settings = SETTINGS.model_copy(update={"ewc": EwcSettings(**ewc) if ewc else None})
    return train(base, parent, rows, tuning=TUNING, settings=settings, ewc=before, on_step=on_step)


@pytest.mark.parametrize("tuning", [TUNING, FullSettings()], ids=["lora", "full"])
def test_the_fisher_is_that_of_one_example_at_a_time(
    tiny: Base, rows: list[Row], tuning: TuningSettings
) -> None:
    """The mean of squared gradients by transformers' own forward; the squared gradient of all is another."""
    with attached(tiny, tuning, seed=1) as tuned:
        for parameter in tuned.parameters.values():
            parameter.data += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
        expected = {name: torch.zeros_like(parameter) for name, parameter in tuned.parameters.items()}
        together = {name: torch.zeros_like(parameter) for name, parameter in tuned.parameters.items()}
        for row in rows[:5]:
            loss = (
                tuned.model(input_ids=torch.tensor([row.input_ids]), labels=torch.tensor([row.labels])).loss
                * row.num_supervised
            )
            gradients = torch.autograd.grad(loss, list(tuned.parameters.values()))
            for name, gradient in zip(tuned.parameters, gradients, strict=True):
                expected[name] += gradient.square() / 5
                together[name] += gradient / 5
        with packed(tiny.model) as network:
            objective = Objective(network, CrossEntropyLoss(), None, tiny.device)
            found = diagonal_fisher(
                tuned, range(5), negative_log_likelihood=lambda item: objective([rows[item]])
            )
        assert all(parameter.grad is None for parameter in tuned.parameters.values())
    assert found.keys() == expected.keys()
    for name, fisher in expected.items():
        assert (found[name] - fisher).norm() <= 1e-3 * fisher.norm(), name
        assert (together[name].square() - fisher).norm() > 1e-2 * fisher.norm(), name


def test_examples_that_cancel_in_a_batch_count_in_the_fisher(tiny: Base) -> None:
    """Gradients 3 and -3: the batch's is 0, the Fisher 9."""
    tuned = numbers(tiny, w=[1.0])
    pulls = (3.0, -3.0)
    fisher = diagonal_fisher(
        tuned, (0, 1), negative_log_likelihood=lambda item: (tuned.parameters["w"] * pulls[item]).sum()
    )
    assert fisher["w"].item() == 9.0
    batch = torch.autograd.grad(
        sum((tuned.parameters["w"] * pull).sum() for pull in pulls), tuned.parameters["w"]
    )
    assert batch[0].item() == 0.0


def test_the_penalty_is_its_formula(tiny: Base) -> None:
    """strength / 2 sum F (theta - anchor)^2: the value, and the gradient strength F (theta - anchor)."""
    tuned = numbers(tiny, a=[1.0, 2.0, -1.0], b=[0.5])
    state = EwcState(
        fisher={"a": torch.tensor([0.5, 0.0, 2.0]), "b": torch.tensor([4.0])},
        anchor={"a": torch.tensor([0.0, 5.0, 1.0]), "b": torch.tensor([0.5])},
    )
    penalty = Pull(tuned, state, strength=10.0)()
    assert penalty.item() == pytest.approx(10 / 2 * (0.5 * 1 + 0 + 2 * 4 + 0))
    penalty.backward()
    gradients = {name: parameter.grad for name, parameter in tuned.parameters.items()}
    torch.testing.assert_close(gradients, {"a": torch.tensor([5.0, 0.0, -40.0]), "b": torch.tensor([0.0])})


def test_consolidated_is_the_new_fisher_and_the_decayed_old_one() -> None:
    """At the new parameters; the first time it is the new alone. Another form is refused."""
    first = consolidate(None, fisher={"w": torch.tensor([1.0])}, anchor={"w": torch.tensor([7.0])}, decay=0.5)
    assert first.fisher["w"].item() == 1
    second = consolidate(
        first, fisher={"w": torch.tensor([3.0])}, anchor={"w": torch.tensor([8.0])}, decay=0.5
    )
    assert second.fisher["w"].item() == 3.5
    assert second.anchor["w"].item() == 8
    with pytest.raises(ModelError, match="does not fit"):
        consolidate(first, fisher={"v": torch.ones(1)}, anchor={"v": torch.ones(1)}, decay=0.5)


def test_a_state_comes_back_from_its_bytes_and_its_file(tmp_path: Path) -> None:
    """Bit for bit; equal states give equal bytes in any order of their names."""
    fisher = {"a.b": torch.rand(3, 2), "c": torch.rand(1)}
    anchor = {"a.b": torch.rand(3, 2), "c": torch.rand(1)}
    state = EwcState(fisher=fisher, anchor=anchor)
    data = state.to_bytes()
    assert EwcState.from_bytes(data).to_bytes() == data
    assert EwcState(dict(reversed(fisher.items())), dict(reversed(anchor.items()))).to_bytes() == data
    assert load_ewc(tmp_path) is None
    save_ewc(tmp_path, state)
    found = load_ewc(tmp_path)
    assert found is not None
    assert found.to_bytes() == data


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    """Junk, a cut file, numbers that are not finite or of another type, unknown names; the file is named."""
    state = EwcState(fisher={"w": torch.ones(4)}, anchor={"w": torch.ones(4)})
    for data in (b"", b"junk" * 10, state.to_bytes()[:-1]):
        with pytest.raises(TrainingError, match="not a safetensors file"):
            EwcState.from_bytes(data)
    for bad in (torch.tensor([float("nan")]), torch.ones(1, dtype=torch.float16)):
        with pytest.raises(TrainingError, match=r"unexpected tensor 'fisher.w'"):
            EwcState.from_bytes(EwcState(fisher={"w": bad}, anchor={}).to_bytes())
    (tmp_path / FILE).write_bytes(b"junk" * 10)
    with pytest.raises(TrainingError, match=f"{FILE}: the EWC state is not a safetensors file.* Remove it"):
        load_ewc(tmp_path)


def distance(state: AdapterState, ewc: EwcState) -> float:
    """Squared, in the Fisher norm."""
    return float(sum((ewc.fisher[name] * (state[name] - ewc.anchor[name]).square()).sum() for name in state))


def test_a_second_task_leaves_what_the_first_needs(tiny: Base, rows: list[Row]) -> None:
    """With a strong pull it stays ten times nearer; the pull starts at zero, grows, and is reported."""
    first = run(tiny, TUNING.initial(tiny, seed=0), rows[:6], strength=0.0, fisher_examples=6)
    assert first.ewc is not None
    assert distance(first.state, first.ewc) == 0
    penalties: list[float] = []
    free = run(tiny, first.state, rows[6:], before=first.ewc, strength=0.0)
    held = run(
        tiny,
        first.state,
        rows[6:],
        before=first.ewc,
        strength=100.0,
        on_step=lambda record: penalties.append(record.penalty),
    )
    assert 10 * distance(held.state, first.ewc) < distance(free.state, first.ewc)
    assert penalties[0] == 0 < penalties[1]


def test_strength_0_is_no_pull_to_the_bit(tiny: Base, rows: list[Row]) -> None:
    """The same adapter as without EWC; a pull gives another."""
    first = run(tiny, TUNING.initial(tiny, seed=0), rows[:6], strength=1.0)
    without = run(tiny, first.state, rows)
    assert without.ewc is None
    zero = run(tiny, first.state, rows, before=first.ewc, strength=0.0)
    assert to_bytes(zero.state) == to_bytes(without.state)
    pulled = run(tiny, first.state, rows, before=first.ewc, strength=1.0)
    assert to_bytes(pulled.state) != to_bytes(without.state)


def test_three_trainings_keep_one_running_fisher(tiny: Base, rows: list[Row]) -> None:
    """F3 + d (F2 + d F1), at the last parameters, no larger than after one; the state of the seed's rows."""
    state, ewc = TUNING.initial(tiny, seed=0), None
    running: AdapterState = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    for task in range(3):
        part = rows[4 * task : 4 * task + 4]
        alone = run(tiny, state, part, strength=0.0, decay=0.7).ewc
        result = run(tiny, state, part, before=ewc, strength=0.0, decay=0.7)
        state, ewc = result.state, result.ewc
        assert alone is not None
        assert ewc is not None
        running = {name: 0.7 * running[name] + alone.fisher[name] for name in running}
        torch.testing.assert_close(dict(ewc.fisher), running)
        assert to_bytes(ewc.anchor) == to_bytes(state)
        assert len(ewc.to_bytes()) == len(alone.to_bytes())


def test_a_state_of_another_rank_is_refused(tiny: Base, rows: list[Row]) -> None:
    """Before the first step."""
    other = LoraSettings(rank=2).initial(tiny, seed=0)
    with pytest.raises(ModelError, match="expected"):
        run(tiny, TUNING.initial(tiny, seed=0), rows, before=EwcState(other, other), strength=1.0)
