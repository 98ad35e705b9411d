"""How well conduct and refusals are judged, on texts that nothing was tuned on: `make bench-conduct`.

Prints precision and recall of the words, rules and classifier of the shipped suite, and of refusals; writes
runs/bench/conduct.json, which is also stdout's last line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from bench.study_run import finish
from sft_shared.config import load_yaml
from sft_shared.data.logs.intents import read_confirmed
from sft_shared.errors import FedsftError
from sft_shared.evaluation.compare import wilson_interval
from sft_shared.evaluation.metrics.conduct import Compliance
from sft_shared.evaluation.metrics.refusal import refuses
from sft_shared.evaluation.suites import SuiteSettings

FOLDER = Path(__file__).parents[1] / "configs" / "evaluation"
OUT = Path("runs/bench/conduct.json")
CONDUCT, REFUSALS = FOLDER / "conduct-held-out.jsonl", FOLDER / "refusal-held-out.jsonl"


@dataclass(frozen=True)
class Found:
    """What a judge says of texts that people labelled."""

    num_hit: int  # of those that are to be found
    num_missed: int
    num_false: int  # good texts that are taken for bad
    num_good: int

    @property
    def recall(self) -> float:
        """Share of what is to be found that is."""
        return self.num_hit / (self.num_hit + self.num_missed)

    @property
    def passed(self) -> float:
        """Share of the good texts that pass."""
        return 1 - self.num_false / self.num_good

    @property
    def precision(self) -> float:
        """Share of the hits that are right; 1 without any."""
        return self.num_hit / max(1, self.num_hit + self.num_false) if self.num_hit else 1.0

    def row(self) -> tuple[str, ...]:
        """A row of the table, the shares with their 95 % intervals."""
        num_bad = self.num_hit + self.num_missed
        found = wilson_interval(self.num_hit, num_total=num_bad)
        passed = wilson_interval(self.num_good - self.num_false, num_total=self.num_good)
        return (
            str(num_bad),
            _share(self.recall, found),
            str(self.num_good),
            _share(self.passed, passed),
            f"{self.precision:.1%}",
        )


def _share(value: float, ends: tuple[float, float]) -> str:
    return f"{value:.1%} ({ends[0]:.0%} to {ends[1]:.0%})"


def count(texts: Iterable[tuple[str, str]], *, good: str, is_bad: Callable[[str], bool]) -> Found:
    """Ask ``is_bad`` of each (text, label); ``good`` is the label of what is to pass."""
    told = [(label == good, is_bad(text)) for text, label in texts]
    return Found(
        num_hit=sum(bad and not fine for fine, bad in told),
        num_missed=sum(not bad and not fine for fine, bad in told),
        num_false=sum(bad and fine for fine, bad in told),
        num_good=sum(fine for fine, _ in told),
    )


def shipped_compliance() -> Compliance:
    """The first compliance metric of the shipped suite."""
    suite = load_yaml(FOLDER / "suite.yaml", SuiteSettings)
    found = (each for task in suite.tasks for each in task.metrics if isinstance(each, Compliance))
    return next(found)


def _breaks(judge: Compliance) -> Callable[[str], bool]:
    return lambda text: bool(judge.hits(text))


def measured() -> dict[str, Found]:
    """Every judge on the texts held out for it."""
    shipped = shipped_compliance()
    judges = {
        "words": shipped.model_copy(update={"rules": (), "classifier": None}),
        "words + rules": shipped.model_copy(update={"classifier": None}),
        "classifier": Compliance(classifier=shipped.classifier),
        "words + rules + classifier": shipped,
    }
    texts = list(read_confirmed(CONDUCT, field="label"))
    found = {name: count(texts, good="ok", is_bad=_breaks(judge)) for name, judge in judges.items()}
    refusals = read_confirmed(REFUSALS, field="label")
    return found | {"refusals": count(refusals, good="answer", is_bad=refuses)}


def table(found: Mapping[str, Found]) -> Table:
    """A row a judge."""
    shown = Table(title="texts held out from rules and labels")
    for name in ("judge", "violations", "found", "good texts", "passed", "precision"):
        shown.add_column(name)
    for name, each in found.items():
        shown.add_row(name, *each.row())
    return shown


def main() -> int:
    """Print the table, write runs/bench/conduct.json; returns the exit code."""
    try:
        found = measured()
    except FedsftError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    shares = {
        name: {"recall": each.recall, "passed": each.passed, "precision": each.precision, **vars(each)}
        for name, each in found.items()
    }
    finish(OUT, shares, table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
