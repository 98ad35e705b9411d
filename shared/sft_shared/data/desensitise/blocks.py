"""A long text in blocks that are looked at one by one: logs say the same sentences again and again."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

_CLOSED = re.compile(
    r"[。！](?![”』」）)’\"'\]。！!？?])[ \t]*(?:\r?\n)*|[.!](?<=[a-z]{3}[.!])[ \t]*(?:\r?\n)+"
)
"""Behind the end of a sentence, where nothing waits for a value: not behind a question or a colon."""

_GOES_ON = re.compile(r"[0-9+*#(,.;:@/|_=\-—~·•)\]}，。；：、？?!！…]|[a-z]")
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
def blocks(text: str) -> tuple[tuple[int, int], ...]:
    """(start, end) of each block; together they are the text.

    A block ends with a full sentence. What goes on with a digit, a mark or a small letter belongs to it.

    >>> text = "您好，我是小李，很高兴为您服务。请问订单号是？1234567 谢谢。"
    >>> [text[start:end] for start, end in blocks(text)]
    ['您好，我是小李，很高兴为您服务。', '请问订单号是？1234567 谢谢。']
    """
    if len(text) < 2 * _SHORTEST or _KEY in text:
        return ((0, len(text)),)
    cut: list[tuple[int, int]] = []
    start, last = 0, len(text) - _SHORTEST
    for found in _CLOSED.finditer(text):
        end = found.end()
        if end > last:
            break
        if end - start >= _SHORTEST and not _GOES_ON.match(text, end):
            cut.append((start, end))
            start = end
    return (*cut, (start, len(text)))
