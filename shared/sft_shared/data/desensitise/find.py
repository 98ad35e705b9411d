"""All personal data of a text, or of the turns of a conversation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import get_args

from pydantic import Field, field_validator

from sft_shared.config import Settings
from sft_shared.data.desensitise.blocks import LONGEST_REMEMBERED, MOST_REMEMBERED, blocks, of_late
from sft_shared.data.desensitise.canonical import read
from sft_shared.data.desensitise.crossings import Stretch, crossings
from sft_shared.data.desensitise.folding import Canonical
from sft_shared.data.desensitise.shapes import find_alone, find_by_all, find_written
from sft_shared.data.desensitise.spans import Kind, Span, resolve
from sft_shared.data.desensitise.turns import find_over_turns

_DIGIT = re.compile("[0-9]")
ALL_KINDS: tuple[Kind, ...] = get_args(Kind)


class FindSettings(Settings):
    """What is looked for, and how sure a find must be."""

    kinds: tuple[Kind, ...] = ALL_KINDS
    min_confidence: float = Field(
        default=0.5, ge=0, le=1
    )  # 1: only what a check digit or its form makes certain

    @field_validator("kinds")
    @classmethod
    def _some(cls, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
        if not kinds:
            raise ValueError("no kind is named. Name at least one, or leave kinds out to look for all")
        return kinds


class Finder:
    """Finds personal data in Chinese and English text; the same text gives the same finds, in any process."""

    def __init__(self, settings: FindSettings) -> None:
        self._kinds = frozenset(settings.kinds)
        self._min_confidence = settings.min_confidence

    def find(self, text: str) -> list[Span]:
        """The finds in ``text``, in its order, none overlapping another. Offsets are those of ``text``."""
        return self._kept(_found(text))

    def find_in_turns(self, texts: Sequence[str]) -> list[list[Span]]:
        """The finds of each turn, and what is split over turns, or asked in one and said in the next.

        Of a value that is split each turn has a span over its part.
        """
        spans = [list(_found(text)) for text in texts]
        if len(texts) > 1:
            for turn, span in list(_across(texts, spans)):
                spans[turn].append(span)
        return [self._kept(each) for each in spans]

    def find_across(self, texts: Sequence[str]) -> list[list[Span]]:
        """Of each turn only what the turns beside it bring to light."""
        spans: list[list[Span]] = [[] for _ in texts]
        for turn, span in list(_across(texts, spans)):
            spans[turn].append(span)
        return [self._kept(each) for each in spans]

    def _kept(self, spans: Sequence[Span]) -> list[Span]:
        """The kinds looked for; others still claim their place, so none of their parts is taken."""
        if not spans:
            return []
        sure = [span for span in spans if span.confidence >= self._min_confidence]
        return [span for span in resolve(sure) if span.kind in self._kinds]


def _across(texts: Sequence[str], alone: Sequence[Sequence[Span]]) -> Iterator[tuple[int, Span]]:
    """(turn, span) of what reaches over turns; ``alone`` are the finds of each."""
    for stretches in crossings(texts, alone):
        joined = "\n".join([texts[turn][start:end] for turn, start, end in stretches])
        for span in _found(joined):
            yield from _cut(span, texts, stretches)
    yield from find_over_turns(texts)


@of_late
def _found(text: str) -> tuple[Span, ...]:
    """All finds in a text; they may overlap. Logs say much more than once, so blocks are remembered."""
    found: list[Span] = []
    start = 0
    for block in blocks(text):
        for first, last, kind, confidence in (
            _remembered(block) if len(block) <= LONGEST_REMEMBERED else _look(block)
        ):
            found.append(Span(first + start, last + start, kind, confidence))
        start += len(block)
    return tuple(found)


def _look(text: str) -> list[Span]:
    folded, canonical = read(text)
    if canonical is folded and folded.starts is None and len(text) <= LONGEST_REMEMBERED:
        return find_alone(folded.text)
    digits = canonical is not folded or _DIGIT.search(folded.text) is not None
    return _placed(folded, find_written(folded.text)) + _placed(
        canonical, find_by_all(canonical, digits=digits)
    )


_remembered = lru_cache(maxsize=MOST_REMEMBERED)(lambda text: tuple(_look(text)))


def _placed(canonical: Canonical, spans: list[Span]) -> list[Span]:
    if canonical.starts is None:
        return spans
    return [Span(*canonical.original(start, end), kind, confidence) for start, end, kind, confidence in spans]


def _cut(span: Span, texts: Sequence[str], stretches: Sequence[Stretch]) -> Iterator[tuple[int, Span]]:
    """A span of joined stretches, as its parts in each turn, without space at their ends."""
    offset = 0
    for turn, first, last in stretches:
        text, shift = texts[turn], first - offset
        start, end = max(span.start + shift, first), min(span.end + shift, last)
        while start < end and text[start].isspace():
            start += 1
        while end > start and text[end - 1].isspace():
            end -= 1
        if start < end:
            yield turn, Span(start, end, span.kind, span.confidence)
        offset += last - first + 1
