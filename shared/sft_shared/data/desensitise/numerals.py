"""Digits in every way they are written, one character for one, and numbers written again in the same way."""

from __future__ import annotations

import unicodedata

import numpy as np

_SMALL = "〇一二三四五六七八九"
_LARGE = "零壹贰叁肆伍陆柒捌玖"
_SPOKEN = dict(zip("零○幺两弌弍弎貳參陸洞拐勾", "0012123236079", strict=True))
_HAN = {
    **{sign: str(value) for value, sign in enumerate(_SMALL)},
    **{sign: str(value) for value, sign in enumerate(_LARGE)},
    **_SPOKEN,
}
SEPARATORS = " -._/·|,\u200b"
"""What may stand between the digits of one number, after `plain`."""


def _table() -> dict[int, str]:
    table = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    for code in [
        *range(0xA0, 0x2000),
        *range(0x2070, 0x2800),
        *range(0x3000, 0xAC00),
        *range(0x1D7CE, 0x1D800),
    ]:
        value = unicodedata.digit(chr(code), None)
        if value is not None:
            table[code] = str(value)
    table.update({ord(sign): value for sign, value in _HAN.items()})
    table.update(dict.fromkeys([0x09, 0xA0, 0x3000, 0x202F, 0x205F, *range(0x2002, 0x200B)], " "))
    table.update(dict.fromkeys([0x2212, 0xAD, 0x30FC, *range(0x2010, 0x2016)], "-"))
    table.update(dict.fromkeys(map(ord, "•‧∙⋅・･"), "·"))
    table.update(dict.fromkeys([0x2060, 0xFEFF, *range(0x200C, 0x2010), *range(0x202A, 0x202F)], "\u200b"))
    table.update({ord("、"): ",", ord("｡"): "."})
    return table


_PLAIN = _table()
_FEW = 24  # characters that are translated one by one as fast
_PLAIN_UNITS = np.array([ord(_PLAIN.get(code, chr(code))) for code in range(0x10000)], dtype="<u2")


def plain(text: str) -> str:
    """``text`` with digits, letters and marks in ASCII wherever they have such a form; no offset moves.

    >>> plain("１３８ 零零一三 ＡＢ")
    '138 0013 AB'
    """
    if text.isascii():
        return text
    if len(text) < _FEW:
        return text.translate(_PLAIN)
    units = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), dtype="<u2")
    if len(units) == len(text):  # about ten times as fast
        flat = _PLAIN_UNITS.take(units).tobytes().decode("utf-16-le", "surrogatepass")
        if len(flat) == len(text):
            return flat
    return text.translate(_PLAIN)


def digits_of(text: str) -> str:
    """The digits of ``text``, in ASCII."""
    return "".join(sign for sign in plain(text) if "0" <= sign <= "9")


def write_digits(form: str, digits: str) -> str:
    """``form`` with its digits replaced by ``digits``, each written as the one that stood there.

    >>> write_digits("６２２２ 捌八-1", "123456")
    '１２３４ 伍六-'
    """
    left = iter(digits)
    flat = plain(form)
    has_zero = "零" in form
    written = [
        _alike(sign, next(left, ""), has_zero=has_zero) if "0" <= flat[index] <= "9" else sign
        for index, sign in enumerate(form)
    ]
    return "".join(written)


def _alike(sign: str, digit: str, *, has_zero: bool) -> str:
    if not digit or sign.isascii():
        return digit
    if sign in _LARGE[1:]:
        return _LARGE[int(digit)]
    if sign in _HAN:
        return "零" if digit == "0" and has_zero else _SMALL[int(digit)]
    if 0xFF10 <= ord(sign) <= 0xFF19:
        return chr(0xFF10 + int(digit))
    return digit


def passes_luhn(digits: str) -> bool:
    """Does the last digit check the others by Luhn's formula (ISO/IEC 7812-1)?"""
    return luhn_remainder(digits) == 0


def luhn_remainder(digits: str) -> int:
    """Luhn's sum modulo 10; 0 for a number with its right check digit."""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + doubled) % 10


def resident_check_digit(digits: str) -> str:
    """The 18th sign of a resident identity number whose first 17 digits are given (GB 11643-1999)."""
    weighted = sum(int(digit) << (17 - place) for place, digit in enumerate(digits[:17]))
    return "10X98765432"[weighted % 11]
