"""A model card: what an adapter is, how it was made and measured, and what it must not be trusted with.

Markdown with the front matter that model hubs read. It holds counts and figures, never a text of the data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sft_shared.data.page_numbers import p_value
from sft_shared.evaluation.report.contents import Report, remarks, sentence
from sft_shared.evaluation.report.facts import RunFacts
from sft_shared.evaluation.results import Measured, SuiteResult
from sft_shared.files import write_atomic

HUB_METRICS = {"rouge_l": "rouge", "bleu4": "bleu", "exact_match": "exact_match"}
"""Names under which a hub knows metrics of ours; others keep their own."""


def write_card(path: Path, report: Report, facts: RunFacts) -> None:
    """Write the card of the report's candidate."""
    write_atomic(path, card(report, facts).encode())


def card(report: Report, facts: RunFacts) -> str:
    """The card's text."""
    ours = report.ours.result
    front = yaml.safe_dump(_front(report, facts), allow_unicode=True, sort_keys=False, width=1000)
    parts = [
        f"---\n{front}---",
        f"# {_plain(ours.label)}",
        _plain(sentence(report)),
        _made(ours, facts),
        f"## Intended use\n\n{_plain(facts.intended_use or 'Not stated by whoever trained it.')}",
        _data(facts),
        _training(facts),
        _evaluation(report),
        _gates(report),
        _limits(report, facts),
    ]
    return "\n\n".join(parts) + "\n"


def _front(report: Report, facts: RunFacts) -> dict[str, Any]:
    ours = report.ours.result
    metrics = [(task.name, name, measured) for task in ours.tasks for name, measured in task.metrics.items()]
    languages = [name for name in facts.languages or _asked_in(report) if len(name) == 2]
    return {
        "base_model": _line(facts.base_model),
        "library_name": "peft",
        **({"license": _line(facts.license).lower()} if facts.license else {}),
        **({"language": languages} if languages else {}),
        "pipeline_tag": "text-generation",
        "tags": ["fedsft", "federated-learning", "sft", _line(facts.method).split(",")[0].lower()],
        "metrics": sorted({_hub_name(name) for _, name, _ in metrics}),
        **({"model-index": [_index(ours, metrics)]} if metrics else {}),
    }


def _index(ours: SuiteResult, metrics: Sequence[tuple[str, str, Measured]]) -> dict[str, Any]:
    return {
        "name": _line(ours.label),
        "results": [
            {
                "task": {"type": "text-generation"},
                "dataset": {"name": _line(f"{ours.suite}: {task}"), "type": task},
                "metrics": [{"type": _hub_name(name), "name": name, "value": round(found.value, 4)}],
            }
            for task, name, found in metrics
        ],
    }


def _hub_name(metric: str) -> str:
    return HUB_METRICS.get(metric, metric)


def _made(ours: SuiteResult, facts: RunFacts) -> str:
    clients = (
        f"{facts.num_clients} clients, whose texts stayed with them"
        if facts.num_clients > 1
        else "one client"
    )
    rows = {
        "Base model": f"{facts.base_model} (`{ours.model.base_sha256[:16]}`)",
        "Adapter": f"`{ours.model.adapter_sha256}`" if ours.model.adapter_sha256 else "none: the base alone",
        "Method": facts.method,
        "Trained parameters": f"{facts.num_parameters:,}" if facts.num_parameters else "not stated",
        "Trained by": clients,
    }
    return _table(("", ""), rows.items())


def _data(facts: RunFacts) -> str:
    rows = {
        "Examples": f"{facts.num_examples:,}",
        "Languages": _counts(facts.languages),
        "Sources": _counts(facts.sources),
    }
    return "## Data\n\nCounts only; no text of the data is in this card.\n\n" + _table(("", ""), rows.items())


