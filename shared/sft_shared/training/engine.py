"""From a loss to an update: scaling, sharing the work between processes, clipping, the optimizer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from sft_shared.data.chat import Row
from sft_shared.errors import TrainingError
from sft_shared.models.tuned import Tuned
from sft_shared.training.launch import Processes
from sft_shared.training.step import Objective


class Engine:
    """One process, or several that each compute a part of every batch and add up their gradients.

    In fp16 the loss is scaled so that small gradients survive; a step whose gradient overflows is left out
    and the scale halved (arXiv:1710.03740, torch's GradScaler).
    """

    sharded = False  # whether gradients and optimizer state are spread over processes

    def __init__(
        self,
        tuned: Tuned,
        optimizer: torch.optim.Optimizer,
        *,
        clip_norm: float | None,
        processes: Processes,
    ) -> None:
        self.tuned, self.optimizer, self.processes = tuned, optimizer, processes
        self._clip_norm = clip_norm or math.inf
        device = tuned.base.device.type
        self.scaler = torch.amp.GradScaler(device, enabled=tuned.base.dtype == torch.float16)
        self._frozen = {name: tuned.parameters[name].detach().clone() for name in tuned.frozen_rows}

    def begin(self, learning_rate: float) -> None:
        """Start a step."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate

    def backward(
        self, objective: Objective, rows: Sequence[Row], *, denominator: int, extra: torch.Tensor | None
    ) -> float:
        """Add the gradient of the rows' summed loss over ``denominator``, plus ``extra``; return the sum.

        ``denominator`` counts the whole batch of all processes; ``extra`` is the same on each of them.
        """
        total = objective(rows) if rows else None
        loss = None if total is None else total / denominator
        if extra is not None:
            shared = extra / self.processes.number
            loss = shared if loss is None else loss + shared
        if loss is not None:
            torch.autograd.backward(self.scaler.scale(loss))
            self.tuned.collect_gradients()
        return 0.0 if total is None else float(total.detach())

    def update(self) -> tuple[float, bool]:
        """Clip and step; return the gradient's norm before clipping, and whether the step was left out."""
        parameters = list(self.tuned.parameters.values())
        if self.processes.number > 1:
            self._add_up(parameters)
        self.scaler.unscale_(self.optimizer)
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, self._clip_norm))
        skipped = self.scaler.is_enabled() and not math.isfinite(norm)
        if math.isfinite(norm) or self.scaler.is_enabled():  # else the caller reports it; nothing is spoilt
            self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self._hold_frozen()
        self.tuned.publish()
        return norm, skipped

    def total(self, value: float) -> float:
        """The sum of ``value`` over all processes."""
        number = torch.tensor(value, dtype=torch.float64, device=self.tuned.base.device)
        return float(self.processes.add_up(number))

    def _add_up(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        flat = torch.cat(
            [(p.grad if p.grad is not None else torch.zeros_like(p)).reshape(-1) for p in parameters]
        )
        self.processes.add_up(flat)
        for parameter, part in zip(
            parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True
        ):
            parameter.grad = part.view(parameter.shape)

    @torch.no_grad()
    def _hold_frozen(self) -> None:
        """Weight decay moves all of a tensor; what is frozen goes back."""
        for name, mask in self.tuned.frozen_rows.items():
            parameter = self.tuned.parameters[name]
            parameter.copy_(torch.where(mask, self._frozen[name], parameter))


class DeepSpeedEngine(Engine):
    """DeepSpeed's own engine, made by accelerate from the launcher's config file (ZeRO stages 0 to 2).

    It holds the trained parameters only; the frozen base is whole on every process.
    """

    sharded = True

    def __init__(
        self,
        tuned: Tuned,
        optimizer: torch.optim.Optimizer,
        *,
        clip_norm: float | None,
        processes: Processes,
        accumulation: int,
    ) -> None:
        super().__init__(tuned, optimizer, clip_norm=clip_norm, processes=processes)
        if tuned.live or self.scaler.is_enabled() or tuned.frozen_rows:
            raise TrainingError(
                "DeepSpeed trains kinds lora, adapter and prefix on a base in fp32 or bf16, without biases, "
                "modules_to_save and init pissa, and kind full in fp32 only. Change tuning or model.dtype, "
                "or launch without DeepSpeed."
            )
        plugin = processes.deepspeed
        if plugin.zero_stage > 2:
            raise TrainingError(
                f"DeepSpeed ZeRO stage {plugin.zero_stage} takes the parameters apart, which this step "
                "cannot compute with. Set zero_stage to 2 or lower."
            )
        from deepspeed import initialize

        config = {
            **{key: value for key, value in plugin.deepspeed_config.items() if value != "auto"},
            "train_micro_batch_size_per_gpu": 1,  # DeepSpeed only counts with it; the batches are ours
            "gradient_accumulation_steps": accumulation,
            "gradient_clipping": clip_norm or 0.0,
            "zero_allow_untested_optimizer": True,  # torch's AdamW
        }
        config.pop("train_batch_size", None)  # follows from the others
        self._accumulation = accumulation
        self._module, self.optimizer, _, _ = initialize(
            model=_Holder(tuned), optimizer=optimizer, config=config
        )

    def backward(
        self, objective: Objective, rows: Sequence[Row], *, denominator: int, extra: torch.Tensor | None
    ) -> float:
        """As `Engine.backward`; DeepSpeed takes a mean over processes and parts: the loss is multiplied."""
        total = objective(rows) if rows else None
        loss = self._module() if total is None else total / denominator + self._module()
        loss = loss * (self.processes.number * self._accumulation)
        if extra is not None:
            loss = loss + extra * self._accumulation
        self._module.backward(loss)
        self._module.step()  # does nothing before the last part
        return 0.0 if total is None else float(total.detach())

    def update(self) -> tuple[float, bool]:
        """The step was taken with the last part."""
        norm = self._module.get_global_grad_norm()
        return (math.nan if norm is None else float(norm)), False


class _Holder(torch.nn.Module):
    """The trained parameters as a module for DeepSpeed; its output is zero, and touches each of them."""

    def __init__(self, tuned: Tuned) -> None:
        super().__init__()
        self.held = torch.nn.ParameterList(tuned.parameters.values())

    def forward(self) -> torch.Tensor:
        return torch.stack([parameter.sum() * 0.0 for parameter in self.held]).sum()


def engine_for(
    tuned: Tuned,
    optimizer: torch.optim.Optimizer,
    *,
    clip_norm: float | None,
    accumulation: int,
    processes: Processes,
) -> Engine:
    """The engine that ``processes`` were launched for. Raises TrainingError for what DeepSpeed cannot do."""
    if processes.deepspeed is None:
        return Engine(tuned, optimizer, clip_norm=clip_norm, processes=processes)
    return DeepSpeedEngine(
        tuned, optimizer, clip_norm=clip_norm, processes=processes, accumulation=accumulation
    )
