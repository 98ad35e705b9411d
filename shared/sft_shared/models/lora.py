"""LoRA on the resident base: attached for a while, taken off without a trace."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import nn

from sft_shared.errors import ModelError
from sft_shared.models.load import Base
from sft_shared.models.quiet import quiet_transformers
from sft_shared.models.tuned import AdapterState, Shapes, Tuned, Tuning, forked_devices, require_shapes
from sft_shared.models.unfrozen import unfreeze

ADAPTER = "default"
STEM = "base_model.model."  # what PEFT puts before the base's own names
PISSA_ITERATIONS = 16  # of the randomised SVD; PEFT's pissa_niter_16


class LoraSettings(Tuning):
    """Low-rank adaptation (arXiv:2106.09685): W x + s B A x with A [r, d_in], B [d_out, r].

    ``targets`` are names of linear layers, or "all-linear" for all of them but the output embedding.
    The scaling s is alpha / rank, or alpha / sqrt(rank) with ``rslora`` (arXiv:2312.03732). ``dora``
    (arXiv:2402.09353) trains the length of each row of W + s B A apart from its direction.

    ``init: pissa`` (arXiv:2404.02948) begins with the ``rank`` principal components of W. PEFT takes them out
    of W for that; here W stays, and the same is said with twice the rank: [B, -B0] [A; A0] with B0 A0 the
    initial product, frozen. So the base remains everybody's, and the result loads as plain LoRA.

    ``bias: lora_only`` also trains the biases of the targets; ``modules_to_save: [lm_head]`` also trains the
    output embedding whole. Where that is tied to the input embedding it gets a copy of its own: the
    input embedding stays as it is, and a merged model is untied.
    """

    kind: Literal["lora"] = "lora"
    rank: PositiveInt = 16
    alpha: float = Field(default=32.0, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)  # share of the adapter's inputs zeroed in training
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    rslora: bool = False
    dora: bool = False
    init: Literal["zero", "pissa"] = "zero"  # zero: A uniform in +-1/sqrt(d_in), B zero
    bias: Literal["none", "lora_only"] = "none"
    modules_to_save: tuple[Literal["lm_head"], ...] = ()

    @model_validator(mode="after")
    def _one_start(self) -> LoraSettings:
        if self.dora and self.init == "pissa":
            raise ValueError("dora: cannot be combined with init pissa. Choose one of them")
        if self.dora and self.dropout:
            raise ValueError("dora: cannot be combined with dropout. Set dropout to 0")
        return self

    @property
    def scaling(self) -> float:
        """The factor s on B A."""
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)

    @property
    def stored_rank(self) -> int:
        """Rows of A as saved: with ``init: pissa`` the initial product comes along."""
        return self.rank * (2 if self.init == "pissa" else 1)

    @property
    def stored_alpha(self) -> float:
        """The alpha that gives `scaling` with `stored_rank`."""
        return self.scaling * (math.sqrt(self.stored_rank) if self.rslora else self.stored_rank)

    def note(self, base: Base) -> str:
        """What becomes of a tied head, and what ``init: pissa`` stores."""
        notes = []
        if self.modules_to_save:
            head = base.model.get_output_embeddings().weight
            tied = base.model.config.get_text_config().tie_word_embeddings
            how = "tied to the input embedding, so trained as a copy of its own" if tied else "trained whole"
            notes.append(f"lm_head: {how}; {head.numel():,} numbers more in every update")
        if self.init == "pissa":
            notes.append(f"init pissa: stored with rank {self.stored_rank}, half of it frozen")
        return "; ".join(notes)

    def shapes(self, base: Base) -> Shapes:
        """Name -> shape, by PEFT's names. Raises ModelError on unknown targets or absent biases."""
        shapes: Shapes = {}
        for name, linear in target_linears(base, self).items():
            shapes[f"{STEM}{name}.lora_A.weight"] = (self.stored_rank, linear.in_features)
            shapes[f"{STEM}{name}.lora_B.weight"] = (linear.out_features, self.stored_rank)
            if self.dora:
                shapes[f"{STEM}{name}.lora_magnitude_vector"] = (linear.out_features,)
        for name, (module, attribute) in self._extras(base).items():
            shapes[name] = tuple(getattr(module, attribute).shape)
        return dict(sorted(shapes.items()))

    def initial(self, base: Base, *, seed: int) -> AdapterState:
        """The base's own output: A random and B zero (as LoRA and PEFT do), or by ``init``."""
        generator = torch.Generator().manual_seed(seed)
        state: AdapterState = {}
        for name, linear in target_linears(base, self).items():
            if self.init == "pissa":
                down, up = self._principal(linear.weight, seed=seed)
            else:
                bound = 1 / math.sqrt(linear.in_features)
                down = torch.empty(self.rank, linear.in_features).uniform_(-bound, bound, generator=generator)
                up = torch.zeros(linear.out_features, self.rank)
            state[f"{STEM}{name}.lora_A.weight"], state[f"{STEM}{name}.lora_B.weight"] = down, up
            if self.dora:
                lengths = torch.linalg.vector_norm(linear.weight.detach().float(), dim=1)
                state[f"{STEM}{name}.lora_magnitude_vector"] = lengths.cpu()
        for name, (module, attribute) in self._extras(base).items():
            state[name] = getattr(module, attribute).detach().to("cpu", torch.float32, copy=True)
        return dict(sorted(state.items()))

    def attach(self, base: Base, state: Mapping[str, torch.Tensor]) -> tuple[Tuned, Callable[[], None]]:
        """Wrap the targets with PEFT's layers; the base's weights stay frozen and shared."""
        from peft import get_peft_model

        require_shapes(state, self.shapes(base))
        extras = {name: [place] for name, place in self._extras(base).items()}
        with quiet_transformers(), torch.random.fork_rng(devices=forked_devices(base.device)):
            model = get_peft_model(base.model, self._peft(base))
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        parameters, live, restore = unfreeze(base, extras, state)
        factors = _factors(model)
        for name, parameter in factors.items():
            parameter.requires_grad_(True)
            parameter.data = state[name].to(base.device, torch.float32, copy=True).view(parameter.shape)

        def detach() -> None:
            restore()
            model.unload()
            if hasattr(base.model, "peft_config"):
                del base.model.peft_config

        modules = dict(model.named_modules())
        model.eval()
        tuned = Tuned(
            base=base,
            model=model,
            parameters=dict(sorted((factors | parameters).items())),
            live=live,
            dropouts=tuple(modules[name] for name in modules if name.endswith(".lora_dropout")),
            frozen_rows=self._frozen(factors),
        )
        return tuned, detach

    def exported(self, base: Base) -> dict[str, Any]:
        """PEFT's configuration of the same adapter."""
        config = {
            key: sorted(value) if isinstance(value, set) else value
            for key, value in self._peft(base).to_dict().items()
        }
        config["modules_to_save"] = list(self.modules_to_save) or None
        config["bias"] = self.bias
        return config

    def merged(self, base: Base, state: Mapping[str, torch.Tensor]) -> AdapterState:
        """W + s B A for every target, with DoRA each row at its trained length; a trained head unties it."""
        require_shapes(state, self.shapes(base))
        weights = {
            name: parameter.detach().to("cpu", torch.float32, copy=True)
            for name, parameter in base.model.named_parameters(remove_duplicate=False)
        }
        for name in target_linears(base, self):
            product = state[f"{STEM}{name}.lora_B.weight"] @ state[f"{STEM}{name}.lora_A.weight"]
            weight = weights[f"{name}.weight"] + self.scaling * product
            if self.dora:
                lengths = state[f"{STEM}{name}.lora_magnitude_vector"]
                weight *= (lengths / torch.linalg.vector_norm(weight, dim=1))[:, None]
            weights[f"{name}.weight"] = weight
        for name in self._extras(base):
            weights[name.removeprefix(STEM).replace(".base_layer.", ".")] = state[name].clone()
        if not self.modules_to_save:
            own = {name for name, _ in base.model.named_parameters()}
            weights = {name: weight for name, weight in weights.items() if name in own}
        return dict(sorted(weights.items()))

    def _peft(self, base: Base) -> Any:
        from peft import LoraConfig

        if self.targets == "all-linear":
            targets = sorted({name.rpartition(".")[2] for name in target_linears(base, self)})
        else:
            targets = sorted(self.targets)
        return LoraConfig(
            task_type="CAUSAL_LM",
            base_model_name_or_path=base.name,
            r=self.stored_rank,
            lora_alpha=self.stored_alpha,
            lora_dropout=self.dropout,
            use_rslora=self.rslora,
            use_dora=self.dora,
            target_modules=targets,
        )

    def _extras(self, base: Base) -> dict[str, tuple[nn.Module, str]]:
        """Name as PEFT saves it -> where in the base it is, for what is trained besides the factors."""
        extras: dict[str, tuple[nn.Module, str]] = {}
        if self.bias == "lora_only":
            extras |= {
                f"{STEM}{name}.base_layer.bias": (linear, "bias")
                for name, linear in target_linears(base, self).items()
                if linear.bias is not None
            }
            if not extras:
                raise ModelError(
                    f"tuning.bias: found 'lora_only', but no target layer of {base.name!r} has a bias. "
                    "Set bias to none."
                )
        if self.modules_to_save:
            head = base.model.get_output_embeddings()
            name = next(name for name, module in base.model.named_modules() if module is head)
            extras[f"{STEM}{name}.weight"] = (head, "weight")
        return extras

    def _principal(self, weight: torch.Tensor, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """[A0; A0] and [B0, -B0] with s B0 A0 the best approximation of rank r of ``weight``, about."""
        wide = weight.detach().to("cpu", torch.float32)
        rank = min(self.rank, *wide.shape)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            left, values, right = torch.svd_lowrank(wide, q=rank, niter=PISSA_ITERATIONS)
        roots = (values / self.scaling).sqrt()
        down, up = torch.zeros(self.rank, wide.shape[1]), torch.zeros(wide.shape[0], self.rank)
        down[:rank], up[:, :rank] = roots[:, None] * right.t(), left * roots
        return torch.cat([down, down]), torch.cat([up, -up], 1)

    def _frozen(self, factors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if self.init != "pissa":
            return {}
        masks = {}
        for name, factor in factors.items():
            mask = torch.zeros(factor.shape, dtype=torch.bool, device=factor.device)
            if name.endswith(".lora_A.weight"):
                mask[self.rank :] = True
            else:
                mask[:, self.rank :] = True
            masks[name] = mask
        return masks


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


def _factors(model: Any) -> dict[str, nn.Parameter]:
    """The live LoRA parameters of a PEFT model by the names that PEFT saves them under, sorted."""
    found = {}
    for name, parameter in model.named_parameters():
        stem, marker, _ = name.partition(f".{ADAPTER}.weight")
        if marker and (".lora_A" in stem or ".lora_B" in stem):
            found[f"{stem}.weight"] = parameter
        elif marker and stem.endswith(".lora_magnitude_vector"):
            found[stem] = parameter
    return dict(sorted(found.items()))
