"""The tuning methods, and how one is put on a base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import torch
from pydantic import Field

from sft_shared.errors import ModelError
from sft_shared.models.bottleneck import BottleneckSettings
from sft_shared.models.full import FullSettings
from sft_shared.models.load import Base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.prefix import PrefixSettings
from sft_shared.models.tuned import Tuned

TuningSettings = Annotated[
    LoraSettings | FullSettings | BottleneckSettings | PrefixSettings, Field(discriminator="kind")
]


@contextmanager
def attached(
    base: Base, tuning: TuningSettings, state: Mapping[str, torch.Tensor] | None = None, *, seed: int = 0
) -> Iterator[Tuned]:
    """The base with ``state`` on it (None: the fresh one of ``seed``), for the length of a block.

    Afterwards the base is as it was, bit for bit. Raises ModelError if the state does not fit the base and
    ``tuning``, or if something is attached already.
    """
    if base in _occupied:
        raise ModelError(f"model {base.name!r} carries an adapter already. One at a time.")
    tuned, detach = tuning.attach(base, tuning.initial(base, seed=seed) if state is None else state)
    _occupied.add(base)
    try:
        yield tuned
    finally:
        _occupied.discard(base)
        detach()


_occupied: set[Base] = set()
