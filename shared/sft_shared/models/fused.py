"""Layers with hand-written gradients: fewer temporaries, and none for weights that are frozen."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from sft_shared.models.tuning import ADAPTER

Gradients = tuple[torch.Tensor | None, ...]


class _LoraLinear(torch.autograd.Function):
    """y = x W^T + b + s (x A^T) B^T with W [d_out, d_in] frozen, A [r, d_in], B [d_out, r]."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        down: torch.Tensor,
        up: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        down, up = down.to(x.dtype), up.to(x.dtype)
        output = torch.mm(rows, weight.t()) if bias is None else torch.addmm(bias, rows, weight.t())
        low = torch.mm(rows, down.t())
        output.addmm_(low, up.t(), alpha=scaling)
        ctx.save_for_backward(rows, weight, down, up, low)
        ctx.scaling = scaling
        return output.view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> Gradients:
        rows, weight, down, up, low = ctx.saved_tensors
        grad = gradients[0].reshape(-1, gradients[0].shape[-1])
        grad_low = torch.mm(grad, up).mul_(ctx.scaling)
        grad_up = torch.mm(grad.t(), low).float().mul_(ctx.scaling)
        grad_down = torch.mm(grad_low.t(), rows).float()
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.mm(grad, weight).addmm_(grad_low, down).view(*gradients[0].shape[:-1], -1)
        return grad_x, None, None, grad_down, grad_up, None


class _RmsNorm(torch.autograd.Function):
    """x w / rms(x) over the last axis with w frozen; keeps x and one number a row."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        wide = x.float()
        scale = wide.square().mean(-1, keepdim=True).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        return (wide * scale).mul_(weight).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> Gradients:
        x, weight, scale = ctx.saved_tensors
        wide, grad = x.float(), gradients[0].float() * weight
        along = (grad * wide).sum(-1, keepdim=True).mul_(scale * scale / x.shape[-1])
        return grad.sub_(wide * along).mul_(scale).to(x.dtype), None, None


class _SwiGlu(torch.autograd.Function):
    """silu(gate) * up; keeps its two inputs only."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(gate, up)
        return F.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> Gradients:
        gate, up = ctx.saved_tensors
        grad_gate = torch.ops.aten.silu_backward(gradients[0] * up, gate)
        return grad_gate, F.silu(gate).mul_(gradients[0])


def _lora_forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    base, down, up = layer.base_layer, layer.lora_A[ADAPTER], layer.lora_B[ADAPTER]
    output: torch.Tensor = _LoraLinear.apply(  # type: ignore[no-untyped-call]
        x, base.weight, base.bias, down.weight, up.weight, layer.scaling[ADAPTER]
    )
    return output


def _norm_forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    output: torch.Tensor = _RmsNorm.apply(  # type: ignore[no-untyped-call]
        x, layer.weight, layer.variance_epsilon
    )
    return output


def _mlp_forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    gated = _SwiGlu.apply(layer.gate_proj(x), layer.up_proj(x))  # type: ignore[no-untyped-call]
    output: torch.Tensor = layer.down_proj(gated)
    return output


def fuse(model: nn.Module) -> list[nn.Module]:
    """Give ``model``'s layers their fused forward where that computes the same; return those changed.

    A LoRA layer qualifies if it is PEFT's plain one over ``nn.Linear`` without dropout or a bias of its
    own; all others keep PEFT's forward. A norm or a gated MLP qualifies if its fused output
    agrees with its own on a trial input. ``unfuse`` undoes it.
    """
    changed: list[nn.Module] = []
    for module in model.modules():
        forward = _fused_forward(module)
        if forward is not None:
            module.forward = MethodType(forward, module)
            changed.append(module)
    return changed


def unfuse(modules: list[nn.Module]) -> None:
    """Give the layers that ``fuse`` returned their own forward back."""
    for module in modules:
        del module.forward


def _fused_forward(module: Any) -> Any:
    from peft.tuners.lora import Linear as LoraLinear

    if type(module) is LoraLinear:
        return _lora_forward if _is_plain_lora(module) else None
    if hasattr(module, "variance_epsilon") and isinstance(getattr(module, "weight", None), nn.Parameter):
        width, candidate = module.weight.shape[-1], _norm_forward
    elif all(
        isinstance(getattr(module, name, None), nn.Module) for name in ("gate_proj", "up_proj", "down_proj")
    ):
        width, candidate = module.gate_proj.in_features, _mlp_forward
    else:
        return None
    parameter = next(module.parameters())
    trial = (
        torch.linspace(-4, 4, 3 * width, device=parameter.device).sin_().view(1, 3, width).to(parameter.dtype)
    )
    tolerance = 1e-5 if parameter.dtype == torch.float32 else 2e-2
    with torch.no_grad():
        own, fused = module(trial), candidate(module, trial)
    same = isinstance(own, torch.Tensor) and (own - fused).norm() <= tolerance * own.norm()
    return candidate if same else None


def _is_plain_lora(layer: Any) -> bool:
    return (
        type(layer.base_layer) is nn.Linear
        and list(layer.lora_A) == [ADAPTER]
        and isinstance(layer.lora_dropout[ADAPTER], nn.Identity)
        and layer.lora_B[ADAPTER].bias is None
        and not layer.lora_variant
        and not layer.merged
        and not layer.disable_adapters
    )
