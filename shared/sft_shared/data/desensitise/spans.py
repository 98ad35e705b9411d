"""Where personal data stands in a text, and which of several overlapping finds is kept."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Literal, NamedTuple

Kind = Literal[
    "card",
    "resident_id",
    "passport",
    "phone",
    "email",
    "plate",
    "ip",
    "mac",
    "account",
    "order",
    "api_key",
    "password",
    "name",
    "address",
    "birth_date",
]


class Span(NamedTuple):
    """A find: ``text[start:end]`` is of ``kind``. Offsets count code points of the original text.

    ``confidence`` is 0 to 1; 1 means that a check digit or an unmistakable form says so.
    """

    start: int
    end: int
    kind: Kind
    confidence: float


def resolve(spans: Iterable[Span]) -> list[Span]:
    """The spans to keep, in the text's order, no two of which overlap.

    Of two that overlap the more confident stays, of equally confident ones the longer, then the earlier.

    >>> resolve([Span(0, 18, "account", 0.5), Span(0, 19, "card", 1.0), Span(25, 27, "name", 0.9)])
    [Span(start=0, end=19, kind='card', confidence=1.0), Span(start=25, end=27, kind='name', confidence=0.9)]
    """
    spans = list(spans)
    if len(spans) < 2:
        return spans
    kept: list[Span] = []  # in the text's order all the while
    for span in sorted(spans, key=lambda it: (-it.confidence, it.start - it.end, it.start, it.kind)):
        place = bisect_left(kept, span.start, key=lambda it: it.start)
        before_it = place == 0 or kept[place - 1].end <= span.start
        if before_it and (place == len(kept) or span.end <= kept[place].start):
            kept.insert(place, span)
    return kept
