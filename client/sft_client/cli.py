"""The command ``sft-client``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

from sft_shared.config import load_yaml
from sft_shared.errors import FedsftError

if TYPE_CHECKING:
    from sft_shared.training.plan import Plan

Params = ParamSpec("Params")

app = typer.Typer(
    help="Edge node of a federation: trains on local data, sends signed adapter deltas.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
keys_app = typer.Typer(help="The node's keys.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
rate_app = typer.Typer(help="Answers rated by people.", no_args_is_help=True)
app.add_typer(rate_app, name="rate")

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
    origin: Annotated[
        Path | None,
        typer.Option("--from", help="Folder of an earlier training to start from, with its EWC state."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps a cycle, in place of the recipe's.")] = None,
    cycles: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Cycles, each from the adapter of the one before; without it those of the "
            "recipe's stages, or 1.",
        ),
    ] = None,
) -> None:
    """Train on the local examples alone. Killed, it goes on after the last cycle or checkpoint."""
    from sft_client.config import ClientConfig
    from sft_client.local_training import Reports, train_locally
    from sft_client.screen import Screen, show_local_result
    from sft_shared.training.launch import launched

    settings = load_yaml(config, ClientConfig)
    folder = out or settings.layout.local_training
    screen = Screen()
    processes = launched()

    def show_plan(plan: Plan, num_dropped: int) -> None:
        screen.plan(plan, num_dropped=num_dropped)

    try:
        result = train_locally(
            settings,
            out=folder,
            steps=steps,
            num_cycles=cycles,
            processes=processes,
            origin=origin,
            reports=Reports(
                say=screen.say,
                plan=show_plan,
                step=screen.step,
            ),
        )
    finally:
        screen.clear()
    if processes.is_first:
        show_local_result(screen.console, result, folder=folder)


@app.command()
@_one_line_errors
def prepare(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="What to make of which logs (YAML).", metavar="FILE")
    ],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes, in place of the setting; the result is the same.")
    ] = None,
) -> None:
    """Make clean examples of raw logs. Stopped or killed, it goes on where it was."""
    from sft_client.prepare import prepare_from

    prepare_from(config, workers=workers)


@app.command()
@_one_line_errors
def merge(
    adapter: Annotated[Path, typer.Argument(help="Folder of a saved adapter.", metavar="FOLDER")],
    out: Annotated[Path, typer.Option(help="Folder of the merged model.", metavar="FOLDER")],
    model: Annotated[
        str | None, typer.Option(help="The base model, if not under the name that the adapter was made with.")
    ] = None,
) -> None:
    """Work an adapter into its base model and write a model that needs no adapter."""
    from sft_shared.models.merge import merge_adapter

    merged = merge_adapter(adapter, out=out, model=model)
    typer.echo(
        f"{merged.method} adapter merged into {merged.model}: {out} ({merged.num_parameters:,} numbers)"
    )


@app.command()
@_one_line_errors
def methods(
    model: Annotated[str, typer.Option(help="Base model: a known name or a folder.")] = "smollm2-135m",
    out: Annotated[Path, typer.Option(help="The result as JSON.", metavar="FILE")] = Path(
        "runs/bench/methods.json"
    ),
    steps: Annotated[int, typer.Option(min=2, help="Measured steps a method, after one to warm up.")] = 6,
    batch_size: Annotated[int, typer.Option(min=1, help="Examples a step.")] = 4,
) -> None:
    """Measure the four tuning methods on this machine: speed, memory, size of what is trained and sent."""
    from sft_client.methods import measure_methods
    from sft_client.screen import Screen, show_methods

    screen = Screen()
    rows = measure_methods(model, steps=steps, batch_size=batch_size, out=out, say=screen.say)
    show_methods(screen.console, rows, model=model)
    screen.say(f"written to {out}")


@app.command()
@_one_line_errors
def profile(
    data: Annotated[
        list[Path], typer.Argument(help="Datasets: .jsonl, .json, .csv or .tsv.", metavar="DATA...")
    ],
    out: Annotated[Path, typer.Option(help="Folder of profile.json, .png and .html.", metavar="FOLDER")],
    held_out: Annotated[
        list[Path] | None, typer.Option(help="A dataset that is held out; may be given several times.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="auto, or the name of a format.")] = "auto",
    category_field: Annotated[
        str | None, typer.Option(help="Field of the records that names their class.")
    ] = None,
) -> None:
    """Show what a dataset is made of: classes, languages, lengths, duplicates, and what to do about it."""
    from rich.console import Console

    from sft_client.profile import format_name, profile_files, show_profile

    result = profile_files(
        data,
        held_out=held_out or [],
        form=format_name(form),
        category_field=category_field,
        out=out,
    )
    show_profile(Console(highlight=False), result)


@app.command()
@_one_line_errors
def generate(
    config: Annotated[Path, typer.Option("--config", "-c", help="What to write, and by which rules (YAML).")],
    out: Annotated[Path, typer.Option(help="The examples; rejected.jsonl goes beside it.", metavar="FILE")],
) -> None:
    """Let a model write examples after seeds; a rule engine refuses what does not fit, each with its rule."""
    from sft_client.generation import GenerateSettings, generate_examples

    counts = generate_examples(load_yaml(config, GenerateSettings), out=out)
    for name, count in sorted(counts.items(), key=lambda item: (item[0] != "kept", -item[1])):
        typer.echo(f"{count:6,} {name}")
    typer.echo(f"written to {out}")


@app.command()
@_one_line_errors
def compare(
    ours: Annotated[Path, typer.Option(help="Results of the candidate.", metavar="FOLDER")],
    against: Annotated[
        list[Path],
        typer.Option(
            help="Results of another system; may be given several times. The first is what the candidate "
            "would replace.",
            metavar="FOLDER",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of report.html, comparison.json and pictures.", metavar="FOLDER")
    ],
    gates: Annotated[
        Path | None,
        typer.Option(
            help="The suite (YAML), for its gates; without it no loss above 2 points.", metavar="FILE"
        ),
    ] = None,
    facts: Annotated[
        Path | None, typer.Option(help="What was trained, on how much (YAML or JSON).", metavar="FILE")
    ] = None,
    card: Annotated[bool, typer.Option("--card", help="Write the adapter's model card too.")] = False,
) -> None:
    """Compare measured models. Exit code 0: every gate lets the candidate pass; 1: one holds it."""
    from rich.console import Console

    from sft_client.compare import HELD, compare_folders, show_report

    report, paths = compare_folders(ours, against, gates=gates, facts=facts, with_card=card, out=out)
    show_report(Console(highlight=False), report, paths)
    if report.held:
        raise typer.Exit(HELD)


@app.command()
@_one_line_errors
def evaluate(
    suite: Annotated[Path, typer.Option(help="Tasks, metrics and generation (YAML).", metavar="FILE")],
    out: Annotated[
        Path, typer.Option(help="Folder of result.json and the answers.", metavar="FOLDER")
    ] = Path("runs/evaluation"),
    model: Annotated[
        str | None,
        typer.Option(help="Base model: a known name or a folder; else the recipe's or the adapter's own."),
    ] = None,
    adapter: Annotated[
        Path | None, typer.Option(help="Folder of a saved adapter; without it the base alone.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe (YAML) whose model and prompts are used.", metavar="FILE")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Name of the model in the result.")] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of answers to find again; several evaluations may share it in turn."),
    ] = None,
) -> None:
    """Measure a model on a suite of tasks. Stopped or killed, it goes on where it was."""
    from sft_client.evaluate import evaluate_model

    evaluate_model(suite, model=model, adapter=adapter, recipe_file=recipe, label=label, cache=cache, out=out)


@rate_app.command("export")
@_one_line_errors
def rate_export(
    suite: Annotated[Path, typer.Option(help="The suite that measured the models.", metavar="FILE")],
    task: Annotated[str, typer.Option(help="The task whose answers are to be rated.")],
    result: Annotated[
        list[Path], typer.Option(help="Results of a model; may be given several times.", metavar="FOLDER")
    ],
    out: Annotated[Path, typer.Option(help="The sheet (CSV); its key goes beside it.", metavar="FILE")],
    limit: Annotated[int | None, typer.Option(min=1, help="So many questions, drawn by the seed.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order of questions and answers.")] = 0,
) -> None:
    """Write the models' answers as a sheet that does not say who wrote which."""
    from sft_client.rate import export_sheet, key_of

    key = export_sheet(suite, task, result, out=out, limit=limit, seed=seed)
    typer.echo(f"{len(key.systems)} questions are in {out}. Give every rater a copy with a name of its own.")
    typer.echo(f"{key_of(out)} tells who wrote what: keep it from the raters.")


@rate_app.command("read")
@_one_line_errors
def rate_read(
    sheets: Annotated[list[Path], typer.Argument(help="Filled-in sheets, one a rater.", metavar="SHEET...")],
    key: Annotated[Path, typer.Option(help="The key that was written with the sheet.", metavar="FILE")],
    out: Annotated[Path | None, typer.Option(help="Means and agreement as JSON.", metavar="FILE")] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap intervals.")] = 0,
) -> None:
    """Mean ratings of each model, and how far the raters agree."""
    from rich.console import Console

    from sft_client.rate import read_sheets, show_ratings

    show_ratings(Console(highlight=False), read_sheets(sheets, key=key, out=out, seed=seed))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
@_one_line_errors
def judge(context: typer.Context) -> None:
    """Let lm-evaluation-harness judge a model: its own command line, with --model fedsft."""
    from sft_client.judge import judge as run

    run(context.args)


def main() -> None:
    """Entry point of the console script."""
    app()
