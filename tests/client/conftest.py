"""A real node with a tiny model, a server's order key to make orders with, and no server."""

from __future__ import annotations

import datetime
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from sft_client.config import ClientConfig
from sft_client.dataset import Dataset
from sft_client.keys import init_keys
from sft_client.node import Node, OnStep, Refusal, open_node
from sft_client.orders import Order
from sft_shared.config import load_yaml
from sft_shared.data.chat import Row
from sft_shared.models.adapters import to_bytes
from sft_shared.models.load import Base, load_base
from sft_shared.models.tiny import make_tiny_model
from sft_shared.models.tuned import AdapterState
from sft_shared.recipe import Recipe
from sft_shared.training.ewc import EwcState
from sft_shared.training.loop import TrainingResult, train
from sft_shared.training.records import StepRecord
from sft_shared.wire import adapter_pb2
from sft_shared.wire.cards import FederationCard, card_text
from sft_shared.wire.codec import ENCODINGS, PROTOCOL, EncodingName, decode_tensors, parse
from sft_shared.wire.sign import SigningKey, VerifyKey, open_signed, sign

FEDERATION = "clinics"
WORDS = ("red", "blue", "green", "one", "two", "three", "four")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSFT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama with a tokenizer of its own."""
    return make_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same form, other weights."""
    return make_tiny_model(tmp_path_factory.mktemp("model") / "other", seed=1)


