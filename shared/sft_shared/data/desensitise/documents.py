"""Identity documents: resident IDs, passports, travel permits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from stdnum.cn import ric

from sft_shared.data.desensitise.cues import Reading
from sft_shared.data.desensitise.digits import Number, is_quantity, stands_alone
from sft_shared.data.desensitise.spans import Span

_PROVINCES = re.compile("1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")
_GOES_ON = re.compile("[0-9A-Za-z]")
_CHECK_X = re.compile(r"[ \t./·_-]{0,3}[Xx×](?![A-Za-z0-9])")


def may_be_resident_id(_shape: Reading, number: Number) -> bool:
    """Has a number as many digits as a resident ID, its X aside?"""
    return len(number.digits) in (15, 17, 18)


def find_resident_ids(reading: Reading, number: Number) -> Iterator[Span]:
    """The Chinese resident ID that a number is, of 18 or, in the old form, 15 digits.

    The county is not looked up: places were renamed, numbers were not. Of the 18 the check digit must
    be right (GB 11643-1999), or a cue must say what it is.
    """
    digits, end = number.digits, number.end
    if not may_be_resident_id(reading, number) or not _PROVINCES.match(digits):
        return
    if len(digits) == 17:
        letter = _CHECK_X.match(reading.text, end)
        if not letter:
            return
        digits, end = digits + "X", letter.end()
    if not _is_birth(digits[6:14] if len(digits) == 18 else "19" + digits[6:12]) or not _may_stand(
        reading, number, end
    ):
        return
    cue = reading.cue_before(number.start) or reading.cue_after(end)
    said = cue is not None and cue.theme == "resident_id"
    if len(digits) == 15:
        if said or (number.whole or len(number.sizes) == 1):
            yield Span(number.start, end, "resident_id", 0.97 if said else 0.7)
    elif ric.calc_check_digit(digits) == digits[-1]:
        called_card = cue is not None and cue.theme == "card"
        yield Span(number.start, end, "resident_id", 0.98 if called_card else 1.0)
    elif said:
        yield Span(number.start, end, "resident_id", 0.9)


def find_said_ids(reading: Reading, number: Number) -> Iterator[Span]:
    """A number of 15 or 18 digits that is called an ID though its digits do not bear it out."""
    cue = reading.cue_before(number.start, reach=16) or reading.cue_after(number.end)
    if cue is None or cue.theme != "resident_id" or not number.whole:
        return
    digits, end = number.digits, number.end
    letter = _CHECK_X.match(reading.text, end) if len(digits) == 17 else None
    if len(digits) in (15, 18) or letter:
        yield Span(number.start, letter.end() if letter else end, "resident_id", 0.75)


def _is_birth(digits: str) -> bool:
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return 1890 <= born.year <= 2050


def _may_stand(reading: Reading, number: Number, end: int) -> bool:
    marks = number.marks - {" ", "\n"}
    if len(number.digits) + (end > number.end) == 18:  # the check digit says enough: ID110105...
        return len(marks) <= 1 and not _GOES_ON.match(reading.text, end)
    return len(marks) <= 1 and stands_alone(reading.text, number.start, end)


_PASSPORT = re.compile(
    r"(?<![A-Za-z0-9])(?:[EG][ -]?\d{4}[ -]?\d{4}|E[A-HJ-NP-Z][ -]?\d{3}[ -]?\d{4}|"
    r"[DSP]E?\d{7,8})(?![A-Za-z0-9])",
    re.I,
)
_CHINESE_PASSPORT = re.compile(r"[EG][A-Z]?\d{7}")
_PERMIT = re.compile(r"(?<![A-Za-z0-9])[CWHMcwhm][A-Za-z]?\d{7,10}(?![A-Za-z0-9])")
_DOCUMENT = re.compile(
    r"(?<![A-Za-z0-9])(?=(?:[A-Za-z]{0,9} ?\d){3})(?:[A-Z]{1,3}|[A-Za-z])?[ "
    r"-]?\d[A-Za-z0-9]{4,10}(?![A-Za-z0-9])|"
    r"(?<![A-Za-z0-9])[A-Z]{1,2}[ -]?\d{2,4}[ -]\d{3,4}(?:[ -]\d{1,4})?(?![A-Za-z0-9])"
)
_LETTERED = re.compile(r"(?<![A-Za-z0-9])(?=[A-Z0-9]*\d)[A-Z][A-Z0-9]{7,9}(?![A-Za-z0-9])")
_MAY_HOLD = re.compile(r"\d{3}")
_SOCIAL = re.compile(
    r"(?<![A-Za-z0-9-])(?!000|666)[0-8]\d\d[- ]?(?!00)\d\d[- ]?(?!0000)\d{4}(?![A-Za-z0-9-])"
)
_NATIONAL = re.compile(
    r"(?<![A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D](?![A-Za-z0-9])", re.I
)
_HONG_KONG = re.compile(r"(?<![A-Za-z0-9])[A-Z]{1,2}\d{6}\([0-9A]\)", re.I)


def find_documents(reading: Reading) -> Iterator[Span]:
    """Passports, permits, and the identity numbers of other places, the last two only with a cue."""
    text = reading.text
    said_passport, said_id = "passport" in reading.themes, "resident_id" in reading.themes
    if not _MAY_HOLD.search(text) and not said_passport:
        return
    for found in _PASSPORT.finditer(text) if said_passport or _CHINESE_PASSPORT.search(text) else ():
        theme = _theme(reading, found)
        if theme == "passport" or (
            theme in (None, "resident_id", "phone") and found[0][0] in "EG" and _is_chinese_passport(found[0])
        ):
            yield Span(found.start(), found.end(), "passport", 0.95 if theme else 0.65)
    for pattern in (_PERMIT, _DOCUMENT, _LETTERED) if said_passport else ():
        for found in pattern.finditer(text):
            if _theme(reading, found) == "passport" and _is_long(found[0]):
                yield Span(found.start(), found.end(), "passport", 0.9)
    for pattern in (_SOCIAL, _NATIONAL) if said_id else ():
        for found in pattern.finditer(text):
            if _theme(reading, found) == "resident_id":
                yield Span(found.start(), found.end(), "resident_id", 0.93)
    for found in _SOCIAL.finditer(text) if text.count("-") >= 2 else ():
        if (
            found[0].count("-") == 2
            and _theme(reading, found) is None
            and not is_quantity(text, found.start(), found.end())
        ):
            yield Span(found.start(), found.end(), "resident_id", 0.6)
    for found in _HONG_KONG.finditer(text) if "(" in text else ():
        yield Span(found.start(), found.end(), "resident_id", 0.85)


def _is_long(written: str) -> bool:
    """Seven digits, or six signs with a letter in front, and no measure such as 35x45mm."""
    signs = re.sub("[ -]", "", written)
    return len(signs) >= (7 if signs.isdigit() else 6) and not re.search(r"\d(?:mm|cm|x\d)", signs)


def _is_chinese_passport(written: str) -> bool:
    return len(re.sub(r"[ -]", "", written)) == 9 and " " not in written and "-" not in written


def _theme(reading: Reading, found: re.Match[str]) -> str | None:
    cue = reading.cue_before(found.start(), reach=24) or reading.cue_after(found.end())
    return None if cue is None else cue.theme
