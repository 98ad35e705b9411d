"""A model that cannot be packed is refused before it trains; one that can is left as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    GraniteConfig,
    GraniteForCausalLM,
    Lfm2Config,
    Lfm2ForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
)

from sft_shared.data.chat import IGNORED, Row
from sft_shared.data.collate import FlatBatch, collate
from sft_shared.errors import ModelError
from sft_shared.models import attention
from sft_shared.models.attention import packed_attention
from sft_shared.models.fused import fuse, unfuse
from sft_shared.models.generate import generate
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.packed import packed, require_packable
from sft_shared.models.tiny import make_tiny_model
from sft_shared.models.tuned import AdapterState, Tuned
from sft_shared.models.tuning import LoraSettings, TuningSettings, attached

SIZES = {
    "vocab_size": 470,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def base_with(model: PreTrainedModel, folder: Path) -> Base:
    """The tiny tokenizer with another model's weights."""
    make_tiny_model(folder)
    model.save_pretrained(folder)
    return load_base(ModelSettings(name=str(folder), dtype="fp32", device="cpu"))


def test_a_llama_can_be_packed(tiny: Base) -> None:
    """In every dtype."""
    require_packable(tiny)
    for dtype in ("bf16", "fp16"):
        settings = ModelSettings.model_validate({"name": tiny.name, "dtype": dtype, "device": "cpu"})
        require_packable(load_base(settings))


def test_the_check_looks_through_an_adapter(tmp_path: Path) -> None:
    """Whatever is attached, even not-a-number, the base is judged, and the adapter stays active."""
    base = load_base(ModelSettings(name=str(make_tiny_model(tmp_path)), dtype="fp32", device="cpu"))
    with attached(base, LoraSettings(rank=2)) as tuned:
        for parameter in tuned.parameters.values():
            parameter.data.fill_(float("nan"))
        require_packable(base)
        assert all(parameter.requires_grad for parameter in tuned.parameters.values())
        assert tuned.model(input_ids=torch.tensor([[5, 6]])).logits.isnan().all()


def test_scaled_logits_are_refused(tmp_path: Path) -> None:
    """Granite divides its logits; a loss on undivided ones would train another model, silently."""
    torch.manual_seed(0)
    base = base_with(GraniteForCausalLM(GraniteConfig(**SIZES, logits_scaling=8.0)), tmp_path)
    with torch.no_grad(), packed(base.model) as network:  # what the guard keeps out
        ids = torch.tensor([[5, 6, 7]])
        hidden = network.hidden(ids, position_ids=torch.arange(3)[None], lengths=(3,), prefix=0)
        wrong = network.logits(hidden)
    assert not torch.allclose(wrong, base.model(input_ids=ids).logits[0], rtol=0.1)
    with pytest.raises(ModelError, match=r"GraniteForCausalLM\) cannot compute packed documents"):
        require_packable(base)
    assert base.model.config._attn_implementation == "sdpa"


def test_a_convolution_between_documents_is_refused(tmp_path: Path) -> None:
    """LFM2 mixes neighbouring tokens outside attention, so packed documents would see each other."""
    torch.manual_seed(0)
    config = Lfm2Config(**SIZES, layer_types=["conv", "full_attention"], initializer_range=0.3)
    base = base_with(Lfm2ForCausalLM(config), tmp_path)
    with torch.no_grad(), packed(base.model) as network:  # what the guard keeps out
        ids, places = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[0, 1, 0, 1]])
        together = network.hidden(ids, position_ids=places, lengths=(2, 2), prefix=0)[2:]
        alone = network.hidden(ids[:, 2:], position_ids=places[:, 2:], lengths=(2,), prefix=0)
    assert not torch.allclose(together, alone, rtol=0.01)
    with pytest.raises(ModelError, match=r"Lfm2ForCausalLM\) cannot compute packed documents"):
        require_packable(base)
    with pytest.raises(ModelError, match="cannot compute packed documents"):
        generate(base, [[5, 6], [7, 8]], max_new_tokens=1, batch_size=2)


def test_a_model_without_attention_is_refused(tmp_path: Path) -> None:
    """Mamba has no attention to keep documents apart with; it is refused when loaded."""
    model = MambaForCausalLM(MambaConfig(vocab_size=470, hidden_size=32, num_hidden_layers=2, state_size=4))
    with pytest.raises(ModelError, match="MambaForCausalLM does not support an attention implementation"):
        base_with(model, tmp_path)


