"""Where things lie in the state folder, and how a file gets there whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from sft_shared.errors import StoreError
from sft_shared.models.cache import write_atomic


class Layout:
    """Paths in a server's state folder."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.keys = state / "keys"
        self.ca_cert = self.keys / "ca.crt"
        self.ca_key = self.keys / "ca.key"
        self.server_cert = self.keys / "server.crt"
        self.server_key = self.keys / "server.key"
        self.order_key = self.keys / "order_key.pem"
        self.federation_card = state / "federation.json"
        self.database = state / "store.sqlite"
        self.lock = state / "lock"
        self.updates = state / "updates"
        self.adapters = state / "adapters"
        self.logs = state / "logs"
        self.run_log = state / "run.jsonl"
        self.flwr_home = state / "flwr"
        self.clients = state / "clients"

    def make(self) -> None:
        """Make the folder, open to its owner only. Raises StoreError."""
        try:
            self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(
                f"{self.state}: cannot be made: {error.strerror}. Set `state` elsewhere."
            ) from None

    def update(self, sha256: str) -> Path:
        """The signed bytes of an accepted update."""
        return self.updates / f"{sha256}.bin"

    def adapter(self, sha256: str) -> Path:
        """The folder of an adapter, loadable by PEFT."""
        return self.adapters / sha256


@contextlib.contextmanager
def only_server(layout: Layout) -> Iterator[None]:
    """Hold the state folder for this process. Raises StoreError if another server holds it."""
    layout.make()
    with layout.lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise StoreError(
                f"{layout.state}: in use by another server (process {file.read().strip() or 'unknown'}). "
                "Stop it, or set another `state` folder."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def write_lasting(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; once this returns it is there even if the power fails."""
    write_atomic(path, data)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_checked(path: Path, *, sha256: str) -> bytes:
    """Read a content-addressed file. Raises StoreError if it is missing or not what its name says."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}. Restore the state folder.") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StoreError(f"{path}: its content is not what its name says. Restore the state folder.")
    return data
