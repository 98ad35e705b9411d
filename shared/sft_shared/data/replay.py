"""General examples among those of the domain, so that training forgets less."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from pydantic import Field, NonNegativeInt, model_validator

from sft_shared.config import Settings
from sft_shared.data.draws import cut, passes
from sft_shared.data.sampling import Pool, SamplingSettings
from sft_shared.errors import DataError

GENERAL_STREAM = 2**32 - 1  # no sampler has as many streams of its own


class ReplaySettings(Settings):
    """Mix general examples into the domain's batches, in a share that may fall at the beginning.

    Over any run of steps within a cycle the number of general rows is less than one off the sum of the
    shares times the batch size, also where a batch is too small for one. Steps count over all
    cycles: the ramp is gone through once, and short cycles get their general rows in turn.
    """

    fraction: float = Field(default=0.05, gt=0, le=0.9)  # share of all drawn examples that are general
    ramp_steps: NonNegativeInt = 0  # steps, over all cycles, in which the share falls to ``fraction``
    start_fraction: float | None = Field(default=None, gt=0, le=1)  # share at the first step of the ramp

    @model_validator(mode="after")
    def _falls_over_a_ramp(self) -> ReplaySettings:
        if (self.start_fraction is None) != (self.ramp_steps == 0):
            raise ValueError(
                f"start_fraction is {self.start_fraction} and ramp_steps is {self.ramp_steps}; a ramp needs "
                "both, and without one leave both out"
            )
        if self.start_fraction is not None and self.start_fraction < self.fraction:
            raise ValueError(
                f"start_fraction is {self.start_fraction}, below fraction, which is {self.fraction}; the "
                "general share can only fall"
            )
        return self

    def share(self, step: int) -> float:
        """The share of general examples at ``step`` (from 0, over all cycles)."""
        if self.start_fraction is None or step >= self.ramp_steps:
            return self.fraction
        return self.start_fraction + (self.fraction - self.start_fraction) * step / self.ramp_steps

    def __call__(
        self,
        sampling: SamplingSettings,
        pool: Pool,
        *,
        num_general: int,
        batch_size: int,
        steps: int,
        seed: int,
        cycle: int,
    ) -> Iterator[list[int]]:
        """Return ``steps`` lists of row numbers: rows of ``pool``, then general ones.

        General rows have the numbers from len(``pool``) on, and come in reshuffled passes. ``sampling`` is
        asked for the other slots only, so no domain row is lost to a general one. A list has as many
        rows as without replay; it may hold a general row twice if there are fewer of them than slots.

        Raises DataError, before the first list, if there are no general rows, or like ``sampling``.
        """
        if num_general < 1:
            raise DataError(
                "replay has no general examples to mix in. Give at least one, or leave replay out."
            )
        size = min(batch_size, len(pool))
        first = (cycle - 1) * steps
        marks = [math.floor(size * self._sum_of_shares(first + step) + 0.5) for step in range(steps + 1)]
        general_sizes = [after - before for before, after in pairwise(marks)]
        domain = sampling.draw(pool, sizes=[size - taken for taken in general_sizes], seed=seed, cycle=cycle)
        numbers = range(len(pool), len(pool) + num_general)
        general = cut(passes(numbers, seed=seed, cycle=cycle, stream=GENERAL_STREAM), sizes=general_sizes)
        return (rows + others for rows, others in zip(domain, general, strict=True))

    def _sum_of_shares(self, steps: int) -> float:
        """The sum of ``share`` over the first ``steps`` steps, in closed form."""
        if self.start_fraction is None:
            return self.fraction * steps
        ramp = min(steps, self.ramp_steps)
        fall = (self.start_fraction - self.fraction) * ramp * (ramp - 1) / (2 * self.ramp_steps)
        return self.start_fraction * ramp - fall + self.fraction * (steps - ramp)
