"""Settings of ``sft-client``, and where things lie in a node's state folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from sft_shared.config import LocalPath, Settings
from sft_shared.wire.cards import NodeName

LeakGate = Literal["stop", "off"]
"""``stop``: a file in which personal data is left is not trained on; ``off``: nobody looks."""


class ClientConfig(Settings):
    """One node: its name, its data and the federation it belongs to."""

    name: NodeName  # how the federation knows this node; signed into every update
    state: LocalPath  # folder of keys, outbox and logs
    federation: LocalPath  # federation.json, from the server's operator
    train: LocalPath  # JSONL of examples; read anew for every order, never sent
    replay: LocalPath | None = None  # JSONL of general examples, for recipes with training.replay; never sent
    leak_gate: LeakGate = "stop"  # of both files
    runtime_port: int = Field(default=0, ge=0, le=65535)  # of the SuperNode, on loopback; 0 picks a free one
    recipe: LocalPath | None = (
        None  # for `sft-client train`; `start` loads its base model ahead of the first order
    )

    @field_validator("leak_gate", mode="before")
    @classmethod
    def _unquoted(cls, value: Any) -> Any:
        return "off" if value is False else value  # YAML 1.1 reads a bare off as false

    @property
    def layout(self) -> Layout:
        """Where things lie in ``state``."""
        return Layout(self.state)


class Layout:
    """Paths in a node's state folder."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.keys = state / "keys"
        self.auth_key = self.keys / "auth_key"
        self.sign_key = self.keys / "sign_key.pem"
        self.card = state / "node.json"
        self.outbox = state / "outbox"
        self.last_recipe = state / "last_recipe.json"
        self.logs = state / "logs"
        self.supernode_log = self.logs / "supernode.log"
        self.run_log = state / "run.jsonl"
        self.flwr_home = state / "flwr"
        self.ca_cert = self.flwr_home / "ca.crt"
        self.runtime_secret = self.flwr_home / "runtime_secret"
        self.checkpoint = state / "checkpoint.safetensors"
        self.ewc = state / "ewc"
        self.local_training = state / "local"
