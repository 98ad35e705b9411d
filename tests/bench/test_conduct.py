"""The benchmark of conduct: texts held out from rules and labels, and floors of what is found in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.conduct import CONDUCT, REFUSALS, Found, count, main, measured, shipped_compliance
from sft_shared.data.logs.intents import read_confirmed


def test_shares_are_of_what_people_labelled() -> None:
    """Recall of the bad, passes of the good, precision of the hits."""
    texts = [("bad x", "b"), ("bad y", "b"), ("x", "ok"), ("y", "ok"), ("z", "ok"), ("w", "ok")]
    found = count(texts, good="ok", is_bad=lambda text: text in ("bad x", "x"))
    assert found == Found(num_hit=1, num_missed=1, num_false=1, num_good=4)
    assert (found.recall, found.passed, found.precision) == (0.5, 0.75, 0.5)
    assert count(texts, good="ok", is_bad=lambda text: False).precision == 1
    assert found.row() == ("2", "50.0% (9% to 91%)", "4", "75.0% (30% to 95%)", "50.0%")


def test_nothing_held_out_is_learned_from() -> None:
    """No text is in both, and both kinds are there in numbers."""
    classifier = shipped_compliance().classifier
    assert classifier is not None
    learned = {text for text, _ in read_confirmed(classifier.file, field="label")}
    held_out = [text for path in (CONDUCT, REFUSALS) for text, _ in read_confirmed(path, field="label")]
    assert len(set(held_out)) == len(held_out) == 291
    assert not learned & set(held_out)


def test_the_floors_hold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What docs/evaluation.md says; good answers pass, and what is missed is no secret."""
    found = measured()
    everything = found["words + rules + classifier"]
    assert everything.passed >= 0.98
    assert everything.recall >= 0.2
    assert everything.recall > max(found["words + rules"].recall, found["classifier"].recall)
    assert found["words + rules"].passed == 1
    assert found["refusals"].passed >= 0.95
    assert found["refusals"].recall >= 0.58
    monkeypatch.chdir(tmp_path)
    assert main() == 0
    shown = capsys.readouterr().out
    assert json.loads(shown.splitlines()[-1]) == json.loads(
        (tmp_path / "runs/bench/conduct.json").read_text()
    )
    assert json.loads(shown.splitlines()[-1])["refusals"]["recall"] == found["refusals"].recall
