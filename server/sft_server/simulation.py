"""``sft-server simulate``: the same ServerApp and ClientApp with virtual clients on Ray."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import shutil
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import ray
import yaml
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.simulation import run_simulation
from rich.console import Console

from sft_server.app import make_server_app
from sft_server.config import Partition, SimulationConfig
from sft_server.console import Display, cycle_table, log_to_file, make_emit
from sft_server.cycle import CycleRunner
from sft_server.keys import init_keys, load_keys
from sft_server.layout import Layout
from sft_server.records import State
from sft_server.service import read_held_out
from sft_server.signals import stop_on_signals
from sft_server.store import Store
from sft_shared.config import load_yaml
from sft_shared.data.bfcl import read_bfcl
from sft_shared.data.partition import split_held_out
from sft_shared.dialogue import Example, read_examples, write_examples
from sft_shared.errors import AggregationError, ConfigError, DataError
from sft_shared.files import held_folder
from sft_shared.models.load import load_base
from sft_shared.recipe import Recipe
from sft_shared.runlog import RunLog
from sft_shared.wire.cards import NodeCard, read_card
from sft_shared.wire.node_keys import make_node_keys

ENTRY_POINT = ("fedsft.client_app", "simulation")
"""Where the client package offers its ClientApp, so that this package need not import it."""

POLL_S = 0.1


def simulate(config: SimulationConfig, *, console: Console) -> None:
    """Run all cycles in one Ray job; a second call carries on from the last committed state.

    Raises ConfigError, DataError, ModelError, KeysError or StoreError for what a user can mend.
    """
    server = config.server()
    layout = Layout(config.out)
    recipe = load_yaml(config.recipe, Recipe)
    shares, held_out = deal_out(config)
    with held_folder(layout.state, holder="server"):
        log_to_file(layout.logs / "flwr.log", "flwr", "ray", "httpx")
        if not layout.keys.exists():
            init_keys(server)
        keys = load_keys(server)
        store = Store(layout.database)
        store.pin(
            {"simulation": json.dumps({"num_clients": config.num_clients, "train": _origin(config)})},
            what_to_do="Go back to the old settings and data, or set another `out` folder.",
        )
        for index, share in enumerate(shares):
            store.add_node(prepare_client(layout, index, share))
        with Display(console, quorum=server.cycle.quorum) as display:
            emit = make_emit(RunLog(layout.run_log), display)
            display.doing(f"loading {recipe.model.name}")
            base = load_base(recipe.model)
            display.doing("starting Ray")
            _start_ray(config)
            with stop_on_signals(display.doing) as stop:
                runner = CycleRunner(
                    server,
                    store=store,
                    base=base,
                    recipe=recipe,
                    key=keys.order_key,
                    held_out=held_out,
                    emit=emit,
                    stop=stop,
                    poll_s=POLL_S,
                )
                emit("simulation-started", num_clients=config.num_clients, recipe=recipe.sha256())
                if not runner.finished:
                    app = make_server_app(runner, num_cycles=runner.num_cycles_left)
                    _run_on_ray(config, server_app=app, client_app=load_client_app(layout.clients))
                emit("simulation-stopped", signalled=stop.is_set())
        console.print(cycle_table(store.cycles(), store.updates))
        last = store.last_cycle()
        store.close()
    if last is not None and last.state is State.ABANDONED:
        raise AggregationError(
            f"cycle {last.cycle} was abandoned: {last.reason}. See {layout.run_log} for each answer."
        )


def load_client_app(home: Path) -> ClientApp:
    """The installed client's ClientApp over the homes in ``home``. Raises ConfigError without a client."""
    group, name = ENTRY_POINT
    found = [point for point in entry_points(group=group) if point.name == name]
    if not found:
        raise ConfigError(
            f"no package offers the entry point {group}:{name}. Install fedsft again (`pip install -e .`)."
        )
    make: Callable[[str], ClientApp] = found[0].load()
    return make(str(home))


def deal_out(config: SimulationConfig) -> tuple[list[list[Example]], Sequence[Example]]:
    """The training examples of each client, and the held-out ones.

    Raises DataError if a file is wrong, BFCL is not installed, or there are too few examples.
    """
    held_out = read_held_out(config.held_out)
    source = config.train
    if isinstance(source, tuple):
        return [list(read_examples(path)) for path in source], held_out
    if isinstance(source, Partition):
        examples, name = list(read_examples(source.file)), str(source.file)
    else:
        examples, name = read_bfcl(source.bfcl), ", ".join(source.bfcl)
        if source.num_held_out:
            examples, held_out = split_held_out(examples, num_held_out=source.num_held_out, seed=source.seed)
    if len(examples) < config.num_clients:
        raise DataError(
            f"{name}: {len(examples)} examples cannot be dealt out to {config.num_clients} clients. "
            "Lower num_clients, or give more examples."
        )
    random.Random(source.seed).shuffle(examples)  # noqa: S311 (a split, not a secret)
    return [examples[index :: config.num_clients] for index in range(config.num_clients)], held_out


def prepare_client(layout: Layout, index: int, examples: Sequence[Example]) -> NodeCard:
    """Make the home of a virtual client if it is not there, and return the client's card."""
    name = f"client-{index}"
    home = layout.clients / name
    card_file = home / "node.json"
    if card_file.exists():
        return read_card(card_file, NodeCard)
    shutil.rmtree(home / "keys", ignore_errors=True)
    write_examples(home / "train.jsonl", examples)
    (home / "federation.json").write_bytes(layout.federation_card.read_bytes())
    settings = {"name": name, "state": ".", "federation": "federation.json", "train": "train.jsonl"}
    (home / "client.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    keys = home / "keys"
    return make_node_keys(
        name=name, auth_key=keys / "auth_key", sign_key=keys / "sign_key.pem", card=card_file
    )


def _origin(config: SimulationConfig) -> Any:
    """What the clients' homes were made from: settings, and the content of the files that they name."""
    if isinstance(config.train, tuple):
        return [_sha256(path) for path in config.train]
    if isinstance(config.train, Partition):
        return {"file": _sha256(config.train.file), "seed": config.train.seed}
    return config.train.model_dump(mode="json")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run_on_ray(config: SimulationConfig, *, server_app: ServerApp, client_app: ClientApp) -> None:
    """One Ray job. Raises what the ServerApp raised."""
    try:
        run_simulation(
            server_app=server_app,
            client_app=client_app,
            num_supernodes=config.num_clients,
            backend_config={
                "client_resources": {"num_cpus": config.cpus_per_client, "num_gpus": config.gpus_per_client}
            },
        )
    finally:
        ray.shutdown()


def _start_ray(config: SimulationConfig) -> None:
    """Start Ray before Flower would, so that our signal handlers can be set over Ray's.

    Raises ConfigError if not one client would ever fit.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        ray.init(log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
    there = ray.cluster_resources()
    for field, wanted, kind in (
        ("cpus_per_client", config.cpus_per_client, "CPU"),
        ("gpus_per_client", config.gpus_per_client, "GPU"),
    ):
        if wanted > there.get(kind, 0):
            ray.shutdown()
            raise ConfigError(
                f"{field}: found {wanted:g}, Ray has {there.get(kind, 0):g} {kind}s here. "
                "Lower it, or add machines."
            )
