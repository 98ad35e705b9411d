"""Chinese words by their sound: pinyin, and others that sound the same."""

from __future__ import annotations

import random
from functools import cache

from sft_shared.data.words import dictionary, is_han

MIN_FREQUENCY = 1000  # of a character in jieba's corpus, to be what an input method offers; about 3,000 are
KNOWN_WORD = 20  # an existing word is so many times as likely as one that is no word


def pinyin(word: str, *, tone_marks: bool) -> str:
    """The sound of a word, read as in that word.

    >>> pinyin("新乡", tone_marks=True), pinyin("银行", tone_marks=False)
    ('xīnxiāng', 'yinhang')
    """
    from pypinyin import Style, lazy_pinyin

    return "".join(lazy_pinyin(word, style=Style.TONE if tone_marks else Style.NORMAL))


def homophone(word: str, rng: random.Random) -> str | None:
    """The word with one character that sounds the same, tones aside; None if no frequent one does."""
    from pypinyin import lazy_pinyin

    choices: dict[str, float] = {}
    sounds = lazy_pinyin(word)
    if len(sounds) != len(word):
        return None
    for place, sound in enumerate(sounds):
        for character, frequency in _characters().get(sound, ()):
            other = word[:place] + character + word[place + 1 :]
            if other != word:
                known = len(word) > 1 and other in dictionary()
                choices[other] = frequency**0.5 * (KNOWN_WORD if known else 1)
    return rng.choices(list(choices), list(choices.values()))[0] if choices else None


@cache
def _characters() -> dict[str, list[tuple[str, int]]]:
    """Sound without tone -> the frequent characters that are read so, with their frequency."""
    from pypinyin import lazy_pinyin

    by_sound: dict[str, list[tuple[str, int]]] = {}
    for character, known in dictionary().items():
        if len(character) == 1 and known.frequency >= MIN_FREQUENCY and is_han(character):
            by_sound.setdefault(lazy_pinyin(character)[0], []).append((character, known.frequency))
    return by_sound
