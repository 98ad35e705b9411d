"""kill -9 in the middle of a cycle: node and server come back, nothing is lost, nothing counts twice."""

from __future__ import annotations

import os
from pathlib import Path

from sft_server.records import State

from .conftest import Federation, Process, wait_for


def test_a_client_and_then_the_server_killed_in_a_cycle_come_back_and_it_completes(
    federation: Federation,
) -> None:
    """A client is killed while it trains and comes back; the server is killed holding one of two updates."""
    federation.configure(
        training={"steps": 400},
        cycle={"interval_s": 0, "num_cycles": 1, "quorum": 2, "deadline_s": 400},
    )
    federation.server("keys", "init")
    for name in ("one", "two"):
        federation.add_client(name, num_examples=8 if name == "one" else 4)
    server = federation.start_server()
    one = federation.start_client("one")
    wait_for(
        "training",
        lambda: federation.client_events("one", "step", cycle=1, step=20),
        within_s=120,
        alive=one,
    )
    _kill_with_children(one)
    assert not federation.client_events("one", "trained")
    one = federation.start_client("one")
    federation.wait("update-accepted", cycle=1, node="one", within_s=180, alive=one)

    _kill_with_children(server)
    assert [cycle.state for cycle in federation.cycles()] == [State.COLLECTING]
    server = federation.start_server()
    two = federation.start_client("two")
    federation.wait("cycle-resumed", cycle=1, within_s=30, alive=server)
    federation.wait("update-accepted", cycle=1, node="two", within_s=180, alive=two)
    federation.wait("cycle-promoted", cycle=1, within_s=60)
    assert [update.node for update in federation.updates(1)] == ["one", "two"]
    assert len(federation.events("update-accepted")) == 2
    for name in ("one", "two"):
        assert len(federation.client_events(name, "trained")) == 1, "an order is trained for once"


def _kill_with_children(process: Process) -> None:
    """``kill -9`` on a process and its own children, the Flower process among them, all at once."""
    children = Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children").read_text().split()
    process.kill()
    for child in children:
        try:
            os.kill(int(child), 9)
        except ProcessLookupError:
            continue
