"""The ``sft-server`` command. Thin: settings are read here, work is done elsewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sft_server.config import ServerConfig, SimulationConfig
from sft_server.layout import Layout
from sft_server.store import Store
from sft_shared.config import load_yaml
from sft_shared.errors import FedsftError, KeysError

app = typer.Typer(
    help="Federated fine-tuning: the aggregation server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
keys_app = typer.Typer(help="The federation's keys.", no_args_is_help=True)
nodes_app = typer.Typer(help="Who may take part.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(nodes_app, name="nodes")

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="server.yaml", show_default=False)]

ENVIRONMENT = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a client with no share of a GPU sees none
    "TOKENIZERS_PARALLELISM": "false",
}
"""What keeps libraries from calling out and from talking on the screen; read when they are imported."""


@keys_app.command("init")
def keys_init(config: ConfigPath) -> None:
    """Make the CA, the server's certificate and the order key, and write federation.json."""
    from sft_server.keys import init_keys

    settings = load_yaml(config, ServerConfig)
    card = init_keys(settings)
    layout = Layout(settings.state)
    console = Console(markup=False)
    console.print(
        f"keys of federation {card.name} are in {layout.keys}; keep that folder private", soft_wrap=True
    )
    console.print(f"give {layout.federation_card} to the nodes; they dial {card.address}", soft_wrap=True)


@keys_app.command("renew")
def keys_renew(config: ConfigPath) -> None:
    """Make a new server certificate, for the address in the config; the CA and the nodes stay as they are."""
    from sft_server.keys import renew_server_certificate

    card = renew_server_certificate(load_yaml(config, ServerConfig))
    Console(markup=False).print(f"new certificate for {card.address}; restart the server", soft_wrap=True)


@nodes_app.command("add")
def nodes_add(
    card: Annotated[Path, typer.Argument(help="node.json of the node", show_default=False)],
    config: ConfigPath,
) -> None:
    """Register a node by its card; a running server lets it in within seconds."""
    from sft_shared.wire.cards import NodeCard, read_card

    node = read_card(card, NodeCard)
    added = _store(config).add_node(node)
    Console(markup=False).print(
        f"node {node.name} is registered" if added else f"node {node.name} was registered already"
    )


@nodes_app.command("list")
def nodes_list(config: ConfigPath) -> None:
    """Show all nodes, the revoked ones too."""
    from sft_server.console import node_table

    Console(markup=False).print(node_table(_store(config).nodes()))


@nodes_app.command("revoke")
def nodes_revoke(
    name: Annotated[str, typer.Argument(help="the node's name", show_default=False)], config: ConfigPath
) -> None:
    """Shut a node out for good; its keys never come back. A running server acts within seconds."""
    _store(config).revoke_node(name)
    Console(markup=False).print(f"node {name} is revoked")


@app.command()
def start(config: ConfigPath) -> None:
    """Run the server until all cycles are closed, or until Ctrl-C."""

    settings = load_yaml(config, ServerConfig)
    os.environ["FLWR_HOME"] = str(Layout(settings.state).flwr_home)
    from sft_server.service import serve

    serve(settings, console=Console())


@app.command()
def simulate(
    config: Annotated[Path, typer.Argument(help="simulation.yaml", show_default=False)],
) -> None:
    """Run a whole federation with virtual clients on this machine (Ray)."""

    settings = load_yaml(config, SimulationConfig)
    os.environ["FLWR_HOME"] = str(Layout(settings.out).flwr_home)
    from sft_server.simulation import simulate as run_simulation

    run_simulation(settings, console=Console())


@app.command()
def demo(
    config: Annotated[Path, typer.Argument(help="demo.yaml", show_default=False)],
) -> None:
    """Run a whole federation on this machine: real processes, TLS, a real model and data; then a report."""
    from sft_server.demo.config import DemoConfig
    from sft_server.demo.processes import Interrupted
    from sft_server.demo.run import run_demo

    settings = load_yaml(config, DemoConfig)
    try:
        run_demo(settings, console=Console())
    except Interrupted as interrupted:
        Console(stderr=True).print(f"stopped by {interrupted}; no process is left running")
        raise typer.Exit(interrupted.exit_code) from None


def _store(config: Path) -> Store:
    layout = Layout(load_yaml(config, ServerConfig).state)
    if not layout.keys.is_dir():
        raise KeysError(f"{layout.keys}: no keys yet. Run `sft-server keys init` with this config first.")
    return Store(layout.database)


def main() -> None:
    """Entry point: a user's mistake is answered with ``error:`` lines and exit code 2."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        app()
    except FedsftError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        _complain(f"{error.filename or 'system'}: {error.strerror or error}.")
        sys.exit(FedsftError.exit_code)


def _complain(text: str) -> None:
    for line in text.splitlines():
        print(f"error: {line}", file=sys.stderr)
