"""What an operator sees: one live line for the cycle under way, one that stays for every cycle, a table."""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Callable, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from sft_server.records import Cycle, Node, Update
from sft_shared.runlog import RunLog

_QUIET = frozenset({"evaluating"})
_LOG_BYTES, _LOG_FILES = 10 << 20, 3


class Display:
    """Shows events as they come. A context manager; safe to call from several threads."""

    def __init__(self, console: Console, *, quorum: int) -> None:
        self._console, self._quorum = console, quorum
        self._status = console.status("starting")
        self._lock = threading.Lock()
        self._nodes: set[str] = set()
        self._accepted = 0

    def __enter__(self) -> Display:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    def say(self, text: str) -> None:
        """Print one line that stays."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def doing(self, text: str) -> None:
        """Replace the live line."""
        self._status.update(text)

    def show(self, event: str, **fields: Any) -> None:
        """Show an event of the run log."""
        with self._lock:
            handler = getattr(self, "_" + event.replace("-", "_"), None)
            if handler is not None:
                handler(fields)

    def _cycle_opened(self, fields: dict[str, Any]) -> None:
        self._nodes, self._accepted = set(), 0
        self.doing(f"cycle {fields['cycle']}: waiting for nodes")

    def _cycle_resumed(self, fields: dict[str, Any]) -> None:
        self._nodes, self._accepted = set(), 0
        self.say(f"cycle {fields['cycle']}: going on from {fields['state']}")

    def _count(self, cycle: int) -> None:
        self.doing(
            f"cycle {cycle}: {self._accepted} of {len(self._nodes)} asked nodes have answered "
            f"(quorum {self._quorum})"
        )

    def _asked(self, fields: dict[str, Any]) -> None:
        self._nodes.add(str(fields["node"] or fields["node_id"]))
        self._count(fields["cycle"])

    def _update_accepted(self, fields: dict[str, Any]) -> None:
        self._accepted += 1
        self.say(
            f"  cycle {fields['cycle']}: update of [bold]{fields['node']}[/bold], "
            f"{fields['num_examples']} examples, {in_bytes(fields['num_bytes'])}"
        )
        self._count(fields["cycle"])

    def _update_rejected(self, fields: dict[str, Any]) -> None:
        self.say(
            f"  cycle {fields['cycle']}: [red]rejected[/red] update of {fields['node']}: "
            f"{fields['reason']}: {_plain(fields['message'])}"
        )

    def _node_refused(self, fields: dict[str, Any]) -> None:
        self.say(
            f"  cycle {fields['cycle']}: {fields['node'] or 'a node'} refused the order: "
            f"{_plain(fields['reason'])}: {_plain(fields['message'])}"
        )

    def _node_failed(self, fields: dict[str, Any]) -> None:
        self.say(
            f"  cycle {fields['cycle']}: {fields['node'] or 'a node'} failed: {_plain(fields['detail'])}"
        )

    def _evaluating(self, fields: dict[str, Any]) -> None:
        self.doing(
            f"cycle {fields['cycle']}: evaluating {fields['model']} on {fields['task']} "
            f"{fields['done']}/{fields['total']}"
        )

    def _cycle_evaluated(self, fields: dict[str, Any]) -> None:
        self.say(
            f"  cycle {fields['cycle']}: {fields['measure']} {fields['value']:.1%} on {fields['n']} "
            f"examples ({fields['seconds']:.0f} s)"
        )

    def _cycle_promoted(self, fields: dict[str, Any]) -> None:
        self.say(
            f"[green]cycle {fields['cycle']}[/green]: adapter {fields['adapter'][:12]} promoted after "
            f"{fields['seconds']:.0f} s"
        )
        self.doing("waiting for the next cycle")

    def _cycle_rejected(self, fields: dict[str, Any]) -> None:
        self.say(
            f"[yellow]cycle {fields['cycle']}[/yellow]: adapter {fields['adapter'][:12]} is held: "
            f"{_plain(fields['reason'])} The next cycle starts from {fields['parent'][:12]} again"
        )
        self.doing("waiting for the next cycle")

    def _cycle_abandoned(self, fields: dict[str, Any]) -> None:
        self.say(f"[yellow]cycle {fields['cycle']}[/yellow]: abandoned: {fields['reason']}")
        self.doing("waiting for the next cycle")

    def _held_out_left_out(self, fields: dict[str, Any]) -> None:
        self.say(
            f"  {fields['num_examples']} held-out examples of the training files train nobody and measure "
            "nothing: `held_out` names others, or they have no expected_calls"
        )

    def _superlink_ready(self, fields: dict[str, Any]) -> None:
        self.say(f"listening on {fields['address']} (gRPC, TLS); {fields['num_nodes']} nodes registered")
        self.doing("waiting for nodes")

    def _superlink_lost(self, fields: dict[str, Any]) -> None:
        self.say(f"[yellow]SuperLink lost[/yellow]: {_plain(fields['detail'])}; trying again")

    def _registry_failed(self, fields: dict[str, Any]) -> None:
        self.say(f"[red]nodes cannot be read[/red]: {_plain(fields['detail'])}")

    def _node_registered(self, fields: dict[str, Any]) -> None:
        self.say(f"node [bold]{fields['node']}[/bold] may take part")

    def _node_revoked(self, fields: dict[str, Any]) -> None:
        self.say(f"node [bold]{fields['node']}[/bold] is out")


def make_emit(log: RunLog, display: Display) -> Callable[..., None]:
    """``emit(event, **fields)``: into the run log and onto the screen."""

    def emit(event: str, **fields: Any) -> None:
        if event not in _QUIET:
            log.write(event, **fields)
        display.show(event, **fields)

    return emit


def log_to_file(path: Path, *names: str) -> None:
    """Send what these libraries log into a file of bounded size, and not to the screen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False


