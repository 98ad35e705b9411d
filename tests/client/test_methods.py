"""The four methods measured side by side, each in a process of its own, on the tiny model."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sft_client import methods
from sft_client.methods import METHODS, MethodRow, measure_method, measure_methods
from sft_shared.errors import ModelError, TrainingError
from sft_shared.models.adapters import WEIGHTS, save_adapter
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.training.loop import StepRecord, TrainingResult

KEYS = {"method", "trainable", "share", "tokens_per_s", "peak_memory_bytes", "adapter_bytes"}


@pytest.fixture(scope="module")
def measured(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[MethodRow], Path]:
    """All four, and the file they are in."""
    out = tmp_path_factory.mktemp("methods") / "new" / "methods.json"
    said: list[str] = []
    rows = measure_methods(str(tiny_model), steps=2, batch_size=1, out=out, say=said.append)
    assert said == [f"measuring {method}" for method in METHODS]
    return rows, out


def test_the_file_holds_a_row_for_each_method(measured: tuple[list[MethodRow], Path]) -> None:
    """Four, with the same keys, and the numbers that are returned."""
    rows, out = measured
    values = json.loads(out.read_text(encoding="utf-8"))
    assert values == [asdict(row) for row in rows]
    assert [value["method"] for value in values] == ["full", "lora", "adapter", "prefix"]
    assert all(value.keys() == KEYS for value in values)


def test_sizes_are_those_of_what_is_trained_and_saved(
    measured: tuple[list[MethodRow], Path], tiny_model: Path, tmp_path: Path
) -> None:
    """Counted from the method's shapes, and from a file that is really saved."""
    base = load_base(ModelSettings(name=str(tiny_model)))
    for row in measured[0]:
        tuning = METHODS[row.method]
        assert row.trainable == sum(math.prod(shape) for shape in tuning.shapes(base).values())
        assert row.share == row.trainable / base.num_parameters
        save_adapter(tmp_path / row.method, tuning.initial(base, seed=0), settings=tuning, base=base)
        assert row.adapter_bytes == (tmp_path / row.method / WEIGHTS).stat().st_size
    assert measured[0][0].share == 1.0


def test_speed_and_memory_are_measured(measured: tuple[list[MethodRow], Path]) -> None:
    """A process with torch takes more than 100 MB, and each has its own peak."""
    rows = measured[0]
    assert all(row.tokens_per_s > 0 for row in rows)
    assert all(row.peak_memory_bytes > 100e6 for row in rows)
    assert len({row.peak_memory_bytes for row in rows}) > 1


def test_a_method_that_fails_is_named(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the last line of what its process said; no file is written."""
    monkeypatch.setitem(METHODS, "nothing", METHODS.pop("full"))
    for method in ("lora", "adapter", "prefix"):
        monkeypatch.delitem(METHODS, method)
    with pytest.raises(TrainingError, match="method nothing failed: KeyError"):
        measure_methods(
            str(tiny_model), steps=2, batch_size=1, out=tmp_path / "m.json", say=lambda text: None
        )
    assert not (tmp_path / "m.json").exists()


def test_an_unknown_model_is_told_at_once(tmp_path: Path) -> None:
    """Before the first process, and without a file."""
    with pytest.raises(ModelError, match="nowhere"):
        measure_methods("nowhere", steps=2, batch_size=1, out=tmp_path / "m.json", say=pytest.fail)
    assert not (tmp_path / "m.json").exists()


def test_the_first_step_is_not_measured(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It warms up: the speed is the tokens of the later steps over their seconds."""
    own = methods.train
    seen: list[StepRecord] = []

    def noted(*arguments: Any, on_step: Callable[[StepRecord], None], **options: Any) -> TrainingResult:
        def note(record: StepRecord) -> None:
            seen.append(record)
            on_step(record)

        return own(*arguments, on_step=note, **options)

    monkeypatch.setattr(methods, "train", noted)
    row = measure_method(str(tiny_model), "lora", steps=3, batch_size=2)
    assert len(seen) == 4
    later = seen[1:]
    assert row.tokens_per_s == sum(r.tokens for r in later) / sum(r.seconds for r in later)
