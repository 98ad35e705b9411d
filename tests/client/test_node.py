"""An order in, a signed update or a refusal out, with a real model and real training."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sft_client.node import Node, Refusal, Stopped
from sft_client.orders import Order
from sft_shared.models.adapters import from_bytes
from sft_shared.models.load import load_base
from sft_shared.models.tuning import LoraSettings
from sft_shared.runlog import read_run_log
from sft_shared.training.loop import TrainingResult
from sft_shared.training.records import StepRecord
from sft_shared.wire import adapter_pb2
from sft_shared.wire.codec import PROTOCOL, decode_tensors
from sft_shared.wire.sign import SigningKey, open_signed


def trained(home: Any) -> TrainingResult:
    """What training by hand for the home's usual order gives."""
    return home.by_hand(home.recipe(), from_bytes(home.parent()))


def test_an_update_is_signed_by_the_node_and_answers_the_order(home: Any) -> None:
    """Its signature holds under the card's key; order, base, tuning and number of examples are stated."""
    order = home.order()
    update = home.opened(home.open().handle(order, home.parent()))
    body = open_signed(order, context="order", key=home.order_key.public, signer="clinics", max_bytes=1 << 20)
    assert update.protocol == PROTOCOL
    assert update.order_sha256.hex() == _sha256(body)
    assert update.node == "site-a"
    assert update.base_fingerprint == home.base.fingerprint
    assert LoraSettings.model_validate_json(update.tuning) == home.recipe().tuning
    assert update.num_examples == 6
    assert update.metrics["final_loss"] < update.metrics["first_loss"]


def test_the_delta_is_what_training_changed(home: Any) -> None:
    """In fp32 the decoded tensors are, bit for bit, the trained adapter minus its parent."""
    update = home.opened(home.open().handle(home.order(), home.parent()))
    shapes = home.recipe().tuning.shapes(home.base)
    delta = decode_tensors(update.tensors_zstd, raw_bytes=update.tensors_bytes, expected=shapes)
    new, parent = trained(home).state, from_bytes(home.parent())
    assert any(bool(tensor.any()) for tensor in delta.values())
    for name in shapes:
        assert torch.equal(delta[name], new[name] - parent[name])


def test_the_delta_comes_in_the_encoding_that_the_order_names(home: Any) -> None:
    """int8 is about a quarter of fp32 and within a hundredth of the largest change."""
    sizes, deltas = {}, {}
    for encoding in ("fp32", "int8"):
        reply = home.open().handle(home.order(encoding=encoding), home.parent())
        update = home.opened(reply)
        shapes = home.recipe().tuning.shapes(home.base)
        sizes[encoding] = len(update.tensors_zstd)
        deltas[encoding] = decode_tensors(
            update.tensors_zstd, raw_bytes=update.tensors_bytes, expected=shapes
        )
    assert sizes["int8"] < sizes["fp32"] / 3
    for name, exact in deltas["fp32"].items():
        assert float((deltas["int8"][name] - exact).abs().max()) <= float(exact.abs().max()) / 100


def test_a_node_trains_at_most_once_for_an_order(home: Any) -> None:
    """Asked again, also after a restart, it gives the same bytes without a step of training."""
    order, parent = home.order(), home.parent()
    node = home.open()
    first = node.handle(order, parent)
    assert len(home.steps) == 3
    assert node.handle(order, parent) == first
    assert home.open().handle(order, parent) == first
    assert len(home.steps) == 3
    events = [entry["event"] for entry in read_run_log(home.config.layout.run_log)]
    assert (events.count("trained"), events.count("resent")) == (1, 2)


def test_without_the_outbox_it_would_train_twice(home: Any) -> None:
    """The outbox is what guards against a second training: taken away, there is one."""
    order, parent = home.order(), home.parent()
    home.open().handle(order, parent)
    for path in home.config.layout.outbox.iterdir():
        path.unlink()
    home.open().handle(order, parent)
    assert len(home.steps) == 6


def test_another_order_is_another_training(home: Any) -> None:
    """Orders that differ in their nonce alone are two."""
    node, parent = home.open(), home.parent()
    first = node.handle(home.order(nonce=b"1" * 16), parent)
    assert node.handle(home.order(nonce=b"2" * 16), parent) != first
    assert len(home.steps) == 6


