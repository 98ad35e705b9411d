"""Which rows make up which step: the ways to draw training rows."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from sft_shared.config import Settings
from sft_shared.data.draws import cut, passes, passes_by_label, proportional_slots
from sft_shared.errors import DataError

CHOICES_AT_ONCE = 1024


@dataclass(frozen=True)
class Pool:
    """What a sampler knows of each training row; entry i of every field is of row i."""

    categories: tuple[str | None, ...]
    sources: tuple[str, ...]
    difficulty: tuple[float, ...] | None  # larger = harder; only the curriculum needs it

    def __post_init__(self) -> None:
        assert len(self.categories) == len(self.sources)
        assert self.difficulty is None or len(self.difficulty) == len(self.sources)

    def __len__(self) -> int:
        return len(self.sources)


class _Sampling(Settings):
    """What all samplers share: pure functions of their arguments, so to resume is to skip lists."""

    def __call__(
        self, pool: Pool, *, batch_size: int, steps: int, seed: int, cycle: int
    ) -> Iterator[list[int]]:
        """Return ``steps`` lists of row numbers; ``cycle`` counts from 1.

        A list never holds more rows than there are. Raises DataError, before the first list, if ``pool``
        has no rows or not what this sampler needs.
        """
        return self.draw(pool, sizes=[min(batch_size, len(pool))] * steps, seed=seed, cycle=cycle)

    def draw(self, pool: Pool, *, sizes: Sequence[int], seed: int, cycle: int) -> Iterator[list[int]]:
        """Return one list of row numbers for each of ``sizes``, which are at most len(``pool``).

        Raises DataError like a call.
        """
        if not len(pool):
            raise DataError("no rows to draw from. Give at least one example.")
        return self._draw(pool, sizes=sizes, seed=seed, cycle=cycle)

    @abstractmethod
    def _draw(self, pool: Pool, *, sizes: Sequence[int], seed: int, cycle: int) -> Iterator[list[int]]:
        """``draw`` for a pool that has rows."""


class ShuffledSampling(_Sampling):
    """Reshuffled passes over the rows: each pass visits every row once; a batch may span two passes."""

    kind: Literal["shuffled"] = "shuffled"

    def _draw(self, pool: Pool, *, sizes: Sequence[int], seed: int, cycle: int) -> Iterator[list[int]]:
        return cut(passes(range(len(pool)), seed=seed, cycle=cycle), sizes=sizes)


class SequentialSampling(_Sampling):
    """File order, wrapping round; for comparisons with other trainers. The seed has no say.

    A cycle goes on where the one before ended (if it was as long), so that short cycles see all rows.
    """

    kind: Literal["sequential"] = "sequential"

    def _draw(self, pool: Pool, *, sizes: Sequence[int], seed: int, cycle: int) -> Iterator[list[int]]:
        start = (cycle - 1) * sum(sizes)
        return cut((slot % len(pool) for slot in count(start)), sizes=sizes)


def _some_positive(weights: dict[str, float]) -> dict[str, float]:
    if not any(weights.values()):
        raise ValueError("no weight is above 0; give at least one")
    return weights


Weights = Annotated[
    dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]], AfterValidator(_some_positive)
]
"""Name -> share of the drawn rows, up to a common factor; 0 leaves its rows out."""


class ClassWeightedSampling(_Sampling):
    """Each row's class is drawn independently; within a class, reshuffled passes.

    A class of n_c rows has probability n_c^(1 - power) / sum (smoothed class sizes; alpha = 1 - power
    in XLM, arXiv:1901.07291), or its share of ``weights``. All rows of a class are seen before one of them
    is seen twice; a batch may hold a row of a small class twice.
    """

    kind: Literal["class_weighted"] = "class_weighted"
    power: float | None = Field(default=None, ge=0, le=1)  # 0: as in the data; 1: every class equally often
    weights: Weights | None = None  # by class, for the class as a whole and not for each of its rows

    @model_validator(mode="after")
    def _power_or_weights(self) -> ClassWeightedSampling:
        if (self.power is None) == (self.weights is None):
            raise ValueError("class_weighted sampling needs either power or weights; give one of them")
        return self

    def _draw(self, pool: Pool, *, sizes: Sequence[int], seed: int, cycle: int) -> Iterator[list[int]]:
        classes = [category for category in pool.categories if category is not None]
        if len(classes) < len(pool):
            raise DataError(
                f"{len(pool) - len(classes)} of {len(pool)} rows have no category (the first is row "
                f"{pool.categories.index(None)}), so class_weighted sampling cannot place them. Give every "
                "example a category, or choose another kind of sampling."
            )
        sizes_by_class = Counter(classes)
        names = sorted(sizes_by_class)
        if self.weights is not None:
            _require_same(self.weights, names, what="classes")
            shares = np.array([self.weights[name] for name in names])
        else:
            assert self.power is not None
            shares = np.array([sizes_by_class[name] for name in names]) ** (1 - self.power)
        shares = shares / shares.max()
        chances = shares / shares.sum()
        streams = passes_by_label(classes, names=names, seed=seed, cycle=cycle)

        def rows() -> Iterator[int]:
            choose = np.random.default_rng((seed, cycle, 0, 0))
            while True:
                for index in choose.choice(len(names), size=CHOICES_AT_ONCE, p=chances).tolist():
                    yield next(streams[index])

        return cut(rows(), sizes=sizes)


class MixtureSampling(_Sampling):
    """Sources in fixed proportions; within a source, reshuffled passes.

    The number of rows of a source never is a full row off its share, counted from the first step of
    cycle 1 (`proportional_slots`): a cycle goes on where the one before ended (if it was as long), so that
    short cycles do not starve a rare source. Within one later cycle it is less than two rows off. A batch
    may hold a row of a small source twice.
    """

    kind: Literal["mixture"] = "mixture"
    weights: Weights  # by source

    def _draw(self, pool: Pool, *, sizes: Sequence[int], seed: int, cycle: int) -> Iterator[list[int]]:
        names = sorted(set(pool.sources))
        _require_same(self.weights, names, what="sources")
        streams = passes_by_label(pool.sources, names=names, seed=seed, cycle=cycle)
        slots = proportional_slots([self.weights[name] for name in names], start=(cycle - 1) * sum(sizes))
        return cut((next(streams[index]) for index in slots), sizes=sizes)


class CurriculumSampling(_Sampling):
    """Easy rows first: every step draws from the easiest share of the rows, which grows to all of them.

    The share is the competence of Platanios et al. 2019 (arXiv:1903.09848), with t from 0 to 1 over the
    first ``full_after`` of the steps and s = ``start_share``:
    linear: s + (1 - s) t. root: sqrt(s^2 + (1 - s^2) t). step: the linear one, in ``num_stages`` levels
    from s to 1, equally long but for the last, which begins at t = 1. Each cycle starts anew.

    Unlike theirs, rows are not drawn independently but in passes: no row comes again before all others
    that are in use have come; a row that comes into use joins the pass under way. No batch holds a row
    twice. Equally hard rows come into use in an order that the seed and the cycle choose.
    """

    kind: Literal["curriculum"] = "curriculum"
    difficulty: Literal["length", "loss", "rarity"]  # tokens; the model's loss before training; rare tokens
    pacing: Literal["linear", "root", "step"] = "root"
    start_share: float = Field(default=0.1, gt=0, le=1)  # of the rows, for the first step; 1: no curriculum
    full_after: float = Field(default=0.5, gt=0, le=1)  # share of the steps after which all rows are in use
    num_stages: int | None = Field(default=None, ge=2)  # for step pacing, with the first and the last

    @model_validator(mode="after")
    def _stages_are_for_steps(self) -> CurriculumSampling:
        if (self.pacing == "step") != (self.num_stages is not None):
            raise ValueError(
                f"pacing is {self.pacing} and num_stages is {self.num_stages}; step pacing needs num_stages, "
                "and the others have none"
            )
        return self

    def share(self, step: int, *, steps: int) -> float:
        """The share of the rows, (0, 1], in use at ``step`` (from 0) of ``steps``.

        It is ``start_share`` at the first step, and 1 from the last of the first ``full_after`` of the steps
        on (from the second step, if that is the first). At least a batch of rows is in use all the same.
        """
        last = max(math.ceil(self.full_after * steps - 1e-9) - 1, 1)  # the step at which t becomes 1
        if step >= last:
            return 1.0
        start = self.start_share
        if self.pacing == "root":
            return math.sqrt(start**2 + (1 - start**2) * step / last)
        if self.num_stages is not None:
            return start + (1 - start) * (step * (self.num_stages - 1) // last) / (self.num_stages - 1)
        return start + (1 - start) * step / last

    def _draw(self, pool: Pool, *, sizes: Sequence[int], seed: int, cycle: int) -> Iterator[list[int]]:
        assert pool.difficulty is not None
        odd = [row for row, score in enumerate(pool.difficulty) if not math.isfinite(score)]
        if odd:
            raise DataError(
                f"the difficulty ({self.difficulty}) of {len(odd)} of {len(pool)} rows is not a finite "
                f"number (the first is row {odd[0]}), so they have no place in a curriculum. Look at these "
                "examples, or choose another difficulty."
            )
        chance = np.random.default_rng((seed, cycle, 0, 0))
        ties = chance.permutation(len(pool))
        order: list[int] = np.lexsort((ties, np.array(pool.difficulty))).tolist()
        at_least = max([1, *sizes])

        def lists() -> Iterator[list[int]]:
            in_use = 0
            left: list[int] = []  # of the pass under way
            for step, size in enumerate(sizes):
                wanted = math.ceil(self.share(step, steps=len(sizes)) * len(order) - 1e-9)
                now_in_use = min(max(wanted, at_least), len(order))
                left += order[in_use:now_in_use]
                in_use = now_in_use
                batch: list[int] = []
                held: set[int] = set()  # in this batch already, so not to be drawn from the next pass yet
                while len(batch) < size:
                    if not left:
                        held = set(batch)
                        left = [row for row in order[:in_use] if row not in held]
                    place = int(chance.integers(len(left)))
                    left[place], left[-1] = left[-1], left[place]
                    batch.append(left.pop())
                left += sorted(held)
                yield batch

        return lists()


SamplingSettings = Annotated[
    ShuffledSampling | SequentialSampling | ClassWeightedSampling | CurriculumSampling | MixtureSampling,
    Field(discriminator="kind"),
]


def _require_same(weights: dict[str, float], names: Sequence[str], *, what: str) -> None:
    unknown, missing = sorted(set(weights) - set(names)), sorted(set(names) - set(weights))
    if unknown or missing:
        complaints = [f"{', '.join(unknown)} unknown"] if unknown else []
        complaints += [f"{', '.join(missing)} missing"] if missing else []
        raise DataError(
            f"the sampling weights do not fit the {what} of the data: {'; '.join(complaints)}. "
            f"Found in the data: {', '.join(names)}. Give a weight to each of these and to no other; "
            "0 leaves one out."
        )
