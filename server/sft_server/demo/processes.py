"""Child processes of the demo: started with a log each, watched, and ended without leftovers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from sft_shared.errors import FedsftError

MARK = "FEDSFT_DEMO_RUN"
"""Environment variable by which a process of the demo is known, whoever its parent is by now."""


class Child:
    """One process with a session of its own, so that the terminal's Ctrl-C reaches the demo alone."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], *, log: Path) -> None:
        self.name, self.process, self.log = name, process, log

    @property
    def ended(self) -> bool:
        """Whether it has exited, whatever its code."""
        return self.process.poll() is not None

    def require_running(self) -> None:
        """Raise FedsftError with the last line of the log and its path if the process has ended."""
        if self.ended:
            raise FedsftError(f"{self.name} ended too early, {self._end()}")

    def require_success(self) -> None:
        """Raise FedsftError unless the ended process gave 0."""
        if self.process.returncode != 0:
            raise FedsftError(f"{self.name} failed, {self._end()}")

    def _end(self) -> str:
        code = self.process.returncode
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"{how}: {last_line(self.log)} The whole log: {self.log}"


class Processes:
    """All processes of one run. Leaving the context ends them and everything they started.

    Each carries ``MARK`` in its environment, which its own children inherit; what is left after asking
    and waiting is found by it (Linux: /proc) and killed.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self.children: list[Child] = []
        self._files = ExitStack()
        self._mark = uuid.uuid4().hex

    def __enter__(self) -> Processes:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ignored_signals():
            self.stop(self.children, grace_s=GRACE_S)
            kill_marked(self._mark)
            self._files.close()

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        niceness: int = 0,
    ) -> Child:
        """Start ``command`` with its output in ``logs/<name>.log``; ``niceness`` 19 leaves others the CPU."""
        log = self._logs / f"{name}.log"
        file = self._files.enter_context(log.open("ab"))
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {}), MARK: self._mark},
            start_new_session=True,
        )
        if niceness:
            _yield_cpu(process.pid, niceness)
        child = Child(name, process, log=log)
        self.children.append(child)
        return child

    def stop(self, children: Iterable[Child], *, grace_s: float) -> None:
        """Ask all at once to end (SIGTERM), wait at most ``grace_s`` for all, then kill their groups."""
        running = [child for child in children if not child.ended]
        for child in running:
            child.process.terminate()
        deadline = time.monotonic() + grace_s
        for child in running:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
        for child in running:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()


def _yield_cpu(pid: int, niceness: int) -> None:
    """Linux schedules each session as a group of its own, and nice counts inside a group only."""
    os.setpriority(os.PRIO_PROCESS, pid, niceness)
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness), encoding="ascii")


class ignored_signals:  # noqa: N801 (a context manager reads like a verb)
    """While it lasts a second Ctrl-C or SIGTERM does not cut the cleaning-up short."""

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, signal.SIG_IGN) for number in STOP_SIGNALS}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


GRACE_S = 8.0
"""How long the processes may take to end; what they would still save is of no use to anybody."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP: not an error, so nothing that handles errors may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def raise_on_stop_signals() -> None:
    """From now on Ctrl-C, SIGTERM and SIGHUP raise `Interrupted` in the main thread."""

    def interrupt(number: int, _: object) -> None:
        raise Interrupted(number)

    for number in STOP_SIGNALS:
        signal.signal(number, interrupt)


def marked(mark: str) -> list[int]:
    """Process ids of the living processes with ``MARK=mark`` in their environment (none without /proc)."""
    found = []
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0") and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found


def kill_marked(mark: str) -> None:
    """Kill until none is left: between looking and killing one may have started another."""
    for _ in range(50):
        left = marked(mark)
        if not left:
            return
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def command(program: str) -> str:
    """Path of one of our commands beside this interpreter. Raises FedsftError if it is not installed."""
    path = Path(sys.executable).with_name(program)
    if not path.exists():
        raise FedsftError(f"{path}: no such command. Install fedsft into this environment: pip install -e .")
    return str(path)


def last_line(log: Path) -> str:
    """The last line that says something, without the blanks around it."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing.")
