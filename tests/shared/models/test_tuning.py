"""LoRA goes on and comes off the resident base without a trace."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch

from sft_shared.errors import ModelError
from sft_shared.models.adapters import adapter_shapes, adapter_state, initial_adapter, state_shapes
from sft_shared.models.load import Base
from sft_shared.models.tuning import LoraSettings, attach_lora, attached_lora, detach_lora, factors_of


def weights_of(base: Base) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in base.model.state_dict().items()}


def test_the_base_is_bit_identical_after_detaching(tiny: Base) -> None:
    """Names, weights and outputs are those of before, also after the adapter was changed."""
    before, ids = weights_of(tiny), torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        logits = tiny.model(input_ids=ids).logits
        with attached_lora(tiny, LoraSettings(rank=4), seed=0) as model:
            for parameter in factors_of(model).values():
                parameter.normal_()
            assert not torch.equal(model(input_ids=ids).logits, logits)
        assert torch.equal(tiny.model(input_ids=ids).logits, logits)
    assert weights_of(tiny).keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights_of(tiny).items())


def test_names_and_targets_are_pefts_own(tiny: Base) -> None:
    """All-linear means what PEFT means by it, and the names are those of PEFT's state dict."""
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

    with warnings.catch_warnings():  # PEFT asks transformers for a property that it deprecates
        warnings.simplefilter("ignore")
        theirs: Any = get_peft_model(
            tiny.model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
        )
        expected = {name: tuple(t.shape) for name, t in get_peft_model_state_dict(theirs).items()}
        detach_lora(theirs)
    assert adapter_shapes(tiny, LoraSettings(rank=4)) == dict(sorted(expected.items()))


def test_shapes_are_known_without_attaching(tiny: Base) -> None:
    """The predicted shapes are those of a real adapter, and the same while one is attached."""
    settings = LoraSettings(rank=3, targets=("q_proj", "down_proj"))
    predicted = adapter_shapes(tiny, settings)
    with attached_lora(tiny, settings, seed=0) as model:
        assert state_shapes(adapter_state(model)) == predicted == adapter_shapes(tiny, settings)
    assert len(predicted) == 2 * 2 * 2


def test_a_fresh_adapter_depends_on_its_seed_alone(tiny: Base) -> None:
    """A is uniform within 1/sqrt(d_in), B zero; torch's generator neither matters nor moves."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with attached_lora(tiny, LoraSettings(rank=4), seed=5) as model:
        attached = adapter_state(model)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    alone = initial_adapter(tiny, LoraSettings(rank=4), seed=5)
    assert all(torch.equal(attached[name], tensor) for name, tensor in alone.items())
    for name, tensor in alone.items():
        if ".lora_B." in name:
            assert tensor.count_nonzero() == 0
        else:
            bound = 1 / math.sqrt(tensor.shape[1])
            assert 0.8 * bound < tensor.abs().max() <= bound
    other = initial_adapter(tiny, LoraSettings(rank=4), seed=6)
    assert not torch.equal(*(next(iter(state.values())) for state in (alone, other)))


def test_adapter_weights_are_fp32_over_a_bf16_base(tiny_folder: Any) -> None:
    """Small updates are not rounded away, whatever the base computes in."""
    from sft_shared.models.load import ModelSettings, load_base

    base = load_base(ModelSettings(name=str(tiny_folder), dtype="bf16", device="cpu"))
    with attached_lora(base, LoraSettings(rank=4), seed=0) as model:
        assert {parameter.dtype for parameter in factors_of(model).values()} == {torch.float32}
    assert {parameter.dtype for parameter in base.model.parameters()} == {torch.bfloat16}


def test_scaling_follows_rank_and_rslora(tiny: Base) -> None:
    """Our scaling is the one that PEFT's layers use."""
    for settings in (LoraSettings(rank=4, alpha=8), LoraSettings(rank=4, alpha=8, rslora=True)):
        with attached_lora(tiny, settings, seed=0) as model:
            layer = model.get_base_model().model.layers[0].self_attn.q_proj
            assert layer.scaling["default"] == settings.scaling


@pytest.mark.parametrize("targets", [("q_proj", "qkv"), ("lm_head",), ("",), ()])
def test_unknown_targets_list_the_models_linears(tiny: Base, targets: tuple[str, ...]) -> None:
    """The message names the wrong target and every linear layer there is; the output head is none."""
    with pytest.raises(
        ModelError, match="are down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"
    ) as caught:
        attach_lora(tiny, LoraSettings(targets=targets), seed=0)
    assert repr(targets[-1]) in str(caught.value) if targets else "an empty list" in str(caught.value)
    assert not hasattr(tiny.model, "peft_config")


def test_a_second_adapter_is_refused(tiny: Base) -> None:
    """Two adapters at once would train or measure their sum."""
    with (
        attached_lora(tiny, LoraSettings(rank=4), seed=0),
        pytest.raises(ModelError, match="carries an adapter already"),
    ):
        attach_lora(tiny, LoraSettings(rank=4), seed=0)
