"""Out of memory is an error that names what to lower; other errors stay what they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from sft_shared.data.chat import Row
from sft_shared.errors import TrainingError
from sft_shared.models.full import FullSettings
from sft_shared.models.load import Base
from sft_shared.training.loop import train
from sft_shared.training.memory import naming_the_remedy
from sft_shared.training.settings import TrainingSettings

SETTINGS = TrainingSettings(steps=1, batch_size=4, learning_rate=1e-3)

CHILD = """
import json, resource, sys
import torch
from sft_shared.data.chat import Row
from sft_shared.errors import TrainingError
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.models.lora import LoraSettings
from sft_shared.training.loop import train
from sft_shared.training.settings import TrainingSettings

torch.set_num_threads(1)
base = load_base(ModelSettings(name=sys.argv[1], dtype="fp32", device="cpu"))
ids = tuple(json.loads(sys.argv[2]))
tuning = LoraSettings(rank=4)
settings = TrainingSettings(steps=2, batch_size=64, learning_rate=1e-3, threads=1)
texts = [(number, *ids * 4) for number in range(64)]
rows = [Row(input_ids=text, labels=text, example_id=str(text[0])) for text in texts]
parent = tuning.initial(base, seed=0)
train(base, parent, rows[:2], tuning=tuning, settings=settings)  # warm: all code is loaded
for spare in (2**22, 2**25, 2**27):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + spare, resource.RLIM_INFINITY))
    try:
        train(base, parent, rows, tuning=tuning, settings=settings)
    except TrainingError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(train(base, parent, rows[:2], tuning=tuning, settings=settings).steps)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_real_exhaustion_names_the_settings_to_change(tiny_folder: Path, rows: list[Row]) -> None:
    """In a process with 4, 32 and 128 MB left; afterwards the same process trains on less."""
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(tiny_folder), json.dumps(asdict(rows[0])["input_ids"])],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    *errors, steps = run.stdout.splitlines()
    assert errors == 3 * [
        "out of memory while training. Raise training.accumulation (now 1, at most 64); or set "
        "training.gradient_checkpointing to true; or lower data.max_tokens or training.batch_size."
    ]
    assert steps == "2"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("std::bad_alloc"),
    ],
    ids=["python", "torch-cuda", "torch-cpu", "cuda", "c++"],
)
def test_every_kind_of_exhaustion_is_known(error: Exception) -> None:
    """The allocators say it in their own ways."""
    with pytest.raises(TrainingError, match="out of memory while training"), naming_the_remedy(SETTINGS):
        raise error


def test_memory_that_does_not_suffice_for_the_method_is_known_too(
    tiny: Base, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All weights are copied before the first step, and that may be too much already."""

    def attach(*_: object) -> None:
        raise MemoryError

    parent = FullSettings().initial(tiny, seed=0)
    monkeypatch.setattr(FullSettings, "attach", attach)
    with pytest.raises(TrainingError, match="out of memory while training"):
        train(tiny, parent, rows, tuning=FullSettings(), settings=SETTINGS)


def test_remedies_that_are_used_up_are_not_named() -> None:
    """One example a part, checkpointing on: what is left is less data."""
    spent = SETTINGS.model_copy(update={"accumulation": 4, "gradient_checkpointing": True})
    with pytest.raises(TrainingError) as failure, naming_the_remedy(spent):
        raise MemoryError
    assert str(failure.value) == (
        "out of memory while training. Lower data.max_tokens or training.batch_size."
    )


def test_other_errors_pass_through() -> None:
    """As they are."""
    error = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError) as failure, naming_the_remedy(SETTINGS):
        raise error
    assert failure.value is error
