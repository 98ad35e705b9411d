"""A part of a full name that was found: 娜娜 of 欧阳娜娜, Alice of Alice Smith, where it stands by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sft_shared.data.desensitise.chinese_name_context import TITLES, is_han
from sft_shared.data.desensitise.english_name_lists import OPENERS, lists, plain_word
from sft_shared.data.desensitise.lexicon import lexicon, surnames

_LIKE_A_WORD = -14.0  # log probability of a word above which it is more often a word than a name
_FEWEST_LETTERS = 3
_SURE = 0.8
_CALLS = re.compile(
    r"(?:叫|找|问|给|跟|和|与|让|请|喊|转告|告诉|联系|通知|谢谢|多谢|你好|您好|是|[我你您他她]家|小)$"
)
_CALLED = re.compile(
    r"你好|您好|[您你](?![们])|说|问|呢|吗|啊|呀|吧|在吗|在不在|回电|来电|收|本人|"
    r"的(?:电话|手机|订单|卡|账|号)"
)
_WORD_BEFORE = re.compile(r"([A-Za-z][\w'’]*)[.]? $")
_GOES_ON = re.compile(r"(?:'s|’s)? (?:[A-Z]|& )|[-.@][A-Za-z]")


def parts_of(name: str, *, confidence: float) -> Iterator[str]:
    """What a person of this full name is called: the given name in Han, either name in Latin letters.

    No word of the language is among them, for 王明天 is no reason to replace every 明天.

    >>> list(parts_of("欧阳娜娜", confidence=0.9)), list(parts_of("Will Okonkwo", confidence=0.9))
    (['娜娜'], ['Okonkwo'])
    """
    if is_han(name[0]):
        pieces = name.split("·") if "·" in name else [_given(name)]
        yield from (piece for piece in pieces if 2 <= len(piece) < len(name) and not _is_word(piece))
        return
    known, words = lists(), name.split()
    if len(words) < 2:
        return
    for word in words:
        bare = plain_word(word)
        if len(bare) < _FEWEST_LETTERS or not word[0].isupper() or not bare.isalpha():
            continue
        if bare in known.ordinary or bare in known.never or bare in known.vocabulary or bare in OPENERS:
            continue
        if bare in known.first or bare in known.last or confidence >= _SURE:
            yield word
            if word.isupper():
                yield word.capitalize()


def _given(name: str) -> str:
    """What follows the surname; nothing if there is none."""
    if not all(map(is_han, name)):
        return ""
    known = surnames()
    if len(name) > 3 and name[:2] in known:
        return name[2:]
    return name[1:] if len(name) == 3 and name[0] in known else ""


def _is_word(piece: str) -> bool:
    known = lexicon()
    return known.words.get(piece, -99.0) > _LIKE_A_WORD and piece not in known.strangers


def is_called(text: str, start: int, end: int) -> bool:
    """Does ``text[start:end]``, a part of a name, stand as one who is spoken to or of?

    In Han between marks, before a title, or beside a word such as 叫 or 您好; in Latin letters with no
    further capitalised word beside it, but a greeting or a title.
    """
    if is_han(text[start]):
        titled = TITLES.match(text, end) is not None
        after = titled or not text[end : end + 1].isalnum() or _CALLED.match(text, end) is not None
        before = titled or not text[max(0, start - 1) : start].isalnum()
        return after and (before or _CALLS.search(text, max(0, start - 2), start) is not None)
    if _GOES_ON.match(text, end):
        return False
    before_it = _WORD_BEFORE.search(text, max(0, start - 24), start)
    return before_it is None or before_it[1][0].islower() or before_it[1].lower() in OPENERS