@pytest.fixture(scope="session")
def ca_cert() -> str:
    """A self-signed certificate; nothing is reached with it here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test CA")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def example(index: int, *, split: str = "train") -> dict[str, Any]:
    """One dialogue as a line of the file."""
    return {
        "id": f"example-{index}",
        "messages": [
            {"role": "user", "content": f"say {index} {WORDS[index % len(WORDS)]}"},
            {
                "role": "assistant",
                "content": " ".join(WORDS[(index + step) % len(WORDS)] for step in range(4)),
            },
        ],
        "provenance": {"source": "test", "session": f"session-{index}", "split": split},
    }


def write_lines(path: Path, examples: list[dict[str, Any]]) -> None:
    """A JSONL file."""
    path.write_text("".join(json.dumps(item) + "\n" for item in examples), encoding="utf-8")


@dataclass
class Home:
    """A node's folder with settings, keys, data and federation card, and its server's order key."""

    folder: Path
    model: Path
    order_key: SigningKey
    said: list[str]
    steps: list[StepRecord]

    @property
    def settings(self) -> Path:
        """client.yaml."""
        return self.folder / "client.yaml"

    @property
    def data(self) -> Path:
        """The node's examples."""
        return self.folder / "train.jsonl"

    @property
    def config(self) -> ClientConfig:
        """The settings as read from client.yaml."""
        return load_yaml(self.settings, ClientConfig)

    def configure(self, **changes: Any) -> None:
        """Write client.yaml; a value of None leaves the field out."""
        values = {
            "name": "site-a",
            "state": "state",
            "federation": "federation.json",
            "train": "train.jsonl",
            "recipe": "recipe.yaml",
            **changes,
        }
        kept = {key: value for key, value in values.items() if value is not None}
        self.settings.write_text(yaml.safe_dump(kept), encoding="utf-8")

    def recipe(self, **training: Any) -> Recipe:
        """A recipe for the tiny model, three steps unless told otherwise."""
        values = {
            "model": {"name": str(self.model), "dtype": "fp32", "device": "cpu"},
            "tuning": {"kind": "lora", "rank": 4, "alpha": 8},
            "training": {
                "steps": 3,
                "batch_size": 2,
                "learning_rate": 0.01,
                "schedule": {"kind": "constant"},
                "threads": 1,
                **training,
            },
        }
        return Recipe.model_validate(values)

    def train_by(self, recipe: Recipe) -> None:
        """Write recipe.yaml."""
        values = recipe.model_dump(mode="json")
        (self.folder / "recipe.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")

    @property
    def base(self) -> Base:
        """The resident tiny model."""
        return load_base(self.recipe().model)

    def parent(self, *, seed: int = 0) -> bytes:
        """A fresh adapter's bytes."""
        return to_bytes(self.recipe().tuning.initial(self.base, seed=seed))

    def order(
        self,
        *,
        recipe: Recipe | None = None,
        parent: bytes | None = None,
        encoding: EncodingName = "fp32",
        key: SigningKey | None = None,
        signer: str = FEDERATION,
        cycle: int = 1,
        nonce: bytes = b"n" * 16,
        **fields: Any,
    ) -> bytes:
        """A signed order, right in everything that is not given."""
        message = adapter_pb2.CycleOrder(
            protocol=PROTOCOL,
            federation=FEDERATION,
            cycle=cycle,
            parent_sha256=hashlib.sha256(parent if parent is not None else self.parent()).digest(),
            recipe=(recipe or self.recipe()).canonical(),
            base_fingerprint=self.base.fingerprint,
            encoding=ENCODINGS[encoding],
            nonce=nonce,
            deadline_unix_s=time.time() + 600,
            issued_unix_s=time.time(),
        )
        for name, value in fields.items():
            setattr(message, name, value)
        body = message.SerializeToString(deterministic=True)
        return sign(body, context="order", signer=signer, key=key or self.order_key)

    def open(self, on_step: OnStep | None = None) -> Node:
        """The node, as a newly started process would open it."""

        def note(order: Order, record: StepRecord) -> None:
            self.steps.append(record)
            if on_step is not None:
                on_step(order, record)

        return open_node(self.config, say=self.said.append, on_step=note)

    def opened(self, update: bytes | Refusal) -> adapter_pb2.AdapterUpdate:
        """The update, verified with the key on the node's card."""
        assert isinstance(update, bytes), update
        card = self.config.layout.card.read_text(encoding="utf-8")
        key = VerifyKey.from_text(card.split('"sign_key": "')[1].split('"')[0])
        body = open_signed(update, context="update", key=key, signer="site-a", max_bytes=1 << 20)
        return parse(adapter_pb2.AdapterUpdate, body, max_bytes=1 << 20)

    def by_hand(
        self,
        recipe: Recipe,
        parent: AdapterState,
        *,
        cycle: int = 1,
        general: Sequence[Row] = (),
        ewc: EwcState | None = None,
    ) -> TrainingResult:
        """What training by hand on the node's rows gives."""
        rows = Dataset(self.data).rows(self.base, recipe.data)
        return train(
            self.base,
            parent,
            rows.train,
            tuning=recipe.tuning,
            settings=recipe.training,
            cycle=cycle,
            general=general,
            held_out=rows.held_out,
            ewc=ewc,
        )

    def require_delta(
        self, update: adapter_pb2.AdapterUpdate, result: TrainingResult, parent: AdapterState
    ) -> None:
        """The update's tensors are ``result`` minus ``parent``, bit for bit."""
        shapes = self.recipe().tuning.shapes(self.base)
        delta = decode_tensors(update.tensors_zstd, raw_bytes=update.tensors_bytes, expected=shapes)
        assert any(bool(tensor.any()) for tensor in delta.values())
        assert all(torch.equal(delta[name], result.state[name] - parent[name]) for name in shapes)

    def write_card(self, path: str, **changes: Any) -> None:
        """A federation card that differs from this home's in ``changes``."""
        card = json.loads((self.folder / "federation.json").read_text(encoding="utf-8"))
        (self.folder / path).write_text(json.dumps({**card, **changes}), encoding="utf-8")


@pytest.fixture(scope="session")
def make_home(tiny_model: Path, ca_cert: str) -> Callable[[Path], Home]:
    """Set up a node's folder, ready to open."""

    def make(folder: Path) -> Home:
        home = Home(folder, tiny_model, SigningKey.generate(), said=[], steps=[])
        home.configure()
        write_lines(home.data, [example(index) for index in range(6)])
        home.train_by(home.recipe())
        card = FederationCard(
            name=FEDERATION,
            address="127.0.0.1:1",
            ca_cert=ca_cert,
            order_key=home.order_key.public.to_text(),
        )
        (folder / "federation.json").write_text(card_text(card), encoding="utf-8")
        init_keys(home.config)
        return home

    return make


@pytest.fixture
def flower_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a test make messages as a Flower task of the server does."""
    from flwr.supercore.task_identity import TaskIdentity

    for name in ("_run_id", "_task_id", "_node_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)


@pytest.fixture
def home(tmp_path: Path, make_home: Callable[[Path], Home]) -> Home:
    """A node's folder, ready to open."""
    return make_home(tmp_path)
