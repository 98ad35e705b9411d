"""A table of finance terms with their synonyms, and where they stand in a text."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import ahocorasick

from sft_shared.data.words import HAN, cut, frequency
from sft_shared.errors import DataError

COLUMNS = ("term_zh", "term_en", "synonyms_zh", "synonyms_en", "context", "not_in")
COMMON = 100  # jieba's count of a word that may keep a term from being seen; 买货 in 买货基 is rarer
CONTEXT_CHARS = 40  # before and after a word, within its sentence
How = Literal["standard", "synonym", "typo"]
_BREAK = re.compile(r"[。！？!?；;\n]|(?<=[a-z])\. ")
_HAN = re.compile(f"[{HAN}]")


@dataclass(frozen=True)
class Hit:
    """``text[start:end]`` means ``standard``, in the text's language; ``how`` it is written."""

    start: int
    end: int
    standard: str
    how: How


@dataclass(frozen=True)
class Term:
    """The standard form in both languages; which of them is meant is decided by the text around a word."""

    zh: str
    en: str


@dataclass(frozen=True)
class Word:
    """A way to write a term. With ``context`` it only counts near one of these words."""

    text: str
    term: Term
    context: tuple[str, ...] = ()
    not_in: tuple[str, ...] = ()  # longer words that hold it and mean something else


class TermTable:
    """Terms and synonyms, found in one pass (Aho-Corasick): the longest that fits at each place."""

    def __init__(self, words: Iterable[Word]) -> None:
        self.words: dict[str, Word] = {}
        for word in words:
            self.words.setdefault(folded(word.text), word)
        self._automaton = ahocorasick.Automaton()
        for text in self.words:
            self._automaton.add_word(text, text)
        self._automaton.make_automaton()

    def find(self, text: str) -> list[Hit]:
        """Where the table's words stand, in the text's order, none overlapping another.

        A Latin word needs a boundary at both ends (a plural ``s`` is allowed), a Chinese one may not cut
        through a neighbouring word, and an ambiguous one needs its context.
        """
        flat = folded(text)
        chinese = _HAN.search(text) is not None
        found = []
        for last, key in self._automaton.iter(flat):
            start, end, word = last + 1 - len(key), last + 1, self.words[key]
            if self._counts(flat, start, end, word):
                found.append((start, end, word))
        found.sort(key=lambda each: (each[0] - each[1], each[0]))
        kept: list[Hit] = []
        taken = bytearray(len(flat))
        for start, end, word in found:
            if not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                standard = word.term.zh if chinese else word.term.en
                how: How = "standard" if text[start:end] == standard else "synonym"
                kept.append(Hit(start, end, standard, how))
        return sorted(kept, key=lambda hit: hit.start)

    def _counts(self, flat: str, start: int, end: int, word: Word) -> bool:
        if not _bounded(flat, start, end) or any(_inside(flat, start, end, longer) for longer in word.not_in):
            return False
        if word.context and not any(near in sentence(flat, start, end) for near in word.context):
            return False
        return cuts_no_word(flat, start, end)


def read_terms(path: Path) -> TermTable:
    """Read a CSV of the columns term_zh, term_en, synonyms_zh, synonyms_en, context, not_in.

    Synonyms are parted by ``|``; ``context`` is ``word:near/near;word:near``; ``not_in`` is parted by ``|``.
    Raises DataError with ``file:line`` for a wrong heading, a missing field, and a word of two terms.
    """
    words: list[Word] = []
    owners: dict[str, tuple[Term, int]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise DataError(f"{path}:1: the columns must be {','.join(COLUMNS)}.")
            for row in reader:
                where = f"{path}:{reader.line_num}"
                if None in row or not (row["term_zh"] or "").strip() or not (row["term_en"] or "").strip():
                    raise DataError(f"{where}: needs term_zh and term_en, and no more than six columns.")
                for word in _words({key: value or "" for key, value in row.items()}, where):
                    key = folded(word.text)
                    owner, line = owners.setdefault(key, (word.term, reader.line_num))
                    if owner != word.term:
                        raise DataError(
                            f"{where}: {word.text!r} is a word of {word.term.zh} and, on line {line}, of "
                            f"{owner.zh}. Keep it at one of them."
                        )
                    words.append(word)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}. Give a CSV file in UTF-8.") from None
    if not words:
        raise DataError(f"{path}: no terms in it. Give at least one.")
    return TermTable(words)


