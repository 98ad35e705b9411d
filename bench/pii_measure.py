"""A recogniser run over the benchmark's items: scores, bars, tables, what it missed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from rich.table import Table

from bench.pii_items import KINDS
from bench.pii_score import Finds, Item, false_hits, missed, score, wrong
from sft_shared.data.desensitise.spans import Span
from sft_shared.files import write_atomic

CERTAIN = ("card", "resident_id", "phone", "email")
BARS = (  # (kinds, score, at least)
    (CERTAIN, "recall", 0.995),
    (("name", "address"), "recall", 0.95),
    (("name", "address"), "precision", 0.90),
)
MAX_FALSE_HITS = 0.02  # share of the hard negatives


class Recogniser(Protocol):
    """What finds personal data in a text, and in the turns of a talk."""

    def find(self, text: str) -> list[Span]: ...

    def find_in_turns(self, texts: Sequence[str]) -> list[list[Span]]: ...


def run(recogniser: Recogniser, items: Sequence[Item]) -> tuple[list[Finds], float]:
    """The finds in each item, and the seconds it took."""
    begin = time.perf_counter()
    finds: list[Finds] = [
        recogniser.find_in_turns(item.turns) if len(item.turns) > 1 else [recogniser.find(item.turns[0])]
        for item in items
    ]
    return finds, time.perf_counter() - begin


def summarise(halves: Mapping[str, Sequence[Item]], finds: Mapping[str, Sequence[Finds]]) -> dict[str, Any]:
    """Half -> kind -> scores; the hard negatives' false hits of each half and of both; the bars."""
    summary: dict[str, Any] = {half: score(items, finds[half]) for half, items in halves.items()}
    negatives = {half: false_hits(items, finds[half]) for half, items in halves.items()}
    hits, n = (sum(found[key] for found in negatives.values()) for key in ("hits", "n"))
    summary["bars"] = list(_bars(summary, negatives))
    summary["hard_negative_false_rate"] = hits / n
    summary["hard_negatives"] = negatives
    summary["counts"] = {half: _counts(items) for half, items in halves.items()}
    return summary


def _bars(scores: Mapping[str, Any], negatives: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every bar with what was found; a kind that the items lack misses its bar."""
    for half, false in negatives.items():
        for kinds, name, at_least in BARS:
            for kind in kinds:
                found = scores[half].get(kind, {}).get(name) or 0.0
                what = f"{kind} {name} at least {at_least:.1%}"
                yield {"half": half, "bar": what, "found": found, "met": found >= at_least}
        what = f"hard negatives with a false find at most {MAX_FALSE_HITS:.1%}"
        yield {"half": half, "bar": what, "found": false["rate"], "met": false["rate"] <= MAX_FALSE_HITS}


def _counts(items: Sequence[Item]) -> dict[str, int]:
    sources = ("generated", "handwritten")
    counts: dict[str, int] = {source: sum(item.source == source for item in items) for source in sources}
    counts |= {language: sum(item.language == language for item in items) for language in ("zh", "en")}
    counts["hard_negatives"] = sum(item.hard_negative for item in items)
    counts["chars"] = sum(len(turn) for item in items for turn in item.turns)
    return counts


def table(summary: Mapping[str, Any], half: str) -> Table:
    """One row a kind."""
    false, counts = summary["hard_negatives"][half], summary["counts"][half]
    shown = Table(
        title=f"{half}: {counts['generated']} generated and {counts['handwritten']} hand-written items; "
        f"hard negatives hit {false['hits']} of {false['n']} ({false['rate']:.1%})"
    )
    for heading in ("kind", "n", "recall", "95 %", "precision", "F2", "covered"):
        shown.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind in KINDS:
        if kind not in summary[half]:
            continue
        found = summary[half][kind]
        low, high = found["ci95"] or (0.0, 1.0)
        precision = "-" if found["precision"] is None else f"{found['precision']:.1%}"
        cells = [f"{found['recall']:.1%}", f"{low:.1%}-{high:.1%}", precision, f"{found['f2']:.3f}"]
        cells.append(f"{found['covered']:.1%}")
        shown.add_row(kind, str(found["n"]), *cells)
    return shown


def misses(items: Sequence[Item], finds: Sequence[Finds]) -> Iterator[str]:
    """A line for each item that is not wholly right: what was missed, what was wrongly found, the text."""
    for item, found in zip(items, finds, strict=True):
        lost = [f"missed {gold.kind} {item.value(gold)!r}" for gold in missed(item, found)]
        extra = [
            f"wrong {span.kind} {item.turns[turn][span.start : span.end]!r}"
            for turn, span in wrong(item, found)
        ]
        if lost or extra:
            yield f"{item.id}: {'; '.join(lost + extra)} | {' / '.join(item.turns)!r}"


def export(items: Sequence[Item], folder: Path) -> None:
    """Write the items as JSON lines with offsets: ``generated.jsonl`` and ``handwritten.jsonl``."""
    for source in ("generated", "handwritten"):
        lines = [json.dumps(_record(item), ensure_ascii=False) for item in items if item.source == source]
        write_atomic(folder / f"{source}.jsonl", "".join(f"{line}\n" for line in lines).encode())


def _record(item: Item) -> dict[str, Any]:
    talk = len(item.turns) > 1
    spans = [
        {"kind": gold.kind, "start": gold.start, "end": gold.end} | ({"turn": gold.turn} if talk else {})
        for gold in item.spans
    ]
    text: dict[str, Any] = {"turns": list(item.turns)} if talk else {"text": item.turns[0]}
    rest = {"spans": spans, "hard_negative": item.hard_negative, "allowed": list(item.allowed)}
    return {"id": item.id, "lang": item.language} | text | rest
