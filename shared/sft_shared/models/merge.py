"""Work a saved adapter into its base and write a model that needs no adapter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError

from sft_shared.errors import ModelError
from sft_shared.models.adapters import SETTINGS, load_adapter
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.quiet import quiet_transformers
from sft_shared.models.tuned import AdapterState
from sft_shared.models.tuning import TuningSettings

_TUNING: TypeAdapter[TuningSettings] = TypeAdapter(TuningSettings)


@dataclass(frozen=True)
class Merged:
    """What was merged."""

    method: str
    model: str
    num_parameters: int


def merge_adapter(folder: Path, *, out: Path, model: str | None = None) -> Merged:
    """Merge the adapter in ``folder`` (of `save_adapter`) and write model and tokenizer to ``out``, in fp32.

    ``model`` names the base if it lies elsewhere than when the adapter was made; it must be the same one.

    Raises ModelError for a folder without an adapter of ours, another base, or a method that cannot be
    merged.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ModelError(f"{out}: is there already. Give a new folder for the merged model.")
    tuning, name, fingerprint = _read_settings(folder)
    base = load_base(ModelSettings(name=model or name, dtype="fp32", device="cpu"))
    if base.fingerprint != fingerprint:
        raise ModelError(
            f"{folder}: the adapter was made for a base with fingerprint {fingerprint}, {base.name!r} has "
            f"{base.fingerprint}. Give the right one with --model."
        )
    weights = tuning.merged(base, load_adapter(folder))
    save_merged(base, weights, out)
    return Merged(tuning.kind, base.name, sum(weight.numel() for weight in weights.values()))


def save_merged(base: Base, weights: AdapterState, out: Path) -> None:
    """Write ``weights`` (of `Tuning.merged`) with the base's settings and tokenizer.

    A head of its own unties the model.
    """
    head = base.model.get_output_embeddings()
    tied = head.weight is base.model.get_input_embeddings().weight
    head_name = next(name for name, module in base.model.named_modules() if module is head) + ".weight"
    config = type(base.model.config).from_dict(base.model.config.to_dict())
    if tied and head_name in weights:
        config.tie_word_embeddings = False
    config.dtype = torch.float32
    with quiet_transformers(), torch.device("meta"):
        empty = type(base.model)(config)
    empty.load_state_dict(weights, strict=False, assign=True)
    if tied and head_name not in weights:
        empty.tie_weights()
    with quiet_transformers():
        empty.save_pretrained(out)
        base.tokenizer.save_pretrained(out)


def _read_settings(folder: Path) -> tuple[TuningSettings, str, str]:
    path = folder / SETTINGS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return _TUNING.validate_python(facts["tuning"]), str(facts["model"]), str(facts["base_fingerprint"])
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}. Give a folder that `sft-client train` wrote.") from None
    except (ValueError, KeyError, TypeError, ValidationError):
        raise ModelError(f"{path}: damaged, or of another version. Train again.") from None
