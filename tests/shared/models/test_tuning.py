"""Whatever the method: it goes on and comes off the resident base without a trace, and is kept to the bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from sft_shared.errors import ModelError
from sft_shared.models.adapters import load_adapter, save_adapter
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.packed import packed
from sft_shared.models.prefix import PrefixSettings
from sft_shared.models.tuned import AdapterState, state_shapes
from sft_shared.models.tuning import TuningSettings, attached

IDS = (5, 60, 7, 300, 9, 11)
Logits = Callable[..., torch.Tensor]


def modules_of(base: Base) -> list[tuple[str, int, bool, dict[str, int], int, bool]]:
    """All that a method could leave behind: modules, modes, tensors, hooks and replaced forwards."""
    return [
        (
            name,
            id(module),
            module.training,
            {key: id(tensor) for key, tensor in module._parameters.items()},
            len(module._forward_hooks) + len(module._forward_pre_hooks),
            "forward" in vars(module),
        )
        for name, module in base.model.named_modules()
    ]


def one_step(tuned: Any, *, checkpointing: bool = False) -> None:
    """Gradients of a small loss, and a change of every parameter."""
    with packed(tuned.base.model, prefix=tuned.prefix, checkpointing=checkpointing) as network:
        hidden = network.hidden(
            torch.tensor([IDS]), position_ids=torch.arange(len(IDS))[None], lengths=(len(IDS),), prefix=0
        )
        torch.logsumexp(network.logits(hidden).float(), -1).sum().backward()
    tuned.collect_gradients()
    with torch.no_grad():
        for parameter in tuned.parameters.values():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    tuned.publish()


@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointing"])
def test_the_base_is_bit_identical_after_detaching(
    base: Base, tuning: TuningSettings, checkpointing: bool, logits_of: Logits
) -> None:
    """The same modules, hooks and tensor objects with the same bits, also after training and an error."""
    before = modules_of(base)
    weights = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    with torch.no_grad():
        logits = base.model(input_ids=torch.tensor([IDS])).logits

    def train_and_fail() -> None:
        with attached(base, tuning) as tuned:
            fresh = logits_of(tuned, IDS)
            one_step(tuned, checkpointing=checkpointing)
            assert not torch.allclose(logits_of(tuned, IDS), fresh, atol=1e-3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train_and_fail()
    assert modules_of(base) == before
    assert base.model.state_dict().keys() == weights.keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in base.model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in base.model.parameters())
    assert all(parameter.grad is None for parameter in base.model.parameters())
    assert not hasattr(base.model, "peft_config")
    with torch.no_grad():
        assert torch.equal(base.model(input_ids=torch.tensor([IDS])).logits, logits)


def test_a_second_one_is_refused(base: Base, tuning: TuningSettings) -> None:
    """Two at once would train or measure their sum; after the first is off another can go on."""
    for _ in range(2):
        with attached(base, tuning):
            for other in (tuning, LoraSettings(rank=4)):
                with pytest.raises(ModelError, match="carries an adapter already"), attached(base, other):
                    pass


def test_a_fresh_state_depends_on_its_seed_alone(base: Base, tuning: TuningSettings) -> None:
    """torch's generator neither matters nor moves, and shapes are known without making anything."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = tuning.initial(base, seed=5)
    with attached(base, tuning, seed=5) as tuned:
        taken = tuned.state()
        assert tuning.shapes(base) == state_shapes(taken)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again = tuning.initial(base, seed=5)
    assert tuning.shapes(base) == state_shapes(first)
    assert list(first) == list(taken) == sorted(first)
    for name, tensor in first.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, taken[name])
        assert torch.equal(tensor, again[name])


def test_a_fresh_state_computes_what_the_base_computes(
    base: Base, tuning: TuningSettings, method: str, logits_of: Logits
) -> None:
    """To the bit, but for rounding with DoRA and PiSSA; a prefix as the base does behind its text."""
    before = []
    if isinstance(tuning, PrefixSettings):
        text = base.tokenizer(tuning.text, add_special_tokens=False)["input_ids"]
        before = text[: tuning.num_virtual_tokens]
    with torch.no_grad():
        slow = base.model(input_ids=torch.tensor([[*before, *IDS]])).logits[0, len(before) :]
    with attached(base, LoraSettings(rank=1)) as nothing:
        fast = logits_of(nothing, IDS)
    with attached(base, tuning) as tuned:
        found = logits_of(tuned, IDS)
        torch.testing.assert_close(found, slow, rtol=1e-4, atol=1e-5)
        if not before and not method.startswith(("dora", "pissa", "all")):
            with torch.no_grad():
                assert torch.equal(tuned.model(input_ids=torch.tensor([IDS])).logits[0], slow)
            torch.testing.assert_close(found, fast, rtol=1e-6, atol=1e-6)