def cycle_table(cycles: Sequence[Cycle], updates: Callable[[int], Sequence[Update]]) -> Table:
    """All cycles, one a row; why one was rejected or abandoned stands below."""
    ends = (
        f"cycle {cycle.cycle} {cycle.state.lower()}: {_plain(cycle.reason)}"
        for cycle in cycles
        if cycle.reason
    )
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        caption="\n".join(ends) or None,
        caption_justify="left",
    )
    for column in ("cycle", "state", "updates", "examples", "bytes", "measured", "time", "adapter"):
        table.add_column(column, justify="left" if column in {"state", "adapter"} else "right", no_wrap=True)
    for cycle in cycles:
        taken = updates(cycle.cycle)
        closed = cycle.closed_unix_s
        table.add_row(
            str(cycle.cycle),
            cycle.state.lower(),
            str(len(taken)),
            str(sum(update.num_examples for update in taken)),
            in_bytes(sum(update.num_bytes for update in taken)),
            f"{cycle.evaluation['value']:.1%}" if cycle.evaluation else "",
            f"{closed - cycle.opened_unix_s:.1f} s" if closed else "",
            (cycle.adapter_sha256 or "")[:8],
        )
    return table


def node_table(nodes: Sequence[Node]) -> Table:
    """All nodes, the revoked ones too."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in ("name", "state", "since", "signing key"):
        table.add_column(column)
    for node in nodes:
        since = datetime.datetime.fromtimestamp(node.revoked_unix_s or node.added_unix_s, datetime.UTC)
        state = "registered" if node.revoked_unix_s is None else "revoked"
        table.add_row(node.name, state, f"{since:%Y-%m-%d %H:%M:%S} UTC", node.sign_key.to_text()[:16])
    return table


def in_bytes(count: int) -> str:
    """A size for people: ``512 B``, ``1.5 MB``."""
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def _plain(text: object) -> str:
    """Text from elsewhere, so that it cannot draw on the operator's screen."""
    shown = "".join(character if character.isprintable() else " " for character in str(text))
    return shown[:300].replace("[", r"\[")
