"""Whether a measured adapter may take the place of the one that is served, as a cycle's record keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sft_shared.evaluation.comparison import ComparisonSettings
from sft_shared.evaluation.gates import Gate
from sft_shared.evaluation.report.contents import Report, make_report
from sft_shared.evaluation.results import System


def judge(ours: System, against: System | None, *, gates: Sequence[Gate]) -> Report:
    """Compare a candidate with what it would replace, and ask the gates. Without a rival there are none."""
    if against is None:
        assert not gates, "gates judge against the promoted adapter"
        return Report(ours, (), (), (), facts=None, command="")
    return make_report(ours, [against], gates=gates, settings=ComparisonSettings(), facts=None, command="")


def record_of(report: Report) -> dict[str, Any]:
    """What a cycle's record keeps: the first task's first metric in front, every task's, every verdict."""
    tasks = report.ours.result.tasks
    name, headline = next(iter(tasks[0].metrics.items()))
    return {
        "measure": f"{tasks[0].name}: {name}",
        "value": headline.value,
        "ci95": headline.ci95,
        "n": headline.n,
        "seconds": sum(task.seconds for task in tasks),
        "tasks": {
            task.name: {metric: found.model_dump(mode="json") for metric, found in task.metrics.items()}
            for task in tasks
        },
        "against": report.against[0].label if report.against else None,
        "gates": [verdict.model_dump(mode="json") for verdict in report.verdicts],
    }


def why_held(evaluation: Mapping[str, Any]) -> str | None:
    """Why the gates hold an adapter of this record, in a line; None if none does."""
    verdicts = evaluation.get("gates", ())
    bad = [verdict for verdict in verdicts if verdict["held"]]
    if not bad:
        return None
    more = f" {len(bad)} of {len(verdicts)} gates hold it." if len(bad) > 1 else ""
    return f"{bad[0]['gate']}: {bad[0]['reason']}{more}"
