"""Losses over the supervised positions of a flat batch."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, PositiveFloat
from torch.autograd.function import once_differentiable

from sft_shared.config import Settings
from sft_shared.data.chat import IGNORED
from sft_shared.models.autograd import apply

CHUNK = 256  # rows of logits in memory at a time


class _Loss(Settings):
    """A loss of one token given the log-probabilities of all."""

    @abstractmethod
    def value(self, log_probabilities: torch.Tensor, picked: torch.Tensor) -> torch.Tensor:
        """[n, 1] nats for ``log_probabilities[n, V]`` and those of the wanted tokens, ``picked[n, 1]``."""

    @abstractmethod
    def turn_into_errors(
        self, probabilities: torch.Tensor, picked: torch.Tensor, wanted: torch.Tensor
    ) -> torch.Tensor:
        """Overwrite ``probabilities[n, V]`` with the gradient of `value` in the logits; ``wanted[n, 1]``."""


class CrossEntropyLoss(_Loss):
    """-log p of the wanted token, or with smoothing e: (1 - e) of that and e of the mean over all tokens.

    Label smoothing: Szegedy et al., 2016, arXiv:1512.00567. 0 is plain cross-entropy.
    """

    kind: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)

    def value(self, log_probabilities: torch.Tensor, picked: torch.Tensor) -> torch.Tensor:
        """(1 - e) (-log p) + e mean_v(-log p_v)."""
        if not self.label_smoothing:
            return -picked
        smoothing = self.label_smoothing
        return -(1 - smoothing) * picked - smoothing * log_probabilities.mean(-1, keepdim=True)

    def turn_into_errors(
        self, probabilities: torch.Tensor, picked: torch.Tensor, wanted: torch.Tensor
    ) -> torch.Tensor:
        """p_v less the target distribution."""
        smoothing = self.label_smoothing
        if smoothing:
            probabilities -= smoothing / probabilities.shape[-1]
        return probabilities.scatter_add_(1, wanted, torch.full_like(picked, smoothing - 1.0))


class FocalLoss(_Loss):
    """-a (1 - p)^gamma log p of the wanted token, so that what is known already weighs less.

    Lin et al., 2017, arXiv:1708.02002. gamma 0 is cross-entropy, to the bit. ``alpha`` is the factor a: one
    for all, or one by class, the class being the example's ``category``; "balanced" makes it the inverse of
    the class's share of the training examples, with mean 1 over the examples. The mean over tokens is plain:
    it is not divided by the sum of the factors.
    """

    kind: Literal["focal"] = "focal"
    gamma: float = Field(default=2.0, ge=0)
    alpha: PositiveFloat | Literal["balanced"] | dict[str, PositiveFloat] = 1.0

    def value(self, log_probabilities: torch.Tensor, picked: torch.Tensor) -> torch.Tensor:
        """-(1 - p)^gamma log p; alpha comes with the batch."""
        if not self.gamma:
            return -picked
        return -((-torch.expm1(picked)) ** self.gamma) * picked

    def turn_into_errors(
        self, probabilities: torch.Tensor, picked: torch.Tensor, wanted: torch.Tensor
    ) -> torch.Tensor:
        """[(1 - p)^gamma - gamma p (1 - p)^(gamma - 1) log p] (p_v - 1[v = wanted])."""
        errors = probabilities.scatter_add_(1, wanted, torch.full_like(picked, -1.0))
        if not self.gamma:
            return errors
        missing = (-torch.expm1(picked)).clamp_min(torch.finfo(picked.dtype).tiny)
        steepness = missing**self.gamma - self.gamma * picked.exp() * missing ** (self.gamma - 1) * picked
        return errors.mul_(steepness)


LossSettings = Annotated[CrossEntropyLoss | FocalLoss, Field(discriminator="kind")]


def supervised_loss(
    hidden: torch.Tensor,
    targets: torch.Tensor,
    *,
    head: torch.Tensor,
    bias: torch.Tensor | None,
    loss: CrossEntropyLoss | FocalLoss,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Sum of the loss in nats over ``hidden[T, d]`` and ``targets[T]``, a scalar in fp32.

    Rows whose target is IGNORED cost nothing: no logits are made for them. ``head`` [V, d] and ``bias``
    [V] are the output embedding, which gets a gradient if it requires one. ``weights`` [T] multiply the
    tokens' losses. At least one target must be supervised.
    """
    return apply(_LinearLoss, hidden, targets, head, bias, loss, weights)


