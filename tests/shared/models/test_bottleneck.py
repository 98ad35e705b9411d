"""Bottleneck adapters compute their formula after the blocks that the placement names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from sft_shared.errors import ModelError
from sft_shared.models.bottleneck import ACTIVATIONS, BottleneckSettings
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.tiny import make_tiny_model
from sft_shared.models.tuned import AdapterState
from sft_shared.models.tuning import TuningSettings, attached

IDS = torch.tensor([[5, 60, 7, 300, 9, 11]])


@pytest.mark.parametrize("method", ["pfeiffer", "houlsby"], indirect=True)
def test_the_formula_written_by_hand_gives_the_same(
    base: Base, tuning: TuningSettings, state: AdapterState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layer by layer, y + U f(D y + d) + u before the residual, to 1e-6."""
    assert isinstance(tuning, BottleneckSettings)
    with torch.no_grad():
        plain = base.model(input_ids=IDS).logits
        with attached(base, tuning, state) as tuned:
            found = tuned.model(input_ids=IDS).logits

    def after(block: Any, place: str) -> Any:
        own = block.forward

        def forward(*inputs: Any, **options: Any) -> Any:
            output = own(*inputs, **options)
            y = output[0] if isinstance(output, tuple) else output
            low = y @ state[f"{place}.down.weight"].t() + state[f"{place}.down.bias"]
            low = F.silu(low) if tuning.activation == "silu" else F.gelu(low)
            y = y + low @ state[f"{place}.up.weight"].t() + state[f"{place}.up.bias"]
            return (y, *output[1:]) if isinstance(output, tuple) else y

        return forward

    for number, layer in enumerate(base.model.model.layers):
        blocks = ["mlp"] if tuning.placement == "pfeiffer" else ["self_attn", "mlp"]
        for block in blocks:
            module = getattr(layer, block)
            monkeypatch.setattr(module, "forward", after(module, f"layers.{number}.{block}"))
    with torch.no_grad():
        expected = base.model(input_ids=IDS).logits
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert (found - plain).norm() > 0.05 * plain.norm()


def test_every_activation_is_that_of_torch() -> None:
    """By name."""
    x = torch.linspace(-3, 3, 13)
    for name, function in (("relu", F.relu), ("gelu", F.gelu), ("silu", F.silu)):
        assert torch.equal(ACTIVATIONS[name](x), function(x))


def test_placement_and_width_decide_the_size(tiny: Base) -> None:
    """Houlsby has twice Pfeiffer's; each is 2 w h + w + h numbers."""
    each = 2 * 8 * 64 + 8 + 64
    for placement, num in (("pfeiffer", 2), ("houlsby", 4)):
        with attached(tiny, BottleneckSettings(width=8, placement=placement)) as tuned:
            assert tuned.num_trained == num * each


def test_only_its_own_dropout_wakes_up(tiny: Base) -> None:
    """Off when attached; on where training turns `Tuned.dropouts` on."""
    tuning = BottleneckSettings(width=8, dropout=0.5)
    with torch.no_grad(), attached(tiny, tuning) as tuned:
        for parameter in tuned.parameters.values():
            parameter.normal_(generator=torch.Generator().manual_seed(0))
        first, second = (tuned.model(input_ids=IDS).logits for _ in range(2))
        assert torch.equal(first, second)
        for module in tuned.dropouts:
            module.train()
        assert not torch.equal(tuned.model(input_ids=IDS).logits, first)


def test_it_cannot_be_merged(tiny: Base) -> None:
    """The message says what to do instead."""
    tuning = BottleneckSettings(width=8)
    with pytest.raises(ModelError, match=r"'adapter' cannot be merged .* Serve it attached"):
        tuning.merged(tiny, tuning.initial(tiny, seed=0))


def test_a_model_without_such_blocks_is_refused(tmp_path: Path) -> None:
    """GPT-2 keeps its layers elsewhere."""
    folder = make_tiny_model(tmp_path)
    GPT2LMHeadModel(GPT2Config(vocab_size=470, n_embd=32, n_layer=1, n_head=2)).save_pretrained(folder)
    base = load_base(ModelSettings(name=str(folder), dtype="fp32", device="cpu"))
    with pytest.raises(ModelError, match="no list of decoder layers to put adapters in"):
        BottleneckSettings().shapes(base)
