"""``sft-client rate``: measured answers go out to people as a blinded sheet, and come back as numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sft_shared.config import load_yaml
from sft_shared.errors import ConfigError, DataError
from sft_shared.evaluation.metrics.ratings import (
    MAX_SYSTEMS,
    RatingResult,
    SheetKey,
    read_key,
    read_sheet,
    summarise,
    write_sheet,
)
from sft_shared.evaluation.results import read_system
from sft_shared.evaluation.suites import SuiteSettings
from sft_shared.files import write_atomic

_RESULT = TypeAdapter(RatingResult)


def key_of(sheet: Path) -> Path:
    """Where the key of a sheet lies: beside it. It tells who wrote what, so raters do not get it."""
    return sheet.with_suffix(".key.json")


def export_sheet(
    suite_file: Path, task: str, results: Sequence[Path], *, out: Path, limit: int | None, seed: int
) -> SheetKey:
    """Write the answers of measured models to a task as a sheet, and its key beside it.

    Of more than ``limit`` questions some are drawn by ``seed``. Raises ConfigError for the suite and an
    unknown task, DataError for a folder without answers to it and for two models of one label.
    """
    suite = load_yaml(suite_file, SuiteSettings)
    settings = next((each for each in suite.tasks if each.name == task), None)
    if settings is None:
        known = ", ".join(each.name for each in suite.tasks)
        raise ConfigError(f"--task: {task!r} is no task of {suite_file}. Allowed: {known}.")
    if len(results) > MAX_SYSTEMS:
        raise ConfigError(f"--result: {len(results)} models, a sheet has room for {MAX_SYSTEMS}.")
    examples = settings.examples()
    if limit is not None and limit < len(examples):
        chance = random.Random(seed)  # noqa: S311 (a sample that can be drawn again, no secret)
        examples = [examples[place] for place in sorted(chance.sample(range(len(examples)), limit))]
    answers: dict[str, list[str]] = {}
    for folder in results:
        system = read_system(folder)
        if system.label in answers:
            raise DataError(f"two of the results are called {system.label!r}. Give each model once.")
        said = {row.id: row.prediction for row in system.rows.get(task, ())}
        missing = next((example.id for example in examples if example.id not in said), None)
        if missing is not None:
            raise DataError(
                f"{folder}: no answer to {missing!r} of the task {task!r}. Evaluate with this suite again."
            )
        answers[system.label] = [said[example.id] for example in examples]
    return write_sheet(out, key_of(out), examples, answers, seed=seed)


def read_sheets(sheets: Sequence[Path], *, key: Path, out: Path | None, seed: int) -> RatingResult:
    """Means and agreement of sheets that came back, one a rater; ``out`` gets them as JSON.

    Raises DataError as `read_key`, `read_sheet` and `summarise`, and for two sheets of one name.
    """
    names = [sheet.stem for sheet in sheets]
    twin = next((name for name in names if names.count(name) > 1), None)
    if twin is not None:
        raise DataError(f"two sheets are called {twin!r}. Name each after its rater.")
    systems = read_key(key)
    ratings = [rating for sheet in sheets for rating in read_sheet(sheet, systems)]
    result = summarise(ratings, seed=seed)
    if out is not None:
        write_atomic(out, _RESULT.dump_json(result, indent=1) + b"\n")
    return result


def show_ratings(console: Console, result: RatingResult) -> None:
    """A row a model, then how far the raters agree."""
    table = Table(title="Ratings")
    for name in ("model", "mean", "95 % interval", "examples"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for found in result.means:
        low, high = found.ci95
        table.add_row(escape(found.system), f"{found.mean:.2f}", f"{low:.2f} to {high:.2f}", f"{found.n:,}")
    console.print(table)
    for agreed in result.agreement:
        value = "cannot be told" if agreed.value is None else f"{agreed.value:.2f}"
        ends = "" if agreed.ci95 is None else " ({:.2f} to {:.2f})".format(*agreed.ci95)
        console.print(f"{agreed.name}: {value}{ends}, n={agreed.n}", markup=False, soft_wrap=True)