@torch.no_grad()
def token_losses(
    hidden: torch.Tensor,
    targets: torch.Tensor,
    *,
    head: torch.Tensor,
    bias: torch.Tensor | None,
    loss: CrossEntropyLoss | FocalLoss,
) -> torch.Tensor:
    """The loss in nats at every place of ``targets[T]``, 0 where nothing is supervised, fp32 [T]."""
    places = (targets != IGNORED).nonzero()[:, 0]
    losses = torch.zeros(targets.shape, dtype=torch.float32, device=hidden.device)
    for start in range(0, len(places), CHUNK):
        chunk = places[start : start + CHUNK]
        logits = torch.nn.functional.linear(hidden[chunk], head, bias)
        log_probabilities = torch.log_softmax(logits, -1, dtype=torch.float32)
        picked = log_probabilities.gather(1, targets[chunk, None])
        losses[chunk] = loss.value(log_probabilities, picked)[:, 0]
    return losses


class _LinearLoss(torch.autograd.Function):
    """Output embedding and loss in one, the gradient made in the forward pass.

    So the logits [n, V], the largest tensor of a small model's step, exist a chunk at a time and once.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        targets: torch.Tensor,
        head: torch.Tensor,
        bias: torch.Tensor | None,
        loss: CrossEntropyLoss | FocalLoss,
        weights: torch.Tensor | None,
    ) -> torch.Tensor:
        places = (targets != IGNORED).nonzero()[:, 0]
        rows, wanted = hidden.index_select(0, places), targets.index_select(0, places)[:, None]
        factors = None if weights is None else weights.index_select(0, places)[:, None]
        _, _, head_too, bias_too, *_ = ctx.needs_input_grad
        gradient = torch.empty_like(rows)
        head_gradient = torch.zeros_like(head, dtype=torch.float32) if head_too else None
        bias_gradient = None if bias is None or not bias_too else torch.zeros_like(bias, dtype=torch.float32)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(places), CHUNK):
            chunk = slice(start, start + CHUNK)
            logits = torch.nn.functional.linear(rows[chunk], head, bias)
            log_probabilities = torch.log_softmax(logits, -1, dtype=torch.float32)
            picked = log_probabilities.gather(1, wanted[chunk])
            values = loss.value(log_probabilities, picked)
            errors = loss.turn_into_errors(log_probabilities.exp_(), picked, wanted[chunk])
            if factors is not None:
                values, errors = values * factors[chunk], errors.mul_(factors[chunk])
            total += values.sum()
            narrow = errors.to(head.dtype)
            torch.mm(narrow, head, out=gradient[chunk])
            if head_gradient is not None:
                head_gradient += torch.mm(narrow.t(), rows[chunk])
            if bias_gradient is not None:
                bias_gradient += errors.sum(0)
        ctx.save_for_backward(places, gradient, head_gradient, bias_gradient)
        ctx.num_rows, ctx.dtype = hidden.shape[0], head.dtype
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        places, gradient, head_gradient, bias_gradient = ctx.saved_tensors
        scale = gradients[0]
        full = gradient.new_zeros(ctx.num_rows, gradient.shape[1])
        full.index_copy_(0, places, gradient * scale.to(gradient.dtype))
        for_head, for_bias = (
            None if part is None else part.mul_(scale).to(ctx.dtype)
            for part in (head_gradient, bias_gradient)
        )
        return full, None, for_head, for_bias, None, None
