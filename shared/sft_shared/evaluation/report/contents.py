"""What a report is made of: systems, comparisons, what the gates say, and the verdict in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sft_shared.config import Settings
from sft_shared.errors import DataError
from sft_shared.evaluation.comparison import Compared, Comparison, ComparisonSettings, compare_results
from sft_shared.evaluation.conditions import asked_otherwise
from sft_shared.evaluation.gates import Gate, judge_gates
from sft_shared.evaluation.report.facts import RunFacts
from sft_shared.evaluation.results import SuiteResult, System
from sft_shared.evaluation.verdicts import Evidence, Verdict

SURE = 0.05
"""Below this a corrected p-value is called a real difference."""


@dataclass(frozen=True)
class Report:
    """A candidate against others; the first of them is what it would replace. A card needs none."""

    ours: System
    against: tuple[System, ...]
    comparisons: tuple[Comparison, ...]  # one for each of ``against``
    verdicts: tuple[Verdict, ...]
    facts: RunFacts | None
    command: str

    @property
    def held(self) -> bool:
        """Whether a gate holds the candidate."""
        return any(verdict.held for verdict in self.verdicts)

    @property
    def numbers(self) -> ReportNumbers:
        """All that is shown, for programs."""
        return ReportNumbers(
            held=self.held,
            sentence=sentence(self),
            command=self.command,
            verdicts=self.verdicts,
            comparisons=self.comparisons,
            systems=(self.ours.result, *(system.result for system in self.against)),
            facts=self.facts,
        )


class ReportNumbers(Settings):
    """``comparison.json``; ``systems`` begins with the candidate, then in the order of ``comparisons``."""

    held: bool
    sentence: str
    command: str
    verdicts: tuple[Verdict, ...]
    comparisons: tuple[Comparison, ...]
    systems: tuple[SuiteResult, ...]
    facts: RunFacts | None


def make_report(
    ours: System,
    against: Sequence[System],
    *,
    gates: Sequence[Gate],
    settings: ComparisonSettings,
    facts: RunFacts | None,
    command: str,
) -> Report:
    """Compare the candidate with each system, and judge it against the first.

    Raises DataError without a system to compare with, for two of one label, and as `compare_results`.
    """
    if not against:
        raise DataError("there is nothing to compare with. Give one result or more with --against.")
    names = [system.label for system in (ours, *against)]
    twin = next((name for name in names if names.count(name) > 1), None)
    if twin is not None:
        raise DataError(f"two of the results are called {twin!r}. Measure one of them with another label.")
    comparisons = tuple(compare_results(ours, system, settings=settings) for system in against)
    evidence = Evidence(ours, against=against[0], comparison=comparisons[0])
    verdicts = tuple(judge_gates(gates, evidence))
    return Report(ours, tuple(against), comparisons, verdicts, facts, command)


def remarks(ours: System, against: Sequence[System]) -> list[str]:
    """What a reader has to know of the comparisons: where a rival was asked in another way."""
    found = []
    for system in against:
        tasks = asked_otherwise(ours.result.conditions, system.result.conditions)
        if tasks:
            found.append(
                f"{ours.label} and {system.label} were not asked in the same way on {', '.join(tasks)}: the "
                "recipe's prompts, the solved examples or the form of answers differ."
            )
    return found


def sentence(report: Report) -> str:
    """The verdict, in one sentence."""
    bad = [verdict for verdict in report.verdicts if verdict.held]
    name = report.ours.label
    if bad:
        more = f" ({len(bad)} of {len(report.verdicts)} gates hold it)" if len(bad) > 1 else ""
        return f"{name} is held{more}: {bad[0].reason}"
    if not report.comparisons:
        return f"{name} was compared with no other model."
    better, worse, total = tally(report.comparisons[0])
    against = report.comparisons[0].theirs
    if better and not worse:
        found = f"it is better than {against} in {better} of {total} measures and worse in none"
    elif better or worse:
        found = f"against {against} it is better in {better} and worse in {worse} of {total} measures"
    else:
        found = f"these examples cannot tell it from {against} in any of {total} measures"
    if not report.verdicts:
        return f"{name} was judged by no gate; {found}."
    gates = "its gate" if len(report.verdicts) == 1 else f"all {len(report.verdicts)} gates"
    return f"{name} passes {gates}: {found}."


def tally(comparison: Comparison) -> tuple[int, int, int]:
    """Measures that are better, that are worse, both after correction, and all of them."""
    found = [compared for task in comparison.tasks for compared in task.metrics.values()]
    return sum(_sure(each, 1) for each in found), sum(_sure(each, -1) for each in found), len(found)


def _sure(compared: Compared, sign: int) -> bool:
    return compared.p_holm < SURE and compared.gain * sign > 0
