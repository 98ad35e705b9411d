"""Other names for people and places, of the same script, length and detail."""

from __future__ import annotations

import re
from collections.abc import Callable

from sft_shared.data.desensitise import coined
from sft_shared.data.desensitise.keyed import Draw
from sft_shared.data.desensitise.numerals import plain, write_digits
from sft_shared.data.desensitise.placeholders import is_placeholder

_HAN = re.compile("[\u3400-\u9fff]+")
_CALLED = re.compile("先生|女士|小姐|太太|老师|医生|大夫|经理|主任|师傅|同学|总$")
_TITLE = re.compile(r"(?:(?:Mr|Mrs|Ms|Miss|Dr|Prof|Sir|Madam|Mx)\b\.? ?)+", re.I)
_WORD = re.compile("[A-Za-z\u00c0-\u024f][A-Za-z\u00c0-\u024f'’]*")


def write_name(text: str, draw_for: Callable[[str], Draw]) -> str | None:
    """Another name; titles stay. None for a form that no coined name has.

    Words of a name in Latin letters are drawn one by one: who is called Alice Smith first and Alice then
    keeps her first name.
    """
    if _HAN.search(text):
        called = _CALLED.search(text)
        core, rest = (text[: called.start()], text[called.start() :]) if called else (text, "")
        if not core.strip():
            return None
        written = _chinese_name(core, draw_for(re.sub(r"\s", "", core)))
        return None if written is None else written + rest
    title = _TITLE.match(text)
    start = title.end() if title else 0
    written = _WORD.sub(lambda word: _latin_word(word[0], draw_for(word[0].casefold())), text[start:])
    return text[:start] + written if written != text[start:] and is_placeholder(written) else None


def _chinese_name(text: str, draw: Draw) -> str | None:
    signs = [place for place, sign in enumerate(text) if not sign.isspace()]
    if len(signs) > 4 or not all(_HAN.fullmatch(text[place]) for place in signs):
        return None
    if len(signs) == 1:
        name = coined.SOMEBODY
    elif len(signs) == 2:
        name = draw.choice(coined.SURNAMES) + draw.choice(coined.GIVEN_ALONE)
    else:
        surname = draw.choice(coined.SURNAMES if len(signs) == 3 else coined.DOUBLE_SURNAMES)
        name = surname + draw.choice(coined.GIVEN_HEADS) + draw.choice(coined.GIVEN_TAILS)
    written = list(text)
    for place, sign in zip(signs, name, strict=True):
        written[place] = sign
    return "".join(written)


def _latin_word(word: str, draw: Draw) -> str:
    return draw.choice("ABCDEFGHJKLMNPRSTVW") if len(word) == 1 else _coined_latin(word, draw)


def _coined_latin(word: str, draw: Draw) -> str:
    name = draw.choice(coined.LATIN_HEADS) + draw.choice(coined.LATIN_TAILS)
    if word.isupper():
        return name.upper()
    return name if word.islower() else name.title()


def write_address(text: str, draw: Draw) -> str | None:
    """Another address with the same parts, from the province down to the room."""
    return _chinese_address(text, draw) if _HAN.search(text) else _latin_address(text, draw)


_DIVISION = "|".join(sorted(coined.DIVISIONS, key=len, reverse=True))
_PART = re.compile(
    f"(?P<number>[0-9０-９A-Za-zＡ-Ｚ]+)|(?P<han_number>[零〇一二三四五六七八九十]{{1,4}}(?={_DIVISION}))"
    f"|(?P<division>{_DIVISION})|(?P<place>[\u3400-\u9fff]{{1,12}}?)(?={_DIVISION}|[^\u3400-\u9fff]|$)|(?P<other>.)",
    re.S,
)


def _chinese_address(text: str, draw: Draw) -> str:
    written = []
    for part in _PART.finditer(text):
        if part["number"]:
            digits = "".join(str(1 + draw.below(9)) for _ in part[0])
            letters = write_digits(part[0], digits[: sum(sign.isdigit() for sign in part[0])])
            written.append("".join(draw.like(sign) if sign.isalpha() else sign for sign in plain(letters)))
        elif part["han_number"]:
            written.append(draw.choice("一二三四五六七八九"))
        elif part["place"]:
            written.append(draw.choice(coined.PLACE_HEADS) + draw.choice(coined.PLACE_TAILS))
        else:
            written.append(part[0])
    return "".join(written)


_TOKEN = re.compile(
    r"(?P<code>[A-Za-z]*[0-9][0-9A-Za-z]*)|(?P<word>[A-Za-z\u00c0-\u024f'’]+)|(?P<other>.)", re.S
)


def _latin_address(text: str, draw: Draw) -> str:
    written = []
    for part in _TOKEN.finditer(plain(text)):
        token = part[0]
        if part["code"]:
            signs = (str(1 + draw.below(9)) if sign.isdigit() else draw.like(sign).upper() for sign in token)
            written.append("".join(signs))
        elif part["word"] and token.lower() not in coined.STREET_WORDS:
            short = len(token) == 2 and token.isupper()  # a state; there is none called ZZ
            written.append("ZZ" if short else _coined_latin(token, draw))
        else:
            written.append(token)
    return "".join(written)