def test_a_saved_state_comes_back_to_the_bit(
    base: Base, tuning: TuningSettings, state: AdapterState, tmp_path: Path, logits_of: Logits
) -> None:
    """Saved, loaded and attached by the saved settings it gives the same logits; they are not the base's."""
    with attached(base, tuning, state) as tuned:
        expected = logits_of(tuned, IDS)
        save_adapter(tmp_path, tuned.state(), settings=tuning, base=base)
    with attached(base, tuning) as tuned:
        assert not torch.allclose(logits_of(tuned, IDS), expected, rtol=1e-2, atol=1e-3)
        tuned.set_state(state)
        assert torch.equal(logits_of(tuned, IDS), expected)
    kept = json.loads((tmp_path / "fedsft.json").read_text())
    settings: TuningSettings = TypeAdapter(TuningSettings).validate_python(kept["tuning"])
    assert settings == tuning
    with attached(base, settings, load_adapter(tmp_path)) as tuned:
        assert torch.equal(logits_of(tuned, IDS), expected)


def test_a_state_is_a_copy(base: Base, tuning: TuningSettings, state: AdapterState) -> None:
    """What happens to the parameters later reaches neither the state given nor one taken before."""
    kept = {name: tensor.clone() for name, tensor in state.items()}
    with attached(base, tuning, state) as tuned:
        taken = tuned.state()
        with torch.no_grad():
            for parameter in tuned.parameters.values():
                parameter.add_(1)
        tuned.publish()
        assert all(torch.equal(tuned.state()[name], tensor + 1) for name, tensor in kept.items())
    for name, tensor in kept.items():
        assert torch.equal(state[name], tensor)
        assert torch.equal(taken[name], tensor)


def test_setting_is_strict(base: Base, tuning: TuningSettings, state: AdapterState) -> None:
    """A missing name or another shape is refused by name, and what is attached is untouched."""
    first = next(iter(state))
    short = {name: tensor for name, tensor in state.items() if name != first}
    wide = {**state, first: torch.zeros(*state[first].shape, 2)}
    with attached(base, tuning, state) as tuned:
        for wrong in (short, wide):
            with pytest.raises(ModelError, match=f"does not fit.*{first}"):
                tuned.set_state(wrong)
        assert all(torch.equal(tuned.state()[name], tensor) for name, tensor in state.items())
    for wrong in (short, wide):
        with pytest.raises(ModelError, match=f"does not fit.*{first}"), attached(base, tuning, wrong):
            pass
    with attached(base, tuning, state):  # a refusal leaves the base free
        pass


def test_a_state_of_another_method_is_refused_by_name(
    base: Base, tuning: TuningSettings, method: str
) -> None:
    """The message names a tensor that is missing or strange."""
    other = LoraSettings(rank=9) if not method.startswith("lora") else PrefixSettings()
    state = other.initial(base, seed=0)
    with pytest.raises(ModelError, match=r"does not fit: (it lacks|it has|'.*' has shape)") as caught:
        attached(base, tuning, state).__enter__()
    named = str(caught.value).split("'")[1]
    assert named in {**tuning.shapes(base), **state}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
def test_parameters_are_fp32_over_a_narrow_base(
    base: Base, tuning: TuningSettings, dtype: torch.dtype
) -> None:
    """Small updates are not rounded away; every parameter gets a gradient, and the base stays narrow."""
    name = "bf16" if dtype == torch.bfloat16 else "fp16"
    narrow = load_base(ModelSettings(name=base.name, dtype=name, device="cpu"))
    with attached(narrow, tuning) as tuned:
        assert {parameter.dtype for parameter in tuned.parameters.values()} == {torch.float32}
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():  # no B or U is zero any more, so that all others matter
            for parameter in tuned.parameters.values():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
        tuned.publish()
        one_step(tuned)
        for name, parameter in tuned.parameters.items():
            assert parameter.grad is not None, name
            assert parameter.grad.dtype == torch.float32
            assert parameter.grad.norm() > 0, name
        assert all(parameter.grad is None for parameter in tuned.live.values())
        for name, parameter in tuned.live.items():
            assert torch.equal(parameter, tuned.parameters[name].to(dtype))
    assert {parameter.dtype for parameter in narrow.model.parameters()} == {dtype}
