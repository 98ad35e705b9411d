"""An order in, a signed update or a refusal out, with a real model and real training."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from sft_client.dataset import Dataset
from sft_client.ewc_history import EwcHistory
from sft_client.node import Node, Refusal, Stopped
from sft_client.orders import Order
from sft_shared.data.chat import Row
from sft_shared.models.adapters import from_bytes, to_bytes
from sft_shared.models.load import load_base
from sft_shared.models.tuned import AdapterState
from sft_shared.models.tuning import LoraSettings, TuningSettings
from sft_shared.recipe import Recipe
from sft_shared.runlog import read_run_log
from sft_shared.training.ewc import EwcState
from sft_shared.training.loop import TrainingResult, train
from sft_shared.training.records import StepRecord
from sft_shared.wire import adapter_pb2
from sft_shared.wire.codec import PROTOCOL, decode_tensors, parse
from sft_shared.wire.sign import SigningKey, VerifyKey, open_signed


def opened(home: Any, update: bytes | Refusal) -> adapter_pb2.AdapterUpdate:
    """The update, verified with the key on the node's card."""
    assert isinstance(update, bytes), update
    card = home.config.layout.card.read_text(encoding="utf-8")
    key = VerifyKey.from_text(card.split('"sign_key": "')[1].split('"')[0])
    body = open_signed(update, context="update", key=key, signer="site-a", max_bytes=1 << 20)
    return parse(adapter_pb2.AdapterUpdate, body, max_bytes=1 << 20)


def by_hand(
    home: Any,
    recipe: Recipe,
    parent: AdapterState,
    *,
    cycle: int = 1,
    general: Sequence[Row] = (),
    ewc: EwcState | None = None,
) -> TrainingResult:
    """What training by hand on the node's rows gives."""
    rows = Dataset(home.data).rows(home.base, recipe.data)
    return train(
        home.base,
        parent,
        rows.train,
        tuning=recipe.tuning,
        settings=recipe.training,
        cycle=cycle,
        general=general,
        held_out=rows.held_out,
        ewc=ewc,
    )


def trained(home: Any) -> TrainingResult:
    """What training by hand for the home's usual order gives."""
    return by_hand(home, home.recipe(), from_bytes(home.parent()))


def test_an_update_is_signed_by_the_node_and_answers_the_order(home: Any) -> None:
    """Its signature holds under the card's key; order, base, tuning and number of examples are stated."""
    order = home.order()
    update = opened(home, home.open().handle(order, home.parent()))
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
    update = opened(home, home.open().handle(home.order(), home.parent()))
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
        update = opened(home, reply)
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
    opened(home, home.open().handle(order, parent))
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
    update = opened(home, home.open().handle(order, parent))
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


def test_examples_held_out_choose_the_state_and_are_not_trained_on(home: Any) -> None:
    """The update is that of the best step on them, and states their loss."""
    _hold_out(home, 2)
    recipe = home.recipe(validation={"every": 1, "min_improvement": 20.0})  # so the first stays the best
    update = opened(home, home.open().handle(home.order(recipe=recipe), home.parent()))
    expected = by_hand(home, recipe, from_bytes(home.parent()))
    assert (expected.best_step, expected.steps) == (1, 3)
    assert update.num_examples == 4
    assert update.metrics["held_out_loss"] == expected.held_out_loss
    _is_delta(home, update, expected, from_bytes(home.parent()))


def test_validation_without_held_out_examples_is_refused(home: Any) -> None:
    """The server asks for what this node cannot do."""
    answer = home.open().handle(home.order(recipe=home.recipe(validation={"every": 1})), home.parent())
    assert isinstance(answer, Refusal)
    assert answer.reason == "training"
    assert "held out" in home.said[-1]


def test_replay_without_general_examples_is_refused(home: Any) -> None:
    """The operator is told which setting is missing, the server only that it is about the data."""
    order = home.order(recipe=home.recipe(replay={"fraction": 0.5}))
    answer = home.open().handle(order, home.parent())
    assert isinstance(answer, Refusal)
    assert answer.reason == "data"
    assert "Set `replay` in the client's settings" in home.said[-1]
    assert home.steps == []
    for private in ("train.jsonl", str(home.folder), "example"):
        assert private not in answer.to_json().decode()


def test_general_examples_are_trained_on_too(home: Any) -> None:
    """The update is, to the bit, that of a training with them; they are not counted as the node's own."""
    general = home.folder / "general.jsonl"
    lines = home.data.read_text(encoding="utf-8").replace("example-", "general-").replace("say", "tell")
    general.write_text(lines, encoding="utf-8")
    home.configure(replay="general.jsonl")
    recipe = home.recipe(replay={"fraction": 0.5})
    update = opened(home, home.open().handle(home.order(recipe=recipe), home.parent()))
    rows = Dataset(general).rows(home.base, recipe.data).train
    _is_delta(
        home,
        update,
        by_hand(home, recipe, from_bytes(home.parent()), general=rows),
        from_bytes(home.parent()),
    )
    assert update.num_examples == 3  # one of each batch of two, three times
    plain = opened(home, home.open().handle(home.order(), home.parent()))
    assert plain.tensors_zstd != update.tensors_zstd


