"""LoRA on the resident base: attached for a while, taken off without a trace."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from pydantic import Field, PositiveInt
from torch import nn

from sft_shared.config import Settings
from sft_shared.errors import ModelError
from sft_shared.models.load import Base
from sft_shared.models.quiet import quiet_transformers

ADAPTER = "default"


class LoraSettings(Settings):
    """Low-rank adaptation (arXiv:2106.09685): W x + s B A x with A [r, d_in], B [d_out, r].

    ``targets`` are names of linear layers, or "all-linear" for all of them but the output embedding.
    The scaling s is alpha / rank, or alpha / sqrt(rank) with ``rslora`` (arXiv:2312.03732).
    """

    kind: Literal["lora"] = "lora"
    rank: PositiveInt = 16
    alpha: float = Field(default=32.0, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)  # share of the adapter's inputs zeroed in training
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    rslora: bool = False

    @property
    def scaling(self) -> float:
        """The factor s on B A."""
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)


def target_linears(base: Base, settings: LoraSettings) -> dict[str, nn.Linear]:
    """Return full name -> layer for what ``settings.targets`` names, in the model's order.

    The names are those of the bare base, also while an adapter is attached.

    Raises ModelError that lists the model's linear layers if a target names none of them.
    """
    head = base.model.get_output_embeddings()
    linears = {
        name.removesuffix(".base_layer"): module
        for name, module in base.model.named_modules()
        if isinstance(module, nn.Linear) and module is not head and ".lora_" not in name
    }
    known = sorted({name.rpartition(".")[2] for name in linears})
    if not known:
        raise ModelError(
            f"model {base.name!r} has no linear layers that LoRA can adapt. Choose another model."
        )
    if settings.targets == "all-linear":
        return linears
    unknown = [target for target in settings.targets if not _named(linears, target)]
    if unknown or not settings.targets:
        found = ", ".join(map(repr, unknown)) or "an empty list"
        raise ModelError(
            f"tuning.targets: found {found}; the linear layers of {base.name!r} are {', '.join(known)}. "
            "Name some of these, or write all-linear."
        )
    chosen = {name for target in settings.targets for name in _named(linears, target)}
    return {name: module for name, module in linears.items() if name in chosen}


def _named(linears: dict[str, nn.Linear], target: str) -> list[str]:
    return [name for name in linears if name == target or name.endswith(f".{target}")]


def peft_config(base: Base, settings: LoraSettings) -> Any:
    """The same settings as a ``peft.LoraConfig``, its targets spelled out."""
    from peft import LoraConfig

    if settings.targets == "all-linear":
        targets = sorted({name.rpartition(".")[2] for name in target_linears(base, settings)})
    else:
        targets = sorted(settings.targets)
    return LoraConfig(
        task_type="CAUSAL_LM",
        base_model_name_or_path=base.name,
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        use_rslora=settings.rslora,
        target_modules=targets,
    )


def initial_factors(base: Base, settings: LoraSettings, *, seed: int) -> dict[str, torch.Tensor]:
    """A fresh adapter by PEFT's names, fp32 on the CPU: A uniform in +-1/sqrt(d_in), B zero.

    That is LoRA's (and PEFT's) initialisation; the numbers depend on ``seed`` and shapes only, not on
    the device, the dtype or what else drew random numbers. Raises ModelError on unknown targets.
    """
    generator = torch.Generator().manual_seed(seed)
    factors = {}
    for name, linear in target_linears(base, settings).items():
        bound = 1 / math.sqrt(linear.in_features)
        down = torch.empty(settings.rank, linear.in_features).uniform_(-bound, bound, generator=generator)
        factors[f"base_model.model.{name}.lora_A.weight"] = down
        factors[f"base_model.model.{name}.lora_B.weight"] = torch.zeros(linear.out_features, settings.rank)
    return dict(sorted(factors.items()))


def factors_of(model: Any) -> dict[str, nn.Parameter]:
    """The live LoRA parameters of an attached model by PEFT's state-dict names, sorted."""
    marker = f".{ADAPTER}.weight"
    found = {
        name.removesuffix(marker) + ".weight": parameter
        for name, parameter in model.named_parameters()
        if name.endswith(marker) and (".lora_A." in name or ".lora_B." in name)
    }
    return dict(sorted(found.items()))


def attach_lora(base: Base, settings: LoraSettings, *, seed: int) -> Any:
    """Put a fresh adapter (fp32, see ``initial_factors``) on the base; return the ``peft.PeftModel``.

    The base's modules are wrapped in place, its weights stay frozen and shared. ``detach_lora`` undoes
    it. Raises ModelError on unknown targets, or if an adapter is attached already.
    """
    from peft import get_peft_model

    if hasattr(base.model, "peft_config"):
        raise ModelError(f"model {base.name!r} carries an adapter already. Detach it first (detach_lora).")
    factors = initial_factors(base, settings, seed=seed)
    with quiet_transformers(), torch.random.fork_rng(devices=forked_devices(base.device)):
        model = get_peft_model(base.model, peft_config(base, settings))
    with torch.no_grad():
        for name, parameter in factors_of(model).items():
            parameter.copy_(factors[name])
    return model


def detach_lora(model: Any) -> None:
    """Take the adapter of ``attach_lora`` off; the base is then as it was, bit for bit."""
    model.unload()
    base_model = model.get_base_model()
    if hasattr(base_model, "peft_config"):
        del base_model.peft_config


def forked_devices(device: torch.device) -> list[torch.device]:
    """What ``torch.random.fork_rng`` is to keep besides the CPU's generator."""
    return [device] if device.type == "cuda" else []


@contextmanager
def attached_lora(base: Base, settings: LoraSettings, *, seed: int) -> Iterator[Any]:
    """``attach_lora`` for the length of a block."""
    model = attach_lora(base, settings, seed=seed)
    try:
        yield model
    finally:
        detach_lora(model)
