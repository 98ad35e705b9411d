"""Numbers of other countries, as they are written there or dialled from afar."""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers

from sft_shared.data.desensitise.cues import Reading
from sft_shared.data.desensitise.dialling import is_valid_abroad, is_valid_anywhere, is_valid_in
from sft_shared.data.desensitise.digits import is_draw, is_quantity
from sft_shared.data.desensitise.phone_context import ASKS_TO_CALL, is_harmless, is_said
from sft_shared.data.desensitise.spans import Span

_INTERNATIONAL = re.compile(
    r"(?<![0-9A-Za-z])\(?(?:\+|plus (?=\d)|"
    r"(?:0011|011|00)(?=[ -]?[1-9]\d{0,2}[ (-]|/[1-9]\d{0,2}/|[1-9]\d{8,13}(?!\d))|"
    r"(?=[1-9]\d{0,2} ?\(0\)))[ /-]?"
    r"\(?[1-9](?:[ ./()[\]{}-]{0,4}\d){6,14}(?![0-9])",
    re.I,
)
_PLUS = re.compile(r"^(?:plus |\+|0011|011|00)", re.I)
_TRUNK = re.compile(
    r"(?<![0-9A-Za-z_.+/$-])(?<!\d[.:])(?:[({\[]0\d{1,4}[)}\]][ ./-]?|\(0\)\d{2,4}[ ./-]?|"
    r"0\d{0,5}(?:[ ./_-]|  | [/-] ))\d{1,8}(?:(?:[ ./_-]|  | [/-] )\d{1,6}){0,9}"
    r"(?![\d-]|[.:/]\d|(?!x{1,3}(?!\w))[A-Za-z_])"
)
_AFTER_CODE = re.compile(r"[A-Za-z]{2} \d{1,6} $")  # "Sydney NSW 2000 02 5550 0190"
_ODD = re.compile(r"[_{\[]")
_BRACKETED = re.compile(  # (65) 9123 4480: a code, without + or 0
    r"(?<![0-9A-Za-z_.+/$-])(?<!\d )\([1-9]\d{0,2}\)[ .-]?\d{3,5}[ .-]?\d{3,5}(?:[ .-]\d{2,4})?"
    r"(?![\d-]|[.:/]\d|[A-Za-z])"
)
_PLUSLESS = re.compile(  # 852 9123 4424, 86 21 6248 3395
    r"(?<![0-9A-Za-z_.+/$-])(?<!\d )(?:85[23]|886|86|65|91|61|64|27|44|353|971|234|254)[ -]\d{2,5}"
    r"(?:[ -]\d{3,5}){1,2}(?![\d-]|[ .:/,]\d|[A-Za-z])"
)
_COUNTRY_BEFORE = re.compile(r"(?<![0-9A-Za-z.+/-])(?<!\d )[1-9]\d{0,2}[ -]$")
_RUSSIAN = re.compile(  # 8 (495) 123-45-67
    r"(?<![0-9A-Za-z_.+/$-])(?<!\d )8[ -]?(?:\([3489]\d\d\)|[3489]\d\d)[ -]?\d{3}[ -]\d\d[ -]\d\d"
    r"(?![\d-]|[.:/]\d|[A-Za-z])"
)
_BRAZILIAN = re.compile(r"\(\d\d\) ?9?\d{4}-\d{4}")
_FREE = re.compile(r"(?<![0-9A-Za-z.+-])1[38]00[ -]?\d{3}[ -]?\d{3}(?![0-9A-Za-z-])")


def with_country(reading: Reading, found: re.Match[str]) -> int:
    """Where a number of ten digits begins, with a country's code before it, as in 234 803 555 0106."""
    start = found.start()
    country = _COUNTRY_BEFORE.search(reading.text, max(0, start - 6), start)
    if country is None or not is_said(reading, country.start(), found.end()):
        return start
    digits = re.sub(r"\D", "", country[0] + found[0])
    return country.start() if is_valid_abroad(digits) else start


def national(reading: Reading) -> Iterator[Span]:
    """Numbers in the form of their own country, and short ones of firms with a cue."""
    text = reading.text
    for found in _BRACKETED.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        said = is_said(reading, *found.span())
        valid = is_valid_abroad(digits) or (said and is_valid_anywhere(digits))
        valid = valid or (_BRAZILIAN.fullmatch(found[0]) is not None and is_valid_in("BR", digits))
        if valid and not is_quantity(text, *found.span()):
            yield Span(*found.span(), "phone", 0.8 if said else 0.66)
    for found in _RUSSIAN.finditer(text):
        if is_valid_in("RU", re.sub(r"\D", "", found[0])) and not is_harmless(reading, found.start()):
            yield Span(*found.span(), "phone", 0.7)
    for found in _PLUSLESS.finditer(text):
        other = reading.cue_before(found.start(), reach=20)
        fits = (other is None or other.theme == "phone") and len(re.sub(r"\D", "", found[0])) >= 10
        if fits and not is_quantity(text, *found.span()) and is_valid_abroad(re.sub(r"\D", "", found[0])):
            yield Span(*found.span(), "phone", 0.66)
    for found in (*_TRUNK.finditer(text), *_FREE.finditer(text)):
        start, end = found.span()
        if text[max(0, start - 2) : start - 1].isdigit() and not _AFTER_CODE.search(
            text, max(0, start - 12), start
        ):
            continue
        digits = re.sub(r"\D", "", found[0])
        if 8 <= len(digits) <= 12 and not is_harmless(reading, start) and not is_quantity(text, start, end):
            said = is_said(reading, start, end)
            said = said or ASKS_TO_CALL.match(text, end) is not None
            other = None if said else reading.cue_before(start, reach=20)
            sizes = [len(group) for group in re.findall(r"\d+", found[0])]
            pairs = (
                found[0][0] != "("
                and (sizes[0] < 4 or sizes == [4, 4])
                and all(size % 2 == 0 for size in sizes)
            )
            odd = _ODD.search(found[0]) or 1 in sizes
            if is_draw(digits, sizes) or (not said and len(digits) != 11 and odd):
                continue
            french = sizes == [2] * 5 and digits[1] in "67"
            if (said and not (pairs and len(digits) != 10)) or (
                (other is None or other.theme == "card")
                and (not pairs or french)
                and is_valid_anywhere(digits)
            ):
                yield Span(start, end, "phone", 0.8 if said else 0.66)


def international(reading: Reading) -> Iterator[Span]:
    """Numbers with + and a country: sure if their length is possible there, else only with a cue."""
    for found in _INTERNATIONAL.finditer(reading.text):
        yield from _international(reading, found)


def _international(reading: Reading, found: re.Match[str]) -> Iterator[Span]:
    written = found[0].lstrip("(")
    digits = "+" + re.sub(r"\D", "", _PLUS.sub("", written))
    start = (
        found.end() - len(found[0].lstrip("("))
        if found[0].startswith("(") and ")" not in found[0]
        else found.start()
    )
    try:
        parsed = phonenumbers.parse(digits, None)
        possible = phonenumbers.is_possible_number(parsed)
    except phonenumbers.NumberParseException:
        possible = False
    if not written.startswith("+") and not (
        is_valid_abroad(digits[1:]) or is_said(reading, start, found.end())
    ):
        return
    if possible or is_said(reading, found.start(), found.end()):
        yield Span(start, found.end(), "phone", 0.95 if possible else 0.75)
