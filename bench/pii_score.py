"""Scores of found personal data against marked data: recall, precision and F2 by kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sft_shared.data.desensitise.spans import Kind, Span
from sft_shared.evaluation.compare import wilson_interval

MIN_OVERLAP = 0.5  # intersection over union of a right find with what is marked

Finds = Sequence[Sequence[Span]]  # the found spans of each turn of an item


@dataclass(frozen=True)
class Gold:
    """Marked data: ``turns[turn][start:end]`` is of ``kind``."""

    kind: Kind
    start: int
    end: int
    turn: int = 0
    is_piece: bool = False  # of a value that is cut over turns


@dataclass(frozen=True)
class Item:
    """A text (one turn) or a talk with all its personal data marked; in a hard negative there is none."""

    id: str
    language: str
    source: str  # generated, handwritten
    turns: tuple[str, ...]
    spans: tuple[Gold, ...]
    hard_negative: bool = False
    allowed: tuple[Kind, ...] = ()  # kinds of which a find is neither right nor wrong

    def value(self, gold: Gold) -> str:
        """The marked text."""
        return self.turns[gold.turn][gold.start : gold.end]


def f2(recall: float, precision: float) -> float:
    """The F-measure that weighs recall twice as much: 5PR / (4P + R); 0 if both are.

    >>> f2(1.0, 0.5), f2(0.0, 0.0)
    (0.8333333333333334, 0.0)
    """
    bottom = 4 * precision + recall
    return 5 * precision * recall / bottom if bottom else 0.0


def is_covered(gold: Gold, spans: Iterable[Span]) -> bool:
    """Whether the spans together hold every character of ``gold``."""
    reached = gold.start
    for span in sorted(spans, key=lambda each: each.start):
        if span.start > reached:
            break
        reached = max(reached, span.end)
    return reached >= gold.end


def overlap(gold: Gold, span: Span) -> float:
    """Intersection over union of the two, 0 to 1."""
    shared = min(gold.end, span.end) - max(gold.start, span.start)
    return max(0, shared) / (max(gold.end, span.end) - min(gold.start, span.start))


def missed(item: Item, finds: Finds) -> list[Gold]:
    """The marked data that no finds of its kind cover fully."""
    return [
        gold
        for gold in item.spans
        if not is_covered(gold, (span for span in finds[gold.turn] if span.kind == gold.kind))
    ]


def wrong(item: Item, finds: Finds) -> list[tuple[int, Span]]:
    """(turn, find) of every find that is neither right nor of an allowed kind."""
    return [
        (turn, span)
        for turn, spans in enumerate(finds)
        for span in spans
        if span.kind not in item.allowed and not _is_right(item, turn, span)
    ]


def _is_right(item: Item, turn: int, span: Span) -> bool:
    return any(
        gold.turn == turn and gold.kind == span.kind and overlap(gold, span) >= MIN_OVERLAP
        for gold in item.spans
    )


@dataclass
class _Count:
    n: int = 0
    recalled: int = 0
    covered: int = 0
    right: int = 0
    wrong: int = 0
    slices: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))


def score(items: Sequence[Item], finds: Sequence[Finds]) -> dict[str, dict[str, Any]]:
    """Kind -> recall, precision, f2, n (marked), covered (recall by finds of any kind), ci95 of the recall.

    ``slices`` is [recalled, n] by language and by source. Precision is None where nothing was found.
    """
    counts: dict[str, _Count] = defaultdict(_Count)
    for item, found in zip(items, finds, strict=True):
        lost = set(missed(item, found))
        for gold in item.spans:
            count = counts[gold.kind]
            count.n += 1
            count.recalled += gold not in lost
            count.covered += is_covered(gold, found[gold.turn])
            for name in (item.language, item.source):
                count.slices[name][0] += gold not in lost
                count.slices[name][1] += 1
        for turn, spans in enumerate(found):
            for span in spans:
                counts[span.kind].right += _is_right(item, turn, span)
        for _, span in wrong(item, found):
            counts[span.kind].wrong += 1
    return {kind: _scores(counts[kind]) for kind in sorted(counts)}


def _scores(count: _Count) -> dict[str, Any]:
    recall = count.recalled / count.n if count.n else 0.0
    finds = count.right + count.wrong
    precision = count.right / finds if finds else None
    return {
        "recall": recall,
        "precision": precision,
        "f2": f2(recall, precision or 0.0),
        "n": count.n,
        "covered": count.covered / count.n if count.n else 0.0,
        "ci95": list(wilson_interval(count.recalled, num_total=count.n)) if count.n else None,
        "found": finds,
        "slices": {name: list(pair) for name, pair in sorted(count.slices.items())},
    }


def false_hits(items: Sequence[Item], finds: Sequence[Finds]) -> dict[str, Any]:
    """How many hard negatives have a find of a kind that is not allowed there."""
    negatives = [(item, found) for item, found in zip(items, finds, strict=True) if item.hard_negative]
    if not negatives:
        return {"rate": None, "hits": 0, "n": 0, "ci95": None}
    hits = sum(bool(wrong(item, found)) for item, found in negatives)
    low_high = list(wilson_interval(hits, num_total=len(negatives)))
    return {"rate": hits / len(negatives), "hits": hits, "n": len(negatives), "ci95": low_high}
