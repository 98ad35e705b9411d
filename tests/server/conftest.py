"""A tiny real model, a store in a temporary folder, and nodes that make signed updates by hand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sft_server.config import ServerConfig
from sft_server.cycle import CycleRunner
from sft_server.fleet import Presence, Reply
from sft_server.layout import Layout
from sft_server.store import Store
from sft_shared.config import load_yaml
from sft_shared.dialogue import Example
from sft_shared.models.load import Base, load_base
from sft_shared.models.tiny import make_tiny_model
from sft_shared.recipe import Recipe
from sft_shared.wire.adapter_pb2 import AdapterUpdate, CycleOrder, Signed
from sft_shared.wire.cards import NodeCard
from sft_shared.wire.codec import PROTOCOL, encode_tensors
from sft_shared.wire.sign import SigningKey, sign

Delta = Mapping[str, torch.Tensor]


@dataclass
class NodeByHand:
    """A node without Flower: it signs whatever update it is told to."""

    name: str
    sign_key: SigningKey = field(default_factory=SigningKey.generate)
    auth_key: str = field(default_factory=lambda: _auth_line())
    num_examples: int = 10

    @property
    def card(self) -> NodeCard:
        """What an operator registers."""
        return NodeCard(name=self.name, auth_key=self.auth_key, sign_key=self.sign_key.public.to_text())

    def update(self, order_body: bytes, delta: Delta, *, signer: str | None = None, **changes: Any) -> bytes:
        """Sign an update for an order; ``changes`` overwrite its fields."""
        order = CycleOrder.FromString(order_body)
        tensors, raw_bytes = encode_tensors(delta, encoding="fp32")
        fields: dict[str, Any] = {
            "protocol": PROTOCOL,
            "order_sha256": hashlib.sha256(order_body).digest(),
            "node": self.name,
            "base_fingerprint": order.base_fingerprint,
            "tuning": json.dumps(json.loads(order.recipe)["tuning"]),
            "num_examples": self.num_examples,
            "metrics": {"loss": 1.5},
            "tensors_bytes": raw_bytes,
            "tensors_zstd": tensors,
            "trained_unix_s": order.issued_unix_s,  # the same order gives the same bytes
        }
        body = AdapterUpdate(**{**fields, **changes}).SerializeToString(deterministic=True)
        return sign(body, context="update", signer=signer or self.name, key=self.sign_key)


@dataclass
class FleetByHand:
    """Nodes that answer in this process. ``answers`` says what a node gives to an order's signed bytes."""

    nodes: list[NodeByHand]
    answers: dict[str, Callable[[bytes], bytes | Reply | None]]
    authenticated: bool = True
    away: set[str] = field(default_factory=set)
    since: dict[str, int] = field(default_factory=dict)
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    _open: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def online(self) -> Mapping[int, Presence]:
        """See `sft_server.fleet.Fleet`."""
        return {
            index: Presence(node.name if self.authenticated else None, str(self.since.get(node.name, 0)))
            for index, node in enumerate(self.nodes)
            if node.name not in self.away | self.revoked
        }

    def is_complete(self) -> bool:
        """See `sft_server.fleet.Fleet`."""
        return not self.authenticated

    def is_member(self, node_id: int) -> bool:
        """See `sft_server.fleet.Fleet`."""
        return self.nodes[node_id].name not in self.revoked

    def send(self, node_id: int, *, order: bytes, adapter: bytes, cycle: int, ttl_s: float) -> str | None:
        """See `sft_server.fleet.Fleet`."""
        name = self.nodes[node_id].name
        message_id = f"{name}-{len(self.sent)}"
        self.sent.append((name, order))
        self._open[message_id] = (name, order)
        return message_id

    def replies(self, message_ids: Collection[str]) -> list[Reply]:
        """See `sft_server.fleet.Fleet`."""
        found = []
        for message_id in message_ids:
            name, order = self._open[message_id]
            answer = self.answers[name](Signed.FromString(order).body)
            if isinstance(answer, bytes):
                found.append(Reply(message_id, "update", body=answer))
            elif answer is not None:
                found.append(Reply(message_id, answer.kind, body=answer.body, detail=answer.detail))
        return found


@dataclass
class Bench:
    """A server without Flower: store, runner, and the events that were told."""

    config: ServerConfig
    store: Store
    base: Base
    recipe: Recipe
    key: SigningKey
    held_out: list[Example] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def runner(self, **changes: Any) -> CycleRunner:
        """A runner over the store; ``changes`` overwrite the cycle's settings."""
        cycle = self.config.cycle.model_copy(update=changes)
        return CycleRunner(
            self.config.model_copy(update={"cycle": cycle}),
            store=self.store,
            base=self.base,
            recipe=self.recipe,
            key=self.key,
            held_out=self.held_out,
            emit=lambda event, **fields: self.events.append((event, fields)),
            stop=self.stop,
            poll_s=0.01,
        )

    def told(self, event: str) -> list[dict[str, Any]]:
        """The fields of every event of this name."""
        return [fields for name, fields in self.events if name == event]

    def delta(self, value: float) -> dict[str, torch.Tensor]:
        """A delta with one value everywhere."""
        return {name: torch.full(shape, value) for name, shape in self.runner().shapes.items()}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny model."""
    return make_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def recipe_file(tiny: Path) -> Path:
    """A recipe for it."""
    path = tiny.parent / "recipe.yaml"
    path.write_text(
        "model: {name: tiny, dtype: fp32, device: cpu}\n"
        "tuning: {kind: lora, rank: 2, alpha: 4, targets: [q_proj]}\n"
        "training: {steps: 2, batch_size: 2, learning_rate: 0.01, threads: 1}\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def config(tmp_path: Path, recipe_file: Path) -> ServerConfig:
    """Settings of a server in ``tmp_path``."""
    return ServerConfig.model_validate(
        {
            "federation": "testers",
            "state": tmp_path / "server",
            "recipe": recipe_file,
            "cycle": {"interval_s": 0, "num_cycles": 3, "quorum": 2, "deadline_s": 30},
        }
    )


@pytest.fixture
def bench(config: ServerConfig) -> Iterator[Bench]:
    """A server without Flower."""
    recipe = load_yaml(config.recipe, Recipe)
    store = Store(Layout(config.state).database)
    yield Bench(config, store=store, base=load_base(recipe.model), recipe=recipe, key=SigningKey.generate())
    store.close()


@pytest.fixture
def make_node() -> type[NodeByHand]:
    """Makes nodes by hand."""
    return NodeByHand


@pytest.fixture
def make_fleet() -> type[FleetByHand]:
    """Makes fleets by hand."""
    return FleetByHand


def _auth_line() -> str:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
