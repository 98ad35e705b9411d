"""Lists of words that must not be said, found in one pass also where they are disguised."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import ahocorasick

from sft_shared.data.finance.terms import cuts_no_word, folded
from sft_shared.data.finance.traditional import simplified
from sft_shared.data.words import is_han
from sft_shared.errors import DataError
from sft_shared.evaluation.metrics.disguise import plain_letter

MAX_GAP = 4  # characters between two of a word
DENIABLE = "deniable"
_BARRIERS = "。！？!?；;\n\r"


@dataclass(frozen=True)
class Hit:
    """``text[start:end]`` breaks ``rule``; a classifier also says how ``probable`` that is, 0 to 1."""

    rule: str
    start: int
    end: int
    probable: float | None = None


@dataclass(frozen=True)
class Entry:
    """A word and the rule that it breaks; a ``deniable`` one is excused where it is denied or refuted."""

    rule: str
    word: str
    deniable: bool = False


@dataclass(frozen=True)
class Flat:
    """A text's letters and digits in plain form, sentences parted by a line break.

    ``places[i]`` is where character ``i`` stands in the text.
    """

    text: str
    places: tuple[int, ...]


def flatten(text: str) -> Flat:
    """Without case, width, accents, lookalikes, traditional forms, and anything in between.

    >>> flatten("赌\\u200b 博！Ｂａｄ-WORD").text
    '赌博\\nbadword'
    >>> flatten("保證 X").places
    (0, 1, 3)
    """
    letters: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        for letter in _plain(char):
            letters.append(letter)
            places.append(place)
    return Flat("".join(letters), tuple(places))


@lru_cache(maxsize=65_536)
def _plain(char: str) -> str:
    if char in _BARRIERS:
        return "\n"
    return "".join(
        letter
        for plain in unicodedata.normalize("NFKC", char)
        for letter in simplified(plain_letter(plain).casefold())
        if letter.isalnum()
    )


class WordList:
    """Words by Aho-Corasick, whatever their case, width and script, and with signs put between letters.

    Between Chinese characters up to MAX_GAP signs or spaces may stand, but no end of a sentence, and no
    common word may reach over one end of a hit (妈的 is not in 妈妈的). A Latin word needs its boundaries (a
    plural ``s`` is allowed); signs may stand in it, spaces only if it is spelled out (b a d).
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(entries)
        self._automaton = ahocorasick.Automaton()
        known: dict[str, list[tuple[Entry, Flat]]] = {}
        for entry in self.entries:
            flat = flatten(entry.word)
            known.setdefault(flat.text, []).append((entry, flat))
        for key, group in known.items():
            self._automaton.add_word(key, (len(key), group))
        self._automaton.make_automaton()

    def find(self, text: str) -> Iterator[tuple[Entry, Hit]]:
        """The entries in ``text`` in its order, each with its place."""
        if not self.entries:
            return
        flat = flatten(text)
        for last, (size, group) in self._automaton.iter(flat.text):
            first = last + 1 - size
            start, end = flat.places[first], flat.places[last] + 1
            for entry, word in group:
                if self._counts(text, flat, first, last, word, entry.word):
                    yield entry, Hit(entry.rule, start, end)

    def _counts(self, text: str, flat: Flat, first: int, last: int, word: Flat, written: str) -> bool:
        places = flat.places[first : last + 1]
        if not _is_bounded(text, flat, first, last):
            return False
        gaps = [text[here + 1 : there] for here, there in pairwise(places)]
        if any(len(gap) > MAX_GAP for gap in gaps):
            return False
        wanted = [there - here > 1 for here, there in pairwise(word.places)]
        latin = [not is_han(one) and not is_han(other) for one, other in pairwise(word.text)]
        seen = [_visible(gap) for gap in gaps]
        spelled = all(gap for gap, both in zip(seen, latin, strict=True) if both) and sum(latin) > 1
        for gap, is_wanted, both in zip(seen, wanted, latin, strict=True):
            if both and not spelled and not _joins(gap, words=is_wanted):
                return False
        return not is_han(text[places[0]]) or cuts_no_word(
            folded(simplified(text)), places[0], places[-1] + 1
        )


def read_word_list(path: Path) -> list[Entry]:
    """Read one word a line: ``word``, ``rule<TAB>word`` or ``rule<TAB>word<TAB>deniable``.

    Lines that begin with ``#`` and blank ones are skipped; the rule of a bare word is the file's name.
    Raises DataError with ``file:line`` for a line of another form and a word that is there twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}. Give a list of words in UTF-8.") from None
    entries: list[Entry] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        entry = _entry(line, where=f"{path}:{number}", rule=path.stem)
        key = flatten(entry.word).text
        if key in seen:
            raise DataError(f"{path}:{number}: the word of line {seen[key]} again. Keep one of them.")
        seen[key] = number
        entries.append(entry)
    if not entries:
        raise DataError(f"{path}: no words in it. Give at least one.")
    return entries


def _entry(line: str, *, where: str, rule: str) -> Entry:
    parts = [part.strip() for part in line.split("\t")]
    if len(parts) > 3 or (len(parts) == 3 and parts[2] != DENIABLE) or (len(parts) > 1 and not parts[0]):
        raise DataError(
            f"{where}: found {len(parts)} columns. Write word, rule<TAB>word or rule<TAB>word<TAB>{DENIABLE}."
        )
    word = parts[0] if len(parts) == 1 else parts[1]
    flat = flatten(word).text
    if not flat or "\n" in flat:
        raise DataError(f"{where}: a word needs letters and no end of a sentence. Mend the line.")
    return Entry(rule if len(parts) == 1 else parts[0], word, deniable=len(parts) == 3)


def _is_bounded(text: str, flat: Flat, first: int, last: int) -> bool:
    """Whether no letter or digit of a script with spaces adjoins a Latin end of the hit."""
    start, end = flat.places[first], flat.places[last] + 1
    if not is_han(flat.text[first]) and _is_latin(text[start - 1 : start]):
        return False
    if not is_han(flat.text[last]) and _is_latin(text[end : end + 1]):
        return text[end].casefold() == "s" and not _is_latin(text[end + 1 : end + 2])
    return True


def _is_latin(char: str) -> bool:
    return bool(char) and char.isalnum() and not is_han(char)


def _joins(gap: str, *, words: bool) -> bool:
    """Whether what stands between two Latin letters leaves them in one phrase, or in one word."""
    if not words:
        return " " not in gap
    return bool(gap) and not (" " in gap and any(mark in gap for mark in ".,:()"))


def _visible(gap: str) -> str:
    """What of a gap can be seen; spaces of all kinds are one."""
    return "".join(
        " " if char.isspace() else char for char in gap if unicodedata.category(char) not in ("Cf", "Mn")
    )
