"""Work a saved adapter into its base and write a model that needs no adapter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from sft_shared.errors import ModelError
from sft_shared.models.adapters import load_adapter, read_origin, require_base
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.quiet import quiet_transformers
from sft_shared.models.tuned import AdapterState


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
    made = read_origin(folder)
    base = load_base(ModelSettings(name=model or made.model, dtype="fp32", device="cpu"))
    require_base(folder, made, base)
    tuning = made.tuning
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
