"""``sft-client evaluate``: a suite on this machine, its progress on stderr and a table at the end."""

from __future__ import annotations

import time
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sft_client.screen import PLAIN_LINE_S
from sft_shared.config import load_yaml
from sft_shared.data.chat import DataSettings
from sft_shared.errors import ConfigError
from sft_shared.evaluation.results import MAX_LABEL, RESULT, Latency, Measured, SuiteResult
from sft_shared.evaluation.running import run_suite
from sft_shared.evaluation.suites import SuiteSettings
from sft_shared.models.adapters import load_adapter, read_origin, require_base
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.recipe import Recipe

STOPPED = 130  # the exit code of a program that Ctrl-C ended
DEFAULT_MODEL = "smollm2-135m"


def evaluate_model(
    suite_file: Path,
    *,
    model: str | None,
    adapter: Path | None,
    recipe_file: Path | None,
    label: str | None,
    cache: Path | None,
    out: Path,
) -> SuiteResult:
    """Measure a base or an adapter, show how far it is and what came out. Raises FedsftError.

    The base is ``model``, else that of the recipe, else the adapter's own. Prompts are written as the recipe
    says. Answers are kept in ``cache``, without one in the folder ``cache`` of ``out``. Without a ``label``
    the folder's name of the adapter or base is taken, cut to what a label may have.
    """
    if label and len(label) > MAX_LABEL:
        raise ConfigError(f"--label: {len(label)} characters. Give {MAX_LABEL} or fewer.")
    suite = load_yaml(suite_file, SuiteSettings)
    recipe = None if recipe_file is None else load_yaml(recipe_file, Recipe)
    origin = None if adapter is None else read_origin(adapter)
    state = None if adapter is None else load_adapter(adapter)
    settings = ModelSettings(name=DEFAULT_MODEL if origin is None else origin.model)
    if recipe is not None:
        settings = recipe.model
    if model is not None:
        settings = settings.model_copy(update={"name": model})
    console = Console(stderr=True, highlight=False)
    console.print(f"loading {settings.name}", markup=False, soft_wrap=True)
    base = load_base(settings)
    if adapter is not None and origin is not None:
        require_base(adapter, origin, base)
    progress = EvaluationProgress(console)
    try:
        result = run_suite(
            suite,
            base,
            state,
            tuning=None if origin is None else origin.tuning,
            data=DataSettings() if recipe is None else recipe.data,
            cache=cache or out / "cache",
            out=out,
            label=label or (Path(settings.name) if adapter is None else adapter.resolve()).name[:MAX_LABEL],
            report=progress,
        )
    except KeyboardInterrupt:
        progress.clear()
        console.print("stopped; what was answered is kept. Run again to go on.")
        raise typer.Exit(STOPPED) from None
    finally:
        progress.clear()
    show_suite(Console(highlight=False), result)
    console.print(f"written to {out / RESULT}", markup=False, soft_wrap=True)
    return result


class EvaluationProgress:
    """How many answers of a task are there: on a terminal a bar, else a line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task = ""
        self._last_line_s = 0.0

    def __call__(self, task: str, done: int, total: int) -> None:
        """See `sft_shared.evaluation.running.Report`."""
        if self._console.is_terminal:
            self._move(task, done, total)
        elif task != self._task or done == total or time.monotonic() - self._last_line_s >= PLAIN_LINE_S:
            self._last_line_s = time.monotonic()
            self._console.print(f"{task}: {done}/{total} answered", markup=False, soft_wrap=True)
        self._task = task

    def _move(self, task: str, done: int, total: int) -> None:
        if self._bar is None or task != self._task:
            self.clear()
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(*columns, TimeRemainingColumn(), console=self._console, transient=True)
            self._bar.start()
            self._bar.add_task(task, total=total)
        self._bar.update(self._bar.task_ids[0], completed=done)

    def clear(self) -> None:
        """Take the bar off."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def show_suite(console: Console, result: SuiteResult) -> None:
    """A row a task and metric; then the latency, and what the numbers do not say by themselves."""
    held = ", answers held to a form" if result.constrained else ""
    table = Table(title=f"{result.suite}: {result.model.label}{held}")
    for name in ("task", "role", "metric", "value", "95 % interval", "n"):
        table.add_column(name, justify="left" if name in ("task", "role", "metric") else "right")
    for task in result.tasks:
        for place, (name, measured) in enumerate(task.measured.items()):
            first = (task.name, task.role) if place == 0 else ("", "")
            table.add_row(*first, name, *_cells(measured), f"{measured.n:,}")
    console.print(table)
    for task in result.tasks:
        if task.latency is not None:
            console.print(f"{task.name}: {latency_line(task.latency)}", markup=False, soft_wrap=True)
        if task.num_cut:
            cut = f"{task.num_cut} of {task.n} answers were cut off at max_new_tokens"
            console.print(f"{task.name}: {cut}", markup=False, soft_wrap=True)


def _cells(measured: Measured) -> tuple[str, str]:
    low, high = measured.ci95
    if measured.binary:
        return f"{measured.value:.1%}", f"{low:.1%} to {high:.1%}"
    return f"{measured.value:.3f}", f"{low:.3f} to {high:.3f}"


def latency_line(latency: Latency) -> str:
    """First token and speed in one line, the middle and the 95th percentile."""
    parts = []
    for name, pace in (("warm", latency.warm), ("cold", latency.cold)):
        first = pace.first_token_s
        text = f"{name}: first token {first.p50 * 1e3:.0f} ms (p95 {first.p95 * 1e3:.0f})"
        if pace.tokens_per_s is not None:
            text += f", {pace.tokens_per_s.p50:.0f} tokens/s"
        parts.append(f"{text}, n={first.n}")
    return "; ".join(parts)
