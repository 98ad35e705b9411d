"""A cycle's road: quorum, deadline, stragglers, bad updates, resuming; nodes answer in this process."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest
import torch

from sft_server.fleet import Reply
from sft_server.orders import read_order
from sft_server.records import State
from sft_shared.errors import StoreError, TransportError
from sft_shared.models import adapters
from sft_shared.wire.adapter_pb2 import Signed
from sft_shared.wire.sign import SigningKey


@pytest.fixture
def nodes(bench: Any, make_node: Any) -> list[Any]:
    """Three registered nodes with 10, 20 and 30 examples."""
    nodes = [make_node(name, num_examples=count) for name, count in (("a", 10), ("b", 20), ("c", 30))]
    for node in nodes:
        bench.store.add_node(node.card)
    return nodes


@pytest.fixture
def fleet(bench: Any, nodes: list[Any], make_fleet: Any) -> Any:
    """All three answer at once with deltas of 1, 2 and 3 thousandths."""

    def answer(node: Any, value: float) -> Any:
        return lambda order: node.update(order, bench.delta(value))

    deltas = zip(nodes, (0.001, 0.002, 0.003), strict=True)
    return make_fleet(nodes, {node.name: answer(node, value) for node, value in deltas})


def _adapter(bench: Any, sha256: str) -> dict[str, torch.Tensor]:
    return adapters.load_adapter(bench.runner().layout.adapter(sha256))


def test_new_adapter_is_parent_plus_weighted_mean(bench: Any, fleet: Any) -> None:
    """(10 * 0.001 + 20 * 0.002 + 30 * 0.003) / 60 on every value of the parent."""
    cycle = bench.runner().run(fleet)
    assert (cycle.state, cycle.num_updates, cycle.num_examples) == (State.PROMOTED, 3, 60)
    parent, child = _adapter(bench, cycle.parent_sha256), _adapter(bench, cycle.adapter_sha256)
    for name, tensor in parent.items():
        assert torch.allclose(child[name] - tensor, torch.full_like(tensor, 0.14 / 60), atol=1e-7)


def test_adapters_are_named_by_their_bytes(bench: Any, fleet: Any) -> None:
    """And the next cycle starts from the promoted one."""
    runner = bench.runner()
    first, second = runner.run(fleet), runner.run(fleet)
    assert second.parent_sha256 == first.adapter_sha256
    for cycle in (first, second):
        data = (runner.layout.adapter(cycle.adapter_sha256) / adapters.WEIGHTS).read_bytes()
        assert hashlib.sha256(data).hexdigest() == cycle.adapter_sha256


def test_order_in_which_nodes_answer_does_not_matter(bench: Any, fleet: Any) -> None:
    """Rows are taken by node name, so the bits are the same."""
    expected = bench.runner().run(fleet).adapter_sha256
    order = read_order(bench.store.last_cycle().signed_order, federation="testers", key=bench.key)
    again = bench.runner()._new_adapter(
        bench.store.last_cycle(), sorted(bench.store.updates(order.cycle), key=lambda update: update.node)
    )
    assert adapters.sha256_of(adapters.to_bytes(again)) == expected


def test_without_authenticated_transport_the_signature_names_the_node(bench: Any, fleet: Any) -> None:
    """As in simulation: same nodes, same bits."""
    fleet.authenticated = False
    cycle = bench.runner().run(fleet)
    assert [update.node for update in bench.store.updates(cycle.cycle)] == ["a", "b", "c"]


def test_closes_at_the_deadline_with_the_quorum(bench: Any, fleet: Any) -> None:
    """A node that never answers costs time, not the cycle."""
    fleet.answers["c"] = lambda order: None
    started = time.monotonic()
    cycle = bench.runner(deadline_s=0.6).run(fleet)
    assert 0.5 < time.monotonic() - started < 5
    assert (cycle.state, cycle.num_updates) == (State.PROMOTED, 2)


def test_is_abandoned_in_writing_below_the_quorum(bench: Any, fleet: Any) -> None:
    """The next cycle starts from the same parent."""
    runner = bench.runner(deadline_s=0.3, quorum=3)
    fleet.answers["c"] = lambda order: None
    cycle = runner.run(fleet)
    assert (cycle.state, cycle.reason) == (State.ABANDONED, "2 of the 3 updates that the quorum needs")
    assert bench.told("cycle-abandoned")[0]["reason"] == cycle.reason
    following = bench.runner(deadline_s=0.3, quorum=2).run(fleet)
    assert (following.cycle, following.parent_sha256) == (2, cycle.parent_sha256)


def test_is_abandoned_at_once_where_no_other_node_can_come(bench: Any, fleet: Any) -> None:
    """In a simulation a refusal below the quorum need not wait for the deadline."""
    fleet.authenticated = False
    fleet.answers["c"] = lambda order: Reply("", "refusal", body=b'{"reason": "x", "message": "y"}')
    started = time.monotonic()
    assert bench.runner(deadline_s=60, quorum=3).run(fleet).state is State.ABANDONED
    assert time.monotonic() - started < 10


def test_does_not_wait_for_nodes_that_are_away(bench: Any, fleet: Any) -> None:
    """Who is not there when the cycle runs is not asked and not waited for."""
    fleet.away = {"c"}
    started = time.monotonic()
    assert bench.runner(deadline_s=20).run(fleet).num_updates == 2
    assert time.monotonic() - started < 10


def test_waits_for_the_quorum_when_nodes_come_late(bench: Any, fleet: Any, monkeypatch: Any) -> None:
    """All who are there have answered, but the quorum is not complete: the cycle stays open for more."""
    fleet.away = {"b", "c"}
    polls = 0
    replies = fleet.replies

    def come_later(message_ids: Any) -> Any:
        nonlocal polls
        polls += 1
        if polls > 5:
            fleet.away = set()
        return replies(message_ids)

    monkeypatch.setattr(fleet, "replies", come_later)
    assert bench.runner(quorum=3).run(fleet).num_updates == 3


def test_asks_again_when_the_message_is_lost(bench: Any, fleet: Any) -> None:
    """The same order bytes in a new message."""
    answer = fleet.answers["b"]
    lost = [Reply("", "lost", detail="node unavailable")]
    fleet.answers["b"] = lambda order: lost.pop() if lost else answer(order)
    assert bench.runner().run(fleet).num_updates == 3
    asked = [order for name, order in fleet.sent if name == "b"]
    assert len(asked) == 2
    assert asked[0] == asked[1]


def test_asks_again_when_a_node_comes_back(bench: Any, fleet: Any) -> None:
    """Killed after it took the message: Flower never delivers it again, so a new one is sent."""
    answer = fleet.answers["b"]

    def die_once(order: bytes) -> Any:
        asked = [name for name, _ in fleet.sent if name == "b"]
        if len(asked) == 1:
            fleet.since["b"] = 1
            return None
        return answer(order)

    fleet.answers["b"] = die_once
    assert bench.runner().run(fleet).num_updates == 3
    assert bench.told("node-back") == [{"cycle": 1, "node": "b"}]


def test_asks_a_failing_program_again_and_then_gives_up(bench: Any, fleet: Any, monkeypatch: Any) -> None:
    """Five failures settle the node for this cycle; the others go on."""
    monkeypatch.setattr("sft_server.gather.MAX_FAILURES", 2)
    fleet.answers["b"] = lambda order: Reply("", "failed", detail="ZeroDivisionError")
    assert bench.runner().run(fleet).num_updates == 2
    assert [fields["asked_again"] for fields in bench.told("node-failed")] == [True, False]


def test_a_refusal_is_final_for_the_cycle(bench: Any, fleet: Any) -> None:
    """It is told with its reason, however it is spelled."""
    refusals = [b'{"reason": "late", "message": "too late"}', b"\xff junk"]
    fleet.answers["c"] = lambda order: Reply("", "refusal", body=refusals[0])
    runner = bench.runner()
    runner.run(fleet)
    refusals.pop(0)
    runner.run(fleet)
    assert [fields["reason"] for fields in bench.told("node-refused")] == ["late", "unreadable"]
    assert len([name for name, _ in fleet.sent if name == "c"]) == 2


def test_a_bad_update_is_rejected_and_the_cycle_goes_on(bench: Any, fleet: Any, nodes: list[Any]) -> None:
    """In the table, in the log, and not in the aggregate."""
    fleet.answers["c"] = lambda order: nodes[2].update(order, bench.delta(0.5), num_examples=10**12)
    cycle = bench.runner().run(fleet)
    assert (cycle.state, cycle.num_updates) == (State.PROMOTED, 2)
    rejection = bench.store.rejections(1)[0]
    assert (rejection.node, rejection.reason) == ("c", "wrong-examples")
    assert "1000000000000" in bench.told("update-rejected")[0]["message"]


def test_a_reply_without_form_is_rejected(bench: Any, fleet: Any) -> None:
    """An empty reply, as a crafted Flower message gives it."""
    fleet.answers["c"] = lambda order: b""
    bench.runner().run(fleet)
    assert [rejection.node for rejection in bench.store.rejections(1)] == ["c"]


def test_an_update_of_a_node_revoked_in_the_cycle_does_not_count(bench: Any, fleet: Any) -> None:
    """Its row is turned into a rejection before anything is aggregated."""
    answer = fleet.answers["c"]

    def revoke_a(order: bytes) -> bytes | None:
        if len(bench.store.updates(1)) < 2:
            return None
        bench.store.revoke_node("a")
        fleet.revoked.add("a")
        return answer(order)

    fleet.answers["c"] = revoke_a
    cycle = bench.runner().run(fleet)
    assert [update.node for update in bench.store.updates(cycle.cycle)] == ["b", "c"]
    assert [(row.node, row.reason) for row in bench.store.rejections(1)] == [("a", "revoked-node")]


def test_deltas_that_overflow_abandon_the_cycle(bench: Any, fleet: Any, nodes: list[Any]) -> None:
    """Finite updates whose sum with the parent is not; the parent stays."""
    top = float(torch.finfo(torch.float32).max)
    delta = bench.delta(top)
    for node in nodes:
        fleet.answers[node.name] = lambda order, node=node: node.update(order, delta)
    first = bench.runner().run(fleet)
    cycle = first if first.state is State.ABANDONED else bench.runner().run(fleet)
    assert cycle.state is State.ABANDONED
    assert "not finite" in (cycle.reason or "")


def test_goes_on_with_the_same_order_after_a_stop(bench: Any, fleet: Any) -> None:
    """Stopped while collecting; the next runner sends the very same bytes and keeps what was there."""
    fleet.answers["c"] = lambda order: bench.stop.set()
    assert bench.runner().run(fleet) is None
    assert bench.store.last_cycle().state is State.COLLECTING
    bench.stop.clear()
    before = {order for _, order in fleet.sent}
    fleet.sent.clear()
    fleet.answers["c"] = lambda order: None
    fleet.away = {"c"}
    cycle = bench.runner().run(fleet)
    assert (cycle.cycle, cycle.num_updates) == (1, 2)
    assert {order for _, order in fleet.sent} <= before


def test_a_lost_fleet_leaves_the_cycle_open(bench: Any, fleet: Any, monkeypatch: Any) -> None:
    """The SuperLink is gone in the middle; the cycle is gone on with in the next run."""

    def broken(message_ids: Any) -> Any:
        raise TransportError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(fleet, "replies", broken)
        with pytest.raises(TransportError):
            bench.runner().run(fleet)
    assert bench.store.last_cycle().state is State.COLLECTING
    assert bench.runner().run(fleet).state is State.PROMOTED


def test_order_is_signed_and_says_what_is_asked(bench: Any, fleet: Any) -> None:
    """Parent, recipe, base, deadline; two orders are never the same bytes."""
    runner = bench.runner()
    first, second = runner.run(fleet), runner.run(fleet)
    order = read_order(first.signed_order, federation="testers", key=bench.key)
    assert (order.cycle, order.parent_sha256, order.recipe) == (1, first.parent_sha256, bench.recipe)
    assert order.deadline_unix_s == pytest.approx(first.opened_unix_s + 30, abs=1)
    assert Signed.FromString(first.signed_order).body != Signed.FromString(second.signed_order).body


def test_an_order_of_other_keys_is_not_gone_on_with(bench: Any, fleet: Any) -> None:
    """Keys were replaced under an open cycle: said plainly, not sent."""
    fleet.answers["c"] = lambda order: bench.stop.set()
    bench.runner().run(fleet)
    bench.stop.clear()
    bench.key = SigningKey.generate()
    with pytest.raises(StoreError, match="stored order"):
        bench.runner().run(fleet)


def test_cycles_start_an_interval_apart(bench: Any, fleet: Any) -> None:
    """Start to start; an open cycle is due at once."""
    runner = bench.runner(interval_s=100)
    assert runner.starts_in_s() == 0
    runner.run(fleet)
    assert 90 < runner.starts_in_s() <= 100


def test_is_finished_after_num_cycles(bench: Any, fleet: Any) -> None:
    """Also for a server that is started again."""
    runner = bench.runner(num_cycles=2)
    assert (runner.finished, runner.num_cycles_left) == (False, 2)
    runner.run(fleet)
    assert (runner.finished, bench.runner(num_cycles=2).num_cycles_left) == (False, 1)
    runner.run(fleet)
    assert bench.runner(num_cycles=2).finished


def test_another_rank_needs_another_state_folder(bench: Any) -> None:
    """The adapters that are there have other shapes."""
    bench.runner()
    tuning = bench.recipe.tuning.model_copy(update={"rank": 3})
    bench.recipe = bench.recipe.model_copy(update={"tuning": tuning})
    with pytest.raises(StoreError, match="was begun with tuning"):
        bench.runner()
