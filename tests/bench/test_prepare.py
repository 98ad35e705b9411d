"""The benchmark of ``prepare``: its logs, and a run of it on two megabytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.prepare import main, resident_bytes
from bench.prepare_logs import BROKEN, luhn, write_logs


def test_the_logs_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    """And about as large as asked for, in both languages, with bad lines among them."""
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_logs(tmp_path / name, num_bytes=600_000, seed=seed)
    first, second, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert first == second != other
    assert 600_000 <= len(first) < 700_000
    text = first.decode()
    assert "订单号" in text
    assert "My name is" in text
    assert any(line in BROKEN for line in text.splitlines())


def test_made_up_card_numbers_have_a_valid_check_digit() -> None:
    assert luhn("7992739871") == "79927398713"


def test_memory_counts_the_children_too() -> None:
    """A child of a hundred megabytes shows."""
    code = "import sys; data = b'x' * 100_000_000; sys.stdout.write('ready'); sys.stdout.flush(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.read(5) == "ready"
        assert resident_bytes(os.getpid()) - resident_bytes(child.pid) > 0
        assert resident_bytes(child.pid) > 100_000_000
        child.communicate("\n")


def test_the_benchmark_reports_the_promised_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--mb", "2", "--kills", "1", "--folder", str(tmp_path / "prepare")]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary == json.loads((tmp_path / "prepare.json").read_text())
    assert summary["resume_identical"] is True
    assert summary["input_bytes"] >= 2_000_000
    assert summary["mb_per_s"] > 0
    assert 0 < summary["peak_memory_bytes"] < 1_000_000_000
