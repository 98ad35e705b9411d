"""Whole trainings give the loss curves of a plain loop: padded batches, transformers, PEFT, torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from peft import LoraConfig, PrefixTuningConfig, get_peft_model, set_peft_model_state_dict
from torch import nn
from transformers import AutoModelForCausalLM

from sft_shared.data.chat import IGNORED, Row
from sft_shared.data.sampling import SequentialSampling
from sft_shared.models.bottleneck import BottleneckSettings
from sft_shared.models.full import FullSettings
from sft_shared.models.load import Base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.prefix import PrefixSettings
from sft_shared.models.quiet import quiet_transformers
from sft_shared.models.tuned import AdapterState
from sft_shared.models.tuning import TuningSettings
from sft_shared.training.loop import train
from sft_shared.training.losses import CrossEntropyLoss
from sft_shared.training.settings import TrainingSettings

STEPS, BATCH, CLIP, DECAY = 10, 4, 1.0, 0.01
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TOLERANCE = 1e-4  # nats, at every step

Plain = tuple[Callable[..., torch.Tensor], list[nn.Parameter]]
"""Logits of padded batches, and what is trained."""


def lora(model: Any, state: AdapterState, **options: Any) -> Plain:
    with quiet_transformers():
        config = LoraConfig(
            task_type="CAUSAL_LM", r=4, lora_alpha=8, lora_dropout=0.0, target_modules=TARGETS, **options
        )
        wrapped = get_peft_model(model, config)
        assert not set_peft_model_state_dict(wrapped, state).unexpected_keys
    return (lambda **inputs: wrapped(**inputs).logits), [p for p in wrapped.parameters() if p.requires_grad]


def dora(model: Any, state: AdapterState) -> Plain:
    return lora(model, state, use_dora=True)


def pissa(model: Any, state: AdapterState) -> Plain:
    """As its authors have it: the principal part is taken out of the frozen weight."""
    first = {}
    for name, factor in state.items():
        first[name] = factor[:4] if "lora_A" in name else factor[:, :4]
        if "lora_A" in name:
            weight = model.get_parameter(name[len("base_model.model.") : -len("lora_A.weight")] + "weight")
            up = state[name.replace("lora_A", "lora_B")][:, :4]
            assert (up @ factor[:4]).norm() > 0.1 * weight.norm()
            weight.data -= 2 * up @ factor[:4]
    return lora(model, first)


def lora_and_head(model: Any, state: AdapterState) -> Plain:
    return lora(model, state, modules_to_save=["lm_head"])


def full(model: Any, state: AdapterState) -> Plain:
    model.requires_grad_(True)
    return (lambda **inputs: model(**inputs).logits), list(model.parameters())


class PlainAdapter(nn.Module):
    def __init__(self, state: AdapterState, place: str) -> None:
        super().__init__()
        width, hidden = state[f"{place}.down.weight"].shape
        self.down, self.up = nn.Linear(hidden, width), nn.Linear(width, hidden)
        own = {name[len(place) + 1 :]: value for name, value in state.items() if name.startswith(f"{place}.")}
        self.load_state_dict(own)

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return y + self.up(F.gelu(self.down(y)))


def adapter(model: Any, state: AdapterState) -> Plain:
    added = nn.ModuleList()
    for place in sorted({name.rpartition(".")[0].rpartition(".")[0] for name in state}):
        one = PlainAdapter(state, place)
        added.append(one)

        def after(module: Any, inputs: Any, output: Any, one: PlainAdapter = one) -> Any:
            return (one(output[0]), *output[1:]) if isinstance(output, tuple) else one(output)

        model.model.get_submodule(place).register_forward_hook(after)
    return (lambda **inputs: model(**inputs).logits), list(added.parameters())


def prefix(model: Any, state: AdapterState) -> Plain:
    config = PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5)
    with quiet_transformers():
        wrapped = get_peft_model(model, config)
    weight = wrapped.prompt_encoder["default"].embedding.weight
    weight.data.copy_(state["prompt_embeddings"])
    return (lambda **inputs: wrapped(**inputs).logits), [weight]


METHODS: dict[str, tuple[TuningSettings, Callable[..., Plain], float]] = {
    "lora": (LoraSettings(rank=4, alpha=8), lora, 1e-2),
    "dora": (LoraSettings(rank=4, alpha=8, dora=True), dora, 1e-2),
    "pissa": (LoraSettings(rank=4, alpha=8, init="pissa"), pissa, 1e-2),
    "lora+lm_head": (LoraSettings(rank=4, alpha=8, modules_to_save=("lm_head",)), lora_and_head, 1e-2),
    "full": (FullSettings(), full, 1e-3),
    "adapter-pfeiffer": (BottleneckSettings(width=8), adapter, 1e-2),
    "adapter-houlsby": (BottleneckSettings(width=8, placement="houlsby"), adapter, 1e-2),
    "prefix": (PrefixSettings(num_virtual_tokens=5), prefix, 0.3),
}


def plain_curve(
    folder: Path, make: Callable[..., Plain], state: AdapterState, rows: list[Row], *, rate: float, e: float
) -> list[float]:
    """The loss before each update, with nothing of the product in it."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).requires_grad_(False)
    logits_of, parameters = make(model, {name: tensor.clone() for name, tensor in state.items()})
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=DECAY)
    curve = []
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * step / STEPS)) / 2
        batch = [rows[(step * BATCH + place) % len(rows)] for place in range(BATCH)]
        width = max(len(row.input_ids) for row in batch)
        pads = [width - len(row.input_ids) for row in batch]
        logits = logits_of(
            input_ids=torch.tensor([[*r.input_ids, *[0] * pad] for r, pad in zip(batch, pads, strict=True)]),
            attention_mask=torch.tensor(
                [[1] * len(r.input_ids) + [0] * pad for r, pad in zip(batch, pads, strict=True)]
            ),
        )
        labels = torch.tensor([[*r.labels, *[IGNORED] * pad] for r, pad in zip(batch, pads, strict=True)])
        loss = F.cross_entropy(
            logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED, label_smoothing=e
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        optimizer.zero_grad()
        curve.append(loss.item())
    return curve


def own_curve(
    base: Base, tuning: TuningSettings, state: AdapterState, rows: list[Row], *, rate: float, **options: Any
) -> list[float]:
    settings = TrainingSettings(
        steps=STEPS,
        batch_size=BATCH,
        learning_rate=rate,
        weight_decay=DECAY,
        clip_norm=CLIP,
        sampling=SequentialSampling(),
        threads=1,
        **options,
    )
    curve: list[float] = []
    train(
        base, state, rows, tuning=tuning, settings=settings, on_step=lambda record: curve.append(record.loss)
    )
    return curve


def assert_same(found: list[float], expected: list[float]) -> None:
    assert len(found) == STEPS
    assert expected[-1] < expected[0] - 0.1, "the curve must go somewhere for the comparison to mean much"
    assert found == pytest.approx(expected, abs=TOLERANCE, rel=0)


@pytest.mark.parametrize("method", METHODS)
def test_the_curve_is_that_of_a_plain_loop(
    tiny: Base, tiny_folder: Path, rows: list[Row], method: str
) -> None:
    """To 1e-4 nats at each of ten steps; so too in two parts a batch, and with activations made twice."""
    tuning, make, rate = METHODS[method]
    state = tuning.initial(tiny, seed=1)
    expected = plain_curve(tiny_folder, make, state, rows, rate=rate, e=0.0)
    assert_same(own_curve(tiny, tuning, state, rows, rate=rate), expected)
    assert_same(own_curve(tiny, tuning, state, rows, rate=rate, accumulation=2), expected)
    assert_same(own_curve(tiny, tuning, state, rows, rate=rate, gradient_checkpointing=True), expected)


@pytest.mark.parametrize("method", ["lora", "lora+lm_head", "full"])
def test_the_curve_with_label_smoothing_is_that_of_a_plain_loop(
    tiny: Base, tiny_folder: Path, rows: list[Row], method: str
) -> None:
    """Torch's own smoothing, where the head is frozen and where it is trained."""
    tuning, make, rate = METHODS[method]
    state = tuning.initial(tiny, seed=1)
    smooth = CrossEntropyLoss(label_smoothing=0.1)
    found = own_curve(tiny, tuning, state, rows, rate=rate, loss=smooth, accumulation=3)
    assert_same(found, plain_curve(tiny_folder, make, state, rows, rate=rate, e=0.1))


def test_another_seed_or_rate_gives_another_curve(tiny: Base, rows: list[Row]) -> None:
    """What the comparisons allow is far less than what a small difference makes."""
    tuning, _, rate = METHODS["lora"]
    state = tuning.initial(tiny, seed=1)
    curve = own_curve(tiny, tuning, state, rows, rate=rate)
    for other in (
        own_curve(tiny, tuning, tuning.initial(tiny, seed=2), rows, rate=rate),
        own_curve(tiny, tuning, state, rows, rate=1.05 * rate),
        own_curve(tiny, tuning, state, rows, rate=rate, schedule={"kind": "cosine", "min_ratio": 0.1}),
    ):
        assert max(abs(one - two) for one, two in zip(curve, other, strict=True)) > 5 * TOLERANCE
