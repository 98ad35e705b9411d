"""``sft-client start`` as a real process: errors in one line, a clean end, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAM = str(Path(sys.executable).with_name("sft-client"))


@contextmanager
def started(home: Any) -> Iterator[subprocess.Popen[bytes]]:
    """``sft-client start`` on the home; killed if it still runs when the block ends."""
    with (home.folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [PROGRAM, "start", "--config", str(home.settings)],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def output_of(home: Any) -> str:
    """What it printed."""
    return (home.folder / "output").read_text(encoding="utf-8")


def wait_for(look: Callable[[], Any], *, within_s: float = 60) -> Any:
    """Return the first true value of ``look``."""
    give_up = time.monotonic() + within_s
    while not (value := look()):
        assert time.monotonic() < give_up
        time.sleep(0.1)
    return value


def supernodes(home: Any) -> list[int]:
    """Process ids of the home's SuperNodes, by their arguments."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                arguments = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if b"supernode_child" in arguments and str(home.config.layout.state).encode() in arguments:
                found.append(int(folder.name))
    return found


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_says_what_it_does_and_ends_clean(home: Any, ending: signal.Signals) -> None:
    """Examples counted, base model loaded ahead of any order, server awaited; then exit 0, no process."""
    with started(home) as process:
        wait_for(lambda: "not connected" in output_of(home) and "in memory" in output_of(home))
        assert len(supernodes(home)) == 1
        process.send_signal(ending)
        assert process.wait(60) == 0
    text = output_of(home)
    assert f"node site-a of federation clinics: 6 examples in {home.data}" in text
    assert "6 examples tokenised" in text
    assert text.rstrip().endswith("stopped")
    assert "Traceback" not in text
    assert supernodes(home) == []


def test_a_killed_client_takes_its_supernode_along(home: Any) -> None:
    """kill -9 leaves nothing running, and the state folder free for the next start."""
    with started(home) as process:
        wait_for(lambda: supernodes(home) and "not connected" in output_of(home))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_for(lambda: not supernodes(home), within_s=20)
    with started(home) as process:
        wait_for(lambda: "not connected" in output_of(home))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_a_second_client_on_the_same_state_is_refused(home: Any) -> None:
    """Exit 2, with the process that holds the folder; the first goes on."""
    with started(home) as process:
        wait_for(lambda: "6 examples" in output_of(home))
        second = subprocess.run(
            [PROGRAM, "start", "--config", str(home.settings)], capture_output=True, text=True, timeout=60
        )
        assert second.returncode == 2
        assert second.stderr.startswith("error: ")
        assert f"in use by another client (process {process.pid})" in second.stderr
        assert process.poll() is None


def test_a_missing_base_model_ends_it(home: Any) -> None:
    """Found in the background, after the SuperNode was started: one line, exit 2, no process left."""
    recipe = home.folder / "recipe.yaml"
    recipe.write_text(
        recipe.read_text(encoding="utf-8").replace(str(home.model), str(home.folder / "nowhere")),
        encoding="utf-8",
    )
    with started(home) as process:
        assert process.wait(60) == 2
    last = output_of(home).rstrip().splitlines()[-1]
    assert last.startswith("error: model")
    assert "nowhere" in last
    assert supernodes(home) == []
