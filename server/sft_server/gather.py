"""Asking nodes and taking their updates until a cycle has enough."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum

from sft_server.fleet import Fleet, Presence, Reply

MAX_FAILURES = 5
"""How often a node's program may raise an error in one cycle before it is asked no more."""

TTL_MARGIN_S = 60.0
"""How much longer than the deadline a message lives, so that the deadline decides and not the transport."""


class Closed(StrEnum):
    """Why asking ended."""

    ALL_ANSWERED = "all answered"
    DEADLINE = "deadline"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Call:
    """What is asked of every node."""

    cycle: int
    order: bytes
    adapter: bytes
    deadline_unix_s: float


@dataclass
class _Ask:
    """One node in one cycle."""

    name: str | None
    since: str = ""
    message_id: str | None = None
    failures: int = 0
    not_before: float = 0.0  # monotonic seconds
    settled: bool = False


@dataclass
class Gathering:
    """The loop of one cycle. ``take`` gets every reply that is a node's word; the rest is handled here."""

    fleet: Fleet
    call: Call
    quorum: int
    answered: Collection[str]  # names that answered before a restart
    num_accepted: Callable[[], int]
    take: Callable[[str | None, Reply], None]
    emit: Callable[..., None]
    stop: threading.Event
    poll_s: float
    _asks: dict[int, _Ask] = field(default_factory=dict)

    def run(self) -> Closed:
        """Ask until all asked have answered and the quorum is there, the deadline passes, or ``stop`` is set.

        A node that appears later is asked too, and asked again when its message was lost or it came back.
        Where no other node can come, all answers are enough also below the quorum.
        Raises TransportError.
        """
        while not self.stop.is_set():
            if time.time() >= self.call.deadline_unix_s:
                return Closed.DEADLINE
            self._ask_who_is_there()
            for reply in self.fleet.replies([ask.message_id for ask in self._open_asks() if ask.message_id]):
                self._handle(reply)
            enough = self.num_accepted() >= self.quorum or self.fleet.is_complete()
            if self._all_answered() and enough:
                return Closed.ALL_ANSWERED
            self.stop.wait(self.poll_s)
        return Closed.STOPPED

    def _open_asks(self) -> list[_Ask]:
        return [ask for ask in self._asks.values() if not ask.settled]

    def _all_answered(self) -> bool:
        for node_id in [node_id for node_id in self._asks if not self.fleet.is_member(node_id)]:
            del self._asks[node_id]
        return bool(self._asks) and not self._open_asks()

    def _ask_who_is_there(self) -> None:
        for node_id, presence in self.fleet.online().items():
            ask = self._asks.setdefault(node_id, _Ask(name=presence.name))
            if presence.name is not None and presence.name in self.answered:
                ask.settled = True
            if ask.settled:
                continue
            if ask.message_id and ask.since != presence.since:
                self.emit("node-back", cycle=self.call.cycle, node=presence.name)
                ask.message_id = None
            if ask.message_id is None and time.monotonic() >= ask.not_before:
                self._send(node_id, ask, presence)

    def _send(self, node_id: int, ask: _Ask, presence: Presence) -> None:
        ask.since = presence.since
        ask.message_id = self.fleet.send(
            node_id,
            order=self.call.order,
            adapter=self.call.adapter,
            cycle=self.call.cycle,
            ttl_s=max(self.call.deadline_unix_s - time.time(), 0) + TTL_MARGIN_S,
        )
        if ask.message_id is not None:
            self.emit("asked", cycle=self.call.cycle, node=presence.name, node_id=node_id)

    def _handle(self, reply: Reply) -> None:
        ask = next((ask for ask in self._open_asks() if ask.message_id == reply.message_id), None)
        if ask is None:
            return
        ask.message_id = None
        match reply.kind:
            case "lost":
                ask.not_before = time.monotonic() + self.poll_s
                self.emit("message-lost", cycle=self.call.cycle, node=ask.name, detail=reply.detail)
            case "failed":
                ask.failures += 1
                ask.settled = ask.failures >= MAX_FAILURES
                ask.not_before = time.monotonic() + 2.0**ask.failures
                self.emit(
                    "node-failed",
                    cycle=self.call.cycle,
                    node=ask.name,
                    detail=reply.detail,
                    asked_again=not ask.settled,
                )
            case _:
                ask.settled = True
                self.take(ask.name, reply)
