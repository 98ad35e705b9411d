"""kill -9 at every commit and every file of a cycle: no update lost, none counted twice, the same bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MIN_POINTS = {"plain": 20, "passed": 12, "held": 10}
FIELDS = ("cycles", "parent", "adapter", "on_disk", "updates", "rejections", "reason", "gates", "card")


@pytest.mark.parametrize("mode", MIN_POINTS)
def test_killed_anywhere_a_cycle_ends_with_the_same_bits(tmp_path: Path, mode: str) -> None:
    """A server killed before or after any step is gone on with, and its adapter is that of a quiet run.

    So is what the gates say of it: one that is held stays held.
    """
    script = Path(__file__).with_name("crash_points.py")
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path), mode],
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
    assert quiet["cycles"] == [[1, "REJECTED" if mode == "held" else "PROMOTED"]]
    assert quiet["card"] == (mode != "held")
    assert sum(one["killed"] for one in tries) >= MIN_POINTS[mode]
    assert not tries[-1]["killed"]
    for one in tries:
        for field in FIELDS:
            assert one[field] == quiet[field], (one["fuse"], field)
