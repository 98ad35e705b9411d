"""The rows of each step: the sampler and the replay of the settings, on the rows at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sft_shared.data.chat import Row
from sft_shared.data.difficulty import length_difficulty, rarity_difficulty
from sft_shared.data.sampling import CurriculumSampling, Pool
from sft_shared.training.settings import TrainingSettings
from sft_shared.training.step import Objective


def batches_of(
    own: Sequence[Row], num_general: int, settings: TrainingSettings, *, cycle: int, objective: Objective
) -> Iterator[list[int]]:
    """Lists of row numbers, one for each step of ``cycle``; general rows are numbered behind the own ones.

    ``objective`` measures the rows for a curriculum by loss, with the adapter that training begins with.
    Raises DataError if the sampler lacks something.
    """
    pool = Pool(
        categories=tuple(row.category for row in own),
        sources=tuple(row.source for row in own),
        difficulty=_difficulty(own, settings, objective),
    )
    size, steps, seed = settings.batch_size, settings.steps, settings.seed
    if settings.replay is None:
        return settings.sampling(pool, batch_size=size, steps=steps, seed=seed, cycle=cycle)
    return settings.replay(
        settings.sampling,
        pool,
        num_general=num_general,
        batch_size=size,
        steps=steps,
        seed=seed,
        cycle=cycle,
    )


def _difficulty(
    own: Sequence[Row], settings: TrainingSettings, objective: Objective
) -> tuple[float, ...] | None:
    sampling, size = settings.sampling, settings.batch_size
    if not isinstance(sampling, CurriculumSampling):
        return None
    match sampling.difficulty:
        case "length":
            return length_difficulty(own)
        case "rarity":
            return rarity_difficulty(own)
        case "loss":
            sums: list[float] = []
            for start in range(0, len(own), size):
                sums += objective.sums(own[start : start + size])
            return tuple(total / row.num_supervised for total, row in zip(sums, own, strict=True))
