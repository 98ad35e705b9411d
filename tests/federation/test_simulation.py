"""The simulation is the federation: the same data, recipe and seed give the same adapters, bit for bit."""

from __future__ import annotations

from pathlib import Path

import yaml

from sft_server.records import Cycle
from sft_shared.wire.adapter_pb2 import AdapterUpdate, Signed

from .conftest import Federation, closing_store

NUM_CLIENTS = 8
NUM_CYCLES = 2


def test_eight_virtual_clients_give_the_aggregate_of_eight_real_ones(federation: Federation) -> None:
    """Ray and gRPC carry the same orders to the same data: updates and adapters are equal to the bit."""
    federation.configure(
        cycle={"interval_s": 0, "num_cycles": NUM_CYCLES, "quorum": NUM_CLIENTS, "deadline_s": 300}
    )
    federation.server("keys", "init")
    names = [f"client-{index}" for index in range(NUM_CLIENTS)]
    for index, name in enumerate(names):
        federation.add_client(name, num_examples=3 + index, offset=10 * index)
    simulated = _simulate(federation, names)

    server = federation.start_server()
    for name in names:
        federation.start_client(name)
    federation.wait("server-stopped", within_s=300, alive=None)
    server.process.wait(60)

    with closing_store(federation.state) as real, closing_store(simulated) as virtual:
        assert _adapters(real.cycles()) == _adapters(virtual.cycles())
        assert len(set(_adapters(real.cycles()))) == NUM_CYCLES
        for cycle in range(1, NUM_CYCLES + 1):
            ours, theirs = real.updates(cycle), virtual.updates(cycle)
            assert [update.node for update in ours] == [update.node for update in theirs] == names
            for our, their in zip(ours, theirs, strict=True):
                assert our.num_examples == their.num_examples
                assert _tensors(federation.state, our.sha256) == _tensors(simulated, their.sha256)


def _simulate(federation: Federation, names: list[str]) -> Path:
    out = federation.folder / "simulated"
    settings = {
        "num_clients": NUM_CLIENTS,
        "cpus_per_client": 1,
        "num_cycles": NUM_CYCLES,
        "recipe": str(federation.recipe),
        "train": [str(federation.folder / f"{name}.jsonl") for name in names],
        "out": str(out),
        "encoding": "fp32",
    }
    path = federation.folder / "simulation.yaml"
    path.write_text(yaml.safe_dump(settings))
    federation.run("sft-server", "simulate", str(path))
    return out


def _adapters(cycles: list[Cycle]) -> list[str | None]:
    return [cycle.adapter_sha256 for cycle in cycles]


def _tensors(state: Path, sha256: str) -> bytes:
    signed = Signed.FromString((state / "updates" / f"{sha256}.bin").read_bytes())
    return AdapterUpdate.FromString(signed.body).tensors_zstd
