"""Bottleneck adapters: small networks after the blocks of each layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import nn

from sft_shared.errors import ModelError
from sft_shared.models.load import Base
from sft_shared.models.tuned import AdapterState, Shapes, Tuned, Tuning, require_shapes

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
}
BLOCKS = {"houlsby": ("self_attn", "mlp"), "pfeiffer": ("mlp",)}


class BottleneckSettings(Tuning):
    """y + U f(D y + d) + u on the output y of a block, before it joins the residual; D [w, h], U [h, w].

    ``houlsby`` (arXiv:1902.00751) puts one after attention and one after the MLP of every layer, ``pfeiffer``
    (arXiv:2005.00247) after the MLP alone; the norms stay frozen and gain none of their own. U and u begin
    at zero, so a fresh adapter changes nothing.
    """

    kind: Literal["adapter"] = "adapter"
    width: PositiveInt = 64  # of the bottleneck
    placement: Literal["houlsby", "pfeiffer"] = "pfeiffer"
    activation: Literal["relu", "gelu", "silu"] = "gelu"
    dropout: float = Field(default=0.0, ge=0, lt=1)  # share of the bottleneck's inputs zeroed in training

    def shapes(self, base: Base) -> Shapes:
        """Name -> shape. Raises ModelError for a model whose layers have no such blocks."""
        hidden = base.model.config.get_text_config().hidden_size
        shapes: Shapes = {}
        for place in _places(base, self.placement):
            shapes[f"{place}.down.weight"] = (self.width, hidden)
            shapes[f"{place}.down.bias"] = (self.width,)
            shapes[f"{place}.up.weight"] = (hidden, self.width)
            shapes[f"{place}.up.bias"] = (hidden,)
        return dict(sorted(shapes.items()))

    def initial(self, base: Base, *, seed: int) -> AdapterState:
        """D uniform in +-1/sqrt(h), all else zero."""
        generator = torch.Generator().manual_seed(seed)
        state = {name: torch.zeros(shape) for name, shape in self.shapes(base).items()}
        for name, tensor in state.items():
            if name.endswith(".down.weight"):
                bound = 1 / math.sqrt(tensor.shape[1])
                tensor.uniform_(-bound, bound, generator=generator)
        return state

    def attach(self, base: Base, state: Mapping[str, torch.Tensor]) -> tuple[Tuned, Callable[[], None]]:
        """Put one after each block's output by forward hooks; the base's modules stay as they are."""
        require_shapes(state, self.shapes(base))
        parameters: dict[str, nn.Parameter] = {}
        dropouts, hooks = [], []
        for place, block in _places(base, self.placement).items():
            network = _Bottleneck(
                {part: state[f"{place}.{part}"] for part in _PARTS},
                activation=ACTIVATIONS[self.activation],
                dropout=self.dropout,
            ).to(base.device)
            parameters |= {f"{place}.{part}": getattr(network, part.replace(".", "_")) for part in _PARTS}
            dropouts.append(network.dropout)
            hooks.append(block.register_forward_hook(network.after))

        def restore() -> None:
            for hook in hooks:
                hook.remove()

        tuned = Tuned(
            base=base,
            model=base.model,
            parameters=dict(sorted(parameters.items())),
            dropouts=tuple(dropouts),
        )
        return tuned, restore

    def exported(self, base: Base) -> dict[str, Any]:
        """What it is; no library reads this one."""
        return {"fedsft_kind": self.kind, "base_model_name_or_path": base.name, **self.model_dump()}


_PARTS = ("down.weight", "down.bias", "up.weight", "up.bias")


class _Bottleneck(nn.Module):
    def __init__(
        self,
        values: Mapping[str, torch.Tensor],
        *,
        activation: Callable[[torch.Tensor], torch.Tensor],
        dropout: float,
    ) -> None:
        super().__init__()
        fresh = {part: nn.Parameter(values[part].to(torch.float32, copy=True)) for part in _PARTS}
        self.down_weight, self.down_bias = fresh["down.weight"], fresh["down.bias"]
        self.up_weight, self.up_bias = fresh["up.weight"], fresh["up.bias"]
        self.activation = activation
        self.dropout = nn.Dropout(dropout).eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low = F.linear(self.dropout(x), self.down_weight.to(x.dtype), self.down_bias.to(x.dtype))
        return x + F.linear(self.activation(low), self.up_weight.to(x.dtype), self.up_bias.to(x.dtype))

    def after(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        """The forward hook: the block's output, or the first of its outputs, goes through."""
        if isinstance(output, tuple):
            return (self(output[0]), *output[1:])
        return self(output)


def _places(base: Base, placement: Literal["houlsby", "pfeiffer"]) -> dict[str, nn.Module]:
    layers = getattr(base.model.get_decoder(), "layers", None)
    found: dict[str, nn.Module] = {}
    for number, layer in enumerate(layers if layers is not None else ()):
        for block in BLOCKS[placement]:
            if not isinstance(getattr(layer, block, None), nn.Module):
                raise ModelError(
                    f"model {base.name!r}: its layers have no block {block!r} to put an adapter after. "
                    "Choose a Llama- or Qwen-like model, or tuning kind lora."
                )
            found[f"layers.{number}.{block}"] = getattr(layer, block)
    if not found:
        raise ModelError(
            f"model {base.name!r} has no list of decoder layers to put adapters in. Choose a Llama- or "
            "Qwen-like model, or tuning kind lora."
        )
    return found
