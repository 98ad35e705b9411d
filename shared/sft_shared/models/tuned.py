"""The base with something trainable on it: what all tuning methods have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from sft_shared.config import Settings
from sft_shared.errors import ModelError
from sft_shared.models.load import Base

AdapterState = dict[str, torch.Tensor]
"""Name -> fp32 CPU tensor, names sorted: everything that a method trains, as it is saved and sent."""

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Tuned:
    """A base while an adapter is attached. ``parameters`` are what the optimizer moves, always fp32.

    Where the base computes in a narrower dtype and its own tensors are trained, ``live`` holds those
    tensors as the model sees them: `collect_gradients` and `publish` carry gradients and values across.
    """

    base: Base
    model: Any  # computes logits: a peft.PeftModel, or the base's own model
    parameters: Mapping[str, nn.Parameter]
    live: Mapping[str, nn.Parameter] = field(default_factory=dict)
    dropouts: tuple[nn.Module, ...] = ()  # the adapter's own; the base's stay off
    frozen_rows: Mapping[str, torch.Tensor] = field(default_factory=dict)  # name -> bool mask, kept as it is
    prefix: nn.Parameter | None = None  # [P, layers * 2 * K * D]: learned keys and values (prefix tuning)

    @property
    def num_trained(self) -> int:
        """How many numbers training moves."""
        held = sum(int(mask.sum()) for mask in self.frozen_rows.values())
        return sum(parameter.numel() for parameter in self.parameters.values()) - held

    def state(self) -> AdapterState:
        """A copy of the parameters."""
        return {
            name: parameter.detach().to("cpu", torch.float32, copy=True).contiguous()
            for name, parameter in self.parameters.items()
        }

    def set_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Overwrite the parameters. Raises ModelError unless all names and shapes fit."""
        require_shapes(state, {name: tuple(p.shape) for name, p in self.parameters.items()})
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state[name])
        self.publish()

    @torch.no_grad()
    def collect_gradients(self) -> None:
        """Add what backward left on the model to the gradients of ``parameters``; frozen rows get none."""
        for name, parameter in self.live.items():
            if parameter.grad is not None:
                master = self.parameters[name]
                wide = parameter.grad.to(torch.float32)
                master.grad = wide if master.grad is None else master.grad.add_(wide)
                parameter.grad = None
        for name, mask in self.frozen_rows.items():
            gradient = self.parameters[name].grad
            if gradient is not None:
                gradient.masked_fill_(mask, 0.0)

    @torch.no_grad()
    def publish(self) -> None:
        """Let the model see the parameters' values."""
        for name, parameter in self.live.items():
            parameter.copy_(self.parameters[name])


class Tuning(Settings):
    """A way to tune a base: which tensors there are, how they begin, how they are put on."""

    @property
    def method(self) -> str:
        """The method in a word."""
        return str(getattr(self, "kind", "?"))

    def note(self, base: Base) -> str:
        """What a user may not expect on ``base``; empty if there is nothing."""
        return ""

    @abstractmethod
    def shapes(self, base: Base) -> Shapes:
        """Name -> shape of all that is trained on ``base``, without making it. Raises ModelError."""

    @abstractmethod
    def initial(self, base: Base, *, seed: int) -> AdapterState:
        """A fresh state, with which the model computes what the base computes, or nearly (see the method).

        Depends on the base and ``seed``; torch's own generator neither matters nor moves.
        """

    @abstractmethod
    def attach(self, base: Base, state: Mapping[str, torch.Tensor]) -> tuple[Tuned, Any]:
        """Put ``state`` on the base; return the handle and a function that takes it off again."""

    @abstractmethod
    def exported(self, base: Base) -> dict[str, Any]:
        """The content of ``adapter_config.json``: PEFT's where PEFT knows the method."""

    def merged(self, base: Base, state: Mapping[str, torch.Tensor]) -> AdapterState:
        """The base's tensors with ``state`` worked in, by the base's names, fp32.

        Raises ModelError for a method whose effect is not a change of weights.
        """
        raise ModelError(
            f"tuning kind {self.method!r} cannot be merged into the weights: its effect is not "
            "a change of weights. Serve it attached to the base, or train with kind lora or full."
        )


def state_shapes(state: Mapping[str, torch.Tensor]) -> Shapes:
    """Name -> shape, names sorted."""
    return {name: tuple(state[name].shape) for name in sorted(state)}


def require_shapes(state: Mapping[str, torch.Tensor], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ModelError, naming the first misfit, unless names and shapes are exactly as expected."""
    missing, extra = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or extra:
        fault = f"lacks {missing[0]!r}" if missing else f"has {extra[0]!r} in it"
        raise ModelError(
            f"the adapter does not fit: it {fault} ({len(missing)} missing, {len(extra)} unknown of "
            f"{len(expected)} tensors). Use the model and tuning settings that it was made with."
        )
    for name, shape in expected.items():
        if tuple(state[name].shape) != tuple(shape):
            raise ModelError(
                f"the adapter does not fit: {name!r} has shape {list(state[name].shape)}, "
                f"expected {list(shape)}. Use the model and rank that it was made with."
            )


def forked_devices(device: torch.device) -> list[torch.device]:
    """What ``torch.random.fork_rng`` is to keep besides the CPU's generator."""
    return [device] if device.type == "cuda" else []
