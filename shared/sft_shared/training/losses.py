"""Losses over the supervised positions of a flat batch."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from sft_shared.data.chat import IGNORED

CHUNK = 256  # rows of logits in memory at a time


def supervised_cross_entropy(
    hidden: torch.Tensor, targets: torch.Tensor, *, head: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """Mean cross-entropy in nats over ``hidden[T, d]`` and ``targets[T]``, a scalar in fp32.

    Rows whose target is IGNORED cost nothing: no logits are made for them. ``head`` [V, d] and ``bias``
    [V] are the frozen output embedding; the gradient reaches ``hidden`` only. At least one target must
    be supervised.
    """
    loss: torch.Tensor = _LinearCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, targets, head, bias
    )
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    """Output embedding and cross-entropy in one, the gradient made in the forward pass.

    So the logits [n, V], the largest tensor of a small model's step, exist a chunk at a time and once.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, targets: torch.Tensor, head: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        places = (targets != IGNORED).nonzero()[:, 0]
        rows, wanted = hidden.index_select(0, places), targets.index_select(0, places)[:, None]
        gradient = torch.empty_like(rows)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(places), CHUNK):
            chunk = slice(start, start + CHUNK)
            logits = torch.nn.functional.linear(rows[chunk], head, bias)
            log_probabilities = torch.log_softmax(logits, -1, dtype=torch.float32)
            total -= log_probabilities.gather(1, wanted[chunk]).sum()
            errors = log_probabilities.exp_()
            errors.scatter_add_(1, wanted[chunk], errors.new_full(wanted[chunk].shape, -1.0))
            torch.mm(errors.to(head.dtype), head, out=gradient[chunk])
        ctx.save_for_backward(places, gradient)
        ctx.num_rows = hidden.shape[0]
        return total / len(places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        places, gradient = ctx.saved_tensors
        full = gradient.new_zeros(ctx.num_rows, gradient.shape[1])
        full.index_copy_(0, places, gradient * (gradients[0] / len(places)).to(gradient.dtype))
        return full, None, None, None
