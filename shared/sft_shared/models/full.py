"""Full fine-tuning: every weight of the base is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import nn

from sft_shared.models.load import Base
from sft_shared.models.tuned import AdapterState, Shapes, Tuned, Tuning, require_shapes
from sft_shared.models.unfrozen import unfreeze


class FullSettings(Tuning):
    """Train all weights, by the base's own names; tied tensors are one and stay tied.

    A state holds the whole model, so a delta is as large as the model: for a federation of large models
    choose lora.
    """

    kind: Literal["full"] = "full"

    def note(self, base: Base) -> str:
        """How large it is."""
        return f"every update is as large as the model: {base.num_parameters:,} numbers"

    def shapes(self, base: Base) -> Shapes:
        """Name -> shape of every weight, tied ones once."""
        return {name: tuple(parameter.shape) for name, parameter in _own(base).items()}

    def initial(self, base: Base, *, seed: int) -> AdapterState:
        """The base's weights; ``seed`` changes nothing."""
        return {
            name: parameter.detach().to("cpu", torch.float32, copy=True)
            for name, parameter in _own(base).items()
        }

    def attach(self, base: Base, state: Mapping[str, torch.Tensor]) -> tuple[Tuned, Callable[[], None]]:
        """Let the base compute with ``state`` in place of its own weights."""
        require_shapes(state, self.shapes(base))
        names = {id(parameter): name for name, parameter in _own(base).items()}
        places: dict[str, list[tuple[nn.Module, str]]] = {name: [] for name in names.values()}
        for module in base.model.modules():
            for attribute, parameter in module._parameters.items():
                if parameter is not None:
                    places[names[id(parameter)]].append((module, attribute))
        parameters, live, restore = unfreeze(base, places, state)
        return Tuned(base=base, model=base.model, parameters=parameters, live=live), restore

    def exported(self, base: Base) -> dict[str, Any]:
        """What it is; no library reads this one."""
        return {"fedsft_kind": self.kind, "base_model_name_or_path": base.name}

    def merged(self, base: Base, state: Mapping[str, torch.Tensor]) -> AdapterState:
        """The state itself."""
        require_shapes(state, self.shapes(base))
        return dict(state)


def _own(base: Base) -> dict[str, nn.Parameter]:
    return dict(sorted(base.model.named_parameters()))
