"""Elastic weight consolidation: keep close, where it matters, to what served earlier tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors

from sft_shared.config import Settings
from sft_shared.errors import TrainingError
from sft_shared.files import write_lasting
from sft_shared.models.tuned import AdapterState, Tuned, require_shapes, state_shapes

FILE = "ewc.safetensors"


class EwcSettings(Settings):
    """L + strength / 2 * sum_i F_i (theta_i - theta*_i)^2 (Kirkpatrick et al., 2017, arXiv:1612.00796).

    theta* are the parameters after the last training, F the diagonal of the empirical Fisher information on
    its examples: the mean over examples of the *squared gradient of one example's* log-likelihood, not
    the square of a batch's mean gradient. Over several trainings F is kept as one running sum, the old part
    multiplied by ``decay`` (online EWC, arXiv:1805.06370): memory does not grow with the number of tasks.
    """

    strength: NonNegativeFloat = 2000.0  # lambda; 0: no pull, but F is still estimated for later
    fisher_examples: PositiveInt = 64  # how many examples F is estimated from, drawn by the training's seed
    decay: float = Field(default=0.9, ge=0, le=1)  # of what earlier trainings found important


@dataclass(frozen=True)
class EwcState:
    """What earlier trainings found important: ``fisher`` and ``anchor`` by parameter name, fp32."""

    fisher: Mapping[str, torch.Tensor]
    anchor: Mapping[str, torch.Tensor]

    def to_bytes(self) -> bytes:
        """As a safetensors file; equal states give equal bytes."""
        tensors = {f"fisher.{name}": self.fisher[name] for name in sorted(self.fisher)}
        tensors |= {f"anchor.{name}": self.anchor[name] for name in sorted(self.anchor)}
        return write_tensors(tensors)

    @classmethod
    def from_bytes(cls, data: bytes) -> EwcState:
        """Read what `to_bytes` wrote. Raises TrainingError if it is damaged."""
        try:
            tensors = read_tensors(data)
        except (SafetensorError, ValueError, KeyError) as error:
            raise TrainingError(f"the EWC state is not a safetensors file: {error}. Remove it.") from None
        parts: dict[str, AdapterState] = {"fisher": {}, "anchor": {}}
        for name, tensor in sorted(tensors.items()):
            part, _, rest = name.partition(".")
            if part not in parts or tensor.dtype != torch.float32 or not tensor.isfinite().all():
                raise TrainingError(f"the EWC state has an unexpected tensor {name!r}. Remove it.")
            parts[part][rest] = tensor
        return cls(**parts)


def save_ewc(folder: Path, state: EwcState) -> None:
    """Write ``state`` beside an adapter, durably and whole or not at all."""
    write_lasting(folder / FILE, state.to_bytes())


def load_ewc(folder: Path) -> EwcState | None:
    """What `save_ewc` wrote, or None if there is none. Raises TrainingError if it is damaged."""
    try:
        return EwcState.from_bytes((folder / FILE).read_bytes())
    except FileNotFoundError:
        return None
    except TrainingError as error:
        raise TrainingError(f"{folder / FILE}: {error}") from None


class Pull:
    """The penalty as a function of live parameters."""

    def __init__(self, tuned: Tuned, state: EwcState, *, strength: float) -> None:
        """Raises ModelError if ``state`` is of another adapter's form."""
        shapes = {name: tuple(parameter.shape) for name, parameter in tuned.parameters.items()}
        require_shapes(state.fisher, shapes)
        require_shapes(state.anchor, shapes)
        device = tuned.base.device
        self._terms = [
            (parameter, state.fisher[name].to(device), state.anchor[name].to(device))
            for name, parameter in tuned.parameters.items()
        ]
        self._strength = strength

    def __call__(self) -> torch.Tensor:
        """The penalty now, a scalar with a graph."""
        away = [(fisher * (parameter - anchor).square()).sum() for parameter, fisher, anchor in self._terms]
        return torch.stack(away).sum() * (0.5 * self._strength)


def diagonal_fisher(
    tuned: Tuned, items: Iterable[int], *, negative_log_likelihood: Callable[[int], torch.Tensor]
) -> AdapterState:
    """Mean over ``items`` of the squared gradient of ``negative_log_likelihood(item)``, by name, fp32 CPU.

    That function returns the sum over one example's supervised tokens, a scalar with a graph. One backward
    pass an example: a batch's gradient, squared, would be another number (it lets examples cancel).
    """
    sums = {name: torch.zeros_like(parameter) for name, parameter in tuned.parameters.items()}
    count = 0
    for item in items:
        torch.autograd.backward(negative_log_likelihood(item))
        tuned.collect_gradients()
        for name, parameter in tuned.parameters.items():
            if parameter.grad is not None:
                sums[name].addcmul_(parameter.grad, parameter.grad)
                parameter.grad = None
        count += 1
    return {name: (total / max(count, 1)).cpu() for name, total in sums.items()}


def consolidate(
    before: EwcState | None, *, fisher: AdapterState, anchor: AdapterState, decay: float
) -> EwcState:
    """The state after a training: its Fisher plus ``decay`` times the earlier one, at its parameters.

    Raises TrainingError if the Fisher is not finite.
    """
    odd = next((name for name, tensor in fisher.items() if not tensor.isfinite().all()), None)
    if odd is not None:
        raise TrainingError(
            f"the Fisher information of {odd!r} is not finite: the training ended where gradients overflow. "
            "Lower training.learning_rate, or leave training.ewc out."
        )
    if before is None:
        return EwcState(fisher=fisher, anchor=anchor)
    require_shapes(before.fisher, state_shapes(fisher))
    return EwcState(
        fisher={name: decay * before.fisher[name] + fisher[name] for name in sorted(fisher)}, anchor=anchor
    )
