"""Out of memory: say which setting to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sft_shared.errors import TrainingError
from sft_shared.training.settings import TrainingSettings

SIGNS = ("can't allocate memory", "out of memory", "not enough memory", "bad_alloc")


@contextmanager
def naming_the_remedy(settings: TrainingSettings) -> Iterator[None]:
    """Turn a failed allocation inside the block into a TrainingError that names the settings to change."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and not any(
            sign in str(error).lower() for sign in SIGNS
        ):
            raise
        remedies = []
        if settings.accumulation < settings.batch_size:
            remedies.append(
                f"raise training.accumulation (now {settings.accumulation}, at most {settings.batch_size})"
            )
        if not settings.gradient_checkpointing:
            remedies.append("set training.gradient_checkpointing to true")
        remedies.append("lower data.max_tokens or training.batch_size")
        raise TrainingError(f"out of memory while training. {'; or '.join(remedies).capitalize()}.") from None
