"""The ServerApp: the same in deployment (one cycle a Flower run) and in simulation (all cycles in one)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from sft_server.collect import GridFleet
from sft_server.cycle import CycleRunner
from sft_server.records import State


def make_server_app(
    cycle_runner: CycleRunner,
    *,
    num_cycles: int,
    members: Callable[[], Mapping[int, str]] | None = None,
) -> ServerApp:
    """A ServerApp that runs ``num_cycles`` cycles over the grid it is given.

    It ends sooner if it is stopped, and in simulation on an abandoned cycle: the next would go the same way.
    ``members`` gives Flower's node id -> name of the registered nodes; None where Flower does not
    authenticate nodes (simulation).
    """
    app = ServerApp()

    def main(grid: Grid, context: Context) -> None:
        fleet = GridFleet(grid, members=members)
        try:
            for _ in range(num_cycles):
                cycle = cycle_runner.run(fleet)
                if cycle is None or (fleet.is_complete() and cycle.state is State.ABANDONED):
                    break
        finally:
            fleet.close()

    app.main()(main)
    return app
