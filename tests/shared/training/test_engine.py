"""From losses to updates: narrow dtypes, frozen halves, parts of a batch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sft_shared.data.chat import Row
from sft_shared.errors import TrainingError
from sft_shared.models.adapters import to_bytes
from sft_shared.models.full import FullSettings
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.packed import packed
from sft_shared.models.tuned import AdapterState
from sft_shared.models.tuning import TuningSettings, attached
from sft_shared.training.engine import Engine
from sft_shared.training.launch import ALONE
from sft_shared.training.loop import TrainingResult, train
from sft_shared.training.losses import CrossEntropyLoss, FocalLoss
from sft_shared.training.records import StepRecord
from sft_shared.training.settings import TrainingSettings
from sft_shared.training.step import Objective
from sft_shared.training.watch import MAX_SKIPPED

TUNING = LoraSettings(rank=4, alpha=8)
SETTINGS = TrainingSettings(
    steps=12, batch_size=4, learning_rate=1e-2, threads=1, schedule={"kind": "constant"}
)


@pytest.fixture(scope="module")
def half(tiny_folder: Path) -> Base:
    return load_base(ModelSettings(name=str(tiny_folder), dtype="fp16", device="cpu"))


@pytest.fixture(scope="module")
def brain(tiny_folder: Path) -> Base:
    return load_base(ModelSettings(name=str(tiny_folder), dtype="bf16", device="cpu"))


def run(
    base: Base, rows: list[Row], *, tuning: TuningSettings = TUNING, on_step: Any = None, **changed: Any
) -> TrainingResult:
    settings = SETTINGS.model_copy(update=changed)
    return train(base, tuning.initial(base, seed=1), rows, tuning=tuning, settings=settings, on_step=on_step)


def begin_scaling_at(monkeypatch: pytest.MonkeyPatch, scale: float) -> None:
    monkeypatch.setattr(torch.amp, "GradScaler", partial(torch.amp.GradScaler, init_scale=scale))


def test_fp16_leaves_overflowing_steps_out_and_goes_on(
    half: Base, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They move nothing; the scale is halved until a step fits, and then the loss falls."""
    begin_scaling_at(monkeypatch, 2.0**26)
    records: list[StepRecord] = []
    result = run(half, rows, steps=20, on_step=records.append)
    skipped = [record.skipped for record in records]
    first = skipped.index(False)
    assert 0 < first <= result.num_skipped == sum(skipped) < 12
    assert result.final_loss < result.first_loss - 0.1
    only_skipped = run(half, rows, steps=first)
    assert only_skipped.num_skipped == first
    assert to_bytes(only_skipped.state) == to_bytes(TUNING.initial(half, seed=1))


