"""The store: who may take part, what was committed, and one row for one update."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sft_server.records import State, Update
from sft_server.store import Store
from sft_shared.errors import KeysError, StoreError, UpdateRejected


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store.sqlite")


def _update(node: str, sha256: str = "aa") -> Update:
    return Update(
        node=node,
        sha256=sha256,
        num_examples=3,
        num_bytes=10,
        norm=1.0,
        metrics={"loss": 2.0},
        received_unix_s=1.0,
    )


def _collecting(store: Store, make_node: Any) -> Any:
    node = make_node("a")
    store.add_node(node.card)
    store.open_cycle(1, signed_order=b"order", parent_sha256="p")
    store.advance(1, State.COLLECTING)
    return node


def test_nodes_are_registered_and_revoked(store: Store, make_node: Any) -> None:
    """Revoked ones stay in the list and are no longer registered."""
    first, second = make_node("a"), make_node("b")
    assert store.add_node(first.card)
    assert store.add_node(second.card)
    assert not store.add_node(second.card)
    store.revoke_node("a")
    assert list(store.registered()) == ["b"]
    assert [(node.name, node.revoked_unix_s is None) for node in store.nodes()] == [("a", False), ("b", True)]


def test_a_revoked_key_never_comes_back(store: Store, make_node: Any) -> None:
    """Not under its name, not under another; new keys may take the name."""
    old = make_node("a")
    store.add_node(old.card)
    store.revoke_node("a")
    for name in ("a", "b"):
        with pytest.raises(KeysError, match="revoked node 'a'"):
            store.add_node(old.card.model_copy(update={"name": name}))
    assert store.add_node(make_node("a").card)


@pytest.mark.parametrize("shared", ["auth_key", "sign_key"])
def test_two_nodes_cannot_share_a_key(store: Store, make_node: Any, shared: str) -> None:
    """A copied key would let one node speak for two."""
    first, second = make_node("a"), make_node("b")
    store.add_node(first.card)
    card = second.card.model_copy(update={shared: getattr(first.card, shared)})
    with pytest.raises(KeysError, match="belongs to the registered node 'a'"):
        store.add_node(card)


def test_a_taken_name_is_refused(store: Store, make_node: Any) -> None:
    """Another card must not push a node out."""
    store.add_node(make_node("a").card)
    with pytest.raises(KeysError, match="nodes revoke a"):
        store.add_node(make_node("a").card)


def test_revoking_an_unknown_node_names_the_known(store: Store, make_node: Any) -> None:
    """A slip of the pen."""
    store.add_node(make_node("shop-1").card)
    with pytest.raises(KeysError, match="Registered are: shop-1"):
        store.revoke_node("shop1")


def test_the_same_update_twice_is_one_row(store: Store, make_node: Any) -> None:
    """A resent update is welcome and counts once."""
    node = _collecting(store, make_node)
    assert store.add_update(1, _update("a"), sign_key=node.sign_key.public)
    assert not store.add_update(1, _update("a"), sign_key=node.sign_key.public)
    assert store.updates(1) == [_update("a")]


def test_a_second_different_update_is_rejected(store: Store, make_node: Any) -> None:
    """The first stands."""
    node = _collecting(store, make_node)
    store.add_update(1, _update("a"), sign_key=node.sign_key.public)
    with pytest.raises(UpdateRejected) as caught:
        store.add_update(1, _update("a", "bb"), sign_key=node.sign_key.public)
    assert caught.value.reason == "second-update"
    assert store.updates(1) == [_update("a")]


def test_a_node_revoked_meanwhile_is_not_taken(store: Store, make_node: Any) -> None:
    """Between the look-up of its key and the commit."""
    node = _collecting(store, make_node)
    store.revoke_node("a")
    with pytest.raises(UpdateRejected) as caught:
        store.add_update(1, _update("a"), sign_key=node.sign_key.public)
    assert caught.value.reason == "unknown-node"


def test_a_closed_cycle_takes_nothing(store: Store, make_node: Any) -> None:
    """Late updates do not slip in after the aggregate is made."""
    node = _collecting(store, make_node)
    store.advance(1, State.AGGREGATED, adapter_sha256="x", num_updates=0, num_examples=0)
    with pytest.raises(UpdateRejected) as caught:
        store.add_update(1, _update("a"), sign_key=node.sign_key.public)
    assert caught.value.reason == "cycle-closed"


def test_updates_of_revoked_nodes_are_dropped_in_writing(store: Store, make_node: Any) -> None:
    """Also when new keys have taken the name by then."""
    node = _collecting(store, make_node)
    store.add_update(1, _update("a"), sign_key=node.sign_key.public)
    store.revoke_node("a")
    store.add_node(make_node("a").card)
    assert store.drop_updates_of_revoked(1) == ["a"]
    assert store.updates(1) == []
    assert [(rejection.node, rejection.reason) for rejection in store.rejections(1)] == [
        ("a", "revoked-node")
    ]


@pytest.mark.parametrize(
    "state", [State.AGGREGATED, State.EVALUATED, State.PROMOTED, State.REJECTED, State.ABANDONED]
)
def test_a_cycle_cannot_jump(store: Store, state: State) -> None:
    """From OPENED there is one way on."""
    store.open_cycle(1, signed_order=b"order", parent_sha256="p")
    with pytest.raises(StoreError, match="it cannot become"):
        store.advance(1, state)


def test_the_newest_promoted_adapter_is_the_parent(store: Store) -> None:
    """An abandoned cycle does not count, nor does one whose adapter a gate holds."""
    for cycle, ending in ((1, "one"), (2, None), (3, "three"), (4, None), (5, "held")):
        store.open_cycle(cycle, signed_order=b"order", parent_sha256="p")
        store.advance(cycle, State.COLLECTING)
        if ending is None:
            store.advance(cycle, State.ABANDONED, reason="too few")
        else:
            store.advance(cycle, State.AGGREGATED, adapter_sha256=ending)
            store.advance(cycle, State.EVALUATED, evaluation={"accuracy": 0.5})
            state = State.REJECTED if ending == "held" else State.PROMOTED
            store.advance(cycle, state, reason="why" if ending == "held" else None)
    assert store.promoted_adapter() == "three"
    assert [cycle.evaluation for cycle in store.cycles()] == [
        {"accuracy": 0.5},
        None,
        {"accuracy": 0.5},
        None,
        {"accuracy": 0.5},
    ]


def test_other_settings_on_an_old_store_are_refused(store: Store) -> None:
    """A new model or rank on old adapters."""
    store.pin({"tuning": "rank 4"}, what_to_do="Set another state folder.")
    store.pin({"tuning": "rank 4"}, what_to_do="")
    with pytest.raises(StoreError, match="was begun with tuning rank 4, now it is rank 8"):
        store.pin({"tuning": "rank 8"}, what_to_do="Set another state folder.")


def test_a_damaged_database_is_one_line(tmp_path: Path) -> None:
    """Not a traceback of sqlite3."""
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match=r"store\.sqlite"):
        Store(path)
