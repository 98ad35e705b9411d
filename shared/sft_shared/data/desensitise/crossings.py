"""Where something may reach from one turn into the next: only there two turns are read as one text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from sft_shared.data.desensitise.blocks import MOST_SHAPES
from sft_shared.data.desensitise.cues import SAID_OF, SENTENCE_ENDS, Reading, Theme
from sft_shared.data.desensitise.folding import fold
from sft_shared.data.desensitise.numerals import plain
from sft_shared.data.desensitise.placeholders import PROVINCES
from sft_shared.data.desensitise.spans import Span

_REACH = 48  # characters to either side of a boundary that decide whether something reaches over it
_WHOLE = 240  # a turn of so many characters is read whole, of a longer one the sentences at its end
_CLOSED = frozenset("。！!…~～")
_MARKS = "。！!…~～. "
_JOINTS = frozenset("0123456789-./·_,、|+@()")
_OPEN = frozenset(":：=,，、-—(（\"“'‘[【<@叫是为成姓名人户者方客字")
_GOES_ON = frozenset("@省市区县镇乡村路街道巷号楼栋幢座室院弄年月日")
_OPEN_WORDS_TEXT = (
    "is am i'm it's called named name to from by with for under dear regards thanks cheers sincerely mr mr. "
    "mrs mrs. ms ms. dr dr. this recipient consignee attn contact holder as truly yours best wishes of"
)
_OPEN_WORDS = frozenset(_OPEN_WORDS_TEXT.split())
_NUMBER_WORDS_TEXT = (
    "zero oh o one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety double triple"
)
_NUMBER_WORDS = frozenset(_NUMBER_WORDS_TEXT.split())
_VALUE = re.compile("[0-9A-Za-z@]")
_NUMBER = re.compile(rf"(?i:[0-9](?:[ .-]?[0-9]){{2}}|\b(?:{'|'.join(_NUMBER_WORDS_TEXT.split())})\b)")
_NUMBERS: frozenset[Theme] = frozenset({"card", "resident_id", "passport", "phone", "order", "harmless"})
_PLACE_ENDS = re.compile(r"[省市区县镇乡村路街道巷号楼栋幢座室院弄苑园城厦层组元][^。,，]{0,9}\Z")
_PLACE_STARTS = re.compile(r"[^。,，]{0,12}?[省市区县镇乡村路街道巷号楼栋幢座室院弄层组单]")
_STREET = re.compile(
    r"(?:[A-Z0-9][\w.']* ){1,4}"
    r"(?:St|Street|Ave|Avenue|Rd|Road|Ln|Lane|Dr|Drive|Blvd|Boulevard|Way|Court|Place)\b"
)
_SENTENCE = re.compile(r"[。！？!?\n]")
Stretch = tuple[int, int, int]  # a turn, and from where to where it is read


def crossings(texts: Sequence[str], finds: Sequence[Sequence[Span]]) -> Iterator[list[Stretch]]:
    """The stretches of turns that follow each other and are to be read as one text.

    ``finds`` are those of each turn alone.
    """
    row: list[int] = []
    for turn in range(len(texts) - 1):
        left, right = texts[turn].rstrip(), texts[turn + 1].lstrip()
        if left and right and _may_cross(left, right, finds[turn]):
            row = row or [turn]
            row.append(turn + 1)
            if len(right) <= _REACH:
                continue  # so short that something may reach over all of it
        if row:
            yield _stretches(texts, row)
        row = []
    if row:
        yield _stretches(texts, row)


def _stretches(texts: Sequence[str], row: Sequence[int]) -> list[Stretch]:
    stretches = [(turn, 0, len(texts[turn])) for turn in row]
    for place, (left, right) in enumerate(pairwise(row)):
        asked = texts[left].rstrip()
        if _asks(asked[-_REACH:], texts[right].lstrip()[:_REACH]):
            stretches[place] = (left, 0, len(asked.rstrip(_MARKS)))  # its mark would end what is asked
    first, last = texts[row[0]], texts[row[-1]]
    if len(first) > _WHOLE:
        ends = [found.end() for found in _SENTENCE.finditer(first, len(first) - _WHOLE, len(first) - _REACH)]
        stretches[0] = (row[0], ends[-1] if ends else len(first) - _WHOLE, stretches[0][2])
    if len(last) > _WHOLE:
        end = _SENTENCE.search(last, _REACH, _WHOLE)
        stretches[-1] = (row[-1], 0, end.end() if end else _WHOLE)
    return stretches


def _may_cross(left: str, right: str, finds: Sequence[Span]) -> bool:
    last = left[-1]
    if _asks(left[-_REACH:], right[:_REACH]):
        return True
    if last in _CLOSED:
        return False
    if "-----BEGIN" in left and "-----END" not in left[left.rfind("-----BEGIN") :]:
        return True
    if last in ".;；":
        return last == "." and plain(right[0]) in _JOINTS
    tail, head = _tail(left[-_REACH:]), _head(right[:_REACH])
    if (tail.numeric and head.numeric) or (tail.says_number and head.says_number):
        return True
    if tail.is_open or head.goes_on:
        return True
    if tail.theme is not None and (head.holds_number if tail.theme in _NUMBERS else head.holds_value):
        return True
    if last in "?？":
        return False
    if (tail.is_date and head.numeric) or (tail.is_plate and head.begins_sign):
        return True
    if tail.ends_latin and _is_called(right[:_REACH]):
        return True
    if head.begins_place and _touched(finds, len(left)):
        return True
    return (tail.numeric and head.is_street) or (tail.ends_place and head.starts_place)


_REQUESTS = re.compile(
    r"请|麻烦|提供|告诉|输入|报一下|说一下|发一下|发给|填|核对|确认|"
    r"(?i:please|tell|give|provide|enter|send|type|share|confirm|need|what)"
)


def _asks(tail: str, head: str) -> bool:
    """Does a turn end by asking for a value, whatever mark it ends with, and the next one hold one?"""
    bare = tail.rstrip(_MARKS)
    if bare == tail or not bare or not _REQUESTS.search(bare):
        return False
    said, begun = _tail(bare), _head(head)
    return said.theme is not None and (begun.holds_number if said.theme in _NUMBERS else begun.holds_value)


def _touched(finds: Sequence[Span], end: int) -> bool:
    return any(span.kind == "address" and span.end >= end - 1 for span in finds)


class _Tail(NamedTuple):
    """What the last characters of a turn say of what may follow."""

    numeric: bool
    says_number: bool
    is_open: bool
    theme: Theme | None
    is_date: bool
    is_plate: bool
    ends_latin: bool
    ends_place: bool


class _Head(NamedTuple):
    """What the first characters of a turn say of what may have gone before."""

    numeric: bool
    says_number: bool
    goes_on: bool
    holds_number: bool
    holds_value: bool
    begins_sign: bool
    begins_place: bool
    is_street: bool
    starts_place: bool


@lru_cache(maxsize=MOST_SHAPES)
def _tail(left: str) -> _Tail:
    tail = plain(left)
    word = tail.rsplit(None, 1)[-1].lower()
    return _Tail(
        numeric=tail[-1] in _JOINTS,
        says_number=word in _NUMBER_WORDS,
        is_open=left[-1] in _OPEN or word.strip(",") in _OPEN_WORDS,
        theme=_announced(left),
        is_date=left[-1] in "年月",
        is_plate=tail[-2:-1] in PROVINCES and tail[-1].isalpha(),
        ends_latin=tail[-1].isascii() and tail[-1].isalnum(),
        ends_place=_PLACE_ENDS.search(tail) is not None,
    )


@lru_cache(maxsize=MOST_SHAPES)
def _head(right: str) -> _Head:
    head = plain(right)
    return _Head(
        numeric=head[0] in _JOINTS,
        says_number=head.split(None, 1)[0].strip(".,").lower() in _NUMBER_WORDS,
        goes_on=head[0] in _GOES_ON,
        holds_number=_NUMBER.search(head) is not None,
        holds_value=_VALUE.search(head) is not None,
        begins_sign=head[0].isalnum(),
        begins_place=head[0].isupper() or head[0] in "0123456789#," or "\u3400" <= head[0] <= "\u9fff",
        is_street=_STREET.match(head) is not None,
        starts_place=_PLACE_STARTS.match(head) is not None,
    )


def _announced(tail: str) -> Theme | None:
    """What the last cue announces that stands at the end, with no value behind it."""
    reading = Reading(fold(tail))
    if not reading.cues:
        return None
    cue = reading.cues[-1]
    behind = reading.text[cue.end :]
    said = any(map(str.isdigit, behind)) or SENTENCE_ENDS.search(behind + "\n")
    return None if said else cue.theme


@lru_cache(maxsize=MOST_SHAPES)
def _is_called(head: str) -> bool:
    """Does a turn say what the end of the last one was: "is my card number"?"""
    reading = Reading(fold(head))
    said = SAID_OF.match(reading.text)
    return bool(said and said.end() and any(cue.start <= said.end() for cue in reading.cues))
