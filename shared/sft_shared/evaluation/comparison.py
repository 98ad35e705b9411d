"""One measured model against another on the same examples: differences, how sure they are, what flipped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from pydantic import NonNegativeInt, PositiveInt

from sft_shared.config import Settings
from sft_shared.errors import DataError
from sft_shared.evaluation.compare import (
    PairedDifference,
    paired_bootstrap,
    paired_interval,
    paired_shares,
)
from sft_shared.evaluation.conditions import require_same
from sft_shared.evaluation.pooling import Parts, Pooling, pooled_difference
from sft_shared.evaluation.results import (
    AnswerRow,
    Interval,
    Measured,
    Role,
    SliceName,
    System,
    TaskName,
    TaskResult,
)
from sft_shared.evaluation.significance import holm, mcnemar, sign_flip

SLICES: tuple[SliceName, ...] = ("category", "client", "language", "length")


class ComparisonSettings(Settings):
    """How many draws the interval and the permutation test of a metric take that is not binary."""

    seed: int = 0
    num_resamples: PositiveInt = 10_000
    num_permutations: PositiveInt = (
        10_000  # 1 / (this + 1) is the smallest p-value of a metric that is not binary
    )
    num_corpus_resamples: PositiveInt = 200  # of a metric whose total is no mean; only their spread is used
    num_corpus_permutations: PositiveInt = 1_000


class Compared(Settings):
    """``ours - theirs`` of a metric's value over ``n`` paired examples; won and lost say what is better.

    The interval is a score interval if binary, else a bootstrap's of means or totals; where nothing changed
    it is that of no flip among ``n``. It is not corrected for many metrics, ``p_holm`` is: over all metrics
    of all tasks of the comparison, or, for a slice, over all its slices.
    """

    difference: float
    ci95: Interval
    p_value: float  # McNemar's exact test if binary, else a permutation test
    p_holm: float
    n: PositiveInt
    num_won: NonNegativeInt | None  # None: single answers say nothing of this metric, as of distinct-n
    num_lost: NonNegativeInt | None
    binary: bool
    higher_is_better: bool

    @property
    def gain(self) -> float:
        """The difference, positive where ours is better."""
        return self.difference if self.higher_is_better else -self.difference

    @property
    def gain_ci95(self) -> Interval:
        """The interval of ``gain``."""
        low, high = self.ci95
        return (low, high) if self.higher_is_better else (-high, -low)


class Flip(Settings):
    """An example on which a binary metric differs, with both answers."""

    id: str
    gained: tuple[str, ...]  # metrics that are right by ours only
    lost: tuple[str, ...]  # by theirs only
    category: str
    language: str
    ours: str
    theirs: str


class TaskComparison(Settings):
    """A task that both were measured on."""

    name: TaskName
    role: Role
    n: NonNegativeInt
    metrics: dict[str, Compared]  # those with a value for single examples
    slices: dict[SliceName, dict[str, dict[str, Compared]]]  # slice -> value -> metric
    flips: tuple[Flip, ...]  # by id


class Comparison(Settings):
    """All tasks that two systems share, and those that only one was measured on."""

    suite: str
    ours: str
    theirs: str
    tasks: tuple[TaskComparison, ...]
    only_ours: tuple[TaskName, ...]
    only_theirs: tuple[TaskName, ...]

    def task(self, name: str) -> TaskComparison | None:
        """The task of that name, if both were measured on it."""
        return next((task for task in self.tasks if task.name == name), None)


def compare_results(ours: System, theirs: System, *, settings: ComparisonSettings) -> Comparison:
    """Compare answer by answer; which of the two comes first only turns the signs.

    Raises DataError if they come from other suites, from other examples of a task, under other conditions, or
    if a metric says something of an example in one of them only.
    """
    if ours.result.suite != theirs.result.suite:
        raise DataError(
            f"{ours.label} was measured with the suite {ours.result.suite!r}, {theirs.label} with "
            f"{theirs.result.suite!r}. Compare results of one suite."
        )
    own = {task.name: task for task in ours.result.tasks}
    other = {task.name: task for task in theirs.result.tasks}
    names = [name for name in own if name in other]
    tests: list[_Test] = []
    for name in names:
        tests += _tests(ours, theirs, own[name], other[name])
    found = _all_compared(tests, settings)
    return Comparison(
        suite=ours.result.suite,
        ours=ours.label,
        theirs=theirs.label,
        tasks=tuple(_task(own[name], ours.rows[name], theirs.rows[name], found) for name in names),
        only_ours=tuple(name for name in own if name not in other),
        only_theirs=tuple(name for name in other if name not in own),
    )


class _Key(NamedTuple):
    task: str
    metric: str
    slice: SliceName | None
    value: str


class _Test(NamedTuple):
    key: _Key
    ours: list[float]
    theirs: list[float]
    parts: tuple[list[Parts], list[Parts]]  # of both; empty where the total is a mean
    like: Measured


def _tests(ours: System, theirs: System, own: TaskResult, other: TaskResult) -> Iterator[_Test]:
    """Every metric of a task that has values, over all examples and over each value of a slice."""
    name = own.name
    rows = {row.id: row for row in ours.rows[name]}
    rivals = {row.id: row for row in theirs.rows[name]}
    which = f"task {name!r}: {ours.label} and {theirs.label}"
    _require_same(rows, rivals, which)
    require_same(ours.result.conditions[name], theirs.result.conditions[name], which)
    for metric, measured in own.metrics.items():
        rival = other.metrics.get(metric)
        if rival is None:
            continue
        if _kind(measured) != _kind(rival):
            raise DataError(f"task {name!r}: {metric!r} is not one metric in both. Measure both anew.")
        pairs = {key: _pair(rows[key], rivals[key], metric, task=name) for key in rows}
        known = {key: pair for key, pair in pairs.items() if pair is not None}
        if measured.binary and not {value for pair in known.values() for value in pair} <= {0, 1}:
            raise DataError(f"task {name!r}: {metric!r} has a value that is neither 0 nor 1. Measure anew.")
        pooling = measured.pooling != "mean"
        parts = _parts(known, rows, rivals, metric, task=name) if pooling else {}
        for (part, value), keys in _groups([rows[key] for key in known]).items():
            yield _Test(
                _Key(name, metric, part, value),
                [known[key][0] for key in keys],
                [known[key][1] for key in keys],
                ([parts[key][0] for key in keys if pooling], [parts[key][1] for key in keys if pooling]),
                measured,
            )


def _kind(measured: Measured) -> tuple[bool, bool, Pooling]:
    return measured.binary, measured.higher_is_better, measured.pooling


def _parts(
    keys: Iterable[str],
    rows: Mapping[str, AnswerRow],
    rivals: Mapping[str, AnswerRow],
    metric: str,
    *,
    task: str,
) -> dict[str, tuple[Parts, Parts]]:
    try:
        return {key: (rows[key].parts[metric], rivals[key].parts[metric]) for key in keys}
    except KeyError:
        raise DataError(
            f"task {task!r}: an answer lacks what {metric!r} of all is computed from. Measure both anew."
        ) from None


def _groups(rows: Sequence[AnswerRow]) -> dict[tuple[SliceName | None, str], list[str]]:
    """The ids of all rows, and of those of each value of a slice; of nothing no group is made."""
    groups: dict[tuple[SliceName | None, str], list[str]] = {}
    for row in rows:
        groups.setdefault((None, ""), []).append(row.id)
        for name in SLICES:
            value = getattr(row, name)
            if value:
                groups.setdefault((name, value), []).append(row.id)
    return groups


def _require_same(rows: Mapping[str, AnswerRow], rivals: Mapping[str, AnswerRow], which: str) -> None:
    odd = sorted(rows.keys() ^ rivals.keys())
    if odd:
        raise DataError(
            f"{which} have other examples: {len(odd)} are in one only, such as {odd[0]!r}. "
            "Measure both on the same data, with the same limit and seed."
        )


def _pair(ours: AnswerRow, theirs: AnswerRow, metric: str, *, task: str) -> tuple[float, float] | None:
    mine, rival = ours.values.get(metric), theirs.values.get(metric)
    if mine is None and rival is None:
        return None
    if mine is None or rival is None:
        raise DataError(
            f"task {task!r}: {metric!r} has a value for the example {ours.id!r} in one result only. "
            "Measure both anew, on the same data."
        )
    return mine, rival


def _all_compared(tests: Sequence[_Test], settings: ComparisonSettings) -> dict[_Key, Compared]:
    """Run the tests and correct their p-values: whole tasks as one family, slices as another."""
    found = {test.key: _compared(test, settings) for test in tests}
    for family in (
        [key for key in found if key.slice is None],
        [key for key in found if key.slice is not None],
    ):
        for key, p_holm in zip(family, holm([found[key].p_value for key in family]), strict=True):
            found[key] = found[key].model_copy(update={"p_holm": p_holm})
    return found


def _of_means(test: _Test, settings: ComparisonSettings) -> PairedDifference:
    pair = paired_bootstrap(test.ours, test.theirs, seed=settings.seed, num_resamples=settings.num_resamples)
    if pair.num_won or pair.num_lost:
        return pair
    # values are from 0 to 1: what did not happen among these examples is at most a flip
    low, high = paired_interval(0, 0, num_total=len(test.ours))
    return replace(pair, low=low, high=high)


def _compared(test: _Test, settings: ComparisonSettings) -> Compared:
    binary, higher_is_better, pooling = _kind(test.like)
    if pooling != "mean":
        return _of_totals(test, settings)
    if binary:
        pair = paired_shares(test.ours, test.theirs)
        p_value = mcnemar(pair.num_won, pair.num_lost)
    else:
        pair = _of_means(test, settings)
        differences = [mine - rival for mine, rival in zip(test.ours, test.theirs, strict=True)]
        p_value = sign_flip(differences, seed=settings.seed, num_permutations=settings.num_permutations)
    up, down = pair.num_won, pair.num_lost
    return Compared(
        difference=pair.difference,
        ci95=(pair.low, pair.high),
        p_value=p_value,
        p_holm=p_value,
        n=len(test.ours),
        num_won=up if higher_is_better else down,
        num_lost=down if higher_is_better else up,
        binary=binary,
        higher_is_better=higher_is_better,
    )


def _of_totals(test: _Test, settings: ComparisonSettings) -> Compared:
    """Compare totals that are no means, such as those of BLEU; all such metrics are better if higher."""
    ours, theirs = test.parts
    pooling = test.like.pooling
    found = pooled_difference(
        ours,
        theirs,
        pooling=pooling,
        seed=settings.seed,
        num_resamples=settings.num_corpus_resamples,
        num_permutations=settings.num_corpus_permutations,
    )
    ci95 = (found.low, found.high) if ours != theirs else paired_interval(0, 0, num_total=len(ours))
    signs = [(mine > rival) - (mine < rival) for mine, rival in zip(test.ours, test.theirs, strict=True)]
    says = pooling != "distinct"  # within single answers that is another question
    return Compared(
        difference=found.difference,
        ci95=ci95,
        p_value=found.p_value,
        p_holm=found.p_value,
        n=len(ours),
        num_won=signs.count(1) if says else None,
        num_lost=signs.count(-1) if says else None,
        binary=False,
        higher_is_better=test.like.higher_is_better,
    )


def _task(
    task: TaskResult, rows: Sequence[AnswerRow], rivals: Sequence[AnswerRow], found: Mapping[_Key, Compared]
) -> TaskComparison:
    metrics: dict[str, Compared] = {}
    slices: dict[SliceName, dict[str, dict[str, Compared]]] = {}
    for key, compared in found.items():
        if key.task == task.name and key.slice is None:
            metrics[key.metric] = compared
        elif key.task == task.name and key.slice is not None:
            slices.setdefault(key.slice, {}).setdefault(key.value, {})[key.metric] = compared
    ordered = {part: dict(sorted(slices[part].items())) for part in SLICES if part in slices}
    by_id = {row.id: row for row in rivals}
    flips = (_flip(row, by_id[row.id], metrics) for row in sorted(rows, key=lambda row: row.id))
    return TaskComparison(
        name=task.name,
        role=task.role,
        n=len(rows),
        metrics=metrics,
        slices=ordered,
        flips=tuple(flip for flip in flips if flip.gained or flip.lost),
    )


def _flip(row: AnswerRow, rival: AnswerRow, metrics: Mapping[str, Compared]) -> Flip:
    gained: list[str] = []
    lost: list[str] = []
    for name, compared in metrics.items():
        mine, other = row.values.get(name), rival.values.get(name)
        if compared.binary and mine is not None and other is not None and mine != other:
            better = (mine > other) == compared.higher_is_better
            (gained if better else lost).append(name)
    return Flip(
        id=row.id,
        gained=tuple(gained),
        lost=tuple(lost),
        category=row.category,
        language=row.language,
        ours=row.prediction,
        theirs=rival.prediction,
    )
