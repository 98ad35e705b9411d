"""Every guard on updates: the attack is stopped, and does its harm where the guard is off."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from sft_server.aggregation.fedavg import FedAvg
from sft_server.config import LimitSettings
from sft_server.orders import sign_order
from sft_server.verify import Terms, VerifiedUpdate, read_delta, verify_update
from sft_shared.errors import UpdateRejected
from sft_shared.wire import codec
from sft_shared.wire.adapter_pb2 import AdapterUpdate, Signed
from sft_shared.wire.sign import SigningKey, VerifyKey, sign

NO_LIMITS = LimitSettings(max_examples=2**64, max_update_norm=None)


@dataclass
class Scene:
    """An open order, an honest node, an attacker, and what the server knows."""

    order: bytes
    terms: Terms
    honest: Any
    attacker: Any
    delta: dict[str, torch.Tensor]
    key: SigningKey
    recipe: Any

    @property
    def keys(self) -> dict[str, VerifyKey]:
        return {node.name: node.sign_key.public for node in (self.honest, self.attacker)}

    def verify(self, data: bytes, *, sender: str | None = "attacker", **guards_off: Any) -> VerifiedUpdate:
        keys = guards_off.pop("keys", self.keys)
        return verify_update(data, terms=replace(self.terms, **guards_off), keys=keys, sender=sender)

    def reason(self, data: bytes, *, sender: str | None = "attacker") -> str:
        with pytest.raises(UpdateRejected) as caught:
            self.verify(data, sender=sender)
        return caught.value.reason

    def attack(self, **changes: Any) -> bytes:
        return self.attacker.update(self.order, self.delta, **changes)

    def share_of_attacker(self, update: VerifiedUpdate) -> float:
        """How much of the mean is the attacker's when an honest node with zeros takes part."""
        honest = {name: torch.zeros_like(tensor) for name, tensor in self.delta.items()}
        mean = FedAvg()([(self.honest.num_examples, honest), (update.num_examples, update.delta)])
        name = next(iter(self.delta))
        return float(mean[name].sum() / update.delta[name].sum())


@pytest.fixture
def scene(bench: Any, make_node: Any) -> Scene:
    """The scene of every test."""
    order = sign_order(
        federation="testers",
        cycle=1,
        parent_sha256="00" * 32,
        recipe=bench.recipe,
        base_fingerprint=bench.base.fingerprint,
        encoding="fp32",
        issued_unix_s=0.0,
        deadline_unix_s=1e12,
        key=bench.key,
    )
    terms = Terms(
        order_sha256=order.sha256,
        base_fingerprint=bench.base.fingerprint,
        tuning=bench.recipe.tuning,
        shapes=bench.runner().shapes,
        limits=LimitSettings(max_examples=1000, max_update_norm=10.0),
    )
    return Scene(
        order=Signed.FromString(order.signed).body,
        terms=terms,
        honest=make_node("honest"),
        attacker=make_node("attacker"),
        delta=bench.delta(0.01),
        key=bench.key,
        recipe=bench.recipe,
    )


def test_an_honest_update_passes(scene: Scene) -> None:
    """And what is stored of it gives the same delta again."""
    data = scene.honest.update(scene.order, scene.delta)
    update = scene.verify(data, sender="honest")
    assert (update.node, update.num_examples, update.metrics) == ("honest", 10, {"loss": 1.5})
    count = sum(tensor.numel() for tensor in scene.delta.values())
    assert update.norm == pytest.approx(0.01 * math.sqrt(count), rel=1e-6)
    stored = read_delta(data, shapes=scene.terms.shapes)
    assert all(torch.equal(stored[name], tensor) for name, tensor in scene.delta.items())


def test_forged_signature(scene: Scene, make_node: Any) -> None:
    """Signed in the honest node's name with a key of one's own; it passes where that key is registered."""
    impostor = make_node("honest")
    data = impostor.update(scene.order, scene.delta)
    assert scene.reason(data, sender="honest") == "bad-signature"
    off = {**scene.keys, "honest": impostor.sign_key.public}
    assert scene.verify(data, sender="honest", keys=off).node == "honest"


