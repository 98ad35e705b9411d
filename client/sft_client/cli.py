"""The command ``sft-client``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from sft_shared.config import load_yaml
from sft_shared.errors import FedsftError

Params = ParamSpec("Params")

app = typer.Typer(
    help="Edge node of a federation: trains on local data, sends signed adapter deltas.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
keys_app = typer.Typer(help="The node's keys.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

Config = Annotated[Path, typer.Option("--config", "-c", help="The node's settings (YAML).", metavar="FILE")]
# What takes seconds to import (torch, flwr) is imported by the commands that need it.


def _one_line_errors(command: Callable[Params, None]) -> Callable[Params, None]:
    """Answer a user's mistake with ``error: ...`` and exit code 2, not with a traceback."""

    @wraps(command)
    def run(*args: Params.args, **kwargs: Params.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except FedsftError as error:
            _complain(str(error))
            raise typer.Exit(error.exit_code) from None
        except OSError as error:
            _complain(f"{error.filename or 'system'}: {error.strerror or error}.")
            raise typer.Exit(FedsftError.exit_code) from None

    return run


def _complain(text: str) -> None:
    for line in text.splitlines():
        typer.echo(f"error: {line}", err=True)


@keys_app.command("init")
@_one_line_errors
def keys_init(config: Config) -> None:
    """Make the node's private keys and node.json, the card for the server's operator."""
    from sft_client.config import ClientConfig
    from sft_client.keys import init_keys

    settings = load_yaml(config, ClientConfig)
    init_keys(settings)
    layout = settings.layout
    typer.echo(f"Private keys of node {settings.name!r} are in {layout.keys} (keep them there).")
    typer.echo(
        f"1. Send {layout.card} to the server's operator, who runs: "
        "sft-server nodes add node.json --config server.yaml"
    )
    typer.echo(f"2. Put the federation.json that you get in return at {settings.federation}")
    typer.echo(f"3. Run: sft-client start --config {config}")


@app.command()
@_one_line_errors
def start(config: Config) -> None:
    """Take part in the federation until Ctrl-C."""
    from sft_client.config import ClientConfig
    from sft_client.screen import Screen
    from sft_client.service import start as serve

    serve(load_yaml(config, ClientConfig), screen=Screen())


@app.command()
@_one_line_errors
def train(
    config: Config,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the result; without it `local` in the state folder.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps a cycle, in place of the recipe's.")] = None,
    cycles: Annotated[int, typer.Option(min=1, help="Cycles, each from the adapter of the one before.")] = 1,
) -> None:
    """Train on the local examples alone, without a server."""
    from rich.table import Table

    from sft_client.config import ClientConfig
    from sft_client.local_training import train_locally
    from sft_client.screen import Screen

    settings = load_yaml(config, ClientConfig)
    folder = out or settings.layout.local_training
    screen = Screen()
    try:
        result = train_locally(
            settings, out=folder, steps=steps, num_cycles=cycles, say=screen.say, on_step=screen.step
        )
    finally:
        screen.clear()
    table = Table(title=f"Local training of {result.node}", show_header=False)
    for name, value in (
        ("model", f"{result.model} ({result.dtype})"),
        ("examples", f"{result.num_examples}"),
        ("cycles", f"{result.num_cycles}"),
        ("steps", f"{result.steps}"),
        ("loss", f"{result.first_loss:.4f} -> {result.final_loss:.4f}"),
        ("tokens", f"{result.tokens} ({result.supervised_tokens} supervised)"),
        ("speed", f"{result.tokens_per_s:.0f} tokens/s"),
        ("time", f"{result.train_s:.1f} s training, {result.wall_s:.1f} s in all"),
        ("adapter", f"{folder}"),
    ):
        table.add_row(name, value)
    screen.console.print(table)


def main() -> None:
    """Entry point of the console script."""
    app()
