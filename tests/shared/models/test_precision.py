"""The fast dtype is measured once and remembered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sft_shared.models.precision import MIN_GAIN, bf16_gain, fastest_dtype

CPU = torch.device("cpu")


def test_the_measurement_is_kept_and_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call writes one file; later ones follow the file, whichever way it says."""
    monkeypatch.setenv("FEDSFT_CACHE", str(tmp_path))
    first = fastest_dtype(CPU)
    (file,) = (tmp_path / "precision").iterdir()
    record = json.loads(file.read_text())
    assert first == (torch.bfloat16 if record["bf16_gain"] >= MIN_GAIN else torch.float32)
    assert record["torch"] == torch.__version__
    for gain, dtype in ((3.0, torch.bfloat16), (1.1, torch.float32), (0.2, torch.float32)):
        file.write_text(json.dumps({**record, "bf16_gain": gain}))
        assert fastest_dtype(CPU) == dtype


def test_a_damaged_record_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not the record does not stop the run."""
    monkeypatch.setenv("FEDSFT_CACHE", str(tmp_path))
    fastest_dtype(CPU)
    (file,) = (tmp_path / "precision").iterdir()
    file.write_text("not json")
    fastest_dtype(CPU)
    assert json.loads(file.read_text())["bf16_gain"] > 0


def test_the_measurement_is_a_ratio() -> None:
    """It takes well under a second and gives a positive number."""
    assert 0.01 < bf16_gain(repeats=1) < 100
