"""``sft-client prepare``: its progress on stderr, and the table at its end."""

from __future__ import annotations

import stat
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from sft_client.screen import PLAIN_LINE_S
from sft_shared.config import load_yaml
from sft_shared.data.prepare.run import Prepared, prepare
from sft_shared.data.prepare.settings import PrepareSettings

STOPPED = 130  # the exit code of a program that Ctrl-C ended


def prepare_from(config: Path, *, workers: int | None) -> None:
    """Run what ``config`` says, show how far it is and what came out. Raises FedsftError."""
    settings = load_yaml(config, PrepareSettings)
    if workers is not None:
        settings = settings.model_copy(update={"workers": workers})
    console = Console(stderr=True, highlight=False)
    progress = PrepareProgress(console)
    started = time.monotonic()
    try:
        result = prepare(settings, report=progress)
    except KeyboardInterrupt:
        progress.clear()
        console.print("stopped; what is finished is kept. Run again to go on.")
        raise typer.Exit(STOPPED) from None
    finally:
        progress.clear()
    if not result.changed:
        console.print(f"nothing to do: {settings.out} is what these inputs and settings give", soft_wrap=True)
        return
    show_result(console, result, seconds=time.monotonic() - started, out=settings.out)


class PrepareProgress:
    """How far a run is: on a terminal a bar, else a line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._label = ""
        self._total = self._done = 0
        self._started_s = self._last_line_s = time.monotonic()

    def stage(self, label: str, *, total_bytes: int) -> None:
        """Begin the display of a stage."""
        self.clear()
        self._label, self._total, self._done = label, total_bytes, 0
        self._started_s = time.monotonic()
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bar = Progress(*columns, TimeRemainingColumn(), console=self._console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task(label, total=total_bytes)

    def advance(self, num_bytes: int) -> None:
        """Move on; without a terminal a line every few seconds."""
        self._done += num_bytes
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done)
        elif time.monotonic() - self._last_line_s >= PLAIN_LINE_S:
            self._last_line_s = time.monotonic()
            speed = self._done / max(self._last_line_s - self._started_s, 1e-9)
            left = (self._total - self._done) / max(speed, 1e-9)
            done = f"{self._done / 1e6:.0f} of {self._total / 1e6:.0f} MB"
            line = f"{self._label}: {done}, {speed / 1e6:.1f} MB/s, {left:.0f} s left"
            self._console.print(line, soft_wrap=True)

    def clear(self) -> None:
        """Take the bar off."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None


def show_result(console: Console, result: Prepared, *, seconds: float, out: Path) -> None:
    """The table at the end: what each step let through, and why not the rest."""
    counts = result.manifest["counts"]
    table = Table(title=f"Prepared in {seconds:.1f} s: {out}")
    for name in ("step", "in", "kept", "dropped, and why"):
        table.add_column(name, justify="right" if name in ("in", "kept") else "left")
    for name, step in rows_of(counts):
        if step["in"]:
            table.add_row(name, f"{step['in']:,}", f"{step['kept']:,}", reasons(step["dropped"]))
        if name == "desensitise" and (found := replaced(counts["desensitised"])):
            table.add_row("  replaced", "", "", reasons(found))
        if name == "desensitise" and (copies := counts["copies"]):
            table.add_row("copies", "", f"{sum(copies.values()):,}", reasons(copies))
    examples = counts["examples"]
    table.add_row("negatives", "", f"{counts['negatives']:,}", "")
    table.add_row(
        "examples", "", f"{examples['train'] + examples['held_out']:,}", f"{examples['held_out']:,} held out"
    )
    console.print(table)
    unclear = counts["answers"]["dropped"]["unclear"]
    if unclear > counts["answers"]["kept"]:
        hint = "most answers show no sign of success or failure; `outcomes: {unclear: keep}` would keep them"
        console.print(f"note: {hint}", soft_wrap=True)
    records = counts["records"]
    if records["in"] and not records["kept"]:
        rules = reasons(records["dropped"])
        warning = f"warning: every line of the logs was rejected: {rules}; see {out / 'rejected.jsonl'}"
        console.print(warning, soft_wrap=True)
    if (mode := stat.S_IMODE(out.stat().st_mode)) & 0o077:
        note = f"note: other users may look into {out} (mode {mode:o}); its files are readable by you only"
        console.print(note, soft_wrap=True)
    console.print("The spilled raw text of this run is deleted.", soft_wrap=True)


def rows_of(counts: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The steps of the road in order, with their counts."""
    last = ("desensitise", "leak_gate")
    steps = counts["steps"]
    rows = [(name, counts[name]) for name in ("records", "turns", "sessions", "answers", "made")]
    rows += [(name, step) for name, step in steps.items() if name not in last]
    rows.append(("twins", counts["twins"]))
    rows += [(name, steps[name]) for name in last if name in steps]
    return [*rows, ("twins again", counts["last_twins"])]


def replaced(audit: Mapping[str, Any]) -> Counter[str]:
    """How often each kind of personal data was replaced, wherever it stood."""
    total: Counter[str] = Counter()
    for kinds in audit.get("replaced", {}).values():
        total.update(kinds)
    return total


def reasons(dropped: Mapping[str, int]) -> str:
    """Rules and how often they struck, the most frequent first."""
    ordered = sorted((-count, rule) for rule, count in dropped.items() if count)
    return ", ".join(f"{rule} {-count:,}" for count, rule in ordered)
