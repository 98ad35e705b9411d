"""The gate's own look at numbers: cards, resident identity numbers and mobiles, however they are spaced.

Nothing here is shared with the recognisers, so that a gap in those is not a gap here.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sft_shared.data.desensitise.numerals import passes_luhn, resident_check_digit
from sft_shared.data.desensitise.spans import Kind


@dataclass(frozen=True)
class Hit:
    """Characters ``start`` to ``end`` of a text look like a value of ``kind``."""

    start: int
    end: int
    kind: Kind
    certain: bool


_RUN = re.compile(r"[0-9](?:[ \-._/·|,()\u200b\n]{0,3}[0-9]){10,}(?:[ \-]?[Xx](?![A-Za-z]))?")
_GROUP = re.compile("[0-9]+[Xx]?|[Xx]")
_FEWEST_DIGITS, _MOST_DIGITS = 11, 19
_MOST_GROUPS = 19
_LONG_RUN, _MOST_GROUPS_OF_LONG_RUN = (
    64,
    5,
)  # in a table of numbers, only the usual groups tell one from the rest
_PHONE_START = re.compile("1(?:3[0-9]|4[579]|5[0-35-9]|6[2567]|7[0-35-8]|8[0-9]|9[0-35-9])")
_PHONE_ABROAD = re.compile(f"(?:00)?86{_PHONE_START.pattern}")
_DIVISIONS_TEXT = (
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 "
    "71 81 82 83 91"
)
_DIVISIONS = frozenset(_DIVISIONS_TEXT.split())


def _groupings(text: str) -> frozenset[tuple[int, ...]]:
    return frozenset(tuple(map(int, each.split("-"))) for each in text.split())


_CARD_GROUPS = _groupings(
    "4-4-4-4 4-4-4-4-3 4-4-4-4-2 4-4-4-4-1 4-6-5 4-6-4 6-10 6-13 8-8 4-4-4-1 4-4-4-3 4-4-8 4-12 8-4-4 12-4 "
    "4-8-4 5-5-5-4 6-4-6 16-3"
)
_ID_GROUPS = _groupings("6-8-4 6-4-4-4 6-4-2-2-4 3-3-4-4-4 6-12 14-4 10-8")
_PHONE_GROUPS = _groupings("3-4-4 3-8 7-4 4-3-4 3-3-5 5-6")
_CARD_WORDS = re.compile(r"(?:card|number|no|num|pan|visa|mastercard|unionpay|amex|jcb|id|is)$", re.I)
_ORDER_CUE = re.compile(
    r"(?:订单|单号|运单|流水|编号|order|tracking|waybill|invoice|reference|serial|transaction)[^0-9]{0,8}$",
    re.I,
)
_CARD_CUE = re.compile("卡|手机|电话|身份证|card|phone|mobile|tel", re.I)
_PHONE_WORDS = re.compile(
    r"(?:tel|phone|mobile|cell|call|number|no|num|fax|whatsapp|wechat|wx|contact|is)$", re.I
)


def numbers(flat: str, *, strict: bool = False) -> Iterator[Hit]:
    """Hits in a text after `plain`; ``strict``: a card is certain only in the groups of a card."""
    for run in _RUN.finditer(flat):
        yield from _Run(flat, run.start(), run.end(), strict=strict).hits()


class _Run:
    """Groups of digits with little between them."""

    def __init__(self, flat: str, start: int, end: int, *, strict: bool) -> None:
        self._flat = flat
        self._strict = strict
        groups = [group.span() for group in _GROUP.finditer(flat, start, end)]
        if len(groups) > 1 and flat[groups[-1][0]] in "Xx":  # 1101...002 X
            groups[-2:] = [(groups[-2][0], groups[-1][1])]
        self._groups = groups
        parts = [flat[first:last].replace(" ", "").replace("-", "") for first, last in groups]
        self._sizes = [len(part) for part in parts]
        self._digits = "".join(parts)
        self._marks = [flat[left[1] : right[0]].replace("\u200b", "") for left, right in pairwise(groups)]

    def hits(self) -> Iterator[Hit]:
        sure, maybe = -1, -1  # where the last of either ended
        hits = list(self._all())
        if len(self._groups) <= _MOST_GROUPS:
            hits = _side_by_side(hits)
        for hit in sorted(hits, key=lambda each: (each.start, -each.end)):
            if hit.certain and hit.start >= sure:
                sure = hit.end
                yield hit
            elif not hit.certain and hit.start >= max(sure, maybe):
                maybe = hit.end
                yield hit

    def _all(self) -> Iterator[Hit]:
        most = _MOST_GROUPS if len(self._groups) <= _LONG_RUN else _MOST_GROUPS_OF_LONG_RUN
        offset = 0
        for first in range(len(self._groups)):
            total = 0
            for last in range(first, min(first + most, len(self._groups))):
                total += self._sizes[last]
                if total > _MOST_DIGITS:
                    break
                if total >= _FEWEST_DIGITS:
                    yield from self._window(first, last, self._digits[offset : offset + total])
            offset += self._sizes[first]

    def _window(self, first: int, last: int, digits: str) -> Iterator[Hit]:
        start, end = self._groups[first][0], self._groups[last][1]
        length = len(digits)
        if length == 18 and is_resident_id(digits):
            certain = self._stands(first, last, _ID_GROUPS, _CARD_WORDS, loose=True)
            yield Hit(start, end, "resident_id", certain)
        if is_card(digits):
            certain = self._stands(first, last, _CARD_GROUPS, _CARD_WORDS, loose=not self._strict)
            yield Hit(start, end, "card", certain)
        if length == 11 and _PHONE_START.match(digits):
            certain = self._stands(first, last, _PHONE_GROUPS, _PHONE_WORDS, loose=False)
            yield Hit(start, end, "phone", certain)
        elif length in (13, 15) and _PHONE_ABROAD.match(digits):
            sizes = tuple(self._sizes[first : last + 1])
            usual = sizes[0] == length - 11 and sizes[1:] in (*_PHONE_GROUPS, (11,))
            if usual or len(sizes) == 1:
                yield Hit(start, end, "phone", self._is_free(first, _PHONE_WORDS))

    def _stands(
        self,
        first: int,
        last: int,
        groups: frozenset[tuple[int, ...]],
        words: re.Pattern[str],
        *,
        loose: bool,
    ) -> bool:
        """Is it written as one number: in one piece, in the usual groups, in equal ones, or all alone?

        ``loose``: any groups will do where nothing else stands beside them, for there is a check digit.
        """
        if not self._is_free(first, words):
            return False
        if first == last:
            return not (self._is_decimal(first) or self._is_ordered(first))
        sizes, marks = tuple(self._sizes[first : last + 1]), self._marks[first:last]
        whole = first == 0 and last == len(self._groups) - 1
        same = len(set(marks)) == 1
        equal = sizes[0] <= 4 and len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0]
        if sizes in groups or (equal and (loose or sizes[0] <= 2) and (same or not self._strict)):
            if whole:
                return True
            before = first and self._marks[first - 1] in marks and self._sizes[first - 1] == sizes[0]
            rest = len(self._groups) - 1 - last
            after = rest and self._marks[last] in marks and (self._sizes[last + 1] == sizes[0] or rest > 3)
            return not before and not after
        return loose and whole and same and len(sizes) <= 6 and "\n" not in marks[0]

    def _is_free(self, first: int, words: re.Pattern[str]) -> bool:
        """Does no letter touch its front that makes it a code, and no sign that makes it an amount?"""
        start = self._groups[first][0]
        before = self._flat[max(0, start - 12) : start]
        if before[-1:] in "¥$€£￥" and before:
            return False
        return not (before[-1:].isascii() and before[-1:].isalpha()) or words.search(before) is not None

    def _is_decimal(self, group: int) -> bool:
        after = self._flat[self._groups[group][1] :][:1]
        fraction = group > 0 and self._marks[group - 1] == "."
        cents = group < len(self._marks) and self._marks[group] == "." and self._sizes[group + 1] <= 2
        return fraction or cents or (after.isascii() and after.isalpha())

    def _is_ordered(self, group: int) -> bool:
        """Is it called an order's number? One of those in ten passes the check of a card."""
        start = self._groups[group][0]
        cue = _ORDER_CUE.search(self._flat, max(0, start - 24), start)
        return cue is not None and _CARD_CUE.search(cue[0]) is None


