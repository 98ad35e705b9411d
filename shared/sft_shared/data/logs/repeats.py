"""Questions that the same user asked again: the answer in between did not help."""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import add
from typing import NamedTuple

from pydantic import Field, PositiveFloat

from sft_shared.config import Settings
from sft_shared.data.logs.signs import fold

NOT_WORD = re.compile(r"[\W_]+")
MIN_LENGTH = 5  # characters of a question without punctuation; "你好" and "ok" are no questions
MAX_COMPARED = 50  # questions before one that it is compared with


class Asked(NamedTuple):
    """A question as it was asked. ``twin``: a request that is logged twice is no second question."""

    time: float | None
    text: str
    twin: str
    session: str
    place: tuple[int, int, int]


class RepeatSettings(Settings):
    """What counts as asking again: within ``window_s`` seconds, and similar in its letters.

    The similarity is the Dice coefficient of the sets of letter pairs: 1 the same, 0 nothing in common.
    """

    window_s: PositiveFloat = 86400.0
    similarity: float = Field(default=0.75, gt=0, le=1)

    def __call__(self, questions: Sequence[Asked]) -> list[Asked]:
        """The questions of one user that were asked again later."""
        ordered = sorted(questions, key=lambda each: (each.time or 0.0, each.place))
        repeated = []
        letters = [letter_pairs(each.text) for each in ordered]
        for later, pairs in enumerate(letters):
            if not pairs:
                continue
            for earlier in range(later - 1, max(later - 1 - MAX_COMPARED, -1), -1):
                first, again = ordered[earlier], ordered[later]
                if (again.time or 0.0) - (first.time or 0.0) > self.window_s:
                    break
                if first.twin and first.twin == again.twin:
                    continue
                if letters[earlier] and _alike(letters[earlier], pairs, least=self.similarity):
                    repeated.append(first)
                    break
        return repeated


def letter_pairs(text: str) -> frozenset[str]:
    """Pairs of neighbouring letters and digits, without case, width and punctuation; empty if too short."""
    plain = NOT_WORD.sub("", fold(text))
    if len(plain) < MIN_LENGTH:
        return frozenset()
    return frozenset(map(add, plain, plain[1:]))


def _alike(one: frozenset[str], other: frozenset[str], *, least: float) -> bool:
    """Whether the Dice coefficient is ``least`` or more; sets of very different size need no comparing."""
    size = len(one) + len(other)
    return 2 * min(len(one), len(other)) / size >= least and 2 * len(one & other) / size >= least
