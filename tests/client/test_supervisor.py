"""The child is kept running whatever it does, and is gone when it should be. Real processes throughout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sft_client.supervisor import Supervisor
from sft_shared.errors import TransportError


@dataclass
class Run:
    """A supervisor in a thread, and what it reported."""

    script: str
    first_delay_s: float = 0.01
    max_delay_s: float = 0.04
    steady_s: float = 60.0
    grace_s: float = 5.0
    lines: list[str] = field(default_factory=list)
    exits: list[tuple[int, float]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Run:
        self.supervisor = Supervisor(
            lambda: [sys.executable, "-S", "-u", "-c", self.script],
            env=dict(os.environ),
            on_line=self.lines.append,
            on_exit=lambda code, delay_s: self.exits.append((code, delay_s)),
            first_delay_s=self.first_delay_s,
            max_delay_s=self.max_delay_s,
            steady_s=self.steady_s,
            grace_s=self.grace_s,
        )
        self.thread = threading.Thread(target=self.supervisor.run, args=(self.stop,))
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()

    def wait_for(self, look: Callable[[], bool]) -> None:
        """Wait until ``look`` is true; fail after half a minute."""
        give_up = time.monotonic() + 30
        while not look():
            assert time.monotonic() < give_up, (self.lines, self.exits)
            time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_that_exits_0_is_started_again() -> None:
    """A SuperNode says 0 when its server vanished; that is no reason to stay away."""
    with Run("print('up')") as run:
        run.wait_for(lambda: len(run.exits) >= 3)
    assert [code for code, _ in run.exits[:3]] == [0, 0, 0]
    assert run.lines[:3] == ["up", "up", "up"]


def test_any_exit_code_is_reported_and_the_wait_grows() -> None:
    """The wait doubles up to its limit."""
    with Run("raise SystemExit(7)") as run:
        run.wait_for(lambda: len(run.exits) >= 4)
    assert run.exits[:4] == [(7, 0.01), (7, 0.02), (7, 0.04), (7, 0.04)]


def test_after_a_sound_run_the_wait_begins_anew() -> None:
    """A child that had lived long is not held responsible for failures before."""
    with Run("import time; time.sleep(0.1)", steady_s=0.05) as run:
        run.wait_for(lambda: len(run.exits) >= 3)
    assert [delay_s for _, delay_s in run.exits[:3]] == [0.01, 0.01, 0.01]


def test_a_killed_child_is_started_again() -> None:
    """kill -9 is one more way to end."""
    with Run("import os, time; print(os.getpid()); time.sleep(60)") as run:
        run.wait_for(lambda: len(run.lines) == 1)
        os.kill(int(run.lines[0]), signal.SIGKILL)
        run.wait_for(lambda: len(run.lines) == 2)
    assert run.exits == [(-9, 0.01)]


def test_a_restart_can_be_asked_for() -> None:
    """From another thread; the child that runs is ended first."""
    with Run("import os, time; print(os.getpid()); time.sleep(60)") as run:
        run.wait_for(lambda: len(run.lines) == 1)
        run.supervisor.restart()
        run.wait_for(lambda: len(run.lines) == 2)
        assert not alive(int(run.lines[0]))


def test_stopping_leaves_no_child() -> None:
    """It is asked to end, and has ended when the supervisor returns."""
    with Run("import os, time; print(os.getpid()); time.sleep(60)") as run:
        run.wait_for(lambda: len(run.lines) == 1)
    assert not alive(int(run.lines[0]))
    assert run.exits == []


def test_a_child_that_will_not_end_is_killed_with_what_it_started() -> None:
    """SIGTERM ignored: after the time of grace its whole session goes."""
    script = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "below = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])\n"
        "print(os.getpid(), below.pid)\n"
        "time.sleep(60)\n"
    )
    with Run(script, grace_s=0.3) as run:
        run.wait_for(lambda: len(run.lines) == 1)
    child, below = map(int, run.lines[0].split())
    assert not alive(child)
    run.wait_for(lambda: not alive(below) or _is_zombie(below))


def test_a_command_that_cannot_be_started_is_named() -> None:
    """No retrying helps against a missing program."""
    supervisor = Supervisor(
        lambda: ["/nowhere/flower"], env={}, on_line=print, on_exit=lambda code, delay_s: None
    )
    with pytest.raises(TransportError, match="/nowhere/flower: cannot be started"):
        supervisor.run(threading.Event())


PARENT = """
import os, sys, threading
from sft_client.supervisor import Supervisor
watch = sys.argv[1] == "watching"
child = "from sft_client.supernode_child import end_with_parent; end_with_parent(); " if watch else ""
child += "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
for _ in range(8):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
Supervisor(
    lambda: [sys.executable, "-c", child], env=dict(os.environ),
    on_line=lambda line: print(line, flush=True), on_exit=lambda code, delay_s: None,
).run(threading.Event())
"""


@pytest.mark.parametrize(("how", "survives"), [("watching", False), ("careless", True)])
def test_a_child_does_not_outlive_a_killed_parent(how: str, survives: bool) -> None:
    """kill -9 of the parent ends a child that watches its standard input; one that does not lives on."""
    with subprocess.Popen([sys.executable, "-c", PARENT, how], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    give_up = time.monotonic() + (1 if survives else 15)
    while alive(child) and not _is_zombie(child) and time.monotonic() < give_up:
        time.sleep(0.05)
    lives = alive(child) and not _is_zombie(child)
    if lives:
        os.kill(child, signal.SIGKILL)
    assert lives is survives


def _is_zombie(pid: int) -> bool:
    """Dead, but not yet collected by whoever adopted it."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"