def test_fp16_gives_up_after_too_many_overflows(
    half: Base, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gradient that never fits is no training."""
    begin_scaling_at(monkeypatch, 2.0**100)
    with pytest.raises(TrainingError, match=f"step {MAX_SKIPPED + 1} of 40: .* set model.dtype to fp32"):
        run(half, rows, steps=40)


@pytest.mark.parametrize("tuning", [TUNING, FullSettings()], ids=["lora", "full"])
def test_fp16_trains_as_fp32_does_nearly(
    half: Base, tiny: Base, rows: list[Row], tuning: TuningSettings
) -> None:
    """The curve is within what half precision explains; fp32 skips nothing."""
    curves: dict[str, list[float]] = {"half": [], "whole": []}
    rate = 1e-2 if tuning is TUNING else 1e-3
    for name, base in (("half", half), ("whole", tiny)):
        result = run(
            base,
            rows,
            tuning=tuning,
            learning_rate=rate,
            on_step=lambda record, name=name: curves[name].append(record.loss),
        )
        assert result.num_skipped == 0
    assert curves["half"] == pytest.approx(curves["whole"], abs=0.03)


def test_full_bf16_training_keeps_masters_in_fp32(brain: Base, rows: list[Row]) -> None:
    """The loss falls, and updates far below bf16's steps add up instead of being rounded away."""
    result = run(brain, rows, tuning=FullSettings(), learning_rate=1e-3)
    assert result.final_loss < result.first_loss - 0.1
    small = run(brain, rows, tuning=FullSettings(), learning_rate=1e-6)
    parent = FullSettings().initial(brain, seed=1)
    moved = {name: small.state[name] - parent[name] for name in parent}
    assert all(tensor.dtype == torch.float32 for tensor in small.state.values())
    norm = "model.norm.weight"  # ones, where bf16 has nothing between 1 and 1 + 2^-7
    assert 0 < moved[norm].abs().max() < 2e-5
    assert torch.equal(small.state[norm].bfloat16(), parent[norm].bfloat16())
    assert brain.model.get_decoder().norm.weight.dtype == torch.bfloat16


def halves(state: AdapterState) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Trained and frozen factors of a pissa state of rank 4."""
    downs = [tensor for name, tensor in state.items() if "lora_A" in name]
    ups = [tensor for name, tensor in state.items() if "lora_B" in name]
    return (
        [*(down[:4] for down in downs), *(up[:, :4] for up in ups)],
        [*(down[4:] for down in downs), *(up[:, 4:] for up in ups)],
    )


def test_weight_decay_leaves_the_frozen_half_of_pissa_to_the_bit(
    tiny: Base, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trained half shrinks; without holding the frozen one, it would too."""
    pissa = LoraSettings(rank=4, alpha=8, init="pissa")
    trained, frozen = halves(pissa.initial(tiny, seed=1))
    after_trained, after_frozen = halves(run(tiny, rows, tuning=pissa, weight_decay=1.0).state)
    assert all(torch.equal(one, other) for one, other in zip(frozen, after_frozen, strict=True))
    assert not any(torch.equal(one, other) for one, other in zip(trained, after_trained, strict=True))
    monkeypatch.setattr(Engine, "_hold_frozen", lambda engine: None)
    _, unheld = halves(run(tiny, rows, tuning=pissa, weight_decay=1.0).state)
    assert not any(torch.equal(one, other) for one, other in zip(frozen, unheld, strict=True))


@pytest.mark.parametrize("loss", [CrossEntropyLoss(label_smoothing=0.1), FocalLoss(gamma=2)])
@pytest.mark.parametrize("parts", [2, 3, 5, 7])
def test_uneven_parts_give_the_gradient_of_the_whole(
    tiny: Base, rows: list[Row], parts: int, loss: CrossEntropyLoss | FocalLoss
) -> None:
    """Five rows in 2, 3, 5 parts, and 7, some of them empty; a mean of the parts' means is another."""

    def gradient(number: int, *, by_part: bool = False) -> torch.Tensor:
        with attached(tiny, TUNING, seed=1) as tuned, packed(tiny.model) as network:
            for parameter in tuned.parameters.values():
                parameter.data.normal_(0, 0.1, generator=torch.Generator().manual_seed(2))
            before = tuned.state()
            descent = torch.optim.SGD(tuned.parameters.values(), lr=1.0)
            engine = Engine(tuned, descent, clip_norm=None, processes=ALONE)
            engine.begin(1.0)
            objective = Objective(network, loss, None, tiny.device)
            whole = sum(row.num_supervised for row in uneven)
            for places in np.array_split(np.arange(5), number):
                part = [uneven[place] for place in places]
                own = sum(row.num_supervised for row in part) * number
                engine.backward(objective, part, denominator=own if by_part else whole, extra=None)
            norm, skipped = engine.update()
            after = tuned.state()
            flat = torch.cat([(before[name] - after[name]).flatten() for name in before])
        assert norm == pytest.approx(float(flat.norm()), rel=1e-4)
        assert not skipped
        return flat

    uneven = [rows[0], *rows[5:9]]
    uneven[0] = Row(  # most of what is supervised
        input_ids=rows[0].input_ids * 3, labels=rows[0].input_ids * 3, example_id="long"
    )
    expected = gradient(1)
    assert (gradient(parts) - expected).norm() <= 1e-4 * expected.norm()
    if parts < 5:
        assert (gradient(parts, by_part=True) - expected).norm() > 1e-2 * expected.norm()


def test_clipping_scales_the_gradient_and_reports_it_unscaled(tiny: Base, rows: list[Row]) -> None:
    """One step of plain descent is as long as the limit."""
    with attached(tiny, TUNING, seed=1) as tuned, packed(tiny.model) as network:
        before = tuned.state()
        engine = Engine(
            tuned, torch.optim.SGD(tuned.parameters.values(), lr=1.0), clip_norm=0.01, processes=ALONE
        )
        engine.begin(1.0)
        engine.backward(
            Objective(network, CrossEntropyLoss(), None, tiny.device), rows[:2], denominator=10, extra=None
        )
        norm, _ = engine.update()
        after = tuned.state()
    length = torch.cat([(before[name] - after[name]).flatten() for name in before]).norm()
    assert norm > 0.02
    assert float(length) == pytest.approx(0.01, rel=1e-3)
