"""``sft-client profile``: any common format in, a table and three files out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sft_client.cli import app


def run(*arguments: object) -> Result:
    """Run ``sft-client profile`` in this process, on a wide screen."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["profile", *map(str, arguments)])


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    path = tmp_path / "train.csv"
    rows = [f"how do i cancel order number {n} {'x' * n},cancel" for n in range(1, 9)]
    path.write_text("\n".join(["text,category", *rows, "我的包裹到哪里了,track", "broken"]), encoding="utf-8")
    return path


def test_a_table_advice_and_files(labelled: Path, tmp_path: Path) -> None:
    """The format and why, counts, bad records with their line, where the files are."""
    result = run(labelled, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "labelled: the first 9 records have text and intent" in result.output
    assert "cancel 8, track 1" in result.output
    assert "column-count 1" in result.output
    assert f"{labelled}:11: 1 cells under 2 columns" in result.output
    assert "2 classes have fewer than 10 training examples (track, cancel)" in result.output
    numbers = json.loads((tmp_path / "out" / "profile.json").read_text(encoding="utf-8"))
    assert numbers["num_examples"] == 9
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "profile.json",
        "profile.png",
        "profile.html",
    }


def test_held_out_files_are_compared_with_the_others(labelled: Path, tmp_path: Path) -> None:
    """A training example that a held-out file repeats is said to give it away."""
    held_out = tmp_path / "test.csv"
    held_out.write_text("text,category\n我的包裹到哪里了？,track\n", encoding="utf-8")
    result = run(labelled, "--held-out", held_out, "--out", tmp_path / "out")
    assert "train 9, held_out 1" in result.output
    assert "held-out-twin 1" in result.output


def test_a_format_can_be_given(tmp_path: Path) -> None:
    """Where detection decides otherwise, or would refuse; a wrong name lists the right ones."""
    path = tmp_path / "d.jsonl"
    path.write_text('{"question": "q?", "answer": "a"}\n{"text": "t", "label": "l"}\n', encoding="utf-8")
    assert run(path, "--out", tmp_path / "out").exit_code == 2
    result = run(path, "--format", "prompt_completion", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "other-format 1" in result.output
    wrong = run(path, "--format", "opnai", "--out", tmp_path / "out")
    assert wrong.exit_code == 2
    assert "Allowed: auto, example, openai" in wrong.output


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    """No such file; nothing to read; no field of that name."""
    path = tmp_path / "d.jsonl"
    path.write_text('{"question": "q?", "answer": "a"}\n', encoding="utf-8")
    for arguments, message in (
        ([tmp_path / "no.jsonl"], "no such file"),
        ([path, "--category-field", "topic"], "the field 'topic' is missing or empty"),
    ):
        result = run(*arguments, "--out", tmp_path / "out")
        assert result.exit_code == 2
        assert message in result.output
        assert len(result.output.strip().splitlines()) == 1
