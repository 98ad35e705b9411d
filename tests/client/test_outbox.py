"""What was finished is not lost, and nothing half-finished is ever sent."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sft_client.outbox import Outbox
from sft_shared.errors import StoreError

UPDATE_BYTES = 8 << 20

# Writes one update after the other, each named by the hash of its content, until it is killed.
WRITER = f"""
import hashlib, sys
from pathlib import Path
from sft_client.outbox import Outbox

def careless_put(folder, name, data):
    with open(f"{{folder}}/{{name}}.bin", "wb") as file:
        for start in range(0, len(data), 4096):
            file.write(data[start:start + 4096])

folder, careless = sys.argv[1], sys.argv[2] == "careless"
outbox = Outbox(Path(folder), keep=3)
for number in range(1_000_000):
    data = number.to_bytes(8, "big") * ({UPDATE_BYTES} // 8)
    name = hashlib.sha256(data).hexdigest()
    careless_put(folder, name, data) if careless else outbox.put(name, data)
    print(number, flush=True)
"""


def killed_while_writing(folder: Path, *, how: str, after_s: float) -> list[bool]:
    """Have updates written, kill -9 the writer, and say of each file left whether it is whole."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), how], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(after_s)
        writer.kill()
    return [hashlib.sha256(path.read_bytes()).hexdigest() == path.stem for path in folder.glob("*.bin")]


def test_a_kill_leaves_whole_updates_only(tmp_path: Path) -> None:
    """Killed with -9 at eight moments while it writes, the outbox holds no torn file and opens clean."""
    for moment in range(8):
        folder = tmp_path / str(moment)
        whole = killed_while_writing(folder, how="careful", after_s=0.013 * moment)
        assert whole
        assert all(whole)
        Outbox(folder)
        assert all(path.suffix == ".bin" for path in folder.iterdir())


def test_a_careless_writer_leaves_torn_updates(tmp_path: Path) -> None:
    """The same kills do tear a file that is written in place: the test above is able to fail."""
    outcomes = [
        killed_while_writing(tmp_path / str(moment), how="careless", after_s=0.007 * moment)
        for moment in range(12)
    ]
    assert not all(all(whole) for whole in outcomes)


def test_an_update_comes_back_from_a_new_process(tmp_path: Path) -> None:
    """By the hash of its order; an unknown order has none."""
    name = "a" * 64
    Outbox(tmp_path / "outbox").put(name, b"update")
    again = Outbox(tmp_path / "outbox")
    assert again.get(name) == b"update"
    assert again.get("b" * 64) is None
    again.remove(name)
    assert again.get(name) is None


def test_the_newest_updates_are_kept(tmp_path: Path) -> None:
    """Older ones go, by the time they were written."""
    outbox = Outbox(tmp_path, keep=2)
    names = [digit * 64 for digit in "cab"]
    for age, name in enumerate(names):
        outbox.put(name, b"update")
        os.utime(tmp_path / f"{name}.bin", ns=(age, age))
    outbox.put("d" * 64, b"update")
    assert [outbox.get(name) is not None for name in (*names, "d" * 64)] == [False, False, True, True]


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file in the way is answered with its path."""
    (tmp_path / "outbox").write_text("in the way", encoding="utf-8")
    with pytest.raises(StoreError, match="outbox: cannot be used"):
        Outbox(tmp_path / "outbox")
