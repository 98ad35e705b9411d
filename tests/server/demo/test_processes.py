"""Child processes of the demo: watched, and none is left, however stubborn."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sft_server.demo.processes import MARK, Interrupted, Processes, last_line, marked, raise_on_stop_signals
from sft_shared.errors import FedsftError

PYTHON = sys.executable

# Starts a grandchild in a session of its own that ignores SIGTERM, says its id, and ignores SIGTERM too.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


def wait_for_line(log: Path) -> str:
    for _ in range(400):
        if log.exists() and log.read_text().endswith("\n"):
            return log.read_text().strip()
        time.sleep(0.05)
    raise AssertionError(f"nothing was written to {log}")


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_nobody_survives_the_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child and a grandchild in another session that both ignore SIGTERM are gone at the end."""
    monkeypatch.setattr("sft_server.demo.processes.GRACE_S", 0.3)
    with Processes(tmp_path) as processes:
        child = processes.start("stubborn", [PYTHON, "-c", STUBBORN])
        grandchild = int(wait_for_line(child.log))
        assert is_running(grandchild)
    assert child.ended
    assert not is_running(grandchild)


def test_killing_the_child_alone_would_leave_the_grandchild(tmp_path: Path) -> None:
    """The mark is needed: neither the child's end nor its process group's takes the grandchild along."""
    log = tmp_path / "log"
    with log.open("wb") as file:
        environment = {**os.environ, MARK: "by-hand"}
        child = subprocess.Popen(
            [PYTHON, "-c", STUBBORN], stdout=file, env=environment, start_new_session=True
        )
    grandchild = int(wait_for_line(log))
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert is_running(grandchild)
    assert marked("by-hand") == [grandchild]
    os.kill(grandchild, signal.SIGKILL)


def test_an_error_inside_the_context_ends_all_and_goes_on(tmp_path: Path) -> None:
    """Cleaning up does not hide why it was needed."""
    processes = Processes(tmp_path)

    def fail() -> None:
        with processes:
            processes.start("sleeper", [PYTHON, "-c", "import time; time.sleep(600)"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    (child,) = processes.children
    assert child.process.returncode == -signal.SIGTERM


def test_a_child_that_ends_too_early_is_named_with_its_last_words(tmp_path: Path) -> None:
    """The message holds name, exit code, last line and the log's path."""
    with Processes(tmp_path) as processes:
        child = processes.start("edge-1", [PYTHON, "-c", "print('error: port 1 is taken.\\n'); exit(2)"])
        child.process.wait(30)
        with pytest.raises(
            FedsftError, match=r"edge-1 ended too early, exit code 2: error: port 1 is taken\. "
        ) as failure:
            child.require_running()
        assert str(tmp_path / "edge-1.log") in str(failure.value)
        with pytest.raises(FedsftError, match=r"edge-1 failed, exit code 2"):
            child.require_success()


def test_a_killed_child_says_by_which_signal(tmp_path: Path) -> None:
    """Out of memory looks like SIGKILL: the word must be there."""
    with Processes(tmp_path) as processes:
        child = processes.start("edge-2", [PYTHON, "-c", "import time; time.sleep(600)"], niceness=5)
        child.process.kill()
        child.process.wait(30)
        with pytest.raises(
            FedsftError, match=r"edge-2 ended too early, killed by SIGKILL: it printed nothing\."
        ):
            child.require_running()


def test_a_nice_child_is_nice_across_sessions(tmp_path: Path) -> None:
    """Its own niceness counts within its session only, so the session's group is made nice too."""
    with Processes(tmp_path) as processes:
        child = processes.start("background", [PYTHON, "-c", "import time; time.sleep(600)"], niceness=19)
        assert os.getpriority(os.PRIO_PROCESS, child.process.pid) == 19
        group = Path(f"/proc/{child.process.pid}/autogroup")
        if Path("/proc/sys/kernel/sched_autogroup_enabled").exists():
            assert group.read_text().split()[-1] == "19"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stop_signals_become_one_exception(number: signal.Signals) -> None:
    """No `except Exception` can swallow it, and it knows the exit code of its signal."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    raise_on_stop_signals()
    try:
        with pytest.raises(Interrupted) as interrupted:
            signal.raise_signal(number)
        assert interrupted.value.exit_code == 128 + number
        assert not isinstance(interrupted.value, Exception)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_the_last_line_skips_blank_ones(tmp_path: Path) -> None:
    """Tracebacks and tables end in blank lines often."""
    log = tmp_path / "log"
    log.write_bytes(b"first\n  the reason\n\n \n")
    assert last_line(log) == "the reason"