def test_changed_body_under_an_honest_signature(scene: Scene) -> None:
    """One bit in the middle."""
    data = bytearray(scene.honest.update(scene.order, scene.delta))
    data[len(data) // 2] ^= 1
    assert scene.reason(bytes(data), sender="honest") in {"bad-signature", "undecodable"}


def test_signature_made_for_an_order(scene: Scene) -> None:
    """A signature made for another purpose does not pass for an update."""
    body = Signed.FromString(scene.attack()).body
    data = sign(body, context="order", signer="attacker", key=scene.attacker.sign_key)
    assert scene.reason(data) == "bad-signature"


def test_stolen_update_sent_by_another_node(scene: Scene) -> None:
    """A true update of one node from the connection of another; it passes if nobody asks who sent it."""
    data = scene.honest.update(scene.order, scene.delta)
    assert scene.reason(data, sender="attacker") == "wrong-node"
    assert scene.verify(data, sender=None).node == "honest"


def test_another_name_inside_than_on_the_signature(scene: Scene) -> None:
    """The attacker signs rightly but writes the honest node's name into the update."""
    assert scene.reason(scene.attack(node="honest")) == "wrong-node"


def test_a_node_that_is_not_registered(scene: Scene, make_node: Any) -> None:
    """It passes once registered."""
    stranger = make_node("stranger")
    data = stranger.update(scene.order, scene.delta)
    assert scene.reason(data, sender=None) == "unknown-node"
    assert scene.verify(data, sender=None, keys={"stranger": stranger.sign_key.public}).node == "stranger"


def test_replay_of_an_older_order(scene: Scene) -> None:
    """Last cycle's update again; without the check it would count in this cycle too."""
    older = b"".join([scene.order[:-1], bytes([scene.order[-1] ^ 1])])
    digest = hashlib.sha256(older).digest()
    data = scene.attack(order_sha256=digest)
    assert scene.reason(data) == "wrong-order"
    assert scene.verify(data, order_sha256=digest.hex()).node == "attacker"


def test_another_base_model(scene: Scene) -> None:
    """A delta against other weights is noise here."""
    data = scene.attack(base_fingerprint="elsewhere")
    assert scene.reason(data) == "wrong-base"
    assert scene.verify(data, base_fingerprint="elsewhere").node == "attacker"


def test_other_tuning_settings(scene: Scene) -> None:
    """alpha 400 instead of 4 has the same shapes; unchecked, the delta would mean something else."""
    other = scene.terms.tuning.model_copy(update={"alpha": 400.0})
    data = scene.attack(tuning=other.model_dump_json())
    assert scene.reason(data) == "wrong-tuning"
    assert scene.verify(data, tuning=other).node == "attacker"


@pytest.mark.parametrize("tuning", ["", "[]", '{"kind": "lora", "rank": "x"}', "{" * 2000])
def test_unreadable_tuning_settings(scene: Scene, tuning: str) -> None:
    """Junk where settings should be."""
    assert scene.reason(scene.attack(tuning=tuning)) == "wrong-tuning"


@pytest.mark.parametrize("num_examples", [0, 1001, 10**12, 2**64 - 1, 2**64 - 10])
def test_absurd_example_counts(scene: Scene, num_examples: int) -> None:
    """Zero, above the limit, huge, and -1 and -10 as a hand-made message would carry them."""
    assert scene.reason(scene.attack(num_examples=num_examples)) == "wrong-examples"


def test_negative_count_written_by_hand(scene: Scene) -> None:
    """-1 as other implementations write it: ten bytes of varint in the field of num_examples."""
    body = Signed.FromString(scene.attack(num_examples=0)).body
    minus_one = bytes([6 << 3]) + b"\xff" * 9 + b"\x01"
    data = sign(body + minus_one, context="update", signer="attacker", key=scene.attacker.sign_key)
    assert AdapterUpdate.FromString(body + minus_one).num_examples == 2**64 - 1
    assert scene.reason(data) == "wrong-examples"


def test_count_wider_than_64_bits_written_by_hand(scene: Scene) -> None:
    """An eleventh byte of varint."""
    body = Signed.FromString(scene.attack(num_examples=0)).body + bytes([6 << 3]) + b"\xff" * 11
    data = sign(body, context="update", signer="attacker", key=scene.attacker.sign_key)
    assert scene.reason(data) == "undecodable"


def test_an_absurd_count_takes_over_where_it_is_let_in(scene: Scene) -> None:
    """With the limit off the attacker is the whole mean; with it, at most its share."""
    takeover = scene.verify(scene.attack(num_examples=10**12), limits=NO_LIMITS)
    assert scene.share_of_attacker(takeover) > 0.999999
    fair = scene.verify(scene.attack(num_examples=10))
    assert scene.share_of_attacker(fair) == pytest.approx(0.5)


def test_a_huge_delta(scene: Scene) -> None:
    """Finite, right in shape, and a million times too large; with the limit off it moves the model."""
    huge = {name: tensor * 1e6 for name, tensor in scene.delta.items()}
    data = scene.attacker.update(scene.order, huge)
    assert scene.reason(data) == "norm-too-large"
    moved = scene.verify(data, limits=NO_LIMITS)
    mean = FedAvg()([(10, scene.delta), (10, moved.delta)])
    assert float(next(iter(mean.values())).max()) > 1000


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite(scene: Scene, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """One NaN in one tensor; with finiteness unchecked the mean is NaN for everybody."""
    name = next(iter(scene.delta))
    poisoned = {key: tensor.clone() for key, tensor in scene.delta.items()}
    poisoned[name].view(-1)[0] = value
    with monkeypatch.context() as off:
        off.setattr(codec.np, "isfinite", lambda values: np.ones(np.shape(values), dtype=bool))
        data = scene.attacker.update(scene.order, poisoned)
        taken = scene.verify(data, limits=NO_LIMITS)
        mean = FedAvg()([(10, scene.delta), (10, taken.delta)])
        assert not torch.isfinite(mean[name]).all()
    assert scene.reason(data) == "not-finite"


def test_wrong_shape(scene: Scene) -> None:
    """A tensor of shape [1] that would broadcast over the whole matrix."""
    name = next(iter(scene.delta))
    crafted = {**scene.delta, name: torch.ones(1)}
    data = scene.attacker.update(scene.order, crafted)
    assert scene.reason(data) == "wrong-shape"
    taken = scene.verify(data, shapes={key: tuple(tensor.shape) for key, tensor in crafted.items()})
    assert (scene.delta[name] + taken.delta[name]).shape == scene.delta[name].shape  # torch would spread it


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_wrong_names(scene: Scene, change: str) -> None:
    """A tensor too few or too many."""
    name = next(iter(scene.delta))
    crafted = {key: tensor for key, tensor in scene.delta.items() if key != name}
    if change == "extra":
        crafted = {**scene.delta, "backdoor": torch.ones(2)}
    assert scene.reason(scene.attacker.update(scene.order, crafted)) == "wrong-names"


@pytest.mark.parametrize("metrics", [{"loss": math.nan}, {f"m{i}": 1.0 for i in range(65)}])
def test_metrics_that_would_spoil_the_log(scene: Scene, metrics: dict[str, float]) -> None:
    """Not finite, or a flood."""
    assert scene.reason(scene.attack(metrics=metrics)) == "wrong-metrics"


def test_another_protocol_version(scene: Scene) -> None:
    """A node of another version is told so."""
    assert scene.reason(scene.attack(protocol=2)) == "wrong-protocol"


@pytest.mark.parametrize("data", [b"", b"\x00", b"junk" * 100])
def test_junk(scene: Scene, data: bytes) -> None:
    """Nothing that could be opened."""
    assert scene.reason(data) in {"undecodable", "unknown-node"}


def test_an_unknown_field(scene: Scene) -> None:
    """What this version cannot read it does not accept."""
    body = Signed.FromString(scene.attack()).body + bytes([(100 << 3) & 0x7F | 0x80, (100 << 3) >> 7, 1])
    data = sign(body, context="update", signer="attacker", key=scene.attacker.sign_key)
    assert scene.reason(data) == "undecodable"


def test_more_bytes_than_the_adapter_can_take(scene: Scene) -> None:
    """Refused by its size alone, before anything is parsed."""
    assert scene.reason(b"\x00" * (scene.terms.max_bytes + 1)) == "too-large"


def test_a_zstd_bomb(scene: Scene) -> None:
    """A small frame that unpacks to far more than the adapter."""
    import zstandard

    bomb = zstandard.ZstdCompressor().compress(b"\0" * 50_000_000)
    data = scene.attack(tensors_zstd=bomb, tensors_bytes=50_000_000)
    assert len(data) < scene.terms.max_bytes
    assert scene.reason(data) == "too-large"
