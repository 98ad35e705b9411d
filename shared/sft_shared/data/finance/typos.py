"""Terms that are typed by their sound: 基精 for 基金."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import lru_cache

from sft_shared.data.finance.terms import (
    Hit,
    TermTable,
    Word,
    folded,
    sentence,
    words_around,
)
from sft_shared.data.words import HAN, frequency

CUES = frozenset(
    [
        "买",
        "卖",
        "涨",
        "跌",
        "收益",
        "利率",
        "利息",
        "银行",
        "投资",
        "理财",
        "账户",
        "亏",
        "赚",
        "风险",
        "元",
        "钱",
        "赎回",
        "费率",
        "净值",
        "证券",
        "股",
        "债",
        "保险",
        "贷",
        "存",
        "汇",
        "额度",
        "万",
        "交易",
        "市场",
        "资金",
    ]
)
PARTICLES = frozenset(
    "为和的了是在不有也就都再又与及或把被给对从到其这那我你他她它们个"
)  # seldom a slip of the hand
_RUN = re.compile(f"[{HAN}]+")
_NEAR = (
    (re.compile(r"^([zcs])h"), r"\1"),  # zh, ch, sh
    (re.compile(r"^n(?=[aeiouv])"), "l"),
    (re.compile(r"^h(?=u)"), "f"),
    (re.compile(r"(?<=[aei])ng$"), "n"),
)


class TypoFinder:
    """Finds terms of which one character is another of the same or a near sound.

    Near are zh/z, ch/c, sh/s, n/l, hu/fu, ang/an, eng/en, ing/in. What is a word of its own is no typo. A
    term of two characters counts only near another term or a word of money; an ambiguous synonym never.
    """

    def __init__(self, table: TermTable) -> None:
        self._table = table
        self._by_sound: dict[tuple[str, ...], list[Word]] = defaultdict(list)
        for text, word in table.words.items():
            if len(text) >= 2 and _RUN.fullmatch(text) and not word.context:
                self._by_sound[_sound(text)].append(word)
        self._lengths = sorted({len(sound) for sound in self._by_sound}, reverse=True)

    def find(self, text: str, hits: list[Hit]) -> list[Hit]:
        """Typos that cross no hit, though they may hold one; longer ones first, none overlapping another.

        ``hits`` are the table's own: the 基金 in a mistyped 货币市厂基金 is one of them.
        """
        flat = folded(text)
        taken = bytearray(len(flat))
        found: list[Hit] = []
        for run in _RUN.finditer(flat):
            for length in self._lengths:
                for start in range(run.start(), run.end() - length + 1):
                    end = start + length
                    if any(taken[start:end]) or any(_is_in_the_way(hit, start, end) for hit in hits):
                        continue
                    word = self._word(flat, start, end, near_a_term=bool(hits or found))
                    if word is not None:
                        taken[start:end] = b"\1" * length
                        found.append(Hit(start, end, word.term.zh, "typo"))
        return sorted(found, key=lambda hit: hit.start)

    def _word(self, flat: str, start: int, end: int, *, near_a_term: bool) -> Word | None:
        window = flat[start:end]
        candidates = {
            word.text: word
            for word in self._by_sound.get(tuple(map(_reading, window)), ())
            if _is_slip(window, folded(word.text))
        }
        if not candidates or frequency(window) or not _stands_alone(flat, start, end):
            return None
        if len(window) == 2:
            around = sentence(flat, start, end)
            if not near_a_term and not any(cue in around for cue in CUES):
                return None
        return candidates[min(candidates)]


def _is_slip(window: str, term: str) -> bool:
    """Whether one character differs, and is not just what follows or goes before a word: 公司在, 公司债."""
    places = [place for place, (a, b) in enumerate(zip(window, term, strict=True)) if a != b]
    if len(places) != 1 or len(window) == 2:
        return len(places) == 1 and window[places[0]] not in PARTICLES
    rest = {0: window[1:], len(window) - 1: window[:-1]}.get(places[0], "")
    return not frequency(rest)


def _stands_alone(flat: str, start: int, end: int) -> bool:
    """Whether words end where the window begins and ends, so that it is no piece of something else."""
    edges = {edge for place, word in words_around(flat, start, end) for edge in (place, place + len(word))}
    return start in edges and end in edges


def _is_in_the_way(hit: Hit, start: int, end: int) -> bool:
    overlaps = hit.start < end and start < hit.end
    return overlaps and not (start <= hit.start and hit.end <= end and hit.end - hit.start < end - start)


def _sound(term: str) -> tuple[str, ...]:
    """How a term is said: of several readings the one that it has in this word."""
    from pypinyin import lazy_pinyin

    return tuple(map(_near, lazy_pinyin(term)))


@lru_cache(maxsize=32_768)
def _reading(char: str) -> str:
    """How a character is said by itself; of several readings the commonest."""
    from pypinyin import lazy_pinyin

    return _near(lazy_pinyin(char)[0])


def _near(syllable: str) -> str:
    """
    >>> _near("zheng"), _near("zen"), _near("ling"), _near("nin")
    ('zen', 'zen', 'lin', 'lin')
    """
    for pattern, replacement in _NEAR:
        syllable = pattern.sub(replacement, syllable)
    return syllable
