"""Train tensors of the base itself: for a while it computes with copies, its own stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

from sft_shared.models.load import Base


def unfreeze(
    base: Base, places: Mapping[str, Iterable[tuple[nn.Module, str]]], state: Mapping[str, torch.Tensor]
) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter], Callable[[], None]]:
    """Put a trainable copy, with the values of ``state``, at all ``(module, attribute)`` places of a name.

    Returns the fp32 parameters by name; those that the model computes with where its dtype is narrower
    (else none); and a function that puts the base's own tensors back, the very same objects.
    """
    parameters: dict[str, nn.Parameter] = {}
    live: dict[str, nn.Parameter] = {}
    before: list[tuple[nn.Module, str, nn.Parameter | None]] = []
    for name, spots in places.items():
        master = nn.Parameter(state[name].to(base.device, torch.float32, copy=True))
        parameters[name] = master
        seen = master
        if base.dtype != torch.float32:
            seen = live[name] = nn.Parameter(master.detach().to(base.dtype))
        for module, attribute in spots:
            before.append((module, attribute, module._parameters[attribute]))
            module._parameters[attribute] = seen

    def restore() -> None:
        for module, attribute, parameter in before:
            module._parameters[attribute] = parameter

    return parameters, live, restore