def _training(facts: RunFacts) -> str:
    rows = dict(facts.settings)
    if facts.cycles:
        rows["cycles"] = str(len(facts.cycles))
        losses = [f"{cycle.loss:.3f}" for cycle in facts.cycles if cycle.loss is not None]
        if losses:
            rows["loss, first and last cycle"] = f"{losses[0]}, {losses[-1]}"
        counted = any(cycle.bytes_down is not None for cycle in facts.cycles)
        down = f"{facts.bytes_down:,} down" if counted else "those down not counted"
        rows["bytes sent"] = f"{facts.bytes_up:,} up, {down}"
        rows["time"] = f"{facts.seconds:,.0f} s"
    privacy = (
        "No differential privacy was used: nothing bounds what the adapter tells of single examples."
        if facts.epsilon is None
        else f"Differential privacy: epsilon = {facts.epsilon:.2f}"
        + ("" if facts.delta is None else f" at delta = {facts.delta:.3g}")
        + ", over all cycles."
    )
    table = _table(("setting", "value"), rows.items()) + "\n\n" if rows else ""
    return f"## Training\n\n{table}{privacy}"


def _evaluation(report: Report) -> str:
    if not report.ours.result.tasks:
        return "## Evaluation\n\nIt was not measured."
    reference = report.comparisons[0] if report.comparisons else None
    rows = []
    for task in report.ours.result.tasks:
        rival = report.against[0].result.task(task.name) if report.against else None
        compared = reference.task(task.name) if reference else None
        for name, found in task.measured.items():
            other = rival.measured.get(name) if rival else None
            pair = compared.metrics.get(name) if compared else None
            direction = "" if found.higher_is_better else " (lower is better)"
            row = (f"{task.name}, {name}{direction}", str(found.n), _measured(found))
            beside = (_measured(other) if other else "not measured", p_value(pair.p_holm) if pair else "")
            rows.append(row + beside if reference else row)
    asked = _counts(_asked_in(report))
    suite = _plain(report.ours.result.suite)
    note = f"Suite {suite}, languages of the questions: {asked}; 95 % intervals in brackets"
    head: tuple[str, ...] = ("task, metric", "n", report.ours.label)
    if reference:
        head += (reference.theirs, "p")
        note += "; p by McNemar's exact test or a sign-flip permutation test, after Holm's correction"
    more = "".join(f" {_plain(line)}" for line in remarks(report.ours, report.against[:1]))
    return f"## Evaluation\n\n{_table(head, rows)}\n\n{note}.{more}"


def _asked_in(report: Report) -> dict[str, int]:
    """Language -> questions that were asked in it, the most first; what is too short to tell is left out."""
    rows = (row for task in report.ours.rows.values() for row in task)
    return dict(Counter(row.language for row in rows if row.language not in ("", "und")).most_common())


def _gates(report: Report) -> str:
    if not report.verdicts:
        return "## Gates\n\nNo gate was asked."
    rows = [(each.gate, "held" if each.held else "passed", each.reason) for each in report.verdicts]
    return f"## Gates\n\n{_table(('gate', 'verdict', 'why'), rows)}"


def _limits(report: Report, facts: RunFacts) -> str:
    total = sum(task.n for task in report.ours.result.tasks)
    measured = f"Measured on {total:,} held-out examples of one suite; elsewhere it may do worse."
    lines = [
        *facts.limits,
        measured if total else "What it gets right and wrong was not measured.",
        "One training with one seed; another may differ by more than the intervals say.",
    ]
    if facts.languages:
        lines.append(f"Trained on {' and '.join(facts.languages)} only.")
    if facts.epsilon is None:
        lines.append("May repeat pieces of what it was trained on; no epsilon is promised.")
    return "## Limits\n\n" + "\n".join(f"- {_plain(line)}" for line in lines)


def _measured(found: Measured) -> str:
    low, high = found.ci95
    if low >= 0 and max(found.value, high) <= 1:
        return f"{100 * found.value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    return f"{found.value:.3g} ({low:.3g} to {high:.3g})"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "not stated"


def _table(head: tuple[str, ...], rows: Any) -> str:
    return "\n".join(_lines(head, rows))


def _lines(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(map(_cell, head))} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(text: str) -> str:
    return _plain(text).replace("|", r"\|")


def _line(text: str) -> str:
    return " ".join(text.split())


def _plain(text: str) -> str:
    """One line that cannot become HTML, a heading or a link."""
    line = _line(text).replace("&", "&amp;").replace("<", "&lt;")
    return line.replace("[", r"\[").lstrip("#").lstrip()
