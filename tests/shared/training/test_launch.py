"""Several processes train as one does; what a launcher cannot ask for is refused."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import ModuleType, SimpleNamespace

import accelerate
import pytest

from sft_shared.data.chat import Row
from sft_shared.errors import TrainingError
from sft_shared.models.adapters import from_bytes
from sft_shared.models.load import Base
from sft_shared.training.launch import ALONE, launched

SCRIPT = Path(__file__).with_name("two_processes.py")


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_two_processes_train_as_one(tiny: Base, tiny_folder: Path, rows: list[Row], tmp_path: Path) -> None:
    """The same batches in halves: losses, penalties and norms to 1e-5, states to 1e-6 of their norm.

    Started by accelerate's launcher over gloo; a batch has five rows, so the halves are unequal.
    """
    (tmp_path / "rows.json").write_text(json.dumps([asdict(row) for row in rows]))
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launcher += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launcher += ["--main_process_port", "0", "--rdzv_backend", "c10d"]
    run = subprocess.run(
        [*launcher, str(SCRIPT), str(tiny_folder), str(tmp_path / "rows.json"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=200,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
        },  # --multi_gpu is torchrun: gloo without GPUs
        check=False,
    )
    assert run.returncode == 0, run.stderr
    for name, (curve, data) in script().run_variants(tiny, rows, processes=ALONE).items():
        number, found = json.loads((tmp_path / f"{name}.json").read_text())
        assert number == 2
        assert found == pytest.approx(curve, rel=1e-5, abs=1e-5), name
        expected, state = from_bytes(data), from_bytes((tmp_path / f"{name}.safetensors").read_bytes())
        assert state.keys() == expected.keys()
        for tensor, other in ((state[key], expected[key]) for key in expected):
            assert (tensor - other).norm() <= max(1e-6, 1e-6 * float(other.norm())), name


def test_without_a_launcher_one_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with a launcher that started just one."""
    for name in ("WORLD_SIZE", "ACCELERATE_USE_DEEPSPEED"):
        monkeypatch.delenv(name, raising=False)
    assert launched() is ALONE
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert launched() is ALONE
    assert ALONE.is_first
    assert ALONE.number == 1


def pretend(monkeypatch: pytest.MonkeyPatch, *, kind: str, mixed_precision: str) -> None:
    """Stand in for accelerate's view of a cluster that no test machine has."""
    found = SimpleNamespace(distributed_type=SimpleNamespace(value=kind), mixed_precision=mixed_precision)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(accelerate, "Accelerator", lambda cpu: found)


@pytest.mark.parametrize("kind", ["NO", "FSDP", "MEGATRON_LM", "XLA", "MULTI_NPU"])
def test_an_unknown_way_to_distribute_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be ignored, and each process would train alone."""
    pretend(monkeypatch, kind=kind, mixed_precision="no")
    with pytest.raises(TrainingError, match=f"distributed_type is {kind}; here it can be MULTI_GPU"):
        launched()


@pytest.mark.parametrize("mixed_precision", ["fp16", "bf16", "fp8"])
def test_the_launchers_mixed_precision_is_refused(
    mixed_precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model's dtype says it; the other place would be ignored."""
    pretend(monkeypatch, kind="MULTI_CPU", mixed_precision=mixed_precision)
    with pytest.raises(
        TrainingError, match=rf"mixed_precision is '{mixed_precision}'; here model.dtype says"
    ):
        launched()
