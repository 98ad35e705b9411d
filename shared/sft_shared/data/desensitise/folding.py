"""Odd digits, letters and marks as ASCII, with the way back to the original's offsets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe0e\ufe0f\ufeff\u20e3]+"
)
_OF_EMOJI = re.compile("[\ufe0e\ufe0f\u20e3]+")  # they belong to the character before
_ODD_WIDTH = re.compile(
    "[\u3000\u00a0\u2002-\u200a\u202f\u205f\uff02-\uff0b\uff0d-\uff19\uff1c-\uff1e\uff20-\uff5e\uffe5"
    "\u2010-\u2015\u2212\u2460-\u2468\u24ea\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089\u2776-\u277e"
    "\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u2022\u2027\u2219\u22c5\u30fb\u0387\uff65"
    "\U0001d7ce-\U0001d7ff]"
)


def _one_to_one() -> dict[int, str]:
    table = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    table.update(dict.fromkeys([0x3000, 0xA0, 0x202F, 0x205F, *range(0x2002, 0x200B)], " "))
    table.update(dict.fromkeys([0x2212, *range(0x2010, 0x2016)], "-"))
    table.update(dict.fromkeys(map(ord, "•‧∙⋅・·･"), "·"))
    table[0xFFE5] = "¥"
    for first, start, count in [
        (0x2460, 1, 9),  # in a circle
        (0x2776, 1, 9),
        (0x2070, 0, 1),  # raised
        (0x2074, 4, 6),
        (0x2080, 0, 10),  # lowered
        (0x0660, 0, 10),  # Arabic, Persian, Hindi
        (0x06F0, 0, 10),
        (0x0966, 0, 10),
    ]:
        table.update({first + step: str(start + step) for step in range(count)})
    table.update({0x24EA: "0", 0xB9: "1", 0xB2: "2", 0xB3: "3"})
    table.update({0x1D7CE + step: str(step % 10) for step in range(50)})  # mathematical
    return table


_TABLE = _one_to_one()
_COMMON = tuple(zip("，：？！；（）", ",:?!;()", strict=True))


class Canonical(NamedTuple):
    """A text in plain form; ``starts[i]`` and ``ends[i]`` say where character ``i`` stands in the original.

    None in their place: the offsets are the original's.
    """

    text: str
    starts: Sequence[int] | None = None
    ends: Sequence[int] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The original's offsets of ``text[start:end]``, which is not empty."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


Piece = tuple[int, int, str]
"""Where something stands in a text, and what is to stand there."""


def fold(text: str) -> Canonical:
    """Full-width and other odd digits, letters and marks as ASCII; invisible characters gone.

    >>> fold("１３８\\u200b００").text
    '13800'
    """
    for wide, narrow in _COMMON:
        if wide in text:
            text = text.replace(wide, narrow)
    starts: Sequence[int] | None = None
    ends: dict[int, int] = {}
    if not text.isascii():
        if _INVISIBLE.search(text):
            starts = [
                offset
                for visible in _stretches(text, _INVISIBLE)
                for offset in range(visible.start, visible.stop)
            ]
            ends = {found.start(): found.end() for found in _OF_EMOJI.finditer(text)}
            text = _INVISIBLE.sub("", text)
        if _ODD_WIDTH.search(text):
            text = text.translate(_TABLE)
    return Canonical(text, starts, starts and [ends.get(start + 1, start + 1) for start in starts])


def _stretches(text: str, gone: re.Pattern[str]) -> Iterator[range]:
    """What ``gone`` leaves of the text."""
    position = 0
    for found in gone.finditer(text):
        yield range(position, found.start())
        position = found.end()
    yield range(position, len(text))


def rewritten(canonical: Canonical, pieces: Sequence[Piece]) -> Canonical:
    """With the pieces' places in the text written as they say."""
    text, position = canonical.text, 0
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end, said in pieces:
        out.append(text[position:start])
        starts += range(position, start)
        ends += range(position + 1, start + 1)
        out.append(said)
        starts += [start] * len(said)
        ends += [end] * len(said)
        position = end
    out.append(text[position:])
    starts += range(position, len(text))
    ends += range(position + 1, len(text) + 1)
    if canonical.starts is not None and canonical.ends is not None:
        starts = [canonical.starts[start] for start in starts]
        ends = [canonical.ends[end - 1] for end in ends]
    return Canonical("".join(out), starts, ends)
