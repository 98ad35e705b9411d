"""One plain form for what was typed, dictated or disguised, with the way back to the original's offsets."""

from __future__ import annotations

from functools import lru_cache

from sft_shared.data.desensitise.blocks import (
    LONGEST_REMEMBERED,
    MOST_REMEMBERED,
    MOST_SHAPES,
    blocks,
    of_late,
)
from sft_shared.data.desensitise.dictation import read_digits
from sft_shared.data.desensitise.disguises import escapes, lookalikes, may_be_disguised, separators
from sft_shared.data.desensitise.folding import Canonical, fold, rewritten


@of_late
def read(text: str) -> tuple[Canonical, Canonical]:
    """A text folded, and that with digits for dictated ones; the same object twice if there are none."""
    parts = blocks(text)
    if len(parts) == 1:
        return _remembered(text) if len(text) <= LONGEST_REMEMBERED else _read(text)
    written: list[str] = []
    for block in parts:
        folded, canonical = _remembered(block) if len(block) <= LONGEST_REMEMBERED else _read(block)
        if canonical is not folded or folded.starts is not None:
            return _read(text)
        written.append(folded.text)
    joined = "".join(written)
    whole = Canonical(text if joined == text else joined)
    return whole, whole


def _read(text: str) -> tuple[Canonical, Canonical]:
    folded = fold(text)
    if len(text) <= LONGEST_REMEMBERED and _says_what_it_writes(folded.text.translate(ALIKE)):
        return folded, folded
    return folded, read_digits(_undisguised(folded))


ALIKE = str.maketrans("0123456789", "1111111111")
"""What texts that differ in their digits only become: their shape. Logs say the same with other numbers."""


@lru_cache(maxsize=MOST_SHAPES)
def _says_what_it_writes(shape: str) -> bool:
    """Does no text of this shape hold a digit in words, or a number in disguise?"""
    canonical = Canonical(shape)
    return not may_be_disguised(shape) and read_digits(canonical) is canonical


def _undisguised(canonical: Canonical) -> Canonical:
    """Without the markup, escapes and odd signs that stand in a number or an address."""
    for disguise in (
        escapes,
        escapes,
        escapes,
        lookalikes,
        separators,
    ):  # kinds of escapes, one inside another
        pieces = sorted(set(disguise(canonical.text)))
        apart = [piece for place, piece in enumerate(pieces) if not place or pieces[place - 1][1] <= piece[0]]
        canonical = rewritten(canonical, apart) if apart else canonical
    return canonical


_remembered = lru_cache(maxsize=MOST_REMEMBERED)(_read)
