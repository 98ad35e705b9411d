"""Words that say what kind of value stands beside them, found in one pass over the text."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import Literal, NamedTuple

import ahocorasick

from sft_shared.data.desensitise.folding import Canonical
from sft_shared.data.desensitise.lexicon import listed
from sft_shared.data.desensitise.spans import Kind

Theme = Kind | Literal["harmless"]
"""What a cue announces; ``harmless`` is a number that is nobody's, such as a version or an amount."""


WITH_DIGITS = frozenset(re.findall(r"\S*[0-9]\S*", "\n".join(listed("cues.txt")).replace("|", " ")))
"""Words of cues with digits in them."""


def _automaton() -> ahocorasick.Automaton:
    automaton = ahocorasick.Automaton()
    for line in listed("cues.txt"):
        theme, *words = line.split()
        for word in words:
            automaton.add_word(word.replace("|", " "), (len(word), theme))
    automaton.make_automaton()
    return automaton


_AUTOMATON = _automaton()


class Cue(NamedTuple):
    """A cue's place and what it announces."""

    start: int
    end: int
    theme: Theme


class Reading:
    """A text in plain form, the same in lower case and of the same length, and its cues in order."""

    def __init__(self, canonical: Canonical, *, like: Reading | None = None) -> None:
        """``like`` is the reading of a text that differs in its digits only, and in no cue."""
        self.text = canonical.text
        self._canonical = canonical
        lower = self.text.lower()
        self.lower = lower if len(lower) == len(self.text) else "".join(map(_lower, self.text))
        self.cues: list[Cue] = _cues(self.lower) if like is None else like.cues
        self.themes: frozenset[Theme] = (
            frozenset([cue.theme for cue in self.cues]) if like is None else like.themes
        )
        self.cue_ends: list[int] = (  # for bisection
            [cue.end for cue in self.cues] if like is None else like.cue_ends
        )

    def is_dictated(self, start: int, end: int) -> bool:
        """Were many digits of ``text[start:end]`` words in the original?"""
        first, last = self._canonical.original(start, end)
        return last - first > 1.5 * (end - start)

    def cue_before(self, position: int, *, reach: int = 32) -> Cue | None:
        """The last cue that ends at most ``reach`` characters before ``position``, in the same sentence."""
        index = bisect_right(self.cue_ends, position) - 1
        if index < 0:
            return None
        cue = self.cues[index]
        return (
            cue
            if position - cue.end <= reach and not SENTENCE_ENDS.search(self.text, cue.end, position)
            else None
        )

    def cue_after(self, position: int) -> Cue | None:
        """The cue of which the value that ends at ``position`` is said: "... 是我的卡号"."""
        index = bisect_left(self.cue_ends, position)
        while index < len(self.cues) and self.cues[index].start < position:
            index += 1
        if index == len(self.cues) or self.cues[index].start - position > 16:
            return None
        cue = self.cues[index]
        return cue if SAID_OF.fullmatch(self.text, position, cue.start) else None


def _cues(lower: str) -> list[Cue]:
    """All cues of a text in lower case, the longest where several begin."""
    cues: list[Cue] = []
    for last, (size, theme) in _AUTOMATON.iter_long(lower):
        if theme == "nothing":
            continue
        start, end = last + 1 - size, last + 1
        if not ("a" <= lower[start] <= "z" and _is_inside_word(lower, start, end)):
            if cues and cues[-1].end == start and lower[start:end] in _BARE:
                theme = cues[-1].theme  # 台胞证号码: the number of what stands before
            cues.append(Cue(start, end, theme))
    return cues


_BARE = frozenset(["号码", "号码是", "编码"])
SENTENCE_ENDS = re.compile(r"[。！!]|(?<!no)(?<!num)[.;；]\s|[?？](?!\s*\n)|\n[^\n]*\n")
SAID_OF = re.compile(
    r"[\s\"'”’),(–—-]*(?:(?:这|那|该|此)(?:个|张|串|笔|条)\s?|(?:(?:这|那)(?:个|张|串)?)?(?:就|便)?(?:是|为|is|was|"
    r"as|\()|(?:that|this|it|which)(?:['’]?s| is| was))\s*"
    r"(?:我|他|她|您|你|本人|客户|my|the|his|her|our|your|their|a|[A-Z][a-z]+['’]s)?"
    r"(?:们|的|\s)*(?:new|main|home|work|mobile|新|旧|常用|预留|[A-Z][a-z]+)?的?\s*",
    re.I,
)


def _lower(char: str) -> str:
    lower = char.lower()
    return lower if len(lower) == 1 else char


def _is_inside_word(lower: str, start: int, end: int) -> bool:
    """An English cue counts only as a word of its own."""
    return (start > 0 and "a" <= lower[start - 1] <= "z") or (
        end < len(lower) and "a" <= lower[end - 1] <= "z" and "a" <= lower[end] <= "z"
    )
