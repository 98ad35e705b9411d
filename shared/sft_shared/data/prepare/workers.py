"""Processes that work on tasks at the same time; none outlives the one that started them."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sft_shared import errors
from sft_shared.errors import FedsftError


class Workers(AbstractContextManager["Workers"]):
    """Up to ``limit`` processes of `worker` on the work in ``folder``, started when there is work."""

    def __init__(self, folder: Path, *, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._processes: list[_Process] = []

    def run(self, stage: str, tasks: Sequence[int], *, progress: Callable[[int], None]) -> None:
        """Do all tasks, in order as far as several at a time allow.

        Raises the error of the first task that fails, once those under way have ended.
        """
        waiting, failed = list(reversed(tasks)), {}
        while len(self._processes) < min(self._limit, len(tasks)):
            self._processes.append(_Process(self._folder))
        with selectors.DefaultSelector() as selector:
            busy = set()
            for process in self._processes[: len(tasks)]:
                selector.register(process.output, selectors.EVENT_READ, process)
                process.give(stage, waiting.pop())
                busy.add(process)
            while busy:
                for key, _ in selector.select():
                    process = key.data
                    for message in process.messages():
                        if "progress" in message:
                            progress(message["progress"])
                            continue
                        if "failed" in message:
                            failed[message["failed"]] = message
                        if waiting and not failed:
                            process.give(stage, waiting.pop())
                        else:
                            busy.discard(process)
        if failed:
            first = failed[min(failed)]
            raise getattr(errors, first["error"])(first["message"])

    def end(self) -> None:
        """End all processes, and with them what they hold in memory; the next `run` starts new ones."""
        while self._processes:
            self._processes.pop().end()

    def __exit__(self, *_: object) -> None:
        self.end()


class _Process:
    """One worker and the pipes to it."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C is the parent's, and
        try:  # a child has what is blocked here blocked from its very start
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "sft_shared.data.prepare.worker", str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self.output = self._process.stdin, self._process.stdout
        self._unread = b""

    def give(self, stage: str, number: int) -> None:
        """Give it a task. Raises FedsftError if it is gone."""
        try:
            self._input.write(json.dumps({"stage": stage, "number": number}).encode() + b"\n")
            self._input.flush()
        except BrokenPipeError:
            self._gone()

    def messages(self) -> list[dict[str, Any]]:
        """What it has said since. Raises FedsftError if it is gone."""
        data = os.read(self.output.fileno(), 1 << 16)
        if not data:
            self._gone()
        *lines, self._unread = (self._unread + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def _gone(self) -> None:
        code = self._process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        hint = " Memory may have run out: set fewer `workers`." if code == -9 else ""
        raise FedsftError(f"a worker process {how}.{hint} Run again to go on where this run stopped.")

    def end(self) -> None:
        """End it; a piece under way is lost, and none else."""
        self._process.kill()
        self._process.wait()
        self.output.close()
        try:
            self._input.close()
        except BrokenPipeError:  # a task that it never read
            return
