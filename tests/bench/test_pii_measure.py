"""The run over both halves: bars, misses, the export, and what an all too simple recogniser gets."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from bench.pii_items import load_all
from bench.pii_measure import export, misses, run, summarise, table
from bench.pii_score import Gold, Item
from sft_shared.data.desensitise.spans import Span


class OnlyPlainMobiles:
    """Finds eleven digits in a row, in each turn by itself."""

    def find(self, text: str) -> list[Span]:
        return [Span(it.start(), it.end(), "phone", 1.0) for it in re.finditer(r"(?<!\d)1\d{10}(?!\d)", text)]

    def find_in_turns(self, texts: Sequence[str]) -> list[list[Span]]:
        return [self.find(text) for text in texts]


class Oracle:
    """Finds exactly what is marked."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._spans = {item.turns: item.spans for item in items}

    def find(self, text: str) -> list[Span]:
        return self.find_in_turns((text,))[0]

    def find_in_turns(self, texts: Sequence[str]) -> list[list[Span]]:
        spans = self._spans[tuple(texts)]
        return [
            [Span(it.start, it.end, it.kind, 1.0) for it in spans if it.turn == turn]
            for turn in range(len(texts))
        ]


def test_a_perfect_recogniser_meets_every_bar_and_a_simple_one_does_not() -> None:
    """Recall 1 and precision 1 throughout; eleven digits in a row are a small part of the phones."""
    halves = load_all(seed=0)
    everything = [item for items in halves.values() for item in items]
    for recogniser, meets in ((Oracle(everything), True), (OnlyPlainMobiles(), False)):
        finds = {half: run(recogniser, items)[0] for half, items in halves.items()}
        summary = summarise(halves, finds)
        assert all(bar["met"] for bar in summary["bars"]) is meets
        assert len(summary["bars"]) == 18
        assert (summary["hard_negative_false_rate"] == 0.0) is meets
        for half in ("dev", "test"):
            assert (summary[half]["phone"]["f2"] == 1.0) is meets
            assert table(summary, half).row_count == 15
    assert 0 < summary["test"]["phone"]["recall"] < 0.5
    assert summary["test"]["card"]["recall"] == 0.0
    json.dumps(summary, allow_nan=False)


def test_misses_name_the_item_what_was_lost_and_what_was_wrong() -> None:
    """Items that are wholly right are not listed."""
    right = Item("r", "zh", "generated", ("打13912345678",), (Gold("phone", 1, 12),))
    lost = Item("l", "zh", "generated", ("我叫王芳",), (Gold("name", 2, 4),))
    false = Item("f", "zh", "generated", ("共18912345678元",), (), hard_negative=True)
    items = [right, lost, false]
    finds, _ = run(OnlyPlainMobiles(), items)
    lines = list(misses(items, finds))
    assert [line.partition(":")[0] for line in lines] == ["l", "f"]
    assert "missed name '王芳'" in lines[0]
    assert "wrong phone '18912345678'" in lines[1]


def test_the_export_says_where_the_values_stand(tmp_path: Path) -> None:
    """Text and offsets, or turns and the turn of each value; by source."""
    items = [
        Item("g", "zh", "generated", ("打13912345678",), (Gold("phone", 1, 12),)),
        Item("h", "en", "handwritten", ("hi", "Ann Lee"), (Gold("name", 0, 7, turn=1),)),
    ]
    export(items, tmp_path)
    generated = json.loads((tmp_path / "generated.jsonl").read_text(encoding="utf-8"))
    by_hand = json.loads((tmp_path / "handwritten.jsonl").read_text(encoding="utf-8"))
    assert generated["text"][1:12] == "13912345678"
    assert generated["spans"] == [{"kind": "phone", "start": 1, "end": 12}]
    assert by_hand["turns"] == ["hi", "Ann Lee"]
    assert by_hand["spans"] == [{"kind": "name", "start": 0, "end": 7, "turn": 1}]
