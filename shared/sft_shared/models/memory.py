"""How much memory this process has needed."""

from __future__ import annotations

import resource
from pathlib import Path

import torch


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory held at once so far: torch's on a CUDA device, else the process's resident set.

    Linux's VmHWM, not ru_maxrss: that one begins with the size of the process that started this one.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
