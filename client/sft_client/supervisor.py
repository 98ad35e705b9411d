"""Keep one child process running, whatever it exits with, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from sft_shared.errors import TransportError


class Supervisor:
    """Starts a command, reads its output, and starts it again when it ends.

    The wait between two starts doubles from ``first_delay_s`` to ``max_delay_s``; a child that lived longer
    than ``steady_s`` counts as sound and the wait begins anew.
    """

    def __init__(
        self,
        command: Callable[[], Sequence[str]],
        *,
        env: Mapping[str, str],
        on_line: Callable[[str], None],
        on_exit: Callable[[int, float], None],
        first_delay_s: float = 1.0,
        max_delay_s: float = 15.0,
        steady_s: float = 60.0,
        grace_s: float = 8.0,
    ) -> None:
        """``command`` is asked anew for every start.

        ``on_line`` gets each line of the child's output, in a thread of its own; ``on_exit`` the exit code
        and the seconds until the next start. ``grace_s`` is how long a child may take to end before it is
        killed.
        """
        self._command = command
        self._env = dict(env)
        self._on_line = on_line
        self._on_exit = on_exit
        self._first_delay_s = first_delay_s
        self._max_delay_s = max_delay_s
        self._steady_s = steady_s
        self._grace_s = grace_s
        self._restart = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Supervise until ``stop`` is set; no child is left when this returns.

        The child's standard input ends when this process dies; a child that is to end then must watch it.
        Raises TransportError if the command cannot be started at all.
        """
        delay_s = self._first_delay_s
        while not stop.is_set():
            self._restart.clear()
            started = time.monotonic()
            code = self._run_once(stop)
            if stop.is_set():
                return
            if time.monotonic() - started > self._steady_s:
                delay_s = self._first_delay_s
            self._on_exit(code, delay_s)
            stop.wait(delay_s)
            delay_s = min(2 * delay_s, self._max_delay_s)

    def restart(self) -> None:
        """Have the child ended and started again. May be called from any thread."""
        self._restart.set()

    def _run_once(self, stop: threading.Event) -> int:
        child = self._spawn()
        reader = threading.Thread(target=self._read, args=(child,), name="child-output", daemon=True)
        reader.start()
        try:
            while child.poll() is None and not stop.is_set() and not self._restart.is_set():
                stop.wait(0.2)
        finally:
            self._end(child)
            reader.join(timeout=5)
            if child.stdin is not None:
                child.stdin.close()
        return child.returncode

    def _spawn(self) -> subprocess.Popen[str]:
        command = self._command()
        try:
            return subprocess.Popen(
                command,
                env=self._env,
                stdin=subprocess.PIPE,  # never written to: it ends when we die, which the child watches
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # a Ctrl-C in the terminal reaches us alone, and we stop it in order
            )
        except OSError as error:
            raise TransportError(f"{command[0]}: cannot be started: {error.strerror}.") from None

    def _read(self, child: subprocess.Popen[str]) -> None:
        if child.stdout is not None:
            with child.stdout:
                for line in child.stdout:
                    self._on_line(line.rstrip("\n"))

    def _end(self, child: subprocess.Popen[str]) -> None:
        if child.poll() is not None:
            return
        child.terminate()
        try:
            child.wait(self._grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
