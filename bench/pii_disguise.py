"""Other ways to write the same number: full width, in groups, in Chinese numerals, cut over turns."""

from __future__ import annotations

import random
import re

_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_CHINESE = str.maketrans("0123456789", "零一二三四五六七八九")
_SPOKEN = str.maketrans("0123456789", "零幺二三四五六七八九")
_WRITTEN = str.maketrans("0123456789", "〇一二三四五六七八九")
_LONG_NUMBER = re.compile(r"\d{10,18}[\dX]")
_MAY_BE_WIDE = ("card", "resident_id", "phone", "account", "order", "plate", "email", "passport")


def full_width(value: str) -> str:
    """Letters, digits and signs of ASCII in full width.

    >>> full_width("1X@")
    '１Ｘ＠'
    """
    return value.translate(_FULL_WIDTH)


def groups_of(value: str) -> list[str]:
    """A number in the groups in which people write it: mobiles 3-4-4, resident IDs 6-8-4, cards by fours.

    >>> groups_of("13800001111"), groups_of("4111111111111111")
    (['138', '0000', '1111'], ['4111', '1111', '1111', '1111'])
    """
    by_length = {11: (3, 4, 4), 14: (4, 6, 4), 15: (4, 6, 5)}  # mobiles, Diners, American Express
    is_resident_id = len(value) == 18 and not value.startswith("62")
    sizes = (6, 8, 4) if is_resident_id else by_length.get(len(value), (4, 4, 4, 4, 4))
    groups, start = [], 0
    for size in sizes:
        groups.append(value[start : start + size])
        start += size
    return [group for group in groups if group]


def disguise(draw: random.Random, kind: str, value: str, *, language: str, style: str) -> str:
    """``value``, three times in ten written otherwise; only forms that fit the text's language and style.

    A log line keeps its numbers plain; JSON knows groups and full width; Chinese prose knows all.
    """
    if style == "log" or draw.random() > 0.3:
        return value
    chinese = language == "zh"
    if not _LONG_NUMBER.fullmatch(value):
        return full_width(value) if chinese and kind in _MAY_BE_WIDE and draw.random() < 0.3 else value
    if kind not in ("card", "resident_id", "phone"):
        return value
    forms = ["spaces", "spaces", "dashes", "dots"]
    if chinese:
        forms += ["wide", "wide", "singly", "wide groups"]
    if chinese and style == "prose":
        forms += ["chinese", "spoken", "written", "chinese groups"]
    return _written(draw.choice(forms), value)


def _written(form: str, value: str) -> str:
    groups = groups_of(value)
    match form:
        case "spaces":
            return " ".join(groups)
        case "dashes":
            return "-".join(groups)
        case "dots":
            return ".".join(groups)
        case "singly":
            return " ".join(value)
        case "wide":
            return full_width(value)
        case "wide groups":
            return "\u3000".join(full_width(group) for group in groups)
        case "chinese":
            return value.translate(_CHINESE)
        case "spoken":
            return value.translate(_SPOKEN)
        case "written":
            return value.translate(_WRITTEN)
        case "chinese groups":
            return " ".join(groups).translate(_SPOKEN)
    raise AssertionError(form)


def plain(value: str) -> str:
    """The number or address behind any of these disguises, in lower case and without signs.

    >>> plain("６２２２ 幺二-〇Ｘ")
    '6222120x'
    """
    narrow = value.translate({wide: code for code, wide in _FULL_WIDTH.items()})
    numbers = narrow.translate(str.maketrans("零幺一二三四五六七八九〇", "011234567890"))
    return re.sub(r"[\s.\-·()+]", "", numbers).lower()


def cut(value: str, count: int) -> list[str]:
    """``value`` in ``count`` pieces, as it is dictated: whole groups first."""
    groups = groups_of(value)
    sizes = [len(groups) // count + (place < len(groups) % count) for place in range(count)]
    pieces, start = [], 0
    for size in sizes:
        pieces.append("".join(groups[start : start + size]))
        start += size
    return pieces
