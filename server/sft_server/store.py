"""What the server knows for certain: nodes, cycles, updates and rejections, in SQLite.

Every method is one transaction, on the disk when it returns (WAL, synchronous=FULL). Several processes
may have the store open: the running server and an operator's ``sft-server nodes``.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sft_server.records import ENDS, NEXT, SCHEMA, SCHEMA_VERSION, Cycle, Node, Rejection, State, Update
from sft_shared.errors import KeysError, StoreError, UpdateRejected
from sft_shared.wire.cards import NodeCard
from sft_shared.wire.sign import VerifyKey

_BUSY_S = 30.0


class Store:
    """One connection to the database, for one thread at a time; threads that run together open one each."""

    def __init__(self, path: Path) -> None:
        """Open or make the database. Raises StoreError if it is damaged or of another version."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}. Restore the state folder or set another one.") from None
        with self._transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in SCHEMA.split(";\n"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif version != SCHEMA_VERSION:
                raise StoreError(
                    f"{path}: written by another version of fedsft (schema {version}, this one has "
                    f"{SCHEMA_VERSION}). Use that version, or set another `state` folder."
                )

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise StoreError(
                f"{self.path}: {error}. Look at the disk, or restore the state folder."
            ) from None

    def pin(self, facts: Mapping[str, str], *, what_to_do: str) -> None:
        """Keep ``facts`` the first time; later raise StoreError if one of them has changed."""
        with self._transaction() as db:
            for key, value in facts.items():
                db.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (key, value))
                kept = db.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()[0]
                if kept != value:
                    raise StoreError(
                        f"{self.path}: was begun with {key} {_short(kept)}, now it is {_short(value)}. "
                        f"{what_to_do}"
                    )

    def fact(self, key: str) -> str | None:
        """What was pinned as ``key``."""
        row = self._db.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def add_node(self, card: NodeCard) -> bool:
        """Register a node; False if this very card is registered already.

        Raises KeysError if the name is taken, or if a key of the card is or was another node's.
        """
        with self._transaction() as db:
            for row in db.execute("SELECT * FROM nodes").fetchall():
                same_keys = (row["auth_key"], row["sign_key"]) == (card.auth_key, card.sign_key)
                if same_keys and row["name"] == card.name and row["revoked_unix_s"] is None:
                    return False
                if card.auth_key == row["auth_key"] or card.sign_key == row["sign_key"]:
                    status = "registered" if row["revoked_unix_s"] is None else "revoked"
                    raise KeysError(
                        f"node {card.name!r}: a key of this card belongs to the {status} node "
                        f"{row['name']!r}. Make new keys on the node with `sft-client keys init`."
                    )
                if row["name"] == card.name and row["revoked_unix_s"] is None:
                    raise KeysError(
                        f"node {card.name!r}: the name is taken by a node with other keys. Revoke that one "
                        f"first (`sft-server nodes revoke {card.name}`), or choose another name."
                    )
            db.execute(
                "INSERT INTO nodes (name, auth_key, sign_key, added_unix_s) VALUES (?, ?, ?, ?)",
                (card.name, card.auth_key, card.sign_key, time.time()),
            )
        return True

    def revoke_node(self, name: str) -> None:
        """Revoke a node for good. Raises KeysError if no node of this name is registered."""
        with self._transaction() as db:
            changed = db.execute(
                "UPDATE nodes SET revoked_unix_s = ? WHERE name = ? AND revoked_unix_s IS NULL",
                (time.time(), name),
            ).rowcount
            if not changed:
                known = [row[0] for row in db.execute("SELECT name FROM nodes WHERE revoked_unix_s IS NULL")]
                raise KeysError(
                    f"node {name!r}: not registered. Registered are: {', '.join(sorted(known)) or 'none'}."
                )

    def nodes(self) -> list[Node]:
        """All nodes that ever were registered, by name, the revoked ones too."""
        rows = self._db.execute("SELECT * FROM nodes ORDER BY name, id").fetchall()
        return [
            Node(
                name=row["name"],
                auth_key=row["auth_key"],
                sign_key=VerifyKey.from_text(row["sign_key"]),
                added_unix_s=row["added_unix_s"],
                revoked_unix_s=row["revoked_unix_s"],
            )
            for row in rows
        ]

    def registered(self) -> dict[str, Node]:
        """Name -> node of those that may take part now."""
        return {node.name: node for node in self.nodes() if node.revoked_unix_s is None}

    def open_cycle(self, cycle: int, *, signed_order: bytes, parent_sha256: str) -> None:
        """Commit a new cycle as OPENED."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO cycles (cycle, state, signed_order, parent_sha256, opened_unix_s) "
                "VALUES (?, ?, ?, ?, ?)",
                (cycle, State.OPENED, signed_order, parent_sha256, time.time()),
            )

    def advance(self, cycle: int, state: State, **columns: Any) -> None:
        """Commit a cycle's step to ``state`` together with what it found out.

        Raises StoreError if the cycle stands where no such step starts.
        """
        if state in ENDS:
            columns["closed_unix_s"] = time.time()
        if "evaluation" in columns:
            columns["evaluation"] = json.dumps(columns["evaluation"])
        assignments = "".join(f", {name} = ?" for name in columns)
        with self._transaction() as db:
            row = db.execute("SELECT state FROM cycles WHERE cycle = ?", (cycle,)).fetchone()
            if row is None or state not in NEXT.get(State(row[0]), set()):
                found = "missing" if row is None else row[0]
                raise StoreError(f"{self.path}: cycle {cycle} is {found}, it cannot become {state}.")
            db.execute(
                f"UPDATE cycles SET state = ?{assignments} WHERE cycle = ?",  # noqa: S608 (our own names)
                (state, *columns.values(), cycle),
            )

    def cycles(self) -> list[Cycle]:
        """All cycles, first to last."""
        return [_cycle(row) for row in self._db.execute("SELECT * FROM cycles ORDER BY cycle")]

    def last_cycle(self) -> Cycle | None:
        """The newest cycle, if there is one."""
        row = self._db.execute("SELECT * FROM cycles ORDER BY cycle DESC LIMIT 1").fetchone()
        return None if row is None else _cycle(row)

    def promoted_adapter(self) -> str | None:
        """SHA-256 of the adapter of the newest promoted cycle."""
        row = self._db.execute(
            "SELECT adapter_sha256 FROM cycles WHERE state = ? ORDER BY cycle DESC LIMIT 1", (State.PROMOTED,)
        ).fetchone()
        return None if row is None else str(row[0])

    def add_update(self, cycle: int, update: Update, *, sign_key: VerifyKey) -> bool:
        """Commit an accepted update; False if the very same one is there already.

        Raises UpdateRejected: ``second-update`` if the node has another one in this cycle,
        ``cycle-closed`` if the cycle takes none any more, ``unknown-node`` if the node was revoked or
        given other keys since it was looked up.
        """
        with self._transaction() as db:
            state = db.execute("SELECT state FROM cycles WHERE cycle = ?", (cycle,)).fetchone()[0]
            if state != State.COLLECTING:
                raise UpdateRejected("cycle-closed", f"cycle {cycle} is {state}, it takes no more updates")
            node = db.execute(
                "SELECT id FROM nodes WHERE name = ? AND sign_key = ? AND revoked_unix_s IS NULL",
                (update.node, sign_key.to_text()),
            ).fetchone()
            if node is None:
                raise UpdateRejected("unknown-node", f"{update.node!r} is not registered any more")
            there = db.execute(
                "SELECT sha256 FROM updates WHERE cycle = ? AND node = ?", (cycle, update.node)
            ).fetchone()
            if there is not None:
                if there[0] == update.sha256:
                    return False
                raise UpdateRejected(
                    "second-update", f"{update.node!r} has given another update in cycle {cycle}; it stands"
                )
            counts = (update.num_examples, update.num_bytes, update.norm)
            metrics = json.dumps(dict(update.metrics), sort_keys=True)
            db.execute(
                "INSERT INTO updates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (cycle, update.node, node[0], update.sha256, *counts, metrics, update.received_unix_s),
            )
        return True

    def updates(self, cycle: int) -> list[Update]:
        """The accepted updates of a cycle, by node name."""
        rows = self._db.execute("SELECT * FROM updates WHERE cycle = ? ORDER BY node", (cycle,)).fetchall()
        return [
            Update(
                node=row["node"],
                sha256=row["sha256"],
                num_examples=row["num_examples"],
                num_bytes=row["num_bytes"],
                norm=row["norm"],
                metrics=json.loads(row["metrics"]),
                received_unix_s=row["received_unix_s"],
            )
            for row in rows
        ]

    def drop_updates_of_revoked(self, cycle: int) -> list[str]:
        """Turn the updates of nodes revoked since into rejections; return their names."""
        with self._transaction() as db:
            names = [
                str(row[0])
                for row in db.execute(
                    "SELECT node FROM updates WHERE cycle = ? AND registration IN "
                    "(SELECT id FROM nodes WHERE revoked_unix_s IS NOT NULL) ORDER BY node",
                    (cycle,),
                ).fetchall()
            ]
            for name in names:
                db.execute("DELETE FROM updates WHERE cycle = ? AND node = ?", (cycle, name))
                self._reject(cycle, name, "revoked-node", f"{name!r} was revoked before the cycle closed")
        return names

    def add_rejection(self, cycle: int, *, node: str, reason: str, message: str) -> None:
        """Keep in writing that something a node sent was not taken."""
        with self._transaction():
            self._reject(cycle, node, reason, message)

    def _reject(self, cycle: int, node: str, reason: str, message: str) -> None:
        self._db.execute(
            "INSERT INTO rejections (cycle, node, reason, message, rejected_unix_s) VALUES (?, ?, ?, ?, ?)",
            (cycle, node, reason, message, time.time()),
        )

    def rejections(self, cycle: int | None = None) -> list[Rejection]:
        """Rejections of one cycle or of all, in order of time."""
        rows = self._db.execute(
            "SELECT * FROM rejections WHERE ?1 IS NULL OR cycle = ?1 ORDER BY id", (cycle,)
        ).fetchall()
        return [
            Rejection(
                cycle=row["cycle"],
                node=row["node"],
                reason=row["reason"],
                message=row["message"],
                rejected_unix_s=row["rejected_unix_s"],
            )
            for row in rows
        ]


def _cycle(row: sqlite3.Row) -> Cycle:
    values = dict(row)
    values["state"] = State(values["state"])
    if values["evaluation"] is not None:
        values["evaluation"] = json.loads(values["evaluation"])
    return Cycle(**values)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
