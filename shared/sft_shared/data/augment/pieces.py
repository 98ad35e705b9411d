"""Rewrite a text piece by piece, and let the labels in it move along."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sft_shared.dialogue import Entity


@dataclass(frozen=True)
class Piece:
    """What stands for ``source[start:end]`` in the new text; ``text`` None: the same characters."""

    start: int
    end: int
    text: str | None = None


def edited(length: int, edits: Iterable[Piece]) -> list[Piece]:
    """The pieces of a text of ``length`` characters in which only ``edits`` change; they may not overlap."""
    pieces, place = [], 0
    for edit in sorted(edits, key=lambda each: each.start):
        assert edit.start >= place, "edits overlap"
        pieces += [Piece(place, edit.start), edit]
        place = edit.end
    return [*pieces, Piece(place, length)]


def rewrite(
    source: str, pieces: Sequence[Piece], entities: Sequence[Entity]
) -> tuple[str, list[Entity]] | None:
    """The new text and ``entities`` (all of this text) where they are now.

    None if an entity was torn apart, cut into, or lost.
    """
    text, starts = "", []
    for piece in pieces:
        starts.append(len(text))
        text += source[piece.start : piece.end] if piece.text is None else piece.text
    moved = []
    for entity in entities:
        span = _follow(entity.start, entity.end, pieces, starts)
        if span is None or not text[span[0] : span[1]]:
            return None
        start, end = span
        moved.append(entity.model_copy(update={"value": text[start:end], "start": start, "end": end}))
    return text, moved


def _follow(start: int, end: int, pieces: Sequence[Piece], starts: Sequence[int]) -> tuple[int, int] | None:
    first = last = None
    for index, piece in enumerate(pieces):
        if piece.start == piece.end:
            continue
        if piece.text is None and piece.start <= start < piece.end:
            first = (index, starts[index] + start - piece.start)
        elif piece.text is not None and piece.start == start:
            first = (index, starts[index])
        if piece.text is None and piece.start < end <= piece.end:
            last = (index, starts[index] + end - piece.start)
        elif piece.text is not None and piece.end == end:
            last = (index, starts[index] + len(piece.text))
    if first is None or last is None or first[0] > last[0]:
        return None
    chain = pieces[first[0] : last[0] + 1]
    if any(left.end != right.start for left, right in pairwise(chain)):
        return None
    return first[1], last[1]
