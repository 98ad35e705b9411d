"""Terms of a log: error codes, components, words and phrases that recur, with counts."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pydantic import Field, PositiveInt

from sft_shared.config import Settings
from sft_shared.data.operations.templates import MiningSettings, Template, TemplateMiner
from sft_shared.data.words import HAN, is_han

TermKind = Literal["code", "component", "word", "phrase"]

_CODE = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"[A-Z]{1,6}-?\d{3,6}"  # ORA-00060, E1001
    r"|(?:E|ERR)_?[A-Z]+(?:_[A-Z0-9]+)*_[A-Z0-9]+"  # ERR_CONNECTION_REFUSED
    r"|%?[A-Z][A-Z0-9_]+-\d-[A-Z][A-Z0-9_]+"  # LINK-3-UPDOWN
    r"|[A-Za-z.]*[a-z](?:Exception|Error)"  # java.io.IOException
    r"|0[xX][0-9a-fA-F]{4,8}"
    r")(?![A-Za-z0-9_-])"
)
_COMPONENT = re.compile(
    r"[A-Z][a-z0-9]+(?:[A-Z][A-Za-z0-9]*)+|[a-z][\w-]*(?:\.[A-Za-z_][\w-]*)+|[A-Z]{2,}[a-z]*\d?"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]{2,}|[" + HAN + "]{2,}")


class TermSettings(Settings):
    """Which of a log's words count as its terms."""

    mining: MiningSettings = MiningSettings()
    min_count: PositiveInt = 5  # lines that a term must stand in
    phrase_npmi: float = Field(default=0.5, ge=-1, le=1)
    """How much closer than by chance two neighbouring words stand: normalised PMI (Bouma 2009) over
    templates; 1: they never stand apart."""
    max_codes: PositiveInt = 50_000  # different ones counted at a time; rarer ones are forgotten first


@dataclass(frozen=True)
class Term:
    """A term, in how many lines it stands, and in how many different templates."""

    text: str
    kind: TermKind
    count: int
    num_templates: int


def find_terms(lines: Iterable[str], settings: TermSettings) -> tuple[list[Term], list[Template]]:
    """The terms of a stream of lines, the most frequent first, and the templates that were mined.

    Codes are counted in the lines themselves, since templates mask digits; all else in the constant words of
    templates, so that a user's name or a number is no term however often it is written.
    """
    miner = TemplateMiner(settings.mining)
    codes: Counter[str] = Counter()
    for line in lines:
        miner.add(line)
        codes.update(set(_CODE.findall(line[: settings.mining.max_chars])))
        if len(codes) > 2 * settings.max_codes:
            codes = Counter(dict(codes.most_common(settings.max_codes)))
    templates = miner.merged_templates()
    found = [
        Term(code, "code", count, sum(1 for each in templates if code in each.text.split(" ")))
        for code, count in codes.items()
        if count >= settings.min_count
    ]
    known = {term.text for term in found}
    found += [
        term
        for term in (*_words(templates), *_phrases(templates, npmi=settings.phrase_npmi))
        if term.count >= settings.min_count and term.text not in known
    ]
    return sorted(found, key=lambda each: (-each.count, each.kind, each.text)), templates


def to_csv(terms: Iterable[Term]) -> str:
    """The terms as CSV with a heading: term, kind, count, num_templates."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["term", "kind", "count", "num_templates"])
    writer.writerows([term.text, term.kind, term.count, term.num_templates] for term in terms)
    return file.getvalue()


def _words(templates: Sequence[Template]) -> list[Term]:
    counts: Counter[str] = Counter()
    where: Counter[str] = Counter()
    for template in templates:
        for word in {_trimmed(token) for token in template.text.split(" ")}:
            if word and word.lower() not in _STOP:
                counts[word] += template.count
                where[word] += 1
    return [
        Term(word, "component" if _COMPONENT.fullmatch(word) else "word", count, where[word])
        for word, count in counts.items()
    ]


def _phrases(templates: Sequence[Template], *, npmi: float) -> list[Term]:
    """Pairs of neighbouring words by NPMI, each template counted once: a flood of one line is no proof."""
    singles: Counter[str] = Counter()
    pairs: dict[tuple[str, str], list[int]] = defaultdict(list)
    num_pairs = 0
    for template in templates:
        words = [_trimmed(token) for token in template.text.split(" ")]
        singles.update(word for word in words if word)
        for first, second in pairwise(words):
            if first and second:
                pairs[(first, second)].append(template.count)
                num_pairs += 1
    total = sum(singles.values())
    found = []
    for (first, second), counts in pairs.items():
        if first.lower() in _STOP or second.lower() in _STOP:
            continue
        together = len(counts) / num_pairs
        apart = singles[first] * singles[second] / total**2
        closeness = math.log(together / apart) / -math.log(together) if together < 1 else 1.0
        if closeness >= npmi and len(counts) > 1:  # what stands in one template only proves nothing
            chinese = is_han(first[-1]) and is_han(second)
            text = first + second if chinese else f"{first} {second}"
            found.append(Term(text, "phrase", sum(counts), len(counts)))
    return found


def _trimmed(token: str) -> str:
    """The word in a token; empty for masks, numbers and single letters."""
    word = token.strip(".-_/#*@!?%&+~`\\")
    return word if not token.startswith("<") and (_WORD.fullmatch(word) or _COMPONENT.fullmatch(word)) else ""


_EMPTY = """
the and for from with that this has had have was were are been being not but its his her into onto
over under out off than then when where which who while will would can could may might must shall
should does did done new old all any each other some such only own same too very just now here there
again once of to in on at by as is it be or if an error errors warn warning info notice fatal debug
detail log note yes no id uid pid 成功 失败 完成 开始 当前 进行 一个 我们 他们 以及 或者 已经 可以
没有
"""
_STOP = frozenset(_EMPTY.split())
