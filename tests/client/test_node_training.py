"""What a node trains on for an order, and how: held out, general, EWC, stages, resume, every method."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from sft_client.dataset import Dataset
from sft_client.ewc_history import EwcHistory
from sft_client.node import Refusal, Stopped
from sft_client.orders import Order
from sft_shared.models.adapters import from_bytes, to_bytes
from sft_shared.models.tuning import TuningSettings
from sft_shared.recipe import Recipe
from sft_shared.training.records import StepRecord
from sft_shared.wire.codec import decode_tensors


def test_examples_held_out_choose_the_state_and_are_not_trained_on(home: Any) -> None:
    """The update is that of the best step on them, and states their loss."""
    _hold_out(home, 2)
    recipe = home.recipe(validation={"every": 1, "min_improvement": 20.0})  # so the first stays the best
    update = home.opened(home.open().handle(home.order(recipe=recipe), home.parent()))
    expected = home.by_hand(recipe, from_bytes(home.parent()))
    assert (expected.best_step, expected.steps) == (1, 3)
    assert update.num_examples == 4
    assert update.metrics["held_out_loss"] == expected.held_out_loss
    home.require_delta(update, expected, from_bytes(home.parent()))


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
    update = home.opened(home.open().handle(home.order(recipe=recipe), home.parent()))
    rows = Dataset(general).rows(home.base, recipe.data).train
    home.require_delta(
        update,
        home.by_hand(recipe, from_bytes(home.parent()), general=rows),
        from_bytes(home.parent()),
    )
    assert update.num_examples == 3  # one of each batch of two, three times
    plain = home.opened(home.open().handle(home.order(), home.parent()))
    assert plain.tensors_zstd != update.tensors_zstd


def test_a_later_cycle_starts_from_what_earlier_ones_found_important(home: Any) -> None:
    """EWC: cycle 2 is pulled by cycle 1's state, also after a restart, and the same if trained again."""
    recipe = home.recipe(ewc={"strength": 1e4, "fisher_examples": 4})
    parent = from_bytes(home.parent())
    first = home.by_hand(recipe, parent)
    second = home.by_hand(recipe, first.state, cycle=2, ewc=first.ewc)
    forgetful = home.by_hand(recipe, first.state, cycle=2)
    assert to_bytes(second.state) != to_bytes(forgetful.state)

    home.opened(home.open().handle(home.order(recipe=recipe), home.parent()))
    middle = to_bytes(first.state)
    orders = [home.order(recipe=recipe, parent=middle, cycle=2, nonce=nonce * 16) for nonce in (b"a", b"b")]
    for order in orders:
        update = home.opened(home.open().handle(order, middle))
        home.require_delta(update, second, first.state)
    history = EwcHistory(home.config.layout.ewc)
    for cycle, result in ((2, first), (3, second)):
        kept = history.before(cycle)
        assert kept is not None
        assert result.ewc is not None
        assert kept.to_bytes() == result.ewc.to_bytes()


def test_what_a_rejected_cycle_found_important_does_not_pull(home: Any) -> None:
    """The next order begins from the same adapter: what cycle 1 learned is not in the model."""
    recipe = home.recipe(ewc={"strength": 1e4, "fisher_examples": 4})
    parent = from_bytes(home.parent())
    first = home.by_hand(recipe, parent)
    pulled = home.by_hand(recipe, parent, cycle=2, ewc=first.ewc)
    free = home.by_hand(recipe, parent, cycle=2)
    assert to_bytes(pulled.state) != to_bytes(free.state)
    home.opened(home.open().handle(home.order(recipe=recipe), home.parent()))
    update = home.opened(home.open().handle(home.order(recipe=recipe, cycle=2), home.parent()))
    home.require_delta(update, free, parent)


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
    update = home.opened(home.open().handle(order, home.parent()))
    assert [record.step for record in home.steps] == [3]
    assert any("going on after step 2" in line for line in home.said)
    assert update.num_examples == 6  # also those of the steps before the kill
    home.require_delta(update, home.by_hand(recipe, from_bytes(home.parent())), from_bytes(home.parent()))
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
    update = home.opened(home.open().handle(home.order(recipe=recipe, parent=other), other))
    assert len(home.steps) == 8
    home.require_delta(update, home.by_hand(recipe, from_bytes(other)), from_bytes(other))


def _hold_out(home: Any, number: int) -> None:
    lines = home.data.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[:number] = [line.replace('"split": "train"', '"split": "held_out"') for line in lines[:number]]
    home.data.write_text("".join(lines), encoding="utf-8")


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
    update = home.opened(home.open().handle(home.order(recipe=recipe, parent=parent), parent))
    delta = decode_tensors(
        update.tensors_zstd, raw_bytes=update.tensors_bytes, expected=recipe.tuning.shapes(home.base)
    )
    expected = home.by_hand(recipe, state).state
    assert all(torch.equal(delta[name], expected[name] - state[name]) for name in expected)
    assert any(delta[name].any() for name in delta)
    assert TypeAdapter(TuningSettings).validate_json(update.tuning) == recipe.tuning
