"""Adapter states: fp32 tensors by PEFT's names, to and from a model, bytes and a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from sft_shared.errors import ModelError
from sft_shared.files import write_atomic
from sft_shared.models.load import Base
from sft_shared.models.tuning import LoraSettings, factors_of, initial_factors, peft_config, target_linears

AdapterState = dict[str, torch.Tensor]
"""PEFT's state-dict name (``base_model.model.….lora_A.weight``) -> fp32 CPU tensor, names sorted."""

Shapes = dict[str, tuple[int, ...]]

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def adapter_state(model: Any) -> AdapterState:
    """A copy of the adapter of an attached model."""
    return {
        name: parameter.detach().to("cpu", torch.float32, copy=True).contiguous()
        for name, parameter in factors_of(model).items()
    }


def set_adapter_state(model: Any, state: Mapping[str, torch.Tensor]) -> None:
    """Overwrite the adapter of an attached model. Raises ModelError unless all names and shapes fit."""
    parameters = factors_of(model)
    require_shapes(state, {name: tuple(parameter.shape) for name, parameter in parameters.items()})
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state[name])


def initial_adapter(base: Base, settings: LoraSettings, *, seed: int) -> AdapterState:
    """The fresh adapter that ``attach_lora`` would give, without touching the base."""
    return initial_factors(base, settings, seed=seed)


def adapter_shapes(base: Base, settings: LoraSettings) -> Shapes:
    """Name -> shape of every tensor of an adapter with ``settings`` on ``base``, without making one.

    Raises ModelError on unknown targets.
    """
    shapes: Shapes = {}
    for name, linear in target_linears(base, settings).items():
        shapes[f"base_model.model.{name}.lora_A.weight"] = (settings.rank, linear.in_features)
        shapes[f"base_model.model.{name}.lora_B.weight"] = (linear.out_features, settings.rank)
    return dict(sorted(shapes.items()))


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


def to_bytes(state: Mapping[str, torch.Tensor]) -> bytes:
    """The state as a safetensors file; equal states give equal bytes."""
    tensors = {name: state[name].detach().to("cpu", torch.float32).contiguous() for name in sorted(state)}
    return safetensors.torch.save(tensors, metadata={"format": "pt"})


def from_bytes(data: bytes, *, expected: Mapping[str, tuple[int, ...]] | None = None) -> AdapterState:
    """Read what ``to_bytes`` wrote.

    Raises ModelError if it is not safetensors, not fp32, not finite, or not of the ``expected`` shapes.
    """
    try:
        state = safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError, OverflowError) as error:
        raise ModelError(f"the adapter is not a safetensors file: {error}. Export it again.") from None
    for name, tensor in state.items():
        if tensor.dtype != torch.float32 or not torch.isfinite(tensor).all():
            found = "values that are not finite" if tensor.dtype == torch.float32 else str(tensor.dtype)
            raise ModelError(f"the adapter's {name!r} has {found}, expected finite float32. Export it again.")
    if expected is not None:
        require_shapes(state, expected)
    return dict(sorted(state.items()))


def sha256_of(data: bytes) -> str:
    """Hex SHA-256, the name of an adapter's bytes."""
    return hashlib.sha256(data).hexdigest()


def subtract(new: Mapping[str, torch.Tensor], parent: Mapping[str, torch.Tensor]) -> AdapterState:
    """The delta ``new - parent``. Raises ModelError if they are not of one form."""
    require_shapes(new, state_shapes(parent))
    return {name: new[name] - parent[name] for name in sorted(parent)}


def add(parent: Mapping[str, torch.Tensor], delta: Mapping[str, torch.Tensor]) -> AdapterState:
    """``parent + delta``. Raises ModelError if they are not of one form."""
    require_shapes(delta, state_shapes(parent))
    return {name: parent[name] + delta[name] for name in sorted(parent)}


def save_adapter(
    folder: Path, state: Mapping[str, torch.Tensor], *, settings: LoraSettings, base: Base
) -> None:
    """Write ``folder`` so that ``peft.PeftModel.from_pretrained(base_model, folder)`` reads it.

    The same adapter gives the same bytes. Raises ModelError if the state does not fit the settings.
    """
    require_shapes(state, adapter_shapes(base, settings))
    config = peft_config(base, settings).to_dict()
    config = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    config["inference_mode"] = True
    write_atomic(folder / WEIGHTS, to_bytes(state))
    write_atomic(folder / CONFIG, (json.dumps(config, indent=2, sort_keys=True) + "\n").encode())


def load_adapter(folder: Path) -> AdapterState:
    """Read the weights that ``save_adapter`` wrote. Raises ModelError if they are missing or damaged."""
    try:
        data = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise ModelError(
            f"{folder / WEIGHTS}: {error.strerror}. Give a folder that holds a saved adapter."
        ) from None
    return from_bytes(data)
