"""What an answer says under its disguise: escapes of JSON, lookalikes of letters, leet, stretched letters.

Every reading keeps where its characters stand in the answer, so that a hit in it can be shown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

MAX_DEPTH = 4  # of JSON in a string of JSON, as in the arguments of a call
STRETCHED = 3  # of the same Latin letter in a row; no English word has so many

# Cyrillic, Greek and other letters that look like a Latin one in the same case (a part of Unicode's UTS #39).
_LOOKALIKES = {
    **dict(zip("аеорсухіјѕһԁԛԝѵӏкԍ", "aeopcyxijshdqwvlkg", strict=True)),
    **dict(zip("АВЕКМНОРСТУХІЈЅҺԌԚԜѴӀ", "ABEKMHOPCTYXIJSHGQWVI", strict=True)),
    **dict(zip("αοιιννκρυτχϲϳ", "aoiivvkputxcj", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
    **dict(zip("ıɑɡɩʟɴʀʏɪłøđħŧƚɢʜ", "iagilnryilodhtlgh", strict=True)),
}
_LEET = {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "i", "1": "i"}
_LEET_WORD = re.compile(r"(?<![A-Za-z0-9@$!.])[A-Za-z0-9@$!]{4,}(?![A-Za-z0-9@$])", re.ASCII)
_INSIDE = re.compile(r"^[0-9@$!]?[A-Za-z].*[0-9@$!].*[A-Za-z]|^[0-9@$!][A-Za-z]{3,}")
_ESCAPE = re.compile(
    r'\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|["\\/bfnrt])'
)
_PLAIN_ESCAPES = {"b": " ", "f": " ", "n": "\n", "r": "\n", "t": " "}
_JSON = re.compile(r'\s*(?:```\w*\s*)?(?:\{\s*["}]|\[\s*["{\[\]])')
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)(?:"|\\?\Z)', re.DOTALL)  # one that is cut off counts too


@dataclass(frozen=True)
class Reading:
    """A way to read an answer: character ``i`` of ``text`` stands at ``places[i]`` of the answer."""

    text: str
    places: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where ``text[start:end]`` stands in the answer."""
        return self.places[start], self.places[end - 1] + 1

    def part(self, start: int, end: int) -> Reading:
        """``text[start:end]``."""
        return Reading(self.text[start:end], self.places[start:end])


def strings(answer: str) -> list[Reading]:
    """What is said: a text itself, of JSON every string and key by itself, its escapes read.

    Those of JSON in a string count too, and so does a string that is cut off.

    >>> [each.text for each in strings('{"a": "you\\\\u0020are"}')]
    ['a', 'you are']
    >>> [each.text for each in strings("You are.")]
    ['You are.']
    """
    whole = whole_text(answer)
    return list(_strings(whole, MAX_DEPTH)) or [unescaped(whole)]


def whole_text(answer: str) -> Reading:
    """The answer as it came."""
    return Reading(answer, tuple(range(len(answer))))


def _strings(reading: Reading, depth: int) -> Iterator[Reading]:
    if not depth or not _JSON.match(reading.text):
        return
    for found in _STRING.finditer(reading.text):
        string = unescaped(reading.part(*found.span(1)))
        inner = list(_strings(string, depth - 1))
        if inner:
            yield from inner
        elif string.text.strip():
            yield string


def unescaped(reading: Reading) -> Reading:
    """With the escapes of JSON read, wherever they stand."""
    if "\\" not in reading.text:
        return reading
    letters: list[str] = []
    places: list[int] = []
    end = 0
    for found in _ESCAPE.finditer(reading.text):
        letters += reading.text[end : found.start()]
        places += reading.places[end : found.start()]
        letters.append(_meaning(found[0]))
        places.append(reading.places[found.start()])
        end = found.end()
    letters += reading.text[end:]
    places += reading.places[end:]
    return Reading("".join(letters), tuple(places))


def _meaning(escape: str) -> str:
    if escape[1] != "u":
        return _PLAIN_ESCAPES.get(escape[1], escape[1])
    units = bytes.fromhex("".join(escape[2:6] + escape[8:12]))
    return units.decode("utf-16-be", errors="replace")


def readings(reading: Reading) -> list[Reading]:
    """As it is, with plain letters, and with leet and stretched letters read, where there are such.

    >>> [each.text for each in readings(whole_text("sh1t"))], len(readings(whole_text("What fuuuck")))
    (['sh1t', 'shit', 'shlt'], 3)
    """
    plain = plain_letters(reading)
    found = {each.text: each for each in (reading, plain, _leet(plain, one="i"), _leet(plain, one="l"))}
    for kept in (1, 2):
        found |= {each.text: each for each in [_shortened(each, kept=kept) for each in found.values()]}
    return list(found.values())


@lru_cache(maxsize=65_536)
def plain_letter(char: str) -> str:
    """A letter or digit without width, accent and the looks of another script; nothing for what is unseen.

    >>> plain_letter("Ｍ"), plain_letter("М"), plain_letter("é"), plain_letter("你"), plain_letter("，")
    ('M', 'M', 'e', '你', '，')
    """
    if char.isascii():
        return char
    if char in _LOOKALIKES:
        return _LOOKALIKES[char]
    if unicodedata.category(char) in ("Cf", "Mn"):
        return ""
    if not char.isalnum():
        return char
    wide = unicodedata.normalize("NFKC", char)
    parts = unicodedata.normalize("NFD", wide)
    return parts[0] if parts[0].isascii() and len(wide) == 1 else wide


def plain_letters(reading: Reading) -> Reading:
    """Every letter and digit as `plain_letter` has it."""
    if reading.text.isascii():
        return reading
    pairs = [
        (letter, place)
        for char, place in zip(reading.text, reading.places, strict=True)
        for letter in plain_letter(char)
    ]
    return Reading("".join(letter for letter, _ in pairs), tuple(place for _, place in pairs))


def _leet(reading: Reading, *, one: str) -> Reading:
    """Digits and signs inside of words read as letters, ``1`` as ``one``; codes such as SH17 stay."""

    def read(found: re.Match[str]) -> str:
        word = found[0]
        letters = sum(char.isalpha() for char in word)
        if letters < 2 or letters == len(word) or not _INSIDE.search(word):
            return word
        end = len(word.rstrip("!"))
        return "".join(one if char == "1" else _LEET.get(char, char) for char in word[:end]) + word[end:]

    return Reading(_LEET_WORD.sub(read, reading.text), reading.places)


def _shortened(reading: Reading, *, kept: int) -> Reading:
    """With only so many ``kept`` of a Latin letter that stands three or more times in a row."""
    letters: list[str] = []
    places: list[int] = []
    at = 0
    for key, group in groupby(reading.text, key=str.casefold):
        size = len(list(group))
        stays = kept if size >= STRETCHED and key.isascii() and key.isalpha() else size
        letters += reading.text[at : at + stays]
        places += reading.places[at : at + stays]
        at += size
    return Reading("".join(letters), tuple(places))
