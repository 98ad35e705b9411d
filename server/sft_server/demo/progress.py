"""What a person sees while the demo runs, read from the run logs that the processes write."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

PLAIN_LINE_S = 15.0
"""Seconds between two lines about the same thing where the output is not a terminal."""


class Tail:
    """New whole events of a run log since the last look; the file may not exist yet."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0

    def new(self) -> Iterator[dict[str, Any]]:
        """Yield what has been added."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield json.loads(line)


@dataclass
class Task:
    """One line of the display: how far something is."""

    done: int = 0
    total: int = 0
    says: str = ""


@dataclass
class Board:
    """The live table, and lines that stay. Without a terminal there are lines only."""

    console: Console
    phase: str = ""
    tasks: dict[str, Task] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)
    _live: Live | None = None
    _said: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Board:
        if self.console.is_terminal:
            self._live = Live(
                get_renderable=self.render, console=self.console, refresh_per_second=4, transient=True
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def begin(self, phase: str) -> None:
        """Name what is being done now; the tasks of the last phase go."""
        self.phase = phase
        self.tasks.clear()
        self._said.clear()
        self.say(phase, style="bold")

    def say(self, text: str, *, style: str = "") -> None:
        """Print one line that stays, with the time since the start; ``text`` is not markup."""
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        line = Text.assemble((f"{minutes:2d}:{seconds:02d}", "dim"), "  ", (text, style))
        self.console.print(line, soft_wrap=True)

    def show(self, name: str, *, done: int, total: int, says: str) -> None:
        """Move one line of the table."""
        self.tasks[name] = Task(done=done, total=total, says=says)
        if self._live is None and time.monotonic() - self._said.get(name, 0.0) >= PLAIN_LINE_S:
            self._said[name] = time.monotonic()
            self.say(f"  {name}: {f'{done}/{total} ' if total else ''}{says}")

    def render(self) -> RenderableType:
        """The table as it stands."""
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        table = Table.grid(padding=(0, 2))
        for name, task in self.tasks.items():
            bar = ProgressBar(total=max(task.total, 1), completed=task.done, width=24)
            count = f"{task.done}/{task.total}" if task.total else ""
            table.add_row(f"  {name}", bar, Text(count, justify="right"), Text(task.says, style="dim"))
        return Group(Text(f"{minutes:2d}:{seconds:02d}  {self.phase} ...", style="bold"), table)


class FederationWatch:
    """Follows the server's and the clients' run logs onto the board."""

    def __init__(self, board: Board, *, server: Path, clients: dict[str, Path], num_cycles: int) -> None:
        self._board, self._num_cycles = board, num_cycles
        self._server = Tail(server)
        self._clients = {name: Tail(path) for name, path in clients.items()}
        self.ready = False  # the server listens
        self.asked: set[str] = set()  # nodes that have joined and got an order
        self.trouble: str | None = None  # why the federation cannot get anywhere

    def look(self) -> None:
        """Take in what is new."""
        for event in self._server.new():
            self._of_server(event)
        for name, tail in self._clients.items():
            for event in tail.new():
                self._of_client(name, event)

    def _of_server(self, event: dict[str, Any]) -> None:
        board, cycle = self._board, event.get("cycle", 0)
        match event["event"]:
            case "superlink-ready":
                self.ready = True
                board.say(
                    f"  the server listens on {event['address']} (TLS), {event['num_nodes']} nodes registered"
                )
            case "asked":
                self.asked.add(str(event["node"]))
            case "evaluating":
                says = f"measuring the adapter of cycle {cycle}"
                board.show("server", done=event["done"], total=event["total"], says=says)
            case "cycle-evaluated":
                share = f"{event['value']:.1%} of {event['n']} held-out right"
                board.say(f"  cycle {cycle} of {self._num_cycles}: {share}")
            case "cycle-aggregated":
                board.show(
                    "server", done=0, total=0, says=f"cycle {cycle}: {event['num_updates']} updates averaged"
                )
            case "update-rejected" | "node-refused" | "cycle-abandoned" | "cycle-rejected":
                self.trouble = f"{event['event']}: {event.get('node') or 'server'}: {_why(event)}"
            case "node-failed" | "superlink-lost":
                board.say(f"  {event['event']} {event.get('node') or ''} {_why(event)}", style="yellow")
            case "update-accepted":
                says = f"update of {event['num_bytes'] / 1e6:.2f} MB taken"
                board.show(event["node"], done=cycle, total=self._num_cycles, says=f"cycle {cycle}: {says}")
            case "cycle-opened":
                board.show("server", done=0, total=0, says=f"cycle {cycle}: order signed")

    def _of_client(self, name: str, event: dict[str, Any]) -> None:
        match event["event"]:
            case "prepared":
                self._board.show(name, done=0, total=0, says=f"{event['examples']} examples, model in memory")
            case "step":
                says = f"cycle {event['cycle']}, loss {event['loss']:.3f}"
                self._board.show(name, done=event["step"], total=event["steps"], says=says)


def _why(event: dict[str, Any]) -> str:
    return str(event.get("message") or event.get("detail") or event.get("reason"))