def test_a_document_beyond_the_window_is_refused(tmp_path: Path) -> None:
    """With a sliding window of 8, documents of 8 tokens run and one of 9 is an error, not other attention."""
    torch.manual_seed(0)
    base = base_with(MistralForCausalLM(MistralConfig(**SIZES, sliding_window=8)), tmp_path)
    with torch.no_grad(), packed(base.model) as network:
        ids, places = torch.arange(5, 14)[None], torch.arange(9)[None]
        hidden = network.hidden(ids[:, :8], position_ids=places[:, :8], lengths=(8,), prefix=0)
        assert hidden.shape == (8, 32)
        with pytest.raises(ModelError, match="9 tokens is longer than the model's attention window of 8"):
            network.hidden(ids, position_ids=places, lengths=(9,), prefix=0)
    assert base.model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("option", [{"softcap": 30.0}, {"s_aux": torch.ones(2)}, {"dropout": 0.1}])
def test_unknown_kinds_of_attention_are_refused(option: dict[str, object]) -> None:
    """Capped scores, sinks and dropped weights are never ignored."""
    states = [torch.randn(1, 2, 4, 8) for _ in range(3)]
    with pytest.raises(ModelError, match="cannot be trained packed"):
        packed_attention(torch.nn.Identity(), *states, None, document_lengths=(4,), **option)
    with pytest.raises(ModelError, match="does not pass the documents' lengths"):
        packed_attention(torch.nn.Identity(), *states, None)


def test_an_error_inside_the_block_restores_the_model(tiny: Base) -> None:
    """Attention and every layer's forward are their own again."""

    def fail() -> None:
        with packed(tiny.model):
            assert tiny.model.config._attn_implementation == "fedsft_packed"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert tiny.model.config._attn_implementation == "sdpa"
    assert not any("forward" in vars(module) for module in tiny.model.modules())


