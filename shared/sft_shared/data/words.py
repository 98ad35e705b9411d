"""Chinese words: jieba's dictionary, read once per process, without its cache file and its messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

HAN = "\u3400-\u9fff"
"""Chinese characters, as a range for the brackets of a pattern."""


@dataclass(frozen=True, slots=True)
class Word:
    """How often a word was counted in jieba's corpus, and its part of speech (``n``, ``v``, ``nr``, ...)."""

    frequency: int
    tag: str


def is_han(text: str) -> bool:
    """Whether ``text`` begins with a Chinese character."""
    return "\u3400" <= text[:1] <= "\u9fff"


def has_han(*texts: str) -> bool:
    """Whether a Chinese character is in one of ``texts``.

    >>> has_han("iPhone", "手机"), has_han("phone")
    (True, False)
    """
    return any(is_han(character) for text in texts for character in text)


@cache
def dictionary() -> dict[str, Word]:
    """Word -> what is known of it; 349 thousand words, read in about half a second. Not to be changed."""
    return {word: Word(frequency, tag) for word, frequency, tag in entries()}


def entries() -> Iterator[tuple[str, int, str]]:
    """Yield (word, frequency, tag) in the order of jieba's dictionary, holding none of them."""
    with resources.files("jieba").joinpath("dict.txt").open(encoding="utf-8") as lines:
        for line in lines:
            word, frequency, tag = line.rsplit(" ", 2)
            yield word, int(frequency), tag.rstrip()


def frequency(word: str) -> int:
    """How often ``word`` was counted; 0 if it is no word."""
    return int(_tokenizer().FREQ.get(word, 0))


def cut(text: str, *, guess: bool = True) -> list[str]:
    """The words of a text, in its order; joined they are the text again.

    With ``guess`` words that are not in the dictionary are guessed too, else they fall into characters.

    >>> cut("我把订单取消了")
    ['我', '把', '订单', '取消', '了']
    """
    return [str(word) for word in _tokenizer().cut(text, HMM=guess)]


@cache
def _tokenizer() -> Any:
    """A tokenizer of our own: jieba's would unmarshal a cache that anybody may have put into /tmp."""
    import jieba

    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer
