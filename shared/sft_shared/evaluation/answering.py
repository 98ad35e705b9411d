"""Let a model answer examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from pydantic import PositiveInt

from sft_shared.config import Settings
from sft_shared.data.chat import DataSettings, render_prompt
from sft_shared.dialogue import Example
from sft_shared.models.generate import generate
from sft_shared.models.load import Base
from sft_shared.models.threads import cpu_threads
from sft_shared.models.tuning import TuningSettings, attached


class EvaluationSettings(Settings):
    """How answers are generated: greedy, so that the same model gives the same answers."""

    max_new_tokens: PositiveInt = 96  # an answer longer than this is cut off, and so not JSON
    batch_size: PositiveInt = (
        32  # prompts at a time; in bf16 it can change an answer's last digits, so its words
    )
    threads: PositiveInt | None = (
        None  # CPU threads; None: as many as torch has. Few are safe on a busy machine
    )


def answers(
    base: Base,
    state: Mapping[str, torch.Tensor] | None,
    examples: Sequence[Example],
    *,
    tuning: TuningSettings,
    data: DataSettings,
    settings: EvaluationSettings,
    on_batch: Callable[[int], None] | None = None,
) -> list[str]:
    """What the base with the adapter ``state`` (None: the base alone) writes for each example.

    ``on_batch`` is told how many answers are done. The base is left as it was. Raises ModelError if the
    state does not fit ``tuning``.
    """
    prompts = [render_prompt(example, base.tokenizer, data) for example in examples]
    with cpu_threads(settings.threads), answering(base, state, tuning) as prefix:
        return generate(
            base,
            prompts,
            prefix=prefix,
            max_new_tokens=settings.max_new_tokens,
            batch_size=settings.batch_size,
            on_batch=on_batch,
        )


@contextmanager
def answering(
    base: Base, state: Mapping[str, torch.Tensor] | None, tuning: TuningSettings | None
) -> Iterator[torch.Tensor | None]:
    """The base with an adapter on it (None: alone) for the length of a block; gives its learned prefix."""
    if state is None:
        yield None
        return
    assert tuning is not None
    with attached(base, tuning, state) as tuned:
        yield tuned.prefix
