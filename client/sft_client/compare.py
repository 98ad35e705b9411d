"""``sft-client compare``: one measured model against others, as a page, as numbers and as an exit code."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sft_shared.config import load_yaml
from sft_shared.data.page_numbers import p_value
from sft_shared.errors import ConfigError
from sft_shared.evaluation.card import write_card
from sft_shared.evaluation.comparison import Compared, ComparisonSettings
from sft_shared.evaluation.gates import DEFAULT_GATES
from sft_shared.evaluation.report.contents import SURE, Report, make_report, remarks
from sft_shared.evaluation.report.facts import RunFacts
from sft_shared.evaluation.report.page import write_report
from sft_shared.evaluation.report.pictures import is_share
from sft_shared.evaluation.results import read_system
from sft_shared.evaluation.suites import SuiteSettings
from sft_shared.files import make_private_folder

HELD = 1
"""Exit code where a gate holds the candidate."""


def compare_folders(
    ours: Path,
    against: Sequence[Path],
    *,
    gates: Path | None,
    facts: Path | None,
    with_card: bool,
    out: Path,
) -> tuple[Report, list[Path]]:
    """Compare the results in these folders; write the report, and a card if asked, and return their paths.

    ``gates`` is a suite, for its gates; without one the candidate may lose no more than 2 points anywhere.
    Raises DataError for folders without results or with results that do not belong together, ConfigError for
    the two YAML files and for a suite that the results do not come from.
    """
    if with_card and facts is None:
        raise ConfigError("--card: a card tells how the model was trained. Give a YAML file with --facts.")
    suite = None if gates is None else load_yaml(gates, SuiteSettings)
    told = None if facts is None else load_yaml(facts, RunFacts)
    words = ["sft-client", "compare", "--ours", str(ours)]
    for folder in against:
        words += ["--against", str(folder)]
    for option, path in (("--gates", gates), ("--facts", facts)):
        words += [option, str(path)] if path else []
    system = read_system(ours)
    if suite is not None and suite.name != system.result.suite:
        raise ConfigError(
            f"{gates}: name: the suite is {suite.name!r}, {system.label} was measured with "
            f"{system.result.suite!r}. Give the suite that it was measured with."
        )
    report = make_report(
        system,
        [read_system(folder) for folder in against],
        gates=DEFAULT_GATES if suite is None else suite.gates,
        settings=ComparisonSettings(),
        facts=told,
        command=shlex.join([*words, *(["--card"] if with_card else []), "--out", str(out)]),
    )
    make_private_folder(out, setting="--out")
    paths = write_report(report, out)
    if with_card and told is not None:
        write_card(out / "card.md", report, told)
        paths.append(out / "card.md")
    return report, paths


def show_report(console: Console, report: Report, paths: Sequence[Path]) -> None:
    """A table of differences to the first rival, the gates, the verdict, and where the files are."""
    first = report.comparisons[0]
    table = Table(title=escape(f"{first.ours} against {first.theirs}"))
    for name in ("task", "metric", "n", "ours", "theirs", "difference", "95 %", "p (Holm)"):
        table.add_column(name, justify="left" if name in ("task", "metric") else "right")
    for task in report.ours.result.tasks:
        rival = report.against[0].result.task(task.name)
        pairs = found.metrics if (found := first.task(task.name)) else {}
        for metric, measured in task.metrics.items():
            share = is_share(report.ours, task.name, metric)
            other = rival.metrics.get(metric) if rival else None
            table.add_row(
                escape(task.name),
                escape(metric),
                f"{measured.n:,}",
                _value(measured.value, share=share),
                _value(other.value, share=share) if other else "-",
                *_difference(pairs.get(metric), share=share),
            )
    console.print(table)
    for verdict in report.verdicts:
        word = "held  " if verdict.held else "passed"
        console.print(f"{word} {verdict.gate}: {verdict.reason}", markup=False, soft_wrap=True)
    for line in remarks(report.ours, report.against):
        console.print(line, markup=False, soft_wrap=True)
    console.print(report.numbers.sentence, markup=False, soft_wrap=True)
    console.print(f"written to {', '.join(map(str, paths))}", markup=False, soft_wrap=True)


def _difference(pair: Compared | None, *, share: bool) -> tuple[str, str, str]:
    if pair is None:
        return "-", "-", "-"
    low, high = pair.ci95
    scale, digits = (100, 1) if share else (1, 3)
    sure = " *" if pair.p_holm < SURE else ""
    return (
        f"{scale * pair.difference:+.{digits}f}",
        f"{scale * low:+.{digits}f} to {scale * high:+.{digits}f}",
        f"{p_value(pair.p_holm)}{sure}",
    )


def _value(value: float, *, share: bool) -> str:
    return f"{100 * value:.1f} %" if share else f"{value:.3g}"
