"""Prefix tuning: learned keys and values that every token attends to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from pydantic import Field, PositiveInt
from torch import nn

from sft_shared.errors import ModelError
from sft_shared.models.load import Base
from sft_shared.models.tuned import AdapterState, Shapes, Tuned, Tuning, require_shapes

NAME = "prompt_embeddings"  # PEFT's
TEXT = "You are a careful assistant. Read the request and answer it exactly. "


class PrefixSettings(Tuning):
    """P virtual tokens before every document, given by their keys and values alone (arXiv:2101.00190).

    One tensor [P, layers * 2 * K * D], as PEFT's PREFIX_TUNING without projection, K key-value heads of
    width D. It begins as the keys and values of the first P tokens of ``text`` (repeated if it is short), as
    the paper advises for few data: a model with random ones answers worse than the bare base at first.
    """

    kind: Literal["prefix"] = "prefix"
    num_virtual_tokens: PositiveInt = 20
    text: str = Field(default=TEXT, min_length=1)

    def shapes(self, base: Base) -> Shapes:
        """The one tensor."""
        layers, heads, width = _dimensions(base)
        return {NAME: (self.num_virtual_tokens, layers * 2 * heads * width)}

    def initial(self, base: Base, *, seed: int) -> AdapterState:
        """Keys and values of ``text``; ``seed`` changes nothing."""
        from transformers import DynamicCache

        ids = base.tokenizer(self.text, add_special_tokens=False)["input_ids"]
        wanted = self.num_virtual_tokens
        ids = (list(ids) * (wanted // len(ids) + 1))[:wanted]
        cache = DynamicCache()
        with torch.no_grad():
            base.model(
                input_ids=torch.tensor([ids], device=base.device), past_key_values=cache, use_cache=True
            )
        parts = [part[0].transpose(0, 1) for layer in cache.layers for part in (layer.keys, layer.values)]
        flat = torch.stack(parts, 1).reshape(wanted, -1)
        return {NAME: flat.to("cpu", torch.float32).contiguous()}

    def attach(self, base: Base, state: Mapping[str, torch.Tensor]) -> tuple[Tuned, Callable[[], None]]:
        """Nothing of the base changes: the prefix goes in with every packed forward (`models.packed`)."""
        require_shapes(state, self.shapes(base))
        prefix = nn.Parameter(state[NAME].to(base.device, torch.float32, copy=True))
        return Tuned(base=base, model=base.model, parameters={NAME: prefix}, prefix=prefix), lambda: None

    def exported(self, base: Base) -> dict[str, Any]:
        """PEFT's own configuration of the same prefix."""
        from peft import PrefixTuningConfig

        layers, heads, width = _dimensions(base)
        return dict(
            PrefixTuningConfig(
                task_type="CAUSAL_LM",
                base_model_name_or_path=base.name,
                num_virtual_tokens=self.num_virtual_tokens,
                num_layers=layers,
                num_attention_heads=heads,
                token_dim=heads * width,
                num_transformer_submodules=1,
            ).to_dict()
        )


def layer_prefixes(flat: torch.Tensor, *, base_model: Any) -> torch.Tensor:
    """Keys and values of each layer, [layers, 2, 1, K, P, D], of a prefix ``flat[P, layers * 2 * K * D]``."""
    layers, heads, width = _dimensions_of(base_model)
    return flat.view(flat.shape[0], layers, 2, 1, heads, width).permute(1, 2, 3, 4, 0, 5)


def _dimensions(base: Base) -> tuple[int, int, int]:
    try:
        return _dimensions_of(base.model)
    except AttributeError as error:
        raise ModelError(
            f"model {base.name!r}: its settings lack {error.name!r}, so the size of a prefix is unknown. "
            "Choose a Llama- or Qwen-like model, or tuning kind lora."
        ) from None


def _dimensions_of(model: Any) -> tuple[int, int, int]:
    config = model.config.get_text_config()
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return config.num_hidden_layers, config.num_key_value_heads, width
