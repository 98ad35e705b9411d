"""Adapter states: fp32 tensors by PEFT's names, to and from a model, bytes and a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors

from sft_shared.errors import ModelError
from sft_shared.files import write_atomic
from sft_shared.models.load import Base
from sft_shared.models.tuned import AdapterState, require_shapes, state_shapes
from sft_shared.models.tuning import TuningSettings

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
SETTINGS = "fedsft.json"  # the tuning settings and the base, so that the adapter can be put on again


def to_bytes(state: Mapping[str, torch.Tensor]) -> bytes:
    """The state as a safetensors file; equal states give equal bytes."""
    tensors = {name: state[name].detach().to("cpu", torch.float32).contiguous() for name in sorted(state)}
    return write_tensors(tensors, metadata={"format": "pt"})


def from_bytes(data: bytes, *, expected: Mapping[str, tuple[int, ...]] | None = None) -> AdapterState:
    """Read what ``to_bytes`` wrote.

    Raises ModelError if it is not safetensors, not fp32, not finite, or not of the ``expected`` shapes.
    """
    try:
        state = read_tensors(data)
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
    folder: Path, state: Mapping[str, torch.Tensor], *, settings: TuningSettings, base: Base
) -> None:
    """Write ``folder``; for lora and prefix, ``peft.PeftModel.from_pretrained(base_model, folder)`` reads it.

    The same adapter gives the same bytes. Raises ModelError if the state does not fit the settings.
    """
    require_shapes(state, settings.shapes(base))
    config = {**settings.exported(base), "inference_mode": True}
    write_atomic(folder / WEIGHTS, to_bytes(state))
    write_atomic(folder / CONFIG, _json(config))
    kept = {
        "tuning": settings.model_dump(mode="json"),
        "model": base.name,
        "base_fingerprint": base.fingerprint,
    }
    write_atomic(folder / SETTINGS, _json(kept))


def load_adapter(folder: Path) -> AdapterState:
    """Read the weights that ``save_adapter`` wrote. Raises ModelError if they are missing or damaged."""
    try:
        data = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise ModelError(
            f"{folder / WEIGHTS}: {error.strerror}. Give a folder that holds a saved adapter."
        ) from None
    return from_bytes(data)


@dataclass(frozen=True)
class Origin:
    """What a saved adapter was made with."""

    tuning: TuningSettings
    model: str  # the base's name where it was made
    base_fingerprint: str


def read_origin(folder: Path) -> Origin:
    """Read what ``save_adapter`` noted beside the weights. Raises ModelError if it is missing or damaged."""
    path = folder / SETTINGS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        tuning = _TUNING.validate_python(facts["tuning"])
        return Origin(tuning, str(facts["model"]), str(facts["base_fingerprint"]))
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}. Give a folder that `sft-client train` wrote.") from None
    except (ValueError, KeyError, TypeError, ValidationError):
        raise ModelError(f"{path}: damaged, or of another version. Train again.") from None


def require_base(folder: Path, origin: Origin, base: Base) -> None:
    """Raises ModelError if the adapter in ``folder`` was made for another base."""
    if base.fingerprint != origin.base_fingerprint:
        raise ModelError(
            f"{folder}: the adapter was made for a base with fingerprint {origin.base_fingerprint}, "
            f"{base.name!r} has {base.fingerprint}. Give the right one with --model."
        )


_TUNING: TypeAdapter[TuningSettings] = TypeAdapter(TuningSettings)


def _json(values: Mapping[str, object]) -> bytes:
    return (json.dumps(values, indent=2, sort_keys=True) + "\n").encode()