def test_a_damaged_update_in_the_outbox_is_not_sent(home: Any) -> None:
    """A flipped byte on the disk is found by the signature; the node trains again and says so."""
    order, parent = home.order(), home.parent()
    home.open().handle(order, parent)
    (kept,) = home.config.layout.outbox.iterdir()
    data = bytearray(kept.read_bytes())
    data[len(data) // 2] ^= 1
    kept.write_bytes(data)
    home.opened(home.open().handle(order, parent))
    assert len(home.steps) == 6
    assert any("damaged" in line for line in home.said)


@pytest.mark.parametrize(
    ("reason", "make", "words"),
    [
        ("forged", lambda home: home.order(key=SigningKey.generate()), "does not hold"),
        ("forged", lambda home: home.order(signer="factories"), "'factories'"),
        ("forged", lambda home: _flipped(home.order()), "does not hold"),
        ("undecodable", lambda home: b"junk", "Signed"),
        ("undecodable", lambda home: home.order(recipe=_Raw(b"{}")), "recipe"),
        ("undecodable", lambda home: home.order(recipe=_Raw(b'{"model": {"nme": 1}}')), "recipe"),
        ("protocol", lambda home: home.order(protocol=PROTOCOL + 1), "same fedsft version"),
        ("federation", lambda home: home.order(federation="factories"), "'factories'"),
        ("late", lambda home: home.order(deadline_unix_s=time.time() - 1), "clock"),
        ("late", lambda home: home.order(deadline_unix_s=float("nan")), "clock"),
        ("wrong-parent", lambda home: home.order(parent=b"another"), "sha256"),
        ("wrong-base", lambda home: home.order(base_fingerprint="f00d"), "f00d"),
        ("model", lambda home: home.order(recipe=_with_model(home, "no-such-model")), "own log"),
    ],
)
def test_a_wrong_order_is_refused(home: Any, reason: str, make: Callable[[Any], bytes], words: str) -> None:
    """The reply names the reason, the node trains nothing and keeps nothing, and its operator is told."""
    answer = home.open().handle(make(home), home.parent())
    assert isinstance(answer, Refusal)
    assert answer.reason == reason
    assert words in answer.message
    assert home.steps == []
    assert list(home.config.layout.outbox.iterdir()) == []
    assert f"({reason})" in home.said[-1]
    logged = [entry for entry in read_run_log(home.config.layout.run_log) if entry["event"] == "refused"]
    assert [entry["reason"] for entry in logged] == [reason]


def test_a_node_that_trusts_the_forger_would_follow(home: Any) -> None:
    """The order key on the card is what stops a forged order: with the forger's there, it is followed."""
    forger = SigningKey.generate()
    forged, parent = home.order(key=forger), home.parent()
    assert isinstance(home.open().handle(forged, parent), Refusal)
    home.write_card("federation.json", order_key=forger.public.to_text())
    assert isinstance(home.open().handle(forged, parent), bytes)


def test_an_order_for_other_weights_of_the_same_model_is_refused(home: Any, other_model: Path) -> None:
    """The refusal says both fingerprints, so that two operators can compare them."""
    recipe = home.recipe()
    other = recipe.model_copy(update={"model": recipe.model.model_copy(update={"name": str(other_model)})})
    own = load_base(other.model).fingerprint
    answer = home.open().handle(home.order(recipe=other), home.parent())
    assert isinstance(answer, Refusal)
    assert answer.reason == "wrong-base"
    assert own in answer.message
    assert home.base.fingerprint in answer.message


def test_an_adapter_of_another_rank_is_refused(home: Any) -> None:
    """An adapter that the order names rightly but that does not fit its recipe reaches no training."""
    recipe = home.recipe()
    wider = recipe.model_copy(update={"tuning": recipe.tuning.model_copy(update={"rank": 8})})
    answer = home.open().handle(home.order(recipe=wider), home.parent())
    assert isinstance(answer, Refusal)
    assert answer.reason == "model"
    assert home.steps == []


def test_private_text_stays_in_the_nodes_own_log(home: Any) -> None:
    """A fault in the dataset is shown to the operator with its place, and to the server without it."""
    node = home.open()
    home.data.write_text('{"id": "patient Meier"}\n', encoding="utf-8")
    answer = node.handle(home.order(), home.parent())
    assert isinstance(answer, Refusal)
    assert answer.reason == "data"
    assert str(home.data) in home.said[-1]
    for private in ("train.jsonl", "Meier", str(home.folder)):
        assert private not in answer.to_json().decode()


def test_training_ends_at_the_deadline(home: Any) -> None:
    """A training that outlives its order is given up between two steps; nothing goes into the outbox."""

    def dawdle(order: Order, record: StepRecord) -> None:
        if record.step == 2:
            time.sleep(max(0.0, order.deadline_unix_s - time.time()) + 0.01)

    order = home.order(recipe=home.recipe(steps=50), deadline_unix_s=time.time() + 3)
    answer = home.open(dawdle).handle(order, home.parent())
    assert isinstance(answer, Refusal)
    assert answer.reason == "late"
    assert "step 2 of 50" in answer.message
    assert len(home.steps) == 2
    assert list(home.config.layout.outbox.iterdir()) == []


def test_a_stopped_training_leaves_the_base_as_it_was(home: Any) -> None:
    """Asked to stop it answers nothing; asked again later it gives the update it would have given."""

    def stop(order: Order, record: StepRecord) -> None:
        raise Stopped

    order, parent = home.order(), home.parent()
    with pytest.raises(Stopped):
        home.open(stop).handle(order, parent)
    update = home.opened(home.open().handle(order, parent))
    shapes = home.recipe().tuning.shapes(home.base)
    delta = decode_tensors(update.tensors_zstd, raw_bytes=update.tensors_bytes, expected=shapes)
    new, start = trained(home).state, from_bytes(parent)
    assert all(torch.equal(delta[name], new[name] - start[name]) for name in shapes)


def test_the_recipe_of_the_last_order_is_known_after_a_restart(home: Any) -> None:
    """So that a restarted node loads its base model before the next order comes."""
    node: Node = home.open()
    assert node.last_recipe() is None
    node.handle(home.order(), home.parent())
    assert home.open().last_recipe() == home.recipe()


class _Raw:
    """Stands for a recipe whose bytes are anything."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def canonical(self) -> bytes:
        return self._data


def _with_model(home: Any, name: str) -> Any:
    recipe = home.recipe()
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"name": name})})


def _flipped(order: bytes) -> bytes:
    message = adapter_pb2.Signed.FromString(order)
    message.body = message.body[:-1] + bytes([message.body[-1] ^ 1])
    return message.SerializeToString(deterministic=True)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
