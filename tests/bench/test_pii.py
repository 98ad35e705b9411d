"""The benchmark's command."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.pii import main


def test_only_the_dev_half_is_exported(tmp_path: Path) -> None:
    """Two files; no item of the test half is in them."""
    assert main(["--export-dev", str(tmp_path)]) == 0
    lines = [line for path in tmp_path.iterdir() for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 1500
    assert all('"id": "dev-' in line for line in lines)


def test_a_half_is_named_for_its_misses(capsys: pytest.CaptureFixture[str]) -> None:
    """No other word than dev or test shows misses."""
    with pytest.raises(SystemExit):
        main(["--show-misses", "all"])
    assert "invalid choice" in capsys.readouterr().err
