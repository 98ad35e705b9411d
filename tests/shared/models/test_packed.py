"""A model that cannot be packed is refused before it trains; one that can is left as it was."""

from __future__ import annotations

from pathlib import Path

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

from sft_shared.errors import ModelError
from sft_shared.models.attention import packed_attention
from sft_shared.models.fused import fuse, unfuse
from sft_shared.models.generate import generate
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.packed import packed, require_packable
from sft_shared.models.tiny import make_tiny_model
from sft_shared.models.tuning import LoraSettings, attached_lora, factors_of

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
    """In fp32 and in bf16."""
    require_packable(tiny)
    require_packable(load_base(ModelSettings(name=tiny.name, dtype="bf16", device="cpu")))


def test_the_check_looks_through_an_adapter(tmp_path: Path) -> None:
    """Whatever is attached, even not-a-number, the base is judged, and the adapter stays active."""
    base = load_base(ModelSettings(name=str(make_tiny_model(tmp_path)), dtype="fp32", device="cpu"))
    with attached_lora(base, LoraSettings(rank=2), seed=0) as model:
        for parameter in factors_of(model).values():
            parameter.data.fill_(float("nan"))
        require_packable(base)
        assert all(parameter.requires_grad for parameter in factors_of(model).values())
        assert model(input_ids=torch.tensor([[5, 6]])).logits.isnan().all()


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
        generate(base, base.model, [[5, 6], [7, 8]], max_new_tokens=1, batch_size=2)


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
    with attached_lora(tiny, LoraSettings(rank=4, dropout=0.1), seed=0) as model:
        changed = fuse(model)
        names = {type(module).__name__ for module in changed}
        unfuse(changed)
        assert names == {"LlamaRMSNorm", "LlamaMLP"}
    with attached_lora(tiny, LoraSettings(rank=4), seed=0) as model:
        changed = fuse(model)
        unfuse(changed)
        assert len(changed) == 2 * 7 + 2 * 1 + 5  # LoRA layers, MLPs, norms
