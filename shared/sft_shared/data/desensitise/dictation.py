"""Digits that were dictated: written as words, Chinese or English."""

from __future__ import annotations

import re

import ahocorasick

from sft_shared.data.desensitise.folding import Canonical, Piece, rewritten

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
_HUNDREDS = rf"(?:{_TEN})[ -](?:{_COUNTED})|{_TEEN}|{_COUNTED}"  # twenty-two hundred
NUMBER_WORD = (
    rf"(?:(?:{_MANY})[ -]+(?:{_UNIT}|[0-9])|(?:{_HUNDREDS})[ -](?:hundred|thousand)|"
    rf"(?:{_TEN})(?:[ -]*(?:{_COUNTED}))?|{_TEEN}|(?:{_UNIT}){{1,12}})(?![a-z])"
)
"""A number in English words, of one digit or some, as a pattern."""
_FILLERS = (
    r"dash|hyphen|dot|point|period|space|slash|then|and|next|uh|um|er|erm|hmm|yeah|yes|ok|okay|right|so|"
    r"it['’]?s|that['’]?s|followed by|got it|(?:the )?area code|\[pause\]|\(pause\)"
)
_BETWEEN = rf"[\s,.;…/~*|()-]{{1,5}}(?:(?:{_FILLERS})[\s,.;:…?()-]+){{0,3}}"
_GLUED = r"(?<=[0-9])(?=[a-z])|(?<=[a-z])(?=[0-9])"  # six17
_NEXT = rf"(?:(?:{_BETWEEN}|{_GLUED})(?:{NUMBER_WORD}|[0-9]+))"
_LATIN_RUN = re.compile(rf"(?<![A-Za-z])(?:{NUMBER_WORD}|[0-9]+){_NEXT}+", re.I)
_FEW_DIGITS = re.compile(
    rf"\s*(?:(?:and|then|ok|yes|um|uh|er)[ ,]+)*(?P<few>{NUMBER_WORD}{_NEXT}*)[ .,]*\s*", re.I
)
_LATIN_PART = re.compile(
    rf"(?P<filler>{_FILLERS})(?![a-z])|(?P<hundreds>{_HUNDREDS})[ -](?P<power>hundred|thousand)"
    rf"(?=\Z|,?[ -](?:[0-9]{{3}}|(?:{_COUNTED}) hundred|(?:{_UNIT}|{_MANY}) (?:{_UNIT})(?![a-z])))|"
    rf"(?P<many>{_MANY})[ -]+(?P<of>{_UNIT}|[0-9])|(?P<tens>{_TEN})(?:[ -]*(?P<ones>{_COUNTED})(?![a-z]))?"
    rf"|(?P<teen>{_TEEN})|(?P<unit>{_UNIT})|(?P<digits>[0-9]+)",
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


def read_digits(canonical: Canonical) -> Canonical:
    """Digits that are written as words become digits; words that only look like it stay.

    Three words in a row are a number, or fewer that join written digits to a number of seven.

    >>> read_digits(fold("幺三八 零零 一三 捌〇〇〇，一定")).text
    '13800138000,一定'
    >>> read_digits(fold("six two double two oh one, one of them")).text
    '622201, one of them'
    """
    text = canonical.text
    pieces: list[Piece] = []
    if not text.isascii() and any(hint.search(text) for hint in _HAN_HINTS):
        for run in _HAN_RUN.finditer(text):
            pieces += _han_pieces(text, run.start(), run.end())
    if not pieces and _dictated(text):
        for run in _LATIN_RUN.finditer(text):
            pieces += _latin_pieces(text, run.start(), run.end())
    return rewritten(canonical, pieces) if pieces else canonical


def _dictated(text: str) -> bool:
    """May the text hold a number in English words: two of them close by, or one beside digits?"""
    lower, before, last = text.lower(), -_HINT_REACH, -1
    for end, size in _LATIN_HINTS.iter(lower):
        start = end + 1 - size
        if size > 1:
            if start == last + 1:
                return True  # glued together: ohone
            last = end
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


def _han_pieces(text: str, start: int, end: int) -> list[Piece]:
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
    pieces: list[Piece] = []
    for part in parts:
        if part[2]:
            said = _HAN_DIGITS[part[2]] * _TIMES[part[1]]
        elif part[3]:
            said = _HAN_DIGITS[part[3]]
        else:
            said = part[4] or "-"
        pieces.append((part.start(), part.end(), said))
    return [piece for number in _apart(text, pieces) for piece in _joined(text, number)]


def _apart(text: str, pieces: list[Piece]) -> list[list[Piece]]:
    """Numbers that stand side by side, each of seven digits or more: "一三八…/一三九…" are two."""
    if sum(len(said) for _, _, said in pieces) < 2 * _FEWEST_DIGITS:
        return [pieces]
    for mark in "/|、,。":
        numbers: list[list[Piece]] = [[]]
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
    return rewritten(canonical, pieces) if pieces else canonical


def _latin_pieces(text: str, start: int, end: int, *, fewest: int = 3) -> list[Piece]:
    parts = list(_LATIN_PART.finditer(text, start, end))
    while len(parts) > 1 and parts[0][0].lower() == "oh" and _is_said_between(parts[1]):
        parts.pop(0)  # "oh sorry, that's oh seven ...": the first one is no digit
        while parts and parts[0]["filler"]:
            parts.pop(0)
    words = sum(1 for part in parts if _is_word(part))
    if words < fewest:  # "the old one 07801 318345": the word before the number is no part of it
        while parts and not (parts[0]["digits"] or parts[0]["hundreds"] or parts[0][0].lower() in _ZEROS):
            if text[parts[0].end() : end][:1].isdigit():
                break  # glued to it, as in six17
            parts.pop(0)
        while parts and not (parts[-1]["digits"] or text[: parts[-1].start()][-1:].isdigit()):
            parts.pop()
        words = sum(1 for part in parts if _is_word(part))
    pieces: list[Piece] = []
    for part in parts:
        if part["many"]:
            said = _VALUES.get(part["of"].lower(), part["of"]) * _REPEATS[part["many"].lower()]
        elif part["hundreds"]:
            count = sum(int(_VALUES[word]) for word in re.split("[ -]", part["hundreds"].lower()))
            said = str(count) + ("00" if part["power"].lower() == "hundred" else "000")
        elif part["tens"]:
            tens = _VALUES[part["tens"].lower()]
            said = tens[0] + _VALUES[part["ones"].lower()] if part["ones"] else tens
        elif part["digits"]:
            said = part["digits"]
        elif part["filler"]:
            said = "." if part["filler"].lower() in ("dot", "point", "period") else ""
        else:
            said = _VALUES[part[0].lower()]
        pieces.append((part.start(), part.end(), said))
    digits = sum(len(said) for _, _, said in pieces)
    if not (words >= fewest or (words and digits >= 7 and len(pieces) > 2)):
        return []
    plus = _PLUS.search(text, max(0, start - 6), start)
    return ([(plus.start(), start, "+")] if plus and digits >= _FEWEST_DIGITS else []) + _joined(text, pieces)


def _is_said_between(part: re.Match[str]) -> bool:
    """Is it a filler, and none that stands for a mark?"""
    return bool(part["filler"]) and part["filler"].lower() not in ("dash", "hyphen", "dot", "point", "space")


def _is_word(part: re.Match[str]) -> bool:
    return not (part["digits"] or part["filler"])


def _joined(text: str, pieces: list[Piece]) -> list[Piece]:
    """Gaps beside a word go, but for a comma or a closing bracket.

    Those between written digits stay, as other steps read them.
    """
    joined: list[Piece] = []
    for piece in pieces:
        if joined:
            start, end = joined[-1][1], piece[0]
            written = text[start - 1].isascii() and text[end].isascii() and text[start - 1 : start].isdigit()
            comma = "," in text[start:end] and not text[start - 1].isascii()
            if start < end and not (written and text[end].isdigit()):
                closed = ")" in text[start:end] and "(" not in text[pieces[0][0] : end]
                joined.append((start, end, ")" if closed else "," if comma else ""))
        joined.append(piece)
    return joined