def _side_by_side(found: Sequence[Hit]) -> list[Hit]:
    """Two card numbers, one right behind the other, are no chance: both become certain."""
    ends = {hit.end + gap for hit in found if hit.kind == "card" for gap in (1, 2, 3)}
    starts = {hit.start - gap for hit in found if hit.kind == "card" for gap in (1, 2, 3)}
    return [
        replace(hit, certain=hit.certain or (hit.kind == "card" and (hit.start in ends or hit.end in starts)))
        for hit in found
    ]


def is_card(digits: str) -> bool:
    """Is it of an issuer's range, of the length that its cards have, with the right check digit?"""
    return digits.isdecimal() and _is_issued(digits) and passes_luhn(digits) and len(set(digits)) > 1


def _is_issued(digits: str) -> bool:
    length, two, four = len(digits), digits[:2], int(digits[:4] or 0)
    if digits[0] == "4":
        return length in (13, 16, 19)
    if "51" <= two <= "55" or 2221 <= four <= 2720 or 2200 <= four <= 2204:
        return length == 16
    if two in ("34", "37"):
        return length == 15
    if two in ("36", "38") or 3000 <= four <= 3059:
        return length == 14
    if two in ("62", "60", "65") or 3528 <= four <= 3589 or 6440 <= four <= 6499 or four in (8171, 6907):
        return 16 <= length <= 19
    return four in (9558, 9559) and length == 19


def is_resident_id(digits: str) -> bool:
    """Are division, date of birth and check digit those of an identity number (GB 11643-1999)?"""
    if len(digits) != 18 or not digits[:17].isdecimal() or digits[:2] not in _DIVISIONS:
        return False
    try:
        born = datetime.date(int(digits[6:10]), int(digits[10:12]), int(digits[12:14]))
    except ValueError:
        return False
    return 1880 <= born.year <= 2100 and resident_check_digit(digits) == digits[17].upper()


def joined_kind(parts: Sequence[str]) -> tuple[Kind, bool] | None:
    """What the ends of one turn and the start of the next make together, and whether that is certain."""
    digits, sizes = "".join(parts), tuple(map(len, parts))
    if is_resident_id(digits):
        return "resident_id", True
    if is_card(digits):
        usual = all(size % 4 == 0 for size in sizes[:-1]) or sizes[0] == 6 or len(set(sizes)) == 1
        return "card", usual
    if len(digits) == 11 and digits.isdecimal() and _PHONE_START.match(digits) and sizes in _PHONE_GROUPS:
        return "phone", True
    return None
