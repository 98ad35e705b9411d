"""``report.html``: one file without any outside request, readable on a phone and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from sft_shared.data.page_numbers import p_value
from sft_shared.data.pages import data_uri, write_page
from sft_shared.evaluation.comparison import Comparison, Flip
from sft_shared.evaluation.report.contents import SURE, Report, remarks, sentence, tally
from sft_shared.evaluation.report.pictures import (
    draw_cycles,
    draw_differences,
    draw_values,
    is_share,
    writable,
)
from sft_shared.evaluation.results import Latency, Measured, SliceName, System
from sft_shared.files import write_atomic

MAX_FLIPS = 3
"""Flips of a task that are shown, each way; comparison.json has all."""
MAX_TEXT = 1200
"""Characters of an answer that are shown."""
MAX_SLICES = 40
"""Rows of a slice's table."""


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write comparison.json, the pictures and report.html into ``folder``; return their paths, page last."""
    systems = [report.ours, *report.against]
    numbers = folder / "comparison.json"
    write_atomic(numbers, (report.numbers.model_dump_json(indent=1) + "\n").encode(), private=True)
    pictures = _draw_all(report, folder)
    page = folder / "report.html"
    write_page(
        page,
        Path(__file__).with_name("report.html.j2"),
        private=True,  # it holds answers
        report=report,
        ours=report.ours.result,
        systems=[system.result for system in systems],
        sentence=sentence(report),
        remarks=remarks(report.ours, report.against),
        tally=tally(report.comparisons[0]),
        sure=SURE,
        pictures={path.stem: data_uri(path) for path in pictures},
        names=_numbered_names(report),
        all_metrics=lambda task: _metrics(task, systems),
        cell=_cell,
        gain=_gain,
        p_value=p_value,
        flips=_flips,
        is_share=lambda task, metric: is_share(report.ours, task, metric),
        slice_value=lambda task, *where: _slice_value(report.ours, task, *where),
        latencies=_latencies(systems),
        max_flips=MAX_FLIPS,
        max_slices=MAX_SLICES,
        shown=_shown,
    )
    return [numbers, *pictures, page]


def _draw_all(report: Report, folder: Path) -> list[Path]:
    drawn: dict[str, Figure | None] = {
        "values.png": draw_values(report.ours, report.against),
        "differences.png": draw_differences(report.ours, report.comparisons[0]),
        "cycles.png": draw_cycles(report.facts.cycles) if report.facts else None,
    }
    paths = []
    for name, picture in drawn.items():
        if picture is not None:
            picture.savefig(folder / name, dpi=170)
            paths.append(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)  # of an earlier report
    return paths


def _numbered_names(report: Report) -> dict[str, str]:
    """Names with their number before them, where pictures have numbers for want of a font."""
    labels = [system.label for system in (report.ours, *report.against)]
    tasks = [task.name for task in report.ours.result.tasks]
    return {
        name: f"{text} {name}"
        for names in (labels, tasks)
        for name, text in zip(names, writable(names).texts, strict=True)
        if text.startswith("#") and text != name
    }


def _metrics(name: str, systems: Sequence[System]) -> list[str]:
    """The metrics that any system has on a task, in the order of the first."""
    found: dict[str, None] = {}
    for system in systems:
        task = system.result.task(name)
        found |= dict.fromkeys(task.measured if task else ())
    return list(found)


def _cell(measured: Measured) -> tuple[str, str]:
    """A value and its interval; of what is no share as it is."""
    low, high = measured.ci95
    if max(measured.value, low, high) <= 1 and min(measured.value, low) >= 0:
        return f"{100 * measured.value:.1f}\u202f%", f"{100 * low:.1f}\u2013{100 * high:.1f}"
    return f"{measured.value:.3g}", f"{low:.3g}\u2013{high:.3g}"


def _gain(value: float, *, share: bool) -> str:
    return (f"{100 * value:+.1f}" if share else f"{value:+.3g}").replace("-", "\u2212")


def _slice_value(ours: System, task: str, slice_name: SliceName, value: str, metric: str) -> Measured | None:
    found = ours.result.task(task)
    return found.slices.get(slice_name, {}).get(value, {}).get(metric) if found else None


def _latencies(systems: Sequence[System]) -> dict[str, dict[str, Latency]]:
    """Task -> system -> how fast it answered, of what was measured."""
    found: dict[str, dict[str, Latency]] = {}
    for system in systems:
        for task in system.result.tasks:
            if task.latency:
                found.setdefault(task.name, {})[system.label] = task.latency
    return found


def _flips(comparison: Comparison, task: str) -> tuple[list[Flip], list[Flip]]:
    """Examples that are right on more metrics now, and those that lost any."""
    found = comparison.task(task)
    flips = found.flips if found else ()
    return [flip for flip in flips if not flip.lost], [flip for flip in flips if flip.lost]


def _shown(text: str) -> str:
    return (
        text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} … ({len(text) - MAX_TEXT:,} characters more)"
    )
