"""What the operator sees: lines with a clock, and one progress line while training."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from sft_shared.training.loop import StepRecord

PLAIN_LINE_S = 5.0
"""Seconds between two progress lines where the output is not a terminal."""


class Screen:
    """Lines and progress on a console: on a terminal one line that moves, else a line now and then."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._last_line_s = 0.0

    def say(self, text: str) -> None:
        """One line, never wrapped: other programs read it too."""
        clock = time.strftime("%H:%M:%S")
        self.console.print(f"{clock} {text}", markup=False, soft_wrap=True)

    def step(self, label: str, record: StepRecord) -> None:
        """Show how far a training is; the line goes after the last step."""
        speed = record.tokens / record.seconds
        if self.console.is_terminal:
            self._move(label, record, speed)
        elif time.monotonic() - self._last_line_s >= PLAIN_LINE_S:
            self._last_line_s = time.monotonic()
            self.say(
                f"{label}: step {record.step}/{record.steps}, loss {record.loss:.3f}, {speed:.0f} tokens/s"
            )

    def clear(self) -> None:
        """Take the progress line off."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = self._task = None

    def _move(self, label: str, record: StepRecord, speed: float) -> None:
        if self._progress is None or record.step == 1:
            self.clear()
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("step {task.completed}/{task.total}, {task.fields[state]}"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task(label, total=record.steps, state="")
        if self._task is not None:
            state = f"loss {record.loss:.3f}, {speed:.0f} tokens/s"
            self._progress.update(self._task, completed=record.step, state=state)
        if record.step == record.steps:
            self.clear()
