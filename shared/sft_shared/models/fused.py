"""Layers with hand-written gradients: fewer temporaries, and none for weights that are frozen."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from sft_shared.models.autograd import apply
from sft_shared.models.lora import ADAPTER

Gradients = tuple[torch.Tensor | None, ...]

ROWS_IN_CACHE = 128  # of a norm, for each thread: two fp32 tensors of 128 x 576 take 0.6 MB


class _LoraLinear(torch.autograd.Function):
    """y = x W^T + b + s (x A^T) B^T with W [d_out, d_in] frozen, b [d_out], A [r, d_in], B [d_out, r]."""

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
        grad_bias = grad.sum(0) if ctx.needs_input_grad[2] else None
        return grad_x, None, grad_bias, grad_down, grad_up, None


class _RmsNorm(torch.autograd.Function):
    """x w / rms(x) over the last axis with w frozen; keeps x and one number a row.

    Some rows at a time, so that what lies between the steps of the formula stays in the processor's cache:
    2 to 4 times as fast on a CPU as a pass over all rows for each step.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        rows, wide_weight = x.reshape(-1, x.shape[-1]), weight.float()
        output = torch.empty_like(rows)
        scale = rows.new_empty(len(rows), 1, dtype=torch.float32)
        for part in _parts(rows):
            wide = rows[part].to(torch.float32, copy=True)  # what follows is in place
            norm = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
            scale[part] = norm.square_().mul_(1 / x.shape[-1]).add_(epsilon).rsqrt_()
            output[part] = wide.mul_(scale[part]).mul_(wide_weight)
        ctx.save_for_backward(rows, wide_weight, scale)
        return output.view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> Gradients:
        rows, wide_weight, scale = ctx.saved_tensors
        grads = gradients[0].reshape(rows.shape)
        output = torch.empty_like(rows)
        for part in _parts(rows):
            wide, grad = rows[part].float(), grads[part].to(torch.float32, copy=True).mul_(wide_weight)
            along = (
                torch.linalg.vecdot(grad, wide)[:, None].mul_(scale[part].square()).mul_(-1 / wide.shape[1])
            )
            output[part] = grad.addcmul_(wide, along).mul_(scale[part])
        return output.view(gradients[0].shape), None, None


def _parts(rows: torch.Tensor) -> list[slice]:
    size = ROWS_IN_CACHE * torch.get_num_threads() if rows.device.type == "cpu" else max(len(rows), 1)
    return [slice(start, start + size) for start in range(0, len(rows), size)]


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
    return apply(_LoraLinear, x, base.weight, base.bias, down.weight, up.weight, layer.scaling[ADAPTER])


def _dora_forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """b + m / |W + s B A| * (W x + s B A x), the row lengths |.| taken as constant (DoRA, section 4.3).

    Their squares are |W|^2 + 2 s (W A^T) . B + s^2 (B (A A^T)) . B by rows: no product of the size of W.
    """
    base, magnitude = layer.base_layer, layer.lora_magnitude_vector[ADAPTER].weight
    down, up, scaling = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight, layer.scaling[ADAPTER]
    turned = apply(_LoraLinear, x, base.weight, None, down, up, scaling)
    with torch.no_grad():
        across = torch.mm(base.weight, down.t().to(base.weight.dtype)).float()
        squares = torch.linalg.vector_norm(base.weight, dim=1, dtype=torch.float32).square_()
        squares += (2 * scaling * across + scaling**2 * (up @ (down @ down.t()))).mul_(up).sum(1)
        lengths = squares.sqrt_()
    output: torch.Tensor = turned * (magnitude / lengths).to(x.dtype)
    return output if base.bias is None else output + base.bias


def _norm_forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    return apply(_RmsNorm, x, layer.weight, layer.variance_epsilon)


def _mlp_forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    gated = apply(_SwiGlu, layer.gate_proj(x), layer.up_proj(x))
    output: torch.Tensor = layer.down_proj(gated)
    return output


def fuse(model: nn.Module) -> list[nn.Module]:
    """Give ``model``'s layers their fused forward where that computes the same; return those changed.

    A LoRA layer qualifies if it is PEFT's plain one or its DoRA over ``nn.Linear`` without dropout or a bias
    on B; all others keep PEFT's forward. A norm whose weight is frozen or a gated MLP qualifies if its fused
    output agrees with its own on a trial input. ``unfuse`` undoes it.
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
        if not _is_plain_lora(module):
            return None
        return _dora_forward if module.lora_variant else _lora_forward
    if hasattr(module, "variance_epsilon") and isinstance(getattr(module, "weight", None), nn.Parameter):
        if module.weight.requires_grad:
            return None
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
        and not (layer.lora_variant and not layer.use_dora[ADAPTER])
        and not layer.merged
        and not layer.disable_adapters
    )
