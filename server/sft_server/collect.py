"""A fleet of Flower nodes, over the public Grid: the same in deployment and in simulation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

from flwr.app import Array, ArrayRecord, Message, RecordDict
from flwr.serverapp import Grid

from sft_server.fleet import Presence, Reply
from sft_shared.errors import TransportError

RECORD = "sft"
MESSAGE_TYPE = "train"
MAX_PULLS = 4
"""Pulls at a time. A pull waits while its node uploads, so one slow node must not hold up the others."""


class GridFleet:
    """Orders out and replies in through Flower messages, one message pulled at a time.

    ``members`` gives node id -> name of the registered nodes; without it (simulation) every node of the
    grid is a member without a name.
    """

    def __init__(self, grid: Grid, *, members: Callable[[], Mapping[int, str]] | None = None) -> None:
        self._grid, self._members = grid, members
        self._pulls: dict[str, Future[Reply | None]] = {}
        self._pool = ThreadPoolExecutor(MAX_PULLS, thread_name_prefix="pull")

    def close(self) -> None:
        """Give up what is still being pulled."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def online(self) -> Mapping[int, Presence]:
        """Node id -> presence of every member that is online."""
        nodes = {node.node_id: str(node.last_activated_at) for node in self._grid.get_nodes()}
        if self._members is None:
            return {node_id: Presence(name=None, since=since) for node_id, since in nodes.items()}
        names = self._members()
        return {
            node_id: Presence(name=names[node_id], since=since)
            for node_id, since in nodes.items()
            if node_id in names
        }

    def is_complete(self) -> bool:
        """Whether no other node can ever come: so in simulation."""
        return self._members is None

    def is_member(self, node_id: int) -> bool:
        """Whether the node may still take part."""
        return self._members is None or node_id in self._members()

    def send(self, node_id: int, *, order: bytes, adapter: bytes, cycle: int, ttl_s: float) -> str | None:
        """Send an order and its parent adapter; return the message's id, None if it was not taken."""
        record = ArrayRecord({"order": _array(order), "adapter": _array(adapter)})
        message = Message(RecordDict({RECORD: record}), node_id, MESSAGE_TYPE, ttl=ttl_s, group_id=str(cycle))
        return next(iter(self._grid.push_messages([message])), None) or None

    def replies(self, message_ids: Collection[str]) -> list[Reply]:
        """What has come back for these messages since the last call."""
        for message_id in message_ids:
            if message_id not in self._pulls:
                self._pulls[message_id] = self._pool.submit(self._pull, message_id)
        done = [message_id for message_id, pull in self._pulls.items() if pull.done()]
        replies = [self._pulls.pop(message_id).result() for message_id in done]
        return [reply for reply in replies if reply is not None]

    def _pull(self, message_id: str) -> Reply | None:
        try:
            message = next(iter(self._grid.pull_messages([message_id])), None)
        except TransportError:
            raise
        except Exception:  # noqa: BLE001 (a node wrote these bytes, and Flower fails in many ways on bad ones)
            return Reply(message_id, "update", body=b"")
        return None if message is None else _read(message_id, message)


def _array(data: bytes) -> Array:
    return Array(dtype="uint8", shape=(len(data),), stype="fedsft.bytes", data=data)


def _read(message_id: str, message: Message) -> Reply:
    """Take a reply apart; one that is not of our form counts as an update that cannot be decoded."""
    if message.has_error():
        # Only the SuperLink speaks from itself to itself; what a node reports has the node's id on it.
        of_transport = message.metadata.src_node_id == message.metadata.dst_node_id
        detail = str(message.error.reason)[:500]
        return Reply(message_id, "lost" if of_transport else "failed", detail=detail)
    record = message.content.array_records.get(RECORD)
    kinds: tuple[Literal["update", "refusal"], ...] = ("update", "refusal")
    for kind in kinds:
        if record is not None and kind in record:
            return Reply(message_id, kind, body=bytes(record[kind].data))
    return Reply(message_id, "update", body=b"")
