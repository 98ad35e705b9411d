"""The benchmark of log templates measures generated logs, and labelled files if given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.log_corpus import HELD_OUT, SYSTEMS
from bench.logtemplates import main


def test_generated_logs_are_reported_by_system(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line is the JSON that is also in the file."""
    out = tmp_path / "logtemplates.json"
    assert main(["--lines", "60", "--out", str(out)]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary == json.loads(out.read_text())
    assert set(summary["systems"]) == {*SYSTEMS, *HELD_OUT}
    assert {"ga", "fga", "lines_per_s"} <= set(summary["systems"]["nginx"])
    assert (tmp_path / "logterms.csv").read_text(encoding="utf-8").startswith("term,kind,count")


def test_labelled_files_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """LogHub's columns; others do not matter."""
    path = tmp_path / "App_2k.log_structured.csv"
    rows = [f"{n},user u{n} logged in,E1" for n in range(9)] + [
        f"{n},link {n} down on {n},E2" for n in range(9)
    ]
    path.write_text("LineId,Content,EventId\n" + "\n".join(rows) + "\n")
    assert main(["--labels", str(path), "--out", str(tmp_path / "x.json")]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["systems"]["App_2k.log_structured"]["ga"] == 1.0
    assert "held_out" not in summary


def test_a_file_without_labels_is_a_mistake_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and what to do."""
    path = tmp_path / "x.csv"
    path.write_text("Content\nhello\n")
    assert main(["--labels", str(path), "--out", str(tmp_path / "x.json")]) == 2
    assert "no column EventId" in capsys.readouterr().err
