"""A long text in blocks that are looked at one by one: logs say the same sentences again and again."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

_HAN_DIGIT = "[零〇○一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖]"
_GOES_ON = (
    r"[0-9+*#(,.;:@/|_=\-—~·•)\]}，。；：、？?!！…]|[a-z]|" + _HAN_DIGIT + f"(?={_HAN_DIGIT}|[0-9])|"
    r"(?i:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple)\b"
)
_CLOSED = re.compile(
    r"(?:[。！](?![”』」）)’\"'\]。！!？?])[ \t]*+(?:\r?\n)*+|[.!](?<=[a-z]{3}[.!])[ \t]*+(?:\r?\n)++)"
    f"(?!{_GOES_ON})"
)
"""Behind the end of a sentence, where nothing waits for a value (not behind a question or a colon), and
nothing that the sentence may go on with."""

_NAMES_VALUE = re.compile(
    r"[号码牌账帐]|微信|密钥|手机|电话|证件|护照|(?i:plate|code|number|account|pass(?:word|code|port)|\bpin|"
    r"licen[cs]e|phone|mobile|login|sign in|\bkey|token|secret)"
)
_DIGIT = re.compile("[0-9]")
_WAITS_FOR = 60  # characters behind the name of a value in which it may be said
_VALUE_NEAR = re.compile(r"[\s\u3400-\u9fff]{0,2}[A-Z]|[^\n]{0,24}[0-9]")
_LINE_OF_ADDRESS = re.compile(r"[A-Z][^\n]{0,47}(?:\n|\Z)")
_SHORTEST = 12  # characters; a shorter one stays with what follows it
_KEY = "-----BEGIN"
LONGEST_REMEMBERED, MOST_REMEMBERED = 400, 65_536
"""Characters of a block, and how many blocks are remembered: some ten megabytes."""
MOST_SHAPES = 16_384  # texts that differ in their digits only are one
_LONGEST_TEXT, _MOST_TEXTS = 2_000, 4_096  # characters of a whole text, and how many are remembered

T = TypeVar("T")


def of_late(function: Callable[[str], T]) -> Callable[[str], T]:
    """``function`` of a text, which remembers: of a dialogue, the same is asked of a text several times."""
    recent = lru_cache(maxsize=_MOST_TEXTS)(function)

    @wraps(function)
    def ask(text: str) -> T:
        return recent(text) if len(text) <= _LONGEST_TEXT else function(text)

    return ask


@of_late
def blocks(text: str) -> tuple[str, ...]:
    """The blocks of a text; together they are the text.

    A block ends with a full sentence, but not with one that may wait for a value which the next one says.
    What goes on with a number, a mark or a small letter belongs to it, and so does a short line, as of an
    address.

    >>> blocks("您好，我是小李，很高兴为您服务。请问订单号是？1234567 谢谢。")
    ('您好，我是小李，很高兴为您服务。', '请问订单号是？1234567 谢谢。')
    """
    if len(text) < 2 * _SHORTEST or _KEY in text:
        return (text,)
    cut: list[str] = []
    start, last = 0, len(text) - _SHORTEST
    for found in _CLOSED.finditer(text):
        end = found.end()
        if end > last:
            break
        if end - start >= _SHORTEST and not _is_awaited(text, found.start(), end):
            cut.append(text[start:end])
            start = end
    return (*cut, text[start:])


def _is_awaited(text: str, mark: int, end: int) -> bool:
    """Does the sentence that ends with ``mark`` wait for what stands behind ``end``?"""
    if text[mark] in ".!" and _LINE_OF_ADDRESS.match(text, end):
        return True
    if not _VALUE_NEAR.match(text, end):
        return False
    start = max(0, mark - _WAITS_FOR)  # a sentence that names a value and does not say it
    said = _DIGIT.search(text[start:mark][::-1])
    return _NAMES_VALUE.search(text, mark - said.start() if said else start, mark) is not None
