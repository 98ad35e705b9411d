"""How fast logs become examples, in how much memory, and killed how often: `make bench-prepare`.

Writes --mb megabytes of made-up customer-service logs (`bench.prepare_logs`, seeded) and runs `sft-client
prepare` over them in a child process. Peak memory: the resident memory of that process and all that it
started, added up (pages that they share count more than once), looked at every 20 ms. Then the same once
more, killed with -9 --kills times at even distances and started again each time, at last let run to its end:
its outputs have to be the same to the byte. Writes runs/bench/prepare.json; the JSON is also stdout's last
line. Exit code 1: the bytes differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.prepare_logs import write_logs
from sft_shared.errors import FedsftError
from sft_shared.files import write_atomic

SAMPLE_S = 0.02
OUTPUTS = ("examples.jsonl", "negatives.jsonl", "rejected.jsonl", "manifest.json")
MAX_MEMORY_BYTES = 1_000_000_000
MIN_MB_PER_S = 5.0

SETTINGS = """\
sources:
  - {{kind: jsonl, path: shop.jsonl, name: shop}}
out: {out}
workers: {workers}
desensitise: {{key: key}}
intents:
  rules:
    - {{intent: refund, any: [退款, refund]}}
    - {{intent: logistics, any: [发货, 包裹, shipped, parcel]}}
    - {{intent: warranty, any: [保修, warranty]}}
"""


@dataclass(frozen=True)
class Ended:
    """A child that ended, or was killed after its time."""

    seconds: float
    peak_bytes: int
    killed: bool


def main(arguments: list[str] | None = None) -> int:
    """Measure and report; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench.prepare", description=__doc__)
    parser.add_argument("--mb", type=int, default=1000, help="megabytes of logs (10^6 bytes)")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--kills", type=int, default=3, help="kill -9 in the second run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("runs/bench/prepare"))
    options = parser.parse_args(arguments)
    try:
        summary = measure(options)
    except FedsftError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    write_atomic(options.folder.with_suffix(".json"), (json.dumps(summary) + "\n").encode())
    print(json.dumps(summary))
    return 0 if summary["resume_identical"] else 1


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Write the logs, prepare them twice, and compare. Raises FedsftError if a run fails."""
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "shop.jsonl"
    _say(f"writing {options.mb} MB of logs to {log}")
    write_logs(log, num_bytes=options.mb * 1_000_000, seed=options.seed)
    configs = {}
    for name in ("whole", "killed"):
        shutil.rmtree(folder / name, ignore_errors=True)
        configs[name] = folder / f"{name}.yaml"
        configs[name].write_text(SETTINGS.format(out=name, workers=options.workers), encoding="utf-8")
    whole = run_child(configs["whole"])
    num_bytes = log.stat().st_size
    _say(f"{num_bytes / 1e6 / whole.seconds:.1f} MB/s, {whole.peak_bytes / 1e6:.0f} MB at most")
    num_killed, seconds = 0, 0.0
    for _ in range(options.kills):
        ended = run_child(configs["killed"], kill_after_s=whole.seconds / (options.kills + 1))
        num_killed += ended.killed
        seconds += ended.seconds
    seconds += run_child(configs["killed"]).seconds
    identical = [_sha256(folder / "whole" / name) == _sha256(folder / "killed" / name) for name in OUTPUTS]
    counts = json.loads((folder / "whole" / "manifest.json").read_bytes())["counts"]
    verdict = "the same bytes" if all(identical) else "OTHER BYTES"
    _say(f"killed {num_killed} times, {seconds:.1f} s in all: {verdict}")
    mb_per_s = num_bytes / 1e6 / whole.seconds
    return {
        "mb_per_s": mb_per_s,
        "peak_memory_bytes": whole.peak_bytes,
        "input_bytes": num_bytes,
        "resume_identical": all(identical),
        "seconds": whole.seconds,
        "largest_process_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
        "kills": num_killed,
        "seconds_with_kills": seconds,
        "workers": options.workers,
        "counts": counts,
        "bars": {
            "mb_per_s": {"bar": f">= {MIN_MB_PER_S}", "met": mb_per_s >= MIN_MB_PER_S},
            "peak_memory_bytes": {"bar": f"< {MAX_MEMORY_BYTES}", "met": whole.peak_bytes < MAX_MEMORY_BYTES},
            "resume_identical": {"bar": "true", "met": all(identical)},
        },
    }


def run_child(config: Path, *, kill_after_s: float | None = None) -> Ended:
    """Run ``sft-client prepare`` and watch its memory; kill it with -9 after its time, if one is given."""
    command = [sys.executable, "-m", "sft_client", "prepare", "--config", str(config)]
    started = time.monotonic()
    process = subprocess.Popen(command)
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident_bytes(process.pid))
        if kill_after_s is not None and time.monotonic() - started > kill_after_s:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return Ended(time.monotonic() - started, peak, killed=True)
        time.sleep(SAMPLE_S)
    if process.returncode:
        raise FedsftError(f"prepare ended with exit code {process.returncode}; see its message above.")
    return Ended(time.monotonic() - started, peak, killed=False)


def resident_bytes(pid: int) -> int:
    """The resident memory of a process and all that it started; 0 for one that is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(resident_bytes(int(child)) for child in children)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
