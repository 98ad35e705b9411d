"""The nodes as a cycle sees them, whatever carries the messages."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class Presence:
    """A node that is online."""

    name: str | None  # None where the transport does not authenticate
    since: str  # changes when the node comes back; compared, never parsed


@dataclass(frozen=True)
class Reply:
    """What came back for a message.

    An ``update`` or a ``refusal`` is the node's word. ``lost`` is the transport's: the message or its
    reply is gone. ``failed`` says that the node's program raised an error.
    """

    message_id: str
    kind: Literal["update", "refusal", "lost", "failed"]
    body: bytes = b""  # of an update or a refusal
    detail: str = ""  # in words, of the other two


class Fleet(Protocol):
    """Where to send orders, and where replies come from. Methods raise TransportError."""

    def online(self) -> Mapping[int, Presence]:
        """Node id -> presence of every member that is online."""

    def is_complete(self) -> bool:
        """Whether no other node can ever come, as in a simulation."""

    def is_member(self, node_id: int) -> bool:
        """Whether the node may still take part; False once it was revoked."""

    def send(self, node_id: int, *, order: bytes, adapter: bytes, cycle: int, ttl_s: float) -> str | None:
        """Send an order and its parent adapter; return the message's id, None if it was not taken."""

    def replies(self, message_ids: Collection[str]) -> list[Reply]:
        """What has come back for these messages since the last call; never waits for long."""
