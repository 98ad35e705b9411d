"""A model card that hubs can read, with figures and limits and without any text of the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from sft_shared.evaluation.card import card, write_card
from sft_shared.evaluation.report.contents import Report
from sft_shared.evaluation.report.facts import CycleFacts, RunFacts


@pytest.fixture
def written(make_shop: Callable[..., Report]) -> tuple[Report, RunFacts, str]:
    report = make_shop()
    assert report.facts is not None
    return report, report.facts, card(report, report.facts)


def test_a_hub_reads_the_front_matter(written: tuple[Report, RunFacts, str]) -> None:
    """By Hugging Face's own parser: base model, library, languages, licence, every task's metrics."""
    report, _, text = written
    data = ModelCard(text).data
    assert data.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert data.library_name == "peft"
    assert data.language == ["zh", "en"]
    assert data.license == "apache-2.0"
    assert {"fedsft", "lora"} <= set(data.tags)
    found = {(each.dataset_type, each.metric_name): each.metric_value for each in data.eval_results}
    expected = {
        (task.name, name): pytest.approx(measured.value, abs=1e-4)
        for task in report.ours.result.tasks
        for name, measured in task.metrics.items()
    }
    assert found == expected


def test_the_body_has_what_a_reader_must_know(written: tuple[Report, RunFacts, str]) -> None:
    """Data by counts, training, evaluation with intervals, gates, limits, epsilon, intended use."""
    report, facts, text = written
    for heading in ("Intended use", "Data", "Training", "Evaluation", "Gates", "Limits"):
        assert f"\n## {heading}\n" in text
    measured = report.ours.result.tasks[0].metrics["call_match"]
    low, high = measured.ci95
    assert f"| {100 * measured.value:.1f} % ({100 * low:.1f} to {100 * high:.1f}) |" in text
    assert "| Examples | 7,421 |" in text
    assert "| Sources | 客服日志 5,210, workshop tickets 2,211 |" in text
    assert "epsilon = 1.47 at delta = 1e-05" in text
    assert facts.intended_use in text
    assert facts.limits[0] in text
    for verdict in report.verdicts:
        assert verdict.reason in text
    assert str(report.ours.result.model.adapter_sha256) in text


def test_no_text_of_the_data_is_in_it(written: tuple[Report, RunFacts, str]) -> None:
    """Neither answers nor ids, nor the folders in which they lie."""
    report, _, text = written
    assert report.command not in text
    for rows in report.ours.rows.values():
        assert not any(row.prediction in text or row.id in text for row in rows)


def test_without_epsilon_it_says_that_nothing_is_promised(make_shop: Callable[..., Report]) -> None:
    report = make_shop()
    text = card(report, RunFacts(base_model="m", method="LoRA", num_examples=3))
    assert "No differential privacy was used" in text
    assert "no epsilon is promised" in text
    assert "Not stated by whoever trained it." in text


def test_without_counts_of_the_data_it_tells_what_it_was_asked_in(make_shop: Callable[..., Report]) -> None:
    """A server does not see the texts that its nodes train on; the questions are its own."""
    cycles = (CycleFacts(cycle=1, bytes_up=1000),)
    text = card(make_shop(), RunFacts(base_model="m", method="LoRA", num_examples=3, cycles=cycles))
    assert ModelCard(text).data.language == ["en", "zh"]
    assert "| Languages | not stated |" in text
    assert "languages of the questions: en 768, zh 512;" in text
    assert "| bytes sent | 1,000 up, those down not counted |" in text


def test_names_cannot_break_out_of_their_place(make_shop: Callable[..., Report], tmp_path: Path) -> None:
    """Neither out of the YAML, nor out of a table's cell, nor into HTML or a heading."""
    attack = "x\n---\n# owned | <script>alert(1)</script> [a](http://evil.example)"
    facts = RunFacts(
        base_model=attack,
        method=attack,
        num_examples=1,
        sources={attack: 1},
        settings={attack: attack},
        intended_use=attack,
        limits=(attack,),
    )
    write_card(tmp_path / "card.md", make_shop(), facts)
    text = (tmp_path / "card.md").read_text(encoding="utf-8")
    parsed = ModelCard(text)
    assert parsed.data.base_model == " ".join(attack.split())
    body = parsed.text
    assert "<script>" not in body
    assert "\n# owned" not in body
    assert "](http" not in body.replace("\\[a](http", "")
    rows = [line for line in body.splitlines() if line.startswith("| ") and "owned" in line]
    assert rows
    assert all(line.replace("\\|", "").count("|") == 3 for line in rows)
