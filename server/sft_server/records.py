"""The rows of the store: nodes, cycles and their states, updates, rejections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sft_shared.wire.sign import VerifyKey

SCHEMA_VERSION = 2

SCHEMA = """
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE nodes (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, auth_key TEXT NOT NULL UNIQUE, sign_key TEXT NOT NULL UNIQUE,
    added_unix_s REAL NOT NULL, revoked_unix_s REAL);
CREATE UNIQUE INDEX node_names ON nodes (name) WHERE revoked_unix_s IS NULL;
CREATE TABLE cycles (
    cycle INTEGER PRIMARY KEY, state TEXT NOT NULL, signed_order BLOB NOT NULL, parent_sha256 TEXT NOT NULL,
    opened_unix_s REAL NOT NULL, adapter_sha256 TEXT, num_updates INTEGER, num_examples INTEGER,
    evaluation TEXT, reason TEXT, closed_unix_s REAL);
CREATE TABLE updates (
    cycle INTEGER NOT NULL REFERENCES cycles, node TEXT NOT NULL,
    registration INTEGER NOT NULL REFERENCES nodes, sha256 TEXT NOT NULL,
    num_examples INTEGER NOT NULL, num_bytes INTEGER NOT NULL, norm REAL NOT NULL, metrics TEXT NOT NULL,
    received_unix_s REAL NOT NULL, PRIMARY KEY (cycle, node));
CREATE TABLE rejections (
    id INTEGER PRIMARY KEY, cycle INTEGER NOT NULL REFERENCES cycles, node TEXT NOT NULL,
    reason TEXT NOT NULL, message TEXT NOT NULL, rejected_unix_s REAL NOT NULL);
"""


class State(StrEnum):
    """Where a cycle stands. PROMOTED, REJECTED and ABANDONED are ends."""

    OPENED = "OPENED"  # the order is signed and stored
    COLLECTING = "COLLECTING"  # nodes may have it
    AGGREGATED = "AGGREGATED"  # the new adapter is stored
    EVALUATED = "EVALUATED"  # and measured; what the gates say is in the record
    PROMOTED = "PROMOTED"  # it is the parent of the next cycle
    REJECTED = "REJECTED"  # a gate holds it; the parent stays
    ABANDONED = "ABANDONED"  # below the quorum; the parent stays


NEXT = {
    State.OPENED: {State.COLLECTING},
    State.COLLECTING: {State.AGGREGATED, State.ABANDONED},
    State.AGGREGATED: {State.EVALUATED, State.PROMOTED},
    State.EVALUATED: {State.PROMOTED, State.REJECTED},
}
"""From which state a cycle may go where."""

ENDS = frozenset({State.PROMOTED, State.REJECTED, State.ABANDONED})


@dataclass(frozen=True)
class Node:
    """A node that the operator registered."""

    name: str
    auth_key: str  # OpenSSH line, P-384
    sign_key: VerifyKey
    added_unix_s: float
    revoked_unix_s: float | None


@dataclass(frozen=True)
class Cycle:
    """One cycle as committed."""

    cycle: int
    state: State
    signed_order: bytes
    parent_sha256: str
    opened_unix_s: float
    adapter_sha256: str | None
    num_updates: int | None
    num_examples: int | None
    evaluation: Mapping[str, Any] | None
    reason: str | None
    closed_unix_s: float | None


@dataclass(frozen=True)
class Update:
    """An accepted update; its signed bytes lie in the file that ``sha256`` names."""

    node: str
    sha256: str
    num_examples: int
    num_bytes: int
    norm: float
    metrics: Mapping[str, float]
    received_unix_s: float


@dataclass(frozen=True)
class Rejection:
    """An update that was not taken, and why."""

    cycle: int
    node: str
    reason: str
    message: str
    rejected_unix_s: float
