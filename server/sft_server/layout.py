"""Where things lie in the state folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sft_shared.errors import StoreError


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
        self.updates = state / "updates"
        self.adapters = state / "adapters"
        self.evaluations = state / "evaluations"
        self.logs = state / "logs"
        self.run_log = state / "run.jsonl"
        self.flwr_home = state / "flwr"
        self.clients = state / "clients"

    def update(self, sha256: str) -> Path:
        """The signed bytes of an accepted update."""
        return self.updates / f"{sha256}.bin"

    def adapter(self, sha256: str) -> Path:
        """The folder of an adapter, loadable by PEFT."""
        return self.adapters / sha256

    def evaluation(self, suite_sha256: str, adapter_sha256: str) -> Path:
        """The folder of what an adapter was measured at, by the hash of the suite and what it names."""
        return self.evaluations / suite_sha256[:16] / adapter_sha256


def read_checked(path: Path, *, sha256: str) -> bytes:
    """Read a content-addressed file. Raises StoreError if it is missing or not what its name says."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}. Restore the state folder.") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StoreError(f"{path}: its content is not what its name says. Restore the state folder.")
    return data
