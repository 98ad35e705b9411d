"""Pseudonyms: for a value another one of the same shape, drawn by a key, that can be nobody's.

The same key, session, kind and value give the same pseudonym, however the value is spaced or wide. Without
the key nobody can tell which value it stands for. Where pseudonyms lie, and why there: see `placeholders`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sft_shared.data.desensitise.keyed import Draw
from sft_shared.data.desensitise.numerals import (
    digits_of,
    luhn_remainder,
    plain,
    resident_check_digit,
    write_digits,
)
from sft_shared.data.desensitise.placeholders import (
    BIRTH_YEAR,
    CARD_REMAINDER,
    CARD_ZEROS,
    MONTHS,
    NUMBER_MODULUS,
    NUMBER_START,
    PROVINCES,
    RESIDENT_AREA,
    SECRET_END,
    is_card,
    is_number,
    is_placeholder,
)
from sft_shared.data.desensitise.pseudonym_words import write_address, write_name
from sft_shared.data.desensitise.spans import Kind

_NUMERIC = re.compile(r"[0-9 \-._/·|,\u200b()+]+")
_SIGNS = re.compile(r"[\s\-._/·|,\u200b()+]+")

_MOBILE = re.compile(r"(?:00)?86(1[3-9][0-9]{9})")


def canonical(text: str) -> str:
    """What is the same for one value however it is written: spaces, dashes, width and case fall away.

    >>> canonical("１３８ 0013-8000") == canonical("+86 13800138000")
    True
    """
    bare = _SIGNS.sub("", plain(text)).casefold()
    mobile = _MOBILE.fullmatch(bare) if "86" in bare else None
    return mobile[1] if mobile else bare


def pseudonym(kind: Kind, text: str, *, key: bytes, session: str) -> str | None:
    """A value of the shape of ``text``; None for a shape in which no value is nobody's.

    Such are parts of numbers, and numbers in words; a tag has to do for them.
    """
    if kind == "name":
        return write_name(text, lambda part: Draw(key, session, kind, part))
    draw = Draw(key, session, kind, canonical(text))
    written = _WRITERS[kind](text, draw)
    return written if written is not None and is_placeholder(written) else None


def _card(text: str, draw: Draw) -> str | None:
    digits = digits_of(text)
    if not (12 <= len(digits) <= 19 and _is_numeric(text)):
        return None
    lead = digits[:2] if digits[0] in "3456" else "62"
    return write_digits(
        text, _first_of(lambda: _failing(lead + CARD_ZEROS + draw.digits(len(digits) - 7)), is_card)
    )


def _failing(body: str) -> str:
    """``body`` with the last digit that makes Luhn's sum leave what a placeholder's leaves."""
    return body + next(last for last in "0123456789" if luhn_remainder(body + last) == CARD_REMAINDER)


def _first_of(draw: Callable[[], str], accepts: Callable[[str], bool]) -> str:
    """The first number of which no beginning would pass for a shorter placeholder."""
    while True:
        drawn = draw()
        if not any(accepts(drawn[:size]) for size in range(len(drawn))):
            return drawn


def _resident_id(text: str, draw: Draw) -> str | None:
    form = f"{text[:-1]}0" if plain(text)[-1:] in ("X", "x") else text
    length = len(digits_of(form))
    if length not in (15, 18) or not _is_numeric(form):
        return None
    year, month, day = 1950 + draw.below(50), 1 + draw.below(12), 1 + draw.below(28)
    born = f"{year}{month:02d}{day:02d}"
    if length == 15:
        return write_digits(form, f"{RESIDENT_AREA}{born[2:]}{draw.digits(3)}")
    body = f"{RESIDENT_AREA}{born}{draw.digits(3)}"
    right = resident_check_digit(body)
    wrong = (int(right) + 1 + draw.below(9)) % 10 if right != "X" else draw.below(10)
    return write_digits(form, f"{body}{wrong}")


_SHORT_CODES = (
    "1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 "
    "81 82 84 86 90 91 92 93 94 95 98"
)
_COUNTRIES = frozenset(_SHORT_CODES.split())  # ITU-T E.164; all others have three digits


def _phone(text: str, draw: Draw) -> str | None:
    digits = digits_of(text)
    if not _is_numeric(text):
        return None
    abroad = plain(text).lstrip(" (").startswith("+") or digits.startswith("00")
    country = ""
    if abroad:
        bare = digits.removeprefix("00")
        size = next((size for size in (1, 2) if bare[:size] in _COUNTRIES), 3)
        country = digits[: len(digits) - len(bare) + size]
    elif digits.startswith("86") and len(digits) >= 12:
        country = "86"
    number = _local_number(digits[len(country) :], country.removeprefix("00"), draw)
    return None if number is None else write_digits(text, country + number)


def _local_number(number: str, country: str, draw: Draw) -> str | None:
    length = len(number)
    if country in ("", "86") and length == 11 and number[0] == "1" and number[1] in "3456789":
        return f"154{draw.digits(8)}"
    if country in ("", "86") and number.startswith("0") and length >= 10:
        area = "026" if number[1] in "12" else "0400"
        return f"{area}0{draw.digits(length - len(area) - 1)}"
    if country in ("", "1") and length == 10 and number[0] in "23456789":
        return f"{2 + draw.below(8)}{draw.digits(2)}55501{draw.digits(2)}"
    if country == "" and length == 11 and number[0] == "1":
        return f"1{2 + draw.below(8)}{draw.digits(2)}55501{draw.digits(2)}"
    return f"000{draw.digits(length - 3)}" if country else None


def _email(text: str, draw: Draw) -> str | None:
    local, at, _ = plain(text).replace(" ", "").partition("@")
    if not at or not local:
        return None
    shape = "".join(sign if sign.isalnum() or sign in "._-" else "x" for sign in local.strip("."))[:40]
    written = "".join(map(draw.like, shape.ljust(6, "x"))) + "@example.com"
    return "".join(chr(ord(sign) + 0xFEE0) for sign in written) if "＠" in text else written


def _plate(text: str, draw: Draw) -> str | None:
    found = re.fullmatch(rf"[{PROVINCES}] ?[A-Z]([·. -]?)([A-Z0-9]{{5,6}})", plain(text).upper())
    if not found:
        return None
    signs = [
        draw.digits(1) if sign.isdigit() else draw.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for sign in found[2]
    ]
    return f"{draw.choice(PROVINCES)}I{found[1]}{''.join(signs)}"


def _ip(text: str, draw: Draw) -> str | None:
    if ":" in text:
        return "2001:db8:" + ":".join(f"{draw.below(65536):x}" for _ in range(6))
    return f"198.{18 + draw.below(2)}.{draw.below(256)}.{1 + draw.below(254)}"


def _mac(text: str, draw: Draw) -> str | None:
    flat = plain(text)
    signs = [sign for sign in flat if sign.isalnum()]
    if len(signs) != 12:
        return None
    lower = flat.lower() == flat
    drawn = iter("060000" + "".join(draw.choice("0123456789abcdef") for _ in range(6)))
    written = "".join(next(drawn) if sign.isalnum() else sign for sign in flat)
    return written if lower else written.upper()


def _number(text: str, draw: Draw) -> str | None:
    count = len(digits_of(text))
    if count < 7:
        return None
    digits = _first_of(lambda: _checked(f"{NUMBER_START}{draw.digits(count - 4)}00"), is_number)
    head = re.match(r"[A-Za-z]{1,3}(?![A-Za-z])", text)  # E12345678, SF1000...: says what kind it is
    kept = head.end() if head else 0
    return text[:kept] + "".join(
        draw.like(sign) if sign.isascii() and sign.isalpha() else sign
        for sign in write_digits(text, digits)[kept:]
    )


def _checked(body: str) -> str:
    return str(int(body) + (1 - int(body)) % NUMBER_MODULUS)


def _secret(text: str, draw: Draw) -> str | None:
    if re.search(r"\s", text):
        return None
    head = re.match(r"(?:[A-Za-z]{2,10}[-_]){1,3}", text)
    start = head[0] if head and len(head[0]) < len(text) - 8 else ""
    count = max(len(text) - len(start) - len(SECRET_END), 5)
    body = [
        draw.choice("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789")
        for _ in range(min(count, 400))
    ]
    return f"{start}{''.join(body)}{SECRET_END}"


_MONTH = re.compile(r"[A-Za-z]{3,9}")


def _birth_date(text: str, draw: Draw) -> str | None:
    flat = plain(text)
    groups = re.findall(r"[0-9]+", flat)
    word = next((found for found in _MONTH.finditer(flat) if _month_named(found[0])), None)
    if len(groups) == 1 and len(groups[0]) == 8:
        return write_digits(text, f"{BIRTH_YEAR}{1 + draw.below(12):02d}{1 + draw.below(28):02d}")
    if len(groups) != (2 if word else 3) or sorted(map(len, groups))[-1] != 4 or "十" in text:
        return None
    if sum(len(group) <= 2 for group in groups) != len(groups) - 1:
        return None
    written = "".join(
        BIRTH_YEAR if len(group) == 4 else f"{1 + draw.below(12 if len(group) == 2 else 9):0{len(group)}d}"
        for group in groups
    )
    dated = write_digits(text, written)
    if word is None:
        return dated
    month = draw.choice(MONTHS)
    short = word[0].lower() != _month_named(word[0])
    return dated[: word.start()] + (month[:3] if short else month) + dated[word.end() :]


def _month_named(word: str) -> str | None:
    """The month that ``word`` names or shortens to three letters, in lower case."""
    lowered = word.lower()
    return next((month.lower() for month in MONTHS if lowered in (month.lower(), month[:3].lower())), None)


def _is_numeric(text: str) -> bool:
    return _NUMERIC.fullmatch(plain(text)) is not None


_WRITERS: dict[Kind, Callable[[str, Draw], str | None]] = {
    "card": _card,
    "resident_id": _resident_id,
    "passport": _number,
    "phone": _phone,
    "email": _email,
    "plate": _plate,
    "ip": _ip,
    "mac": _mac,
    "account": _number,
    "order": _number,
    "api_key": _secret,
    "password": _secret,
    "address": write_address,
    "birth_date": _birth_date,
}
