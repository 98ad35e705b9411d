"""A registered node that sends poison harms nobody: each attack is named in the log and the cycle goes on."""

from __future__ import annotations

from pathlib import Path

from sft_server.records import State
from sft_server.verify import read_delta
from sft_shared.models.adapters import add, load_adapter

from .conftest import Federation, wait_for

REASONS = [
    "not-finite",
    "wrong-shape",
    "wrong-examples",
    "wrong-examples",
    "wrong-examples",
    "wrong-names",
    "bad-signature",
    "wrong-order",
]


def test_every_attack_is_rejected_with_its_reason_and_the_cycle_goes_on(federation: Federation) -> None:
    """NaN, shape, counts (negative, absurd, none), layers, forged signature and replay, one cycle each.

    That these attacks do harm when nothing checks is shown in tests/server/test_verify.py.
    """
    federation.configure(cycle={"interval_s": 0, "quorum": 1, "deadline_s": 120})
    federation.server("keys", "init")
    federation.add_client("honest")
    rogue_yaml = federation.add_client("rogue")
    server = federation.start_server()
    rogue = federation.start(
        "rogue",
        "python",
        str(Path(__file__).with_name("rogue.py")),
        "start",
        "--config",
        str(rogue_yaml),
    )
    wait_for("the rogue", lambda: federation.client_events("rogue", "connected"), within_s=120, alive=rogue)
    federation.start_client("honest")
    wait_for(
        "all attacks",
        lambda: len(federation.events("update-rejected", node="rogue")) >= len(REASONS),
        within_s=240,
        alive=server,
    )
    rejected = federation.events("update-rejected", node="rogue")[: len(REASONS)]
    assert [entry["reason"] for entry in rejected] == REASONS
    assert all(entry["message"] for entry in rejected)
    attacked = [entry["cycle"] for entry in rejected]
    federation.wait("cycle-promoted", cycle=attacked[-1], within_s=60, alive=server)
    cycles = {cycle.cycle: cycle for cycle in federation.cycles()}
    for number in attacked:
        assert cycles[number].state is State.PROMOTED
        (update,) = federation.updates(number)
        assert update.node == "honest"
        assert [rejection.node for rejection in federation.rejections(number)] == ["rogue"]
    _is_parent_plus_honest_delta(federation, attacked[0])
    wait_for(
        "junk refusals",
        lambda: len(federation.events("node-refused", node="rogue")) >= 4,
        within_s=120,
        alive=server,
    )
    junk = federation.events("node-refused", node="rogue")
    assert {entry["reason"] for entry in junk} <= {"unreadable", "?"}
    federation.wait("cycle-promoted", cycle=junk[3]["cycle"], within_s=60, alive=server)


def _is_parent_plus_honest_delta(federation: Federation, number: int) -> None:
    cycle = next(cycle for cycle in federation.cycles() if cycle.cycle == number)
    (update,) = federation.updates(number)
    assert cycle.adapter_sha256 is not None
    parent = load_adapter(federation.state / "adapters" / cycle.parent_sha256)
    shapes = {name: tuple(tensor.shape) for name, tensor in parent.items()}
    delta = read_delta((federation.state / "updates" / f"{update.sha256}.bin").read_bytes(), shapes=shapes)
    expected = add(parent, delta)
    promoted = load_adapter(federation.state / "adapters" / cycle.adapter_sha256)
    assert all(promoted[name].equal(expected[name]) for name in expected)
