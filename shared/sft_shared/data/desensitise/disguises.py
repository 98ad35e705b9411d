"""Markup, escapes and odd signs between the groups of a number, and what the recognisers read there."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from sft_shared.data.desensitise.numerals import plain

_ENTITY = re.compile(
    r"&(?:#[0-9]{2,6}|#[xX][0-9A-Fa-f]{2,5}|nbsp|ndash|mdash|minus|middot|shy|plus|lpar|rpar|amp|commat|period|lowbar|ensp|emsp|thinsp);"
)
_PERCENT = re.compile(r"%(40|2[89eEdDbB]|5[fF]|3[0-9]|20|0[aAdD])(?=[0-9A-Za-z%@.+-])")
_UNICODE = re.compile(r"\\u(00(?:2[0-9bdBD]|3[0-9]|[aA]0)|20[01][0-9a-fA-F])")  # in JSON inside JSON
_EMPHASIS = re.compile(r"(?<=[0-9])([*_`~ ]*(?:\*\*|__|`|~~)[*_`~ ]*)(?=[0-9])")
JOINERS = "然后是|然后|接着是|接着|接下来是?|再|后面是|后面|最后是|最后|和|杠|then|and|dash|hyphen|x|X"
_sign = r"(?:<[^<>]{1,20}>|\\[rnt]|[^0-9A-Za-z\u3400-\u9fff\ufffc])"
GAP = rf"(?:{_sign}{{1,12}}(?:(?:{JOINERS}){_sign}{{0,4}})?|(?:{JOINERS}){_sign}{{0,4}})"
_GROUPS = (  # of a card, but not of an IPv6 address; of an identity number; of a mobile
    re.compile(rf"(?<![0-9])[0-9]{{4}}(?:{GAP}[0-9]{{4}}){{3}}(?:{GAP}[0-9]{{1,3}})?(?![0-9]|:[0-9A-Fa-f])"),
    re.compile(rf"(?<![0-9])3[0-9]{{3}}{GAP}[0-9]{{6}}{GAP}[0-9]{{4,5}}(?![0-9])"),
    re.compile(rf"(?<![0-9])[1-9][0-9]{{5}}{GAP}(?:[0-9]{{4}}{GAP}?){{2}}[0-9]{{3}}[0-9Xx](?![0-9A-Za-z])"),
    re.compile(rf"(?<![0-9])1[3-9][0-9]{GAP}[0-9]{{4}}{GAP}[0-9]{{4}}(?![0-9])"),
)
_APART = re.compile(rf"[0-9]{{3}}{GAP}[0-9]{{4}}")  # in each of `_GROUPS`
_SEVEN_DIGITS = re.compile(r"[0-9]{3}(?:[^0-9]{0,20}[0-9]){4}", re.S)
_BETWEEN = re.compile(r"(?<=[0-9])[^0-9]+(?=[0-9])")
_READ_ANYWAY = re.compile(r"[ \t]{0,2}[-./·_,、|]{0,2}[ \t]{0,2}(?:\n[ \t]*)?")

_LOOKALIKE = re.compile(
    r"(?<![A-Za-z0-9])(?=[^\n]{0,24}[OolI])[0-9OolI](?:[ ().-]{0,3}[0-9OolI]){9,11}(?![A-Za-z0-9])"
)
_LETTER = re.compile("[OolI]")

Piece = tuple[int, int, str]


def escapes(text: str) -> Iterator[Piece]:
    """(start, end, what it stands for) of HTML entities, percent codes and emphasis within a number."""
    if "&" in text:
        entities = list(_ENTITY.finditer(text))
        for found in entities:
            yield found.start(), found.end(), plain(html.unescape(found[0]))
        if entities:
            return
    if "\\u" in text:
        for found in _UNICODE.finditer(text):
            code = int(found[1], 16)
            yield (
                found.start(),
                found.end(),
                chr(code) if code < 0x80 else "-" if 0x2010 <= code < 0x2016 else " ",
            )
        return
    if "%" in text:
        for found in _PERCENT.finditer(text):
            yield found.start(), found.end(), chr(int(found[1], 16))
        return
    if "**" in text or "__" in text or "`" in text or "~~" in text:
        for found in _EMPHASIS.finditer(text):
            yield found.start(), found.end(), " " if " " in found[0] else ""


def may_be_disguised(text: str) -> bool:
    """May `escapes` or `separators` find anything in a text that differs from this in its digits at most?"""
    disguises = (_EMPHASIS, _APART, _LOOKALIKE)
    return "&" in text or "%" in text or "\\u" in text or any(each.search(text) for each in disguises)


def lookalikes(text: str) -> Iterator[Piece]:
    """(start, end, digit) of one or two letters that a scan took for digits of a number: 3O5-555-0157."""
    for found in _LOOKALIKE.finditer(text):
        letters = list(_LETTER.finditer(text, *found.span()))
        if len(letters) < 5:
            for letter in letters:
                yield letter.start(), letter.end(), "0" if letter[0] in "Oo" else "1"


def separators(text: str) -> Iterator[Piece]:
    """(start, end, dash) of what stands between the usual groups of a card, an identity or mobile number."""
    for pattern in _GROUPS if _SEVEN_DIGITS.search(text) else ():
        for found in pattern.finditer(text):
            for gap in _BETWEEN.finditer(text, found.start(), found.end()):
                if not _READ_ANYWAY.fullmatch(gap[0]):
                    yield gap.start(), gap.end(), "-"