def test_only_layers_that_compute_the_same_are_fused(tiny: Base) -> None:
    """A norm with another formula and a LoRA layer with dropout keep their own forward."""

    class ShiftedNorm(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.variance_epsilon = torch.nn.Parameter(torch.zeros(8)), 1e-6

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * (1 + self.weight)

    assert fuse(ShiftedNorm()) == []
    with attached(tiny, LoraSettings(rank=4, dropout=0.1)) as tuned:
        changed = fuse(tuned.model)
        names = {type(module).__name__ for module in changed}
        unfuse(changed)
        assert names == {"LlamaRMSNorm", "LlamaMLP"}
    with attached(tiny, LoraSettings(rank=4)) as tuned:
        changed = fuse(tuned.model)
        unfuse(changed)
        assert len(changed) == 2 * 7 + 2 * 1 + 5  # LoRA layers, MLPs, norms


LENGTHS = ((9, 3), (30, 8), (17, 1), (2, 1))  # tokens and supervised tokens of each document


def rows_of(base: Base, *, shared: int) -> list[Row]:
    """Random documents, their first ``shared`` tokens the same as far as they are not supervised."""
    generator = torch.Generator().manual_seed(3)
    rows = []
    for number, (tokens, supervised) in enumerate(LENGTHS[:3] if shared else LENGTHS):
        ids = torch.randint(0, base.model.config.vocab_size, (tokens,), generator=generator).tolist()
        ids[: min(shared, tokens - supervised)] = range(min(shared, tokens - supervised))
        labels = [IGNORED] * (tokens - supervised) + ids[tokens - supervised :]
        rows.append(Row(input_ids=tuple(ids), labels=tuple(labels), example_id=str(number)))
    return rows


def packed_loss(tuned: Tuned, batch: FlatBatch, *, checkpointing: bool = False) -> torch.Tensor:
    """The loss by the packed forward, after its backward pass."""
    with packed(tuned.base.model, prefix=tuned.prefix, checkpointing=checkpointing) as network:
        hidden = network.hidden(
            batch.input_ids, position_ids=batch.position_ids, lengths=batch.lengths, prefix=batch.prefix
        )
        loss = torch.nn.functional.cross_entropy(
            network.logits(hidden), batch.targets, ignore_index=IGNORED, reduction="sum"
        )
        loss.backward()
    return loss.detach()


def plain_loss(model: Any, rows: list[Row]) -> torch.Tensor:
    """The loss one document at a time by the model's own forward, after its backward pass."""
    total = torch.zeros(())
    for row in rows:
        logits = model(input_ids=torch.tensor([row.input_ids])).logits[0]
        loss = torch.nn.functional.cross_entropy(
            logits[:-1], torch.tensor(row.labels[1:]), ignore_index=IGNORED, reduction="sum"
        )
        loss.backward()
        total += loss.detach()
    return total


def taken_gradients(tuned: Tuned) -> AdapterState:
    """The gradients of all parameters, which have none afterwards."""
    gradients = {}
    for name, parameter in tuned.parameters.items():
        assert parameter.grad is not None, name
        gradients[name], parameter.grad = parameter.grad, None
    return gradients


@pytest.mark.parametrize("blocked", [False, True], ids=["plain", "blocked"])
@pytest.mark.parametrize("shared", [0, 5], ids=["apart", "shared-prefix"])
def test_loss_and_every_gradient_are_those_of_the_slow_model(
    base: Base,
    tuning: TuningSettings,
    state: AdapterState,
    slow_model: Callable[[Tuned, TuningSettings], Any],
    shared: int,
    blocked: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To 1e-4 of each tensor's norm, for every method, by PEFT's and transformers' forward, unpacked."""
    monkeypatch.setattr(attention, "MAX_PLAIN_TOKENS", 0 if blocked else 1024)
    monkeypatch.setattr(attention, "BLOCK", 5)
    rows = rows_of(base, shared=shared)
    batch = collate(rows)
    assert batch.prefix == shared
    with attached(base, tuning, state) as tuned:
        slow = slow_model(tuned, tuning)
        expected_loss = plain_loss(slow, rows)
        if tuned.prefix is not None:
            tuned.prefix.grad = slow.prompt_encoder["default"].embedding.weight.grad
        expected = taken_gradients(tuned)
        loss = packed_loss(tuned, batch)
        found = taken_gradients(tuned)
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-5)
    for name, gradient in expected.items():
        assert gradient.norm() > 0, name
        assert (found[name] - gradient).norm() <= 1e-4 * gradient.norm(), name


@contextmanager
def saved_bytes() -> Iterator[list[int]]:
    """A list that gets the size of each tensor that autograd keeps, other than the parameters."""
    sizes: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            sizes.append(tensor.numel() * tensor.element_size())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield sizes


@pytest.mark.parametrize("shared", [0, 5], ids=["apart", "shared-prefix"])
def test_checkpointing_keeps_less_and_gives_the_same_gradients(
    base: Base, tuning: TuningSettings, state: AdapterState, shared: int
) -> None:
    """To the bit; each layer runs once more, and less than half as much is kept for the backward pass."""
    batch = collate(rows_of(base, shared=shared))
    runs: list[int] = []
    with attached(base, tuning, state) as tuned:
        blocks = [layer.self_attn for layer in tuned.base.model.model.layers]
        hooks = [block.register_forward_hook(lambda *_: runs.append(1)) for block in blocks]
        found, kept, counts = [], [], []
        for checkpointing in (False, True):
            runs.clear()
            with saved_bytes() as sizes:
                loss = packed_loss(tuned, batch, checkpointing=checkpointing)
            found.append({"loss": loss, **taken_gradients(tuned)})
            kept.append(sum(sizes))
            counts.append(len(runs))
        for hook in hooks:
            hook.remove()
    assert counts == [2, 4]
    assert kept[1] < 0.5 * kept[0]
    for name, tensor in found[0].items():
        assert torch.equal(found[1][name], tensor), name


def test_dropout_repeats_itself_under_checkpointing(tiny: Base) -> None:
    """What is computed again drops what was dropped before: the same seed gives the same gradients."""
    batch = collate(rows_of(tiny, shared=0))
    with attached(tiny, LoraSettings(rank=4, dropout=0.5)) as tuned:
        tuned.set_state({name: tensor + 0.05 for name, tensor in tuned.state().items()})
        for module in tuned.dropouts:
            module.train()
        found = []
        for seed, checkpointing in ((1, False), (1, True), (2, True)):
            torch.manual_seed(seed)
            packed_loss(tuned, batch, checkpointing=checkpointing)
            found.append(taken_gradients(tuned))
    assert all(torch.equal(found[1][name], tensor) for name, tensor in found[0].items())
    assert not all(torch.equal(found[2][name], tensor) for name, tensor in found[0].items())
