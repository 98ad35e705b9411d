"""``sft-server simulate``: the same ServerApp and ClientApp with virtual clients on Ray."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from sft_server.config import BfclPartition, Partition, SimulationConfig
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
from sft_shared.data.holdings import holdings, write_holdings
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
    deal = deal_out(config)
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
        show_holdings(config, deal.shares)
        for index, share in enumerate(deal.shares):
            public = isinstance(config.train, BfclPartition)  # its e-mails and numbers are made up
            store.add_node(prepare_client(layout, index, share, public=public))
        with Display(console, quorum=server.cycle.quorum) as display:
            emit = make_emit(RunLog(layout.run_log), display)
            if deal.num_left_out:
                emit("held-out-left-out", num_examples=deal.num_left_out)
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
                    held_out=deal.held_out,
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


@dataclass(frozen=True)
class Deal:
    """What each client trains on, what measures the adapters, and how many held-out examples do neither."""

    shares: Sequence[Sequence[Example]]
    held_out: Sequence[Example]
    num_left_out: int = 0


def deal_out(config: SimulationConfig) -> Deal:
    """The training examples of each client, and the held-out ones.

    What the files hold out (provenance.split) goes to no client. Where no other held-out examples are named,
    those of them measure that have calls to judge an answer by; the rest is left out.
    Raises DataError if a file is wrong, BFCL is not installed, or there are too few examples.
    """
    held_out = read_held_out(config.held_out)
    source = config.train
    if isinstance(source, BfclPartition):
        examples, name = read_bfcl(source.bfcl), ", ".join(source.bfcl)
        if source.num_held_out:
            examples, held_out = split_held_out(examples, num_held_out=source.num_held_out, seed=source.seed)
        return Deal(_shares(source, examples, name, num_clients=config.num_clients), held_out)
    files = source if isinstance(source, tuple) else (source.file,)
    apart: list[Example] = []
    shares: Sequence[Sequence[Example]] = [_train_of(path, apart) for path in files]
    if isinstance(source, Partition):
        shares = _shares(source, shares[0], str(source.file), num_clients=config.num_clients)
    measuring = held_out or [example for example in apart if example.expected_calls]
    return Deal(shares, measuring, len(apart) - (0 if held_out else len(measuring)))


def _train_of(path: Path, held_out: list[Example]) -> list[Example]:
    """The examples of a file that may be trained on; the others are added to ``held_out``."""
    examples = list(read_examples(path))
    held_out.extend(example for example in examples if example.provenance.split == "held_out")
    train = [example for example in examples if example.provenance.split == "train"]
    if not train:
        raise DataError(
            f"{path}: all {len(examples)} examples are of the split 'held_out'. Give at least one of the "
            "split 'train'."
        )
    return train


def _shares(
    source: Partition | BfclPartition, examples: Sequence[Example], name: str, *, num_clients: int
) -> Sequence[Sequence[Example]]:
    if len(examples) < num_clients:
        raise DataError(
            f"{name}: {len(examples)} examples to train on cannot be dealt out to {num_clients} clients. "
            "Lower num_clients, or give more examples."
        )
    if source.partition is None:
        order = list(examples)
        random.Random(source.seed).shuffle(order)  # noqa: S311 (a split, not a secret)
        return [order[index::num_clients] for index in range(num_clients)]
    shares = source.partition(examples, num_clients=num_clients)
    if not all(shares):
        raise DataError(
            f"{name}: client {shares.index([])} gets none of the {len(examples)} examples to train on. Set "
            "partition.min_examples to 1 or more, skew less, or lower num_clients."
        )
    return shares


def show_holdings(config: SimulationConfig, shares: Sequence[Sequence[Example]]) -> None:
    """Write partition.json and partition.png, who holds what, into the run's folder."""
    skew = None if isinstance(config.train, tuple) else config.train.partition
    named = {f"client-{index}": share for index, share in enumerate(shares)}
    write_holdings(holdings(named, key="category" if skew is None else skew.label), folder=config.out)


def prepare_client(layout: Layout, index: int, examples: Sequence[Example], *, public: bool) -> NodeCard:
    """Make the home of a virtual client if it is not there, and return the client's card.

    ``public``: nobody's data, so that the client does not look for what is left in it of people.
    """
    name = f"client-{index}"
    home = layout.clients / name
    card_file = home / "node.json"
    if card_file.exists():
        return read_card(card_file, NodeCard)
    shutil.rmtree(home / "keys", ignore_errors=True)
    write_examples(home / "train.jsonl", examples)
    (home / "federation.json").write_bytes(layout.federation_card.read_bytes())
    settings = {"name": name, "state": ".", "federation": "federation.json", "train": "train.jsonl"}
    if public:
        settings["leak_gate"] = "off"
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
        origin: dict[str, Any] = {"file": _sha256(config.train.file), "seed": config.train.seed}
    else:
        origin = config.train.model_dump(mode="json", exclude={"partition"})
    skew = config.train.partition
    return origin if skew is None else {**origin, "partition": skew.model_dump(mode="json")}


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
