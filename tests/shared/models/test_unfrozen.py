"""Trained tensors of a bf16 base have fp32 masters, in which small updates add up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from sft_shared.models.full import FullSettings
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.tuned import Tuned
from sft_shared.models.tuning import attached

NORM = "model.norm.weight"  # begins at 1, where bf16's next number below is 1 - 2^-8


@pytest.fixture
def narrow(tiny: Base) -> Base:
    return load_base(ModelSettings(name=tiny.name, dtype="bf16", device="cpu"))


@pytest.fixture
def tuned(narrow: Base) -> Iterator[Tuned]:
    with attached(narrow, FullSettings()) as tuned:
        yield tuned


def test_updates_below_a_bf16_step_add_up_in_the_master(tuned: Tuned) -> None:
    """A hundred steps of 1e-3 bring 1 to 0.9, and the model sees it; in bf16 alone every one is lost."""
    master, seen = tuned.parameters[NORM], tuned.live[NORM]
    lost = seen.detach().clone()
    for _ in range(100):
        seen.grad = torch.ones_like(seen)
        tuned.collect_gradients()
        with torch.no_grad():
            master.sub_(1e-3 * master.grad)
            lost -= 1e-3 * torch.ones_like(lost)
        master.grad = None
        tuned.publish()
    torch.testing.assert_close(master.detach(), torch.full_like(master, 0.9), rtol=1e-5, atol=1e-5)
    assert torch.equal(seen, torch.full_like(seen, 0.9))
    assert torch.equal(lost, torch.ones_like(lost))


def test_gradients_of_several_passes_add_up_in_fp32(tuned: Tuned) -> None:
    """256 and then ones: in bf16 the ones would be lost. What was collected is gone from the model."""
    master, seen = tuned.parameters[NORM], tuned.live[NORM]
    for value in (256.0, 1.0, 1.0, 1.0):
        seen.grad = torch.full_like(seen, value)
        tuned.collect_gradients()
        assert seen.grad is None
    tuned.collect_gradients()  # nothing new
    assert master.grad is not None
    assert master.grad.dtype == torch.float32
    assert torch.equal(master.grad, torch.full_like(master, 259.0))


def test_the_model_computes_with_what_is_published(tuned: Tuned) -> None:
    """Not before; and a state set from outside is published at once."""
    model, ids = tuned.model, torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        before = model(input_ids=ids).logits
        for parameter in tuned.parameters.values():
            parameter.zero_()
        assert torch.equal(model(input_ids=ids).logits, before)
        tuned.publish()
        assert model(input_ids=ids).logits.count_nonzero() == 0
    tuned.set_state({name: torch.ones_like(tensor) for name, tensor in tuned.state().items()})
    assert all(torch.equal(tensor, torch.ones_like(tensor)) for tensor in tuned.live.values())


def test_a_trained_head_of_a_bf16_model_has_a_master_too(narrow: Base) -> None:
    """Factors are fp32 as they are; the head is not, so it alone is live."""
    with attached(narrow, LoraSettings(rank=2, modules_to_save=("lm_head",))) as tuned:
        assert list(tuned.live) == ["base_model.model.lm_head.weight"]
        assert narrow.model.get_output_embeddings().weight is tuned.live["base_model.model.lm_head.weight"]
        assert narrow.model.get_input_embeddings().weight.dtype == torch.bfloat16


def test_an_fp32_model_computes_with_the_parameters_themselves(tiny: Base) -> None:
    """Nothing is kept twice."""
    with attached(tiny, FullSettings()) as tuned:
        assert not tuned.live
        assert dict(tiny.model.named_parameters()).keys() == tuned.parameters.keys()
        assert all(p is tuned.parameters[name] for name, p in tiny.model.named_parameters())
