"""Load a base model once per process and keep it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, ValidationInfo, field_validator
from safetensors import SafetensorError

from sft_shared.config import Settings
from sft_shared.errors import ModelError
from sft_shared.models.fingerprint import fingerprint_of
from sft_shared.models.precision import fastest_dtype
from sft_shared.models.quiet import quiet_transformers
from sft_shared.models.sources import model_folder

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class ModelSettings(Settings):
    """Which base model, and how to compute with it.

    ``name`` is a known package model (``smollm2-135m``), a local folder, or a hub id. ``dtype`` "auto"
    takes bf16 only where this machine is measurably faster at it; ``device`` "auto" takes CUDA if there
    is one.
    """

    name: str = Field(default="smollm2-135m", min_length=1)
    dtype: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @field_validator("name")
    @classmethod
    def _beside_the_file(cls, name: str, info: ValidationInfo) -> str:
        base = (info.context or {}).get("base_dir")
        folder = None if base is None else Path(base) / name
        return str(folder) if folder is not None and folder.is_dir() else name


@dataclass(frozen=True, eq=False)
class Base:
    """A frozen base model in memory, with what belongs to it.

    ``fingerprint`` is equal on all machines that hold the same weights, tokenizer and template,
    whatever their dtype.
    """

    model: Any  # transformers.PreTrainedModel
    tokenizer: Any  # transformers.PreTrainedTokenizerBase
    fingerprint: str
    name: str
    dtype: torch.dtype
    device: torch.device
    num_parameters: int  # tied ones once

    @property
    def max_positions(self) -> int | None:
        """Tokens of a text with what follows it; None: the model does not say."""
        window = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return int(window) if window else None


_resident: dict[tuple[str, torch.dtype, str], Base] = {}
_loading = threading.Lock()


def load_base(settings: ModelSettings) -> Base:
    """Return the base model of ``settings``; the second call in a process returns the same object.

    Its weights are frozen and it stays as loaded: adapters are attached and taken off again (see
    ``models.tuning``). Raises ModelError if the model is missing, cannot be read, or has no chat template.
    """
    device = _device(settings.device)
    dtype = fastest_dtype(device) if settings.dtype == "auto" else DTYPES[settings.dtype]
    with _loading:
        key = (settings.name, dtype, device.type)
        if key not in _resident:
            _resident[key] = _load(settings.name, dtype=dtype, device=device)
        return _resident[key]


def _device(name: Literal["auto", "cpu", "cuda"]) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ModelError("model.device is cuda, but torch sees no CUDA device. Set it to auto or cpu.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _load(name: str, *, dtype: torch.dtype, device: torch.device) -> Base:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = model_folder(name)
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(
                str(folder),
                dtype=dtype,
                attn_implementation="sdpa",
                use_safetensors=True,
                local_files_only=True,
            )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        reason = (
            str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        )
        raise ModelError(
            f"model {name!r}: {folder} cannot be loaded: {reason}. Save it again with save_pretrained()."
        ) from None
    if not isinstance(tokenizer.chat_template, str):
        raise ModelError(
            f"model {name!r}: its tokenizer has no chat template. Choose an instruction-tuned model."
        )
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"model {name!r}: its tokenizer has no end token. Set eos_token in tokenizer_config.json."
        )
    model.to(device).eval().requires_grad_(False)
    return Base(
        model=model,
        tokenizer=tokenizer,
        fingerprint=fingerprint_of(folder, chat_template=tokenizer.chat_template),
        name=name,
        dtype=dtype,
        device=device,
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
    )
