"""What is known of English words and of names in Latin letters."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise

from sft_shared.data.desensitise.lexicon import listed

OPENERS = frozenset(listed("words_before_names.txt")[0].split())


@dataclass(frozen=True)
class Lists:
    """Lower-case words: ``first`` and ``last`` names, ``ordinary`` words among them, and ``never`` names."""

    first: frozenset[str]
    last: frozenset[str]
    ordinary: frozenset[str]
    never: frozenset[str]
    usual: frozenset[str]  # the commoner last names
    given: frozenset[str]  # the commoner first names
    alone_never: frozenset[str]  # words that alone are no name
    vocabulary: frozenset[str]  # words that text writes in small letters
    brands: frozenset[str]  # of two words, such as "jack daniel"


@cache
def lists() -> Lists:
    """Read the lists, once a process."""
    first, last = set(), set()
    for name in ("dist.male.first", "dist.female.first"):
        first |= _census(name, most=4300)
    last |= _census("dist.all.last", most=24000)
    other = set(" ".join(listed("names_of_other_places.txt")).split())
    ordinary = set(" ".join(listed("english_names_that_are_words.txt")).split())
    firsts, lasts = listed("names_of_fifty_places.txt")
    first |= set(firsts.split())
    last |= set(lasts.split())
    never = set(" ".join(listed("english_words.txt")).split())
    return Lists(
        frozenset(first | other),
        frozenset(last | other),
        frozenset(ordinary),
        frozenset(never),
        frozenset(_census("dist.all.last", most=4000) | other),
        frozenset(
            _census("dist.male.first", most=600) | _census("dist.female.first", most=1200) | (other & first)
        ),
        frozenset((never - first - other) | OPENERS),
        frozenset(listed("english_vocabulary.txt")[0].split()),
        frozenset(map(" ".join, pairwise(listed("brands_and_characters.txt")[1].split()))),
    )


def _census(name: str, *, most: int) -> set[str]:
    with resources.files("names").joinpath(name).open(encoding="utf-8") as lines:
        return {line.split(None, 1)[0].lower() for _, line in zip(range(most), lines, strict=False)}


def plain_word(token: str) -> str:
    """Lower case, without accents, possessive and points."""
    token = re.sub(r"['’]s$", "", token.lower().replace("’", "'"))
    if token.isascii():
        return token.strip(".'")
    return "".join(
        char
        for char in unicodedata.normalize(
            "NFD", token.replace("đ", "d").replace("ø", "o").replace("ł", "l").replace("ß", "ss")
        )
        if not unicodedata.combining(char)
    ).strip(".'")
