"""What the operator sees: lines with a clock, and one progress line while training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from sft_client.local_training import LocalResult
    from sft_client.methods import MethodRow
    from sft_shared.training.plan import Plan
    from sft_shared.training.records import StepRecord

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

    def plan(self, plan: Plan, *, num_dropped: int) -> None:
        """What a training is about to do, before its first step."""
        table = Table(title="Plan", show_header=False)
        for name, value in (
            ("method", plan.method),
            ("trained", f"{plan.num_trained:,} of {plan.num_base:,} numbers ({plan.share:.2%})"),
            ("examples", f"{plan.num_examples} to train on, {plan.num_held_out} held out"),
            ("left out", f"{num_dropped} too long, 0 truncated (none is ever cut)"),
            ("tokens", f"{plan.mean_tokens:.0f} an example, {plan.max_tokens} at most"),
            ("steps", f"{plan.steps} of about {plan.tokens_per_step:.0f} tokens"),
            (
                "memory",
                f"{_size(plan.weights_bytes)} weights, {_size(plan.optimizer_bytes)} optimizer, gradients; "
                "activations are measured in the first steps",
            ),
            ("update", f"{_size(plan.update_bytes)} in fp32, before encoding"),
            ("note", plan.note),
        ):
            if value:
                table.add_row(name, value)
        self.console.print(table)
        if plan.resumed_at:
            self.say(f"going on after step {plan.resumed_at}, from a checkpoint")

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
            done = record.step - 1
            self._task = self._progress.add_task(label, total=record.steps, completed=done, state="")
        if self._task is not None:
            state = f"loss {record.loss:.3f}, {speed:.0f} tokens/s"
            self._progress.update(self._task, completed=record.step, state=state)
        if record.step == record.steps:
            self.clear()


def _size(num_bytes: float) -> str:
    for limit, unit in ((1e9, "GB"), (1e6, "MB")):
        if num_bytes >= limit:
            return f"{num_bytes / limit:.2f} {unit}"
    return f"{num_bytes / 1e3:.1f} kB"


def show_local_result(console: Console, result: LocalResult, *, folder: Path) -> None:
    """The end of ``sft-client train``."""
    table = Table(title=f"Local training of {result.node}", show_header=False)
    dropped = f", {result.num_dropped} too long and left out" if result.num_dropped else ""
    held_out = "" if result.held_out_loss is None else f", {result.held_out_loss:.4f} held out"
    several = f" by {result.num_processes} processes" if result.num_processes > 1 else ""
    for name, value in (
        ("model", f"{result.model} ({result.dtype})"),
        ("method", result.method),
        ("examples", f"{result.num_examples}{dropped}"),
        ("cycles", f"{result.num_cycles}"),
        ("steps", f"{result.steps}"),
        ("loss", f"{result.first_loss:.4f} -> {result.final_loss:.4f}{held_out}"),
        ("tokens", f"{result.tokens} ({result.supervised_tokens} supervised)"),
        ("speed", f"{result.tokens_per_s:.0f} tokens/s{several}"),
        ("time", f"{result.train_s:.1f} s training, {result.wall_s:.1f} s in all"),
        ("memory", f"{_size(result.peak_memory_bytes)} at most"),
        ("adapter", f"{folder}"),
    ):
        table.add_row(name, value)
    console.print(table)
    measured = [cycle for cycle in result.cycles if cycle.scores]
    if not measured:
        return
    stages = Table(title="Right answers on the examples held out")
    stages.add_column("after stage")
    for name in measured[0].scores:
        stages.add_column(name, justify="right")
    for cycle in measured:
        scores = (f"{right}/{total} ({right / total:.0%})" for right, total in cycle.scores.values())
        stages.add_row(str(cycle.stage), *scores)
    console.print(stages)


def show_methods(console: Console, rows: Sequence[MethodRow], *, model: str) -> None:
    """The table of ``sft-client methods``."""
    table = Table(title=f"Tuning methods on {model}")
    for name in ("method", "trained", "share", "tokens/s", "peak memory", "adapter"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for row in rows:
        table.add_row(
            row.method,
            f"{row.trainable:,}",
            f"{row.share:.2%}",
            f"{row.tokens_per_s:.0f}",
            _size(row.peak_memory_bytes),
            _size(row.adapter_bytes),
        )
    console.print(table)
