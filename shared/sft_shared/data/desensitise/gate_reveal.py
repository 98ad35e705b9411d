"""The gate's look behind markup, escapes and words: what they hide is written plainly, then looked at again.

Nothing here is shared with the recognisers.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import accumulate
from typing import Any
from urllib.parse import unquote

from sft_shared.data.desensitise.gate_numbers import Hit, numbers
from sft_shared.data.desensitise.numerals import plain
from sft_shared.data.desensitise.placeholders import FILLER

_ESCAPES = re.compile(r"\\u([0-9A-Fa-f]{4})|\\[nrtbf]")
_QUOTED = re.compile("(?:%[0-9A-Fa-f]{2})+")
_TAG = re.compile(r"<(?:!--[^<>]{0,200}--|/?[A-Za-z][^<>@]{0,200})>")
_EMPHASIS = re.compile(r"\*{2,3}|(?<![A-Za-z0-9])__|__(?![A-Za-z0-9])|~~|`|[\ufe0e\ufe0f\u20e3\u200d]")
_TOP = "com|cn|net|org|edu|gov|io|co|me|info|cc|uk|de|fr|jp|hk|tw|us"
_AT = re.compile(r"\s{0,2}(?:[(\[{<]\s?(?:at|@|艾特)\s?[)\]}>]|艾特|圈a|#at#|_at_)\s{0,2}", re.I)
_DOT = re.compile(
    rf"\s{{0,2}}(?:[(\[{{<]\s?(?:dot|点|\.)\s?[)\]}}>]|#dot#|_dot_)\s{{0,2}}"
    r"|(?<=[A-Za-z0-9]) dot (?=[A-Za-z])"
    rf"|(?<=[A-Za-z0-9])\s?点\s?(?=(?:{_TOP})(?![A-Za-z]))",
    re.I,
)
_SAID_AT = re.compile(
    rf"(?<=[a-z0-9]) at (?=[a-z0-9-]{{1,40}}(?:\.[a-z0-9-]{{1,40}}){{0,2}}\.(?:{_TOP})(?![a-z]))", re.I
)
_SAID_TEXT = "zero oh one two three four five six seven eight nine"
_SAID = dict(zip(_SAID_TEXT.split(), "00123456789", strict=True))
_TIMES = {"double": 2, "triple": 3, "treble": 3}
_names, _many = "|".join(_SAID), "|".join(_TIMES)
_between = r"[ ,.\n-]{1,3}(?:then |and |dash )?"
_word = rf"(?:(?:{_many})[ -])?(?:{_names}|[0-9])(?![a-z])"
_SPOKEN = re.compile(rf"(?<![A-Za-z0-9]){_word}(?:{_between}{_word}){{4,40}}", re.I)
_SPOKEN_WORD = re.compile(rf"(?:({_many})[ -])?({_names}|[0-9])(?![a-z])", re.I)
_SPOKEN_HINT = re.compile(rf"(?:{_names}){_between}(?:{_many}|{_names})(?![a-z])")
_SPOKEN_START = re.compile(rf"[ ,.\n-]{{0,3}}(?:then |and |dash )?(?:{_many}|{_names})(?![a-z])")
_MARKS = ("&", "%", "<", "**", "__", "~~", "`", "\\", "\u20e3", "艾特", "圈a")
_WORDS = ("dot", "(at", "[at", "{at", "(@", "[@", "#at", "_at_")


def revealed(text: str) -> str | None:
    """A text without escapes, markup and words for signs and digits; None if it has none of them.

    >>> revealed("<b>zhangwei88</b>%40qq&#46;com")
    ' zhangwei88 @qq.com'
    """
    flat = plain(text)
    if not may_hide(flat):
        return None
    seen = ""
    for _ in range(3):  # escaped twice, as &amp;#64;
        if flat == seen:
            break
        seen = flat
        flat = _unescaped(flat)
    flat = plain(flat)
    if "<" in flat:
        flat = _TAG.sub(" ", flat)
    flat = _SAID_AT.sub("@", _DOT.sub(".", _AT.sub("@", _EMPHASIS.sub("", flat))))
    return _in_digits(flat)


def may_hide(flat: str) -> bool:
    """A quick look: does a text, after `plain`, hold any escape, markup or word of those?"""
    if any(map(flat.__contains__, _MARKS)):
        return True
    lower = flat.lower()
    return any(map(lower.__contains__, _WORDS)) or _SPOKEN_HINT.search(lower) is not None


def may_hide_in(flat: str) -> bool:
    """Of a block of a text: may the text hide anything here, or where the block before goes on in it?"""
    return may_hide(flat) or _SPOKEN_START.match(flat.lower()) is not None


def _unescaped(flat: str) -> str:
    if "\\" in flat:
        flat = _ESCAPES.sub(lambda found: chr(int(found[1], 16)) if found[1] else " ", flat)
    if "&" in flat:
        flat = html.unescape(flat)
    if "%" in flat:
        flat = _QUOTED.sub(lambda found: unquote(found[0], errors="replace"), flat)
    return flat


def _in_digits(flat: str) -> str:
    """Five digits or more in English words, in digits."""
    return _SPOKEN.sub(_digits_said, flat)


def _digits_said(found: re.Match[str]) -> str:
    return "".join(
        _SAID.get(each[2].lower(), each[2]) * _TIMES.get((each[1] or "").lower(), 1)
        for each in _SPOKEN_WORD.finditer(found[0])
    )


_JOINERS_TEXT = (
    "然后是 然后 接着是 接着 接下来是 接下来 再来 再 后面是 后面 后边是 最后是 最后 之后是 之后 "
    "跟着 完了是 完了 还有 和 横杠 杠 空格 then and dash hyphen space"
)
_JOINERS = "|".join(_JOINERS_TEXT.split())
_sign = rf"[^0-9A-Za-z\u3400-\u9fff\x1e{FILLER}]"
_GAP = rf"(?:{_sign}{{0,12}}(?:(?:{_JOINERS}){_sign}{{0,4}})?)"
_WIDE = re.compile(rf"[0-9](?:{_GAP}[0-9]){{10,}}(?:{_sign}{{0,4}}[Xx](?![A-Za-z0-9]))?")
_NARROW = re.compile(r"[ \-._/·|,()\u200b\n]{0,3}")
_BETWEEN = re.compile(r"(?<=[0-9])[^0-9Xx]+(?=[0-9Xx])")
_SEEN_BEFORE = 24  # characters before a number that say what it is


def may_hold_numbers(flat: str) -> bool:
    """Are there eleven digits, close enough to each other for `numbers` or `across`?"""
    return _WIDE.search(flat) is not None


def across(flat: str) -> Iterator[Hit]:
    """Numbers with more between their groups than `numbers` reads over: line ends, signs, 然后, then.

    ``flat`` is a text after `plain`. Certain are cards and identity numbers in the groups that people write
    them in, and mobiles with nothing but space in between.
    """
    for run in _WIDE.finditer(flat):
        written = run[0]
        narrow = _BETWEEN.sub(_narrowed, written)
        if narrow == written:
            continue
        before = flat[max(0, run.start() - _SEEN_BEFORE) : run.start()].replace("\x1e", " ")
        odd = _BETWEEN.sub("", written) and any(
            gap.strip() and not _NARROW.fullmatch(gap) for gap in _BETWEEN.findall(written)
        )
        for hit in numbers(before + narrow, strict=True):
            if hit.end <= len(before):
                continue
            whole = hit.start <= len(before) and hit.end >= len(before) + len(narrow)
            certain = hit.certain and (hit.kind != "phone" or (whole and not odd))
            yield Hit(run.start(), run.end(), hit.kind, certain)


def _narrowed(gap: re.Match[str]) -> str:
    if _NARROW.fullmatch(gap[0]):
        return gap[0]
    return "-" if gap[0].strip() else " "


_EXPONENT = re.compile("[0-9][eE][+]?[0-9]")
_LARGEST = 10**30  # 1e999999 is no number of anyone
_LEAF = re.compile(r"[0-9](?:[0-9 -]{0,22}[0-9Xx])?")


def in_values(root: Any) -> Iterator[Hit]:
    """Numbers in pieces that are values of their own, one behind the other: ``["4111", "1111", ...]``."""
    row: list[str] = []
    for value in _leaves(root):
        if value is not None and _LEAF.fullmatch(value):
            row.append(value)
            continue
        yield from _in_row(row)
        row = []
    yield from _in_row(row)


def in_json(text: str) -> Iterator[Hit]:
    """`in_values` of a text that is JSON; nothing for another."""
    if text.strip()[:1] not in ("{", "["):
        return
    try:
        root = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return
    yield from in_values(root)
    for value in _leaves(root) if _EXPONENT.search(text) else ():
        yield from numbers(value or "")


def _in_row(row: Sequence[str]) -> Iterator[Hit]:
    if len(row) < 2:
        return
    ends = set(accumulate(len(value) + 1 for value in row))
    for hit in numbers("-".join(row), strict=True):
        if any(hit.start < end < hit.end for end in ends):
            yield replace(hit, certain=hit.certain and hit.kind != "phone")


def _leaves(root: Any) -> Iterator[str | None]:
    """Strings and whole numbers under ``root``, in order; None for any other value."""
    stack = [root]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack += reversed(value.values())
        elif isinstance(value, list):
            stack += reversed(value)
        elif isinstance(value, str):
            yield plain(value)
        elif isinstance(value, int | Decimal) and not isinstance(value, bool):
            small = -_LARGEST < Decimal(value) < _LARGEST
            yield str(int(value)) if small and value == int(value) else None
        else:
            yield None
