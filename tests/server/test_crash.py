"""kill -9 at every commit and every file of a cycle: no update lost, none counted twice, the same bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

MIN_POINTS = 20


def test_killed_anywhere_a_cycle_ends_with_the_same_bits(tmp_path: Path) -> None:
    """A server killed before or after any step is gone on with, and its adapter is that of a quiet run."""
    script = Path(__file__).with_name("crash_points.py")
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    quiet, *tries = [json.loads(line) for line in run.stdout.splitlines()]
    assert quiet["adapter"] == quiet["on_disk"]
    assert quiet["updates"] == [["a", 10], ["b", 20], ["c", 30]]
    assert sum(one["killed"] for one in tries) >= MIN_POINTS
    assert not tries[-1]["killed"]
    for one in tries:
        for field in ("cycles", "parent", "adapter", "on_disk", "updates", "rejections"):
            assert one[field] == quiet[field], (one["fuse"], field)
