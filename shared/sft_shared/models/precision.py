"""The dtype that this machine computes fastest in, measured once."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from pathlib import Path

import torch

from sft_shared.files import write_atomic
from sft_shared.models.cache import cache_folder

# (tokens, in, out) of the products that dominate a small model's step
SHAPES = ((512, 576, 1536), (512, 1536, 576), (512, 576, 576))
MIN_GAIN = 1.15  # bf16 must be this much faster to be worth its coarser numbers


def fastest_dtype(device: torch.device) -> torch.dtype:
    """Return bf16 where ``device`` multiplies it clearly faster than fp32, else fp32.

    A CUDA device is asked for native bf16. A CPU is timed for about a tenth of a second; the answer is
    kept in the cache folder by processor model and torch version, so that every run on this machine
    computes in the same dtype.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type != "cpu":
        return torch.float32
    machine = f"{processor_name()}\0{torch.__version__}"
    remembered = cache_folder("precision") / f"{hashlib.sha256(machine.encode()).hexdigest()[:16]}.json"
    try:
        gain = float(json.loads(remembered.read_text(encoding="utf-8"))["bf16_gain"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        gain = bf16_gain()
        record = {"processor": processor_name(), "torch": torch.__version__, "bf16_gain": gain}
        write_atomic(remembered, json.dumps(record).encode())
    return torch.bfloat16 if gain >= MIN_GAIN else torch.float32


def bf16_gain(*, repeats: int = 5) -> float:
    """Time of products in fp32 over that in bf16, best of ``repeats`` each; above 1: bf16 is faster."""
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        pairs = [
            (torch.ones(rows, inner, dtype=dtype), torch.ones(outer, inner, dtype=dtype))
            for rows, inner, outer in SHAPES
        ]
        best = float("inf")
        for _ in range(repeats + 1):  # the first pass warms up
            start = time.perf_counter()
            for left, right in pairs:
                torch.mm(left, right.t())
            best = min(best, time.perf_counter() - start)
        seconds[dtype] = best
    return seconds[torch.float32] / seconds[torch.bfloat16]


def processor_name() -> str:
    """The processor's model name; without one, the machine's architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