def test_a_later_cycle_starts_from_what_earlier_ones_found_important(home: Any) -> None:
    """EWC: cycle 2 is pulled by cycle 1's state, also after a restart, and the same if trained again."""
    recipe = home.recipe(ewc={"strength": 1e4, "fisher_examples": 4})
    parent = from_bytes(home.parent())
    first = by_hand(home, recipe, parent)
    second = by_hand(home, recipe, first.state, cycle=2, ewc=first.ewc)
    forgetful = by_hand(home, recipe, first.state, cycle=2)
    assert to_bytes(second.state) != to_bytes(forgetful.state)

    opened(home, home.open().handle(home.order(recipe=recipe), home.parent()))
    middle = to_bytes(first.state)
    orders = [home.order(recipe=recipe, parent=middle, cycle=2, nonce=nonce * 16) for nonce in (b"a", b"b")]
    for order in orders:
        update = opened(home, home.open().handle(order, middle))
        _is_delta(home, update, second, first.state)
    history = EwcHistory(home.config.layout.ewc)
    for cycle, result in ((2, first), (3, second)):
        kept = history.before(cycle)
        assert kept is not None
        assert result.ewc is not None
        assert kept.to_bytes() == result.ewc.to_bytes()


def test_a_stage_of_the_recipe_is_what_the_node_trains_on(home: Any) -> None:
    """A node with nothing for the order's stage refuses, without a word on its examples."""
    values = home.recipe().model_dump(mode="json")
    recipe = type(home.recipe()).model_validate({**values, "stages": [{"kind": "selection"}]})
    answer = home.open().handle(home.order(recipe=recipe), home.parent())
    assert isinstance(answer, Refusal)
    assert answer.reason == "data"
    assert "none of the 6 examples has anything for the recipe's stage 'selection'" in home.said[-1]
    assert "6" not in answer.message


def test_a_node_killed_in_an_order_goes_on_from_its_checkpoint(home: Any) -> None:
    """The same order gives, to the bit, the update of a node that was not; then the checkpoint is gone."""

    def stop(order: Order, record: StepRecord) -> None:
        if record.step == 3:
            raise Stopped

    recipe = home.recipe(steps=3, checkpoint_every=1)
    order, checkpoint = home.order(recipe=recipe), home.config.layout.checkpoint
    with pytest.raises(Stopped):
        home.open(stop).handle(order, home.parent())
    assert checkpoint.exists()
    assert list(home.config.layout.outbox.iterdir()) == []
    home.steps.clear()
    update = opened(home, home.open().handle(order, home.parent()))
    assert [record.step for record in home.steps] == [3]
    assert any("going on after step 2" in line for line in home.said)
    assert update.num_examples == 6  # also those of the steps before the kill
    _is_delta(home, update, by_hand(home, recipe, from_bytes(home.parent())), from_bytes(home.parent()))
    assert not checkpoint.exists()
    assert len(list(home.config.layout.outbox.iterdir())) == 1


def test_a_checkpoint_of_another_order_is_not_used(home: Any) -> None:
    """An order with another parent begins at its first step."""

    def stop(order: Order, record: StepRecord) -> None:
        if record.step == 5:
            raise Stopped

    recipe, other = home.recipe(steps=8, checkpoint_every=2), home.parent(seed=1)
    with pytest.raises(Stopped):
        home.open(stop).handle(home.order(recipe=recipe), home.parent())
    home.steps.clear()
    update = opened(home, home.open().handle(home.order(recipe=recipe, parent=other), other))
    assert len(home.steps) == 8
    _is_delta(home, update, by_hand(home, recipe, from_bytes(other)), from_bytes(other))


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


def _hold_out(home: Any, number: int) -> None:
    lines = home.data.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[:number] = [line.replace('"split": "train"', '"split": "held_out"') for line in lines[:number]]
    home.data.write_text("".join(lines), encoding="utf-8")


def _is_delta(
    home: Any, update: adapter_pb2.AdapterUpdate, result: TrainingResult, parent: AdapterState
) -> None:
    """The update's tensors are ``result`` minus ``parent``, bit for bit."""
    shapes = home.recipe().tuning.shapes(home.base)
    delta = decode_tensors(update.tensors_zstd, raw_bytes=update.tensors_bytes, expected=shapes)
    assert any(bool(tensor.any()) for tensor in delta.values())
    assert all(torch.equal(delta[name], result.state[name] - parent[name]) for name in shapes)


METHODS: dict[str, Any] = {
    "full": {"kind": "full"},
    "adapter": {"kind": "adapter", "width": 4, "placement": "houlsby"},
    "prefix": {"kind": "prefix", "num_virtual_tokens": 3},
    "dora": {"kind": "lora", "rank": 4, "dora": True},
    "pissa": {"kind": "lora", "rank": 4, "init": "pissa"},
    "head": {"kind": "lora", "rank": 4, "modules_to_save": ["lm_head"]},
}


@pytest.mark.parametrize("tuning", METHODS.values(), ids=METHODS.keys())
def test_every_methods_update_is_the_delta_of_its_training(home: Any, tuning: dict[str, Any]) -> None:
    """In fp32 to the bit, every tensor of it, under the tuning settings that the order asks for."""
    recipe = Recipe.model_validate({**home.recipe().model_dump(), "tuning": tuning})
    state = recipe.tuning.initial(home.base, seed=0)
    parent = to_bytes(state)
    update = opened(home, home.open().handle(home.order(recipe=recipe, parent=parent), parent))
    delta = decode_tensors(
        update.tensors_zstd, raw_bytes=update.tensors_bytes, expected=recipe.tuning.shapes(home.base)
    )
    expected = by_hand(home, recipe, state).state
    assert all(torch.equal(delta[name], expected[name] - state[name]) for name in expected)
    assert any(delta[name].any() for name in delta)
    assert TypeAdapter(TuningSettings).validate_json(update.tuning) == recipe.tuning
