"""What stands in place of personal data, known by its form: tags, and values that can be nobody's.

A pseudonym looks like a value of its kind, but lies where no real one can lie. So text that was desensitised
is left alone when it is desensitised again, by any key, and the leak gate lets it pass:

========== ===============================================================================================
card       digits 3 to 6 are 0000, and Luhn's sum leaves 5 where a real card's leaves 0
resident   begins with 990000, which is no division of China; the check digit is wrong
phone      154 (a Chinese mobile range never opened); 026-0 and 0400-0 (no such area codes, and no local
           number begins with 0); 555-01xx (kept for fiction in North America); +CC 000...
e-mail     at example.com, .org or .net (RFC 2606)
IP         198.18.0.0/15 (RFC 2544), the documentation networks (RFC 5737) and 2001:db8::/32 (RFC 3849)
MAC        begins with 06:00:00, a locally administered address
plate      the letter after the province is I, which no plate has
numbers    accounts, orders, passports: begin with 99 and leave 1 modulo 97 (as ISO 7064 MOD 97-10)
secrets    end with EXAMPLE
dates      of the year 1900
names      and places: coined words, see `coined`
========== ===============================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from sft_shared.data.desensitise import coined
from sft_shared.data.desensitise.blocks import LONGEST_REMEMBERED, MOST_REMEMBERED, blocks, of_late
from sft_shared.data.desensitise.numerals import luhn_remainder, plain, resident_check_digit
from sft_shared.data.desensitise.tags import TAG

CARD_ZEROS, CARD_REMAINDER = "0000", 5
RESIDENT_AREA = "990000"
NUMBER_START, NUMBER_MODULUS = "99", 97
SECRET_END = "EXAMPLE"  # noqa: S105 (says that there is no secret)
BIRTH_YEAR = "1900"
PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_MONTH_NAMES = "January February March April May June July August September October November December"
MONTHS = tuple(_MONTH_NAMES.split())
FILLER = "\ufffc"
"""Stands for each character of a placeholder in a masked text; no letter, no digit, no space."""

_gap = r"[ \-._/·|,\u200b()]{0,3}"
_d = f"{_gap}[0-9]"
_CARD = re.compile(f"(?<![0-9])[3-6]{_d}(?:{_gap}0){{4}}(?:{_d}){{6,13}}(?![0-9])")
_RESIDENT = re.compile(
    f"(?<![0-9])9{_gap}9(?:{_gap}0){{4}}(?:{_d}){{9}}(?:(?:{_d}){{2}}{_gap}[0-9Xx])?(?![0-9A-Za-z])"
)
_ZEROS = re.compile(f"0(?:{_gap}0){{3}}")
_link = r"[ \-._/·\u200b()]{0,3}"
_e = f"{_link}[0-9]"
_PHONES = tuple(
    (re.compile(hint), re.compile(pattern))
    for hint, pattern in (
        (f"1{_link}5{_link}4", rf"(?<![0-9])(?:(?:\+|00)?86{_link})?1{_link}5{_link}4(?:{_e}){{8}}(?![0-9])"),
        (
            f"0{_link}2{_link}6{_link}0|0{_link}4{_link}0{_link}0",
            rf"(?<![0-9])(?:(?:\+|00)?86{_link})?\(?0(?:{_link}2{_link}6|{_link}4{_link}0{_link}0){_link}0"
            rf"(?:{_e}){{6,8}}(?![0-9])",
        ),
        (
            f"5{_link}5{_link}5{_link}0{_link}1",
            rf"(?<![0-9])(?:\+?1{_link})?\(?[2-9](?:{_e}){{2}}{_link}5{_link}5{_link}5{_link}0{_link}1(?:{_e}){{2}}"
            r"(?![0-9])",
        ),
        (r"\+", rf"\+[1-9][0-9]{{0,2}}{_link}0{_link}0{_link}0(?:{_e}){{4,9}}(?![0-9])"),
        ("00", rf"(?<![0-9])00[1-9][0-9]{{0,2}}{_link}0{_link}0{_link}0(?:{_e}){{4,9}}(?![0-9])"),
    )
)
_NUMBER = re.compile(r"(?<![0-9])9[ _-]?9(?:[A-Za-z]{0,6}[ _-]?[0-9]){5,30}[A-Za-z]{0,6}(?![0-9A-Za-z])")
_NUMBER_LEFT = re.compile(r"[A-Za-z][A-Za-z_-]{0,15}$")
_PLATE = re.compile(rf"[{PROVINCES}] ?[Ii][·. -]?[A-Za-z0-9]{{5,6}}(?![A-Za-z0-9])")
_MAIL_RIGHT = re.compile(r"@(?:[A-Za-z0-9-]{1,63}\.){0,4}example\.(?:com|org|net)(?![A-Za-z0-9-])", re.I)
_IN_URL = re.compile(r"://[^\s/@]{0,128}\Z")  # user:password@example.com is no mailbox
_MAIL_LEFT = re.compile(r"[A-Za-z0-9._%+-]{1,64}$")
_ADDRESSES = (
    re.compile(
        r"(?<![0-9.])(?:198\.1[89]\.[0-9]{1,3}|192\.0\.2|198\.51\.100|203\.0\.113)\.[0-9]{1,3}(?![0-9])"
    ),
    re.compile(r"2001:0?db8(?::[0-9a-f]{0,4}){1,7}", re.I),
    re.compile(r"(?<![0-9A-Za-z:])06([:-])00\1[0]{2}(?:\1[0-9a-f]{2}){3}(?!:)", re.I),
    re.compile(r"(?<![0-9A-Za-z])0600\.00[0-9a-f]{2}\.[0-9a-f]{4}(?![0-9A-Za-z])", re.I),
    re.compile(r"(?<![0-9A-Za-z])060000[0-9a-f]{6}(?![0-9A-Za-z])", re.I),
)
_SECRET_LEFT = re.compile(r"[A-Za-z0-9_-]{1,500}$")
_month = f"(?i:{'|'.join(f'{month[:3]}(?:{month[3:]})?' for month in MONTHS)})"
_ordinal = r"[0-3]?[0-9](?:st|nd|rd|th)?"
_DATES = (
    re.compile(r"(?<![0-9])1900(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])(?![0-9])"),
    re.compile(r"(?<![0-9])1900 ?[-./年] ?[01]?[0-9] ?[-./月] ?[0-3]?[0-9](?![0-9])(?: ?[日号])?"),
    re.compile(r"(?<![0-9])[0-3]?[0-9] ?[-./] ?[0-3]?[0-9] ?[-./] ?1900(?![0-9])"),
    re.compile(rf"(?<![A-Za-z]){_month}\.? {{1,2}}{_ordinal},? {{1,2}}1900(?![0-9])"),
    re.compile(rf"(?<![0-9]){_ordinal}(?: of)? {{1,2}}{_month}\.?,? {{1,2}}1900(?![0-9])"),
)
_DIGIT = re.compile("[0-9]")
_ANY_SIGN = re.compile(f"[0-9@]|{SECRET_END}")
_ADDRESS_HINTS = ("198.", "192.0.2.", "203.0.113.", "2001:", "06:00:00", "06-00-00", "0600.00", "060000")
_NUMBER_HINT = re.compile("9[ _-]?9")


@of_late
def mask(text: str) -> str:
    """``text`` with every character of a placeholder replaced by `FILLER`; all else stays where it is.

    >>> mask("卡号[信用卡号]，电话15400001234").replace(FILLER, "x")
    '卡号xxxxxxx，电话xxxxxxxxxxx'
    """
    parts = blocks(text)
    masked = tuple(map(_block, parts))
    return text if masked == parts else "".join(masked)


def _block(text: str) -> str:
    return _remembered(text) if len(text) <= LONGEST_REMEMBERED else _masked(text)


def _masked(text: str) -> str:
    places = list(_placeholders(text))
    if not places:
        return text
    signs = list(text)
    for start, end in places:
        signs[start:end] = FILLER * (end - start)
    return "".join(signs)


_remembered = lru_cache(maxsize=MOST_REMEMBERED)(_masked)


def is_placeholder(text: str) -> bool:
    """Is all of ``text`` recognised, whatever stands beside it?"""
    return not mask(text).strip(FILLER)


def _placeholders(text: str) -> Iterator[tuple[int, int]]:
    if "[" in text:
        yield from (found.span() for found in TAG.finditer(text))
    if not text.isascii() and coined.HAN_HINT.search(text):
        yield from (found.span() for found in coined.CHINESE_NAME.finditer(text))
        yield from (found.span() for found in coined.CHINESE_PLACE.finditer(text))
    if coined.may_hold_latin(text):
        yield from (found.span() for found in coined.LATIN_NAME.finditer(text))
        yield from (found.span() for found in coined.LATIN_PLACE.finditer(text))
    if text.isascii() and not _ANY_SIGN.search(text):
        return
    flat = plain(text)
    if SECRET_END in flat:
        yield from _secrets(flat)
    if "@" in flat:
        yield from _mails(flat)
    if _DIGIT.search(flat):
        yield from _numbers(flat)


def _numbers(flat: str) -> Iterator[tuple[int, int]]:
    if _ZEROS.search(flat):
        yield from _shortest(_CARD, flat, is_card)
        yield from _shortest(_RESIDENT, flat, _is_resident)
    patterns = [pattern for hint, pattern in _PHONES if hint.search(flat)]
    if BIRTH_YEAR in flat:
        patterns += _DATES
    if any(map(flat.__contains__, _ADDRESS_HINTS)):
        patterns += _ADDRESSES
    if "I" in flat or "i" in flat:
        patterns.append(_PLATE)
    for pattern in patterns:
        yield from (found.span() for found in pattern.finditer(flat))
    if not _NUMBER_HINT.search(flat):
        return
    for start, end in _shortest(_NUMBER, flat, is_number):
        left = _NUMBER_LEFT.search(flat, max(0, start - 16), start)
        yield (left.start() if left else start), end


def _shortest(
    pattern: re.Pattern[str], flat: str, accepts: Callable[[str], bool]
) -> Iterator[tuple[int, int]]:
    """The shortest part of each match that ends with one of its groups and is accepted: a number beside
    a placeholder is no part of it.
    """
    for found in pattern.finditer(flat):
        digits = ""
        for place in range(found.start(), found.end()):
            sign = flat[place]
            if sign.isdigit() or (digits and sign in "Xx"):
                digits += sign
            after = flat[place + 1 : place + 2]
            if not (after.isascii() and after.isalnum()) and accepts(digits):
                yield found.start(), place + 1
                break


def is_card(digits: str) -> bool:
    """Does a card number of these digits fail Luhn's check as a placeholder does?"""
    return 12 <= len(digits) <= 19 and digits.isdigit() and luhn_remainder(digits) == CARD_REMAINDER


def _is_resident(digits: str) -> bool:
    if len(digits) == 18:
        return resident_check_digit(digits[:17]) != digits[17].upper()
    return len(digits) == 15


def is_number(digits: str) -> bool:
    """Do these digits of an account, order or passport leave what a placeholder's leave?"""
    digits = digits.upper().replace("X", "")
    return len(digits) >= 7 and int(digits) % NUMBER_MODULUS == 1


def _mails(flat: str) -> Iterator[tuple[int, int]]:
    for found in _MAIL_RIGHT.finditer(flat):
        left = _MAIL_LEFT.search(flat, max(0, found.start() - 64), found.start())
        if left and not _IN_URL.search(flat, max(0, left.start() - 130), left.start()):
            yield left.start(), found.end()


def _secrets(flat: str) -> Iterator[tuple[int, int]]:
    start = flat.find(SECRET_END)
    while start >= 0:
        end = start + len(SECRET_END)
        left = _SECRET_LEFT.search(flat, max(0, start - 500), start)
        after = flat[end : end + 1]
        if left and not (after.isascii() and after.isalnum()):
            yield left.start(), end
        start = flat.find(SECRET_END, end)
