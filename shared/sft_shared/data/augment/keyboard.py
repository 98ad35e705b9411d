"""Slips on a QWERTY keyboard, and the two widths of the same characters."""

from __future__ import annotations

import random

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_WIDER = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_NARROWER = {wide: code for code, wide in _WIDER.items()}


def _neighbours() -> dict[str, str]:
    """Letter -> the letters beside it, above it and below it; rows are half a key apart."""
    near: dict[str, str] = {}
    for number, row in enumerate(_ROWS):
        for place, letter in enumerate(row):
            beside = row[max(place - 1, 0) : place] + row[place + 1 : place + 2]
            above = _ROWS[number - 1][place : place + 2] if number else ""
            below = _ROWS[number + 1][max(place - 1, 0) : place + 1] if number < 2 else ""
            near[letter] = beside + above + below
    return near


NEIGHBOURS = _neighbours()


def slip(word: str, rng: random.Random) -> str:
    """A Latin word with one slip: a neighbouring key, two letters swapped, or one left out.

    The first letter stays: slips there are rare, and readers lean on it.
    """
    place = rng.randrange(1, len(word) - 1)
    kind = rng.choice(("neighbour", "transpose", "drop"))
    if kind == "transpose" and word[place] != word[place + 1]:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if kind == "drop":
        return word[:place] + word[place + 1 :]
    letter = rng.choice(NEIGHBOURS[word[place].lower()])
    return word[:place] + (letter.upper() if word[place].isupper() else letter) + word[place + 1 :]


def other_width(text: str) -> str:
    """Half width to full width (``a1?`` -> ``ａ１？``); text that has full width goes back to half.

    Chinese punctuation such as ``。`` has no other width and stays.
    """
    narrow = text.translate(_NARROWER)
    return narrow if narrow != text else text.translate(_WIDER)
