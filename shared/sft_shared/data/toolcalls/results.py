"""Does an answer say what the tools returned? Numbers and codes are compared as values, not as text."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_CODE = re.compile(
    r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]*\d)(?=[A-Za-z0-9_-]*[A-Za-z])[A-Za-z0-9][A-Za-z0-9_-]{3,}"
)
_LIST_MARK = re.compile(r"^\s*(?:\d{1,2}[.)、）．](?=\D)|[(（]\d{1,2}[)）])", re.MULTILINE)
_SCALES = {
    "万": 1e4,
    "亿": 1e8,
    "千": 1e3,
    "k": 1e3,
    "thousand": 1e3,
    "million": 1e6,
    "m": 1e6,
    "billion": 1e9,
}
_SCALE = re.compile(r"\s*(万|亿|千|thousand\b|million\b|billion\b|[km]\b)", re.IGNORECASE)


def invents_values(answer: str, *, known: Iterable[str]) -> bool:
    """Whether ``answer`` states a number or a code (letters with digits) that ``known`` texts do not hold.

    ``1,200`` is 1200, ``12.0`` is 12, ``5 %`` may be 0.05, ``1.2万`` is 12000, and 3 in a date may be 03.
    Numbers of list items (``1.``) do not count. Numbers written as words are not looked at.

    >>> invents_values("还剩 1,200 元", known=['{"balance": 1200.0}'])
    False
    >>> invents_values("It arrives in 3 days.", known=['{"days": 5}'])
    True
    """
    texts = [_plain(text) for text in known]
    numbers = {value for text in texts for value, _ in _numbers(text)}
    codes = {code.casefold() for text in texts for code in _CODE.findall(text)}
    shown = _LIST_MARK.sub(" ", _plain(answer))
    for code in _CODE.findall(shown):
        if code.casefold() not in codes and not _is_unit(code):
            return True
    shown = _CODE.sub(lambda match: match[0] if _is_unit(match[0]) else " ", shown)
    return any(not _is_among(variants, numbers) for _, variants in _numbers(shown))


def uses_result(answer: str, *, results: Sequence[str]) -> bool:
    """Whether ``answer`` says at least one value of ``results``, or they hold none that could be said.

    Values are numbers and texts in the results' JSON; true, false and null are not said as such.
    """
    shown = _plain(answer)
    stated = {variant for _, variants in _numbers(shown) for variant in variants}
    values = [value for result in results for value in _scalars(result)]
    for value in values:
        if isinstance(value, str):
            said = _plain(value).casefold()
            if said in shown.casefold() or {number for number, _ in _numbers(said)} & stated:
                return True
        elif any(_close(abs(float(value)), number) for number in stated):
            return True
    return not values


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _numbers(text: str) -> list[tuple[float, tuple[float, ...]]]:
    """Each number, without its sign, with what it may stand for: a share for 5 %, the whole for 1.2万."""
    found = []
    for match in _NUMBER.finditer(text):
        digits = match[0].replace(",", "")
        if len(digits) > 300:  # no double holds it, and nobody says it
            continue
        value = float(digits)
        rest = text[match.end() :]
        scale = _SCALE.match(rest)
        variants = [value]
        if rest.lstrip()[:1] == "%":
            variants.append(value / 100)
        if scale is not None:
            variants.append(value * _SCALES[scale[1].lower()])
        found.append((value, tuple(variants)))
    return found


def _is_among(variants: tuple[float, ...], numbers: set[float]) -> bool:
    return any(_close(variant, number) for variant in variants for number in numbers)


def _close(first: float, second: float) -> bool:
    return abs(first - second) <= 1e-9 * max(1.0, first, second)


def _is_unit(code: str) -> bool:
    """``30min`` or ``20GB``: a number with its unit, no code."""
    return re.fullmatch(r"\d+[A-Za-z]{1,4}", code) is not None


def _scalars(result: str) -> list[str | int | float]:
    try:
        value = json.loads(result)
    except (ValueError, RecursionError):
        return [result] if result.strip() else []
    found: list[str | int | float] = []
    level: list[Any] = [value]
    while level:
        item = level.pop()
        if isinstance(item, dict):
            level.extend(item.values())
        elif isinstance(item, list):
            level.extend(item)
        elif isinstance(item, bool) or item is None:
            continue
        elif isinstance(item, int | float) or (isinstance(item, str) and item.strip()):
            found.append(item)
    return found