@lru_cache(maxsize=65_536)
def _fold_char(char: str) -> str:
    """One character for one: full width to half width, capitals to small letters."""
    plain = unicodedata.normalize("NFKC", char).lower()
    return plain if len(plain) == 1 else char


def folded(text: str) -> str:
    """``text`` for comparing, of the same length, so that places in it are places in ``text``.

    >>> folded("ＥＴＦ 基金")
    'etf 基金'
    """
    return "".join(map(_fold_char, text))


def _words(row: Mapping[str, str], where: str) -> list[Word]:
    contexts: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for part in filter(None, row["context"].split(";")):
        name, _, near = part.partition(":")
        if not near:
            raise DataError(f"{where}: context: found {part!r}, expected word:near/near.")
        contexts[folded(name)] = tuple(folded(each) for each in near.split("/"))
    not_in = tuple(folded(each) for each in row["not_in"].split("|") if each)
    words = []
    term = Term(row["term_zh"].strip(), row["term_en"].strip())
    for standard, synonyms in ((term.zh, row["synonyms_zh"]), (term.en, row["synonyms_en"])):
        for text in (standard, *synonyms.split("|")):
            if text.strip():
                words.append(Word(text.strip(), term, contexts.pop(folded(text.strip()), ()), not_in))
    if contexts:
        raise DataError(f"{where}: context: {next(iter(contexts))!r} is no word of this term.")
    return words


def _bounded(flat: str, start: int, end: int) -> bool:
    """Latin letters and digits at an end of the word stand at an end of a word of the text."""
    before, after = flat[start - 1 : start], flat[end : end + 1]
    if _is_latin(flat[start]) and _is_latin(before):
        return False
    if _is_latin(flat[end - 1]) and _is_latin(after):
        return flat[end - 1].isalpha() and after == "s" and not _is_latin(flat[end + 1 : end + 2])
    return True


def _is_latin(char: str) -> bool:
    return bool(char) and (char.isalnum() or char == "_") and not _HAN.match(char)


def _inside(flat: str, start: int, end: int, longer: str) -> bool:
    """Whether ``flat[start:end]`` is a part of ``longer`` as it stands in the text."""
    at = flat.find(longer, max(0, end - len(longer)), start + len(longer))
    return at != -1


def sentence(flat: str, start: int, end: int) -> str:
    """What stands around a word, without it, within its sentence."""
    before = _BREAK.split(flat[max(0, start - CONTEXT_CHARS) : start])[-1]
    after = _BREAK.split(flat[end : end + CONTEXT_CHARS])[0]
    return f"{before}\0{after}"


def cuts_no_word(flat: str, start: int, end: int) -> bool:
    """Whether no common Chinese word reaches over one end of ``flat[start:end]`` only.

    >>> cuts_no_word("便利率先", 1, 3)  # 便利 reaches over the beginning of 利率
    False
    """
    for place, word in words_around(flat, start, end):
        crosses_start = place < start < place + len(word) < end
        crosses_end = start < place < end < place + len(word)
        if (crosses_start or crosses_end) and frequency(word) >= COMMON:
            return False
    return True


def words_around(flat: str, start: int, end: int) -> list[tuple[int, str]]:
    """The words (place, word) that jieba sees in and a few Chinese characters around ``flat[start:end]``."""
    left, right = start, end
    while left > 0 and start - left < 4 and _HAN.match(flat[left - 1]):
        left -= 1
    while right < len(flat) and right - end < 4 and _HAN.match(flat[right]):
        right += 1
    if left == start and right == end:
        return [(start, flat[start:end])]
    found, place = [], left
    for word in _cut(flat[left:right]):
        found.append((place, word))
        place += len(word)
    return found


@lru_cache(maxsize=65_536)
def _cut(text: str) -> tuple[str, ...]:
    return tuple(cut(text, guess=False))
