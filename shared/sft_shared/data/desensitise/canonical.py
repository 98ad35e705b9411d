"""One plain form for what was typed, dictated or disguised, with the way back to the original's offsets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import ahocorasick

from sft_shared.data.desensitise.blocks import (
    LONGEST_REMEMBERED,
    MOST_REMEMBERED,
    MOST_SHAPES,
    blocks,
    of_late,
)
from sft_shared.data.desensitise.disguises import escapes, lookalikes, may_be_disguised, separators

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


_HAN_DIGITS = dict(
    zip(
        "零〇○一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖弌弍弎貳參陸洞拐勾",
        "00012345678912123456789123236079",
        strict=True,
    )
)
_HAN = "".join(_HAN_DIGITS)
_SURE = _HAN[:-3]  # 洞, 拐 and 勾 are digits among digits only
_GAP = r"[ \t\-,、.·/_|。…~]{0,3}(?:(?:然后|接着|开头|中间|后面|最后|再)是?[ ,、]?)?(?:后面[ ,]?)?"
_TIMES = dict(zip("二两三四五六", (2, 2, 3, 4, 5, 6), strict=True))
_HAN_HINTS = (
    re.compile(f"[{_SURE}](?:{_GAP}[{_HAN}0-9]|个[{_SURE}]{_GAP}[{_SURE}0-9])"),
    re.compile(f"[0-9]{_GAP}[{_SURE}]"),
)
_HAN_TOKEN = rf"(?:[二两三四五六]个[{_SURE}]|[{_HAN}]|[0-9]+|杠(?=[{_HAN}0-9]))"
_HAN_RUN = re.compile(f"{_HAN_TOKEN}(?:{_GAP}{_HAN_TOKEN})+")
_HAN_PART = re.compile(f"([二两三四五六])个([{_SURE}])|([{_HAN}])|([0-9]+)|杠")

_GOES_ON = tuple("定下直样起共个次些般切点天边种位")  # 一定, 一下, 两个: a word of its own after the number

_UNIT_VALUES = {
    "zero": 0,
    "oh": 0,
    "o": 0,
    "nought": 0,
    "naught": 0,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
}
_UNIT_VALUES |= {"five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9}
_ZEROS = tuple(word for word, value in _UNIT_VALUES.items() if value == 0)
_TEEN_VALUES = {"ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15}
_TEEN_VALUES |= {"sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19}
_TEN_VALUES = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70}
_TEN_VALUES |= {"eighty": 80, "ninety": 90}
_VALUES = {word: str(value) for word, value in (_UNIT_VALUES | _TEEN_VALUES | _TEN_VALUES).items()}
_REPEATS = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}
_UNIT = "|".join(sorted(_UNIT_VALUES, key=len, reverse=True))
_COUNTED = "|".join(word for word, value in _UNIT_VALUES.items() if value)
_TEEN, _TEN, _MANY = "|".join(_TEEN_VALUES), "|".join(_TEN_VALUES), "|".join(_REPEATS)
_WORD = (
    rf"(?:(?:{_MANY})[ -]+(?:{_UNIT}|[0-9])|(?:{_TEN})(?:[ -]*(?:{_COUNTED}))?|{_TEEN}|"
    rf"(?:{_COUNTED})[ -](?:hundred|thousand)|{_UNIT})(?![a-z])"
)
_BETWEEN = r"[\s,.;…/~*|()-]{1,5}(?:(?:dash|hyphen|then|and|uh|um|er|erm|hmm|yeah|\[pause\])[\s,.…]+)?"
_GLUED = r"(?<=[0-9])(?=[a-z])|(?<=[a-z])(?=[0-9])"  # six17
_NEXT = rf"(?:(?:{_BETWEEN}|{_GLUED})(?:{_WORD}|[0-9]+))"
_LATIN_RUN = re.compile(rf"(?<![A-Za-z])(?:{_WORD}|[0-9]+){_NEXT}+", re.I)
_FEW_DIGITS = re.compile(rf"\s*(?:(?:and|then|ok|yes|um|uh|er)[ ,]+)*(?P<few>{_WORD}{_NEXT}*)[ .,]*\s*", re.I)
_LATIN_PART = re.compile(
    rf"(?P<hundreds>{_COUNTED})[ -](?P<power>hundred|thousand)"
    rf"(?=\Z|,?[ -](?:[0-9]{{3}}|(?:{_COUNTED}) hundred|(?:{_UNIT}|{_MANY}) (?:{_UNIT})(?![a-z])))|"
    rf"(?P<many>{_MANY})[ -]+(?P<of>{_UNIT}|[0-9])|(?P<tens>{_TEN})(?:[ -]*(?P<ones>{_COUNTED})(?![a-z]))?"
    rf"|(?P<teen>{_TEEN})|(?P<unit>{_UNIT})|(?P<digits>[0-9]+)|dash|hyphen|then",
    re.I,
)
_PLUS = re.compile(r"\bplus $", re.I)
_HINT_REACH = 8  # from one digit's word to the next: "three, double"


def _hints() -> ahocorasick.Automaton:
    automaton = ahocorasick.Automaton()
    for word in (*_VALUES, *_REPEATS):
        automaton.add_word(word, len(word))
    automaton.make_automaton()
    return automaton


_LATIN_HINTS = _hints()

_FEWEST_DIGITS = 7  # of a telephone number
_Piece = tuple[int, int, str]  # where it stands, and the digits that it says


def read_digits(canonical: Canonical) -> Canonical:
    """Digits that are written as words become digits; words that only look like it stay.

    Three words in a row are a number, or fewer that join written digits to a number of seven.

    >>> read_digits(fold("幺三八 零零 一三 捌〇〇〇，一定")).text
    '13800138000,一定'
    >>> read_digits(fold("six two double two oh one, one of them")).text
    '622201, one of them'
    """
    text = canonical.text
    pieces: list[_Piece] = []
    if not text.isascii() and any(hint.search(text) for hint in _HAN_HINTS):
        for run in _HAN_RUN.finditer(text):
            pieces += _han_pieces(text, run.start(), run.end())
    if not pieces and _dictated(text):
        for run in _LATIN_RUN.finditer(text):
            pieces += _latin_pieces(text, run.start(), run.end())
    return _rewritten(canonical, pieces) if pieces else canonical


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
        canonical = _rewritten(canonical, apart) if apart else canonical
    return canonical


_remembered = lru_cache(maxsize=MOST_REMEMBERED)(_read)


def _dictated(text: str) -> bool:
    """May the text hold a number in English words: two of them close by, or one beside digits?"""
    lower, before = text.lower(), -_HINT_REACH
    for end, size in _LATIN_HINTS.iter(lower):
        start = end + 1 - size
        if lower[start - 1 : start].isalpha() or lower[end + 1 : end + 2].isalpha():
            continue
        if (
            start - before <= _HINT_REACH
            or text[end + 1 : end + 2].isdigit()
            or text[end + 2 : end + 4].isdigit()
            or text[max(0, start - 2) : start].strip().isdigit()
        ):
            return True
        before = end
    return False


def _han_pieces(text: str, start: int, end: int) -> list[_Piece]:
    parts = list(_HAN_PART.finditer(text, start, end))
    spoken = [part for part in parts if part[3] or part[2]]
    count = sum(len(part[4]) if part[4] else _TIMES[part[1]] if part[1] else 1 for part in parts)
    if len(spoken) < 3 and not any(part[2] for part in spoken):
        while parts and parts[0][3]:  # 方式一13800138000: the word before the number is no part of it
            parts.pop(0)
        while parts and parts[-1][3]:
            parts.pop()
        if count < 7 or not any(part[3] for part in parts):
            return []
    elif count < 3 or (len(spoken) == 3 == count and spoken[0][3] == spoken[-1][3] == "一"):
        return []
    if len(parts) > 3 and (parts[-1][3] or "") in tuple("一两三") and text[parts[-1].end() :][:1] in _GOES_ON:
        parts.pop()
    pieces: list[_Piece] = []
    for part in parts:
        if part[2]:
            said = _HAN_DIGITS[part[2]] * _TIMES[part[1]]
        elif part[3]:
            said = _HAN_DIGITS[part[3]]
        else:
            said = part[4] or "-"
        pieces.append((part.start(), part.end(), said))
    return [piece for number in _apart(text, pieces) for piece in _joined(text, number)]


def _apart(text: str, pieces: list[_Piece]) -> list[list[_Piece]]:
    """Numbers that stand side by side, each of seven digits or more: "一三八…/一三九…" are two."""
    if sum(len(said) for _, _, said in pieces) < 2 * _FEWEST_DIGITS:
        return [pieces]
    for mark in "/|、,。":
        numbers: list[list[_Piece]] = [[]]
        for piece in pieces:
            if numbers[-1] and mark in text[numbers[-1][-1][1] : piece[0]]:
                numbers.append([])
            numbers[-1].append(piece)
        if len(numbers) > 1 and all(
            sum(len(said) for _, _, said in number) >= _FEWEST_DIGITS for number in numbers
        ):
            return numbers
    return [pieces]


def read_few(canonical: Canonical) -> Canonical:
    """As `read_digits`, of a turn that says a digit or two and nothing else: "and double eight."."""
    found = _FEW_DIGITS.fullmatch(canonical.text) if len(canonical.text) < 40 else None
    pieces = _latin_pieces(canonical.text, *found.span("few"), fewest=1) if found else []
    return _rewritten(canonical, pieces) if pieces else canonical


def _latin_pieces(text: str, start: int, end: int, *, fewest: int = 3) -> list[_Piece]:
    parts = list(_LATIN_PART.finditer(text, start, end))
    words = sum(1 for part in parts if _is_word(part))
    if words < fewest:  # "the old one 07801 318345": the word before the number is no part of it
        while parts and not (parts[0]["digits"] or parts[0]["hundreds"] or parts[0][0].lower() in _ZEROS):
            if text[parts[0].end() : end][:1].isdigit():
                break  # glued to it, as in six17
            parts.pop(0)
        while parts and not (parts[-1]["digits"] or text[: parts[-1].start()][-1:].isdigit()):
            parts.pop()
        words = sum(1 for part in parts if _is_word(part))
    pieces: list[_Piece] = []
    for part in parts:
        if part["many"]:
            said = _VALUES.get(part["of"].lower(), part["of"]) * _REPEATS[part["many"].lower()]
        elif part["hundreds"]:
            said = _VALUES[part["hundreds"].lower()] + ("00" if part["power"].lower() == "hundred" else "000")
        elif part["tens"]:
            tens = _VALUES[part["tens"].lower()]
            said = tens[0] + _VALUES[part["ones"].lower()] if part["ones"] else tens
        elif part["digits"]:
            said = part["digits"]
        else:
            said = _VALUES.get(part[0].lower(), "")
        pieces.append((part.start(), part.end(), said))
    digits = sum(len(said) for _, _, said in pieces)
    if not (words >= fewest or (words and digits >= 7 and len(pieces) > 2)):
        return []
    plus = _PLUS.search(text, max(0, start - 6), start)
    return ([(plus.start(), start, "+")] if plus and digits >= _FEWEST_DIGITS else []) + _joined(text, pieces)


def _is_word(part: re.Match[str]) -> bool:
    return not part["digits"] and part[0].lower() not in ("dash", "hyphen", "then")


def _joined(text: str, pieces: list[_Piece]) -> list[_Piece]:
    """Gaps beside a word go, but for a comma; those between written digits stay, as other steps read them."""
    joined: list[_Piece] = []
    for piece in pieces:
        if joined:
            start, end = joined[-1][1], piece[0]
            written = text[start - 1].isascii() and text[end].isascii() and text[start - 1 : start].isdigit()
            comma = "," in text[start:end] and not text[start - 1].isascii()
            if start < end and not (written and text[end].isdigit()):
                joined.append((start, end, "," if comma else ""))
        joined.append(piece)
    return joined


def _rewritten(canonical: Canonical, pieces: list[_Piece]) -> Canonical:
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
