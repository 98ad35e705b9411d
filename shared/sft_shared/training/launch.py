"""One process, or as many as a launcher (accelerate, with DeepSpeed or without) has started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from sft_shared.errors import TrainingError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Processes:
    """The processes that train together, as this one sees them."""

    index: int = 0
    number: int = 1
    deepspeed: Any = None  # accelerate's DeepSpeed plugin, if the launcher's file asks for DeepSpeed

    @property
    def is_first(self) -> bool:
        """Whether this is the process that speaks and writes files."""
        return self.index == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """This process's part of a batch; together all parts are the whole."""
        return items[self.index :: self.number]

    def add_up(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum of ``tensor`` over all processes, in place."""
        if self.number > 1:
            torch.distributed.all_reduce(tensor)
        return tensor

    def gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """The ``tensor`` of every process, in the order of their index, on the CPU."""
        if self.number == 1:
            return [tensor]
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        found = [torch.empty_like(tensor, device=device) for _ in range(self.number)]
        torch.distributed.all_gather(found, tensor.to(device))
        return [each.cpu() for each in found]

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.number > 1:
            torch.distributed.barrier()


ALONE = Processes()


def launched() -> Processes:
    """The processes that a launcher started this one among; `ALONE` without a launcher.

    They talk by NCCL where there are GPUs, else by gloo. Raises TrainingError for a launcher's setting that
    this training would have to ignore.
    """
    deepspeed = os.environ.get("ACCELERATE_USE_DEEPSPEED", "false") == "true"
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 and not deepspeed:
        return ALONE
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=not torch.cuda.is_available() and not deepspeed)
    kind = accelerator.distributed_type.value
    if kind not in ("MULTI_CPU", "MULTI_GPU", "DEEPSPEED"):
        raise TrainingError(
            f"the launcher's distributed_type is {kind}; here it can be MULTI_GPU (also for the CPU) or "
            "DEEPSPEED. See configs/launch."
        )
    if accelerator.mixed_precision != "no":
        raise TrainingError(
            f"the launcher's mixed_precision is {accelerator.mixed_precision!r}; here model.dtype says it. "
            "Set the launcher's to no."
        )
    # torch's own numbers: on a machine without GPUs accelerate counts one process under DeepSpeed
    return Processes(
        index=torch.distributed.get_rank(),
        number=torch.distributed.get_world_size(),
        deepspeed=accelerator.state.deepspeed_plugin,
    )
