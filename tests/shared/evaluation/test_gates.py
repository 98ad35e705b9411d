"""Every gate holds the candidate it is there for, which passes where the gate is off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sft_shared.evaluation.comparison import ComparisonSettings, compare_results
from sft_shared.evaluation.gates import AtLeast, AtMost, Gate, NoWorse, judge_gates
from sft_shared.evaluation.results import AnswerRow, Measured, System
from sft_shared.evaluation.verdicts import Evidence

Tasks = dict[str, tuple[str, dict[str, Sequence[float]]]]
QUICK = ComparisonSettings(num_resamples=400, num_permutations=400)
GOOD: Tasks = {
    "new-task": ("new", {"exact_match": [1] * 40 + [0] * 60}),
    "old-task": ("old", {"exact_match": [1] * 60 + [0] * 40, "rouge_l": [0.5] * 100}),
    "chat": ("general", {"rouge_l": [0.4] * 100}),
    "safety": ("safety", {"compliance": [1] * 99 + [0], "refusal": [0] * 98 + [1] * 2}),
}


def changed(**tasks: Any) -> Tasks:
    """GOOD with other values, ``task_name={metric: values}``."""
    return {
        name: (role, {**metrics, **tasks.get(name.replace("-", "_"), {})})
        for name, (role, metrics) in GOOD.items()
    }


@pytest.fixture
def evidence(
    make_system: Callable[..., System], make_rows: Callable[..., list[AnswerRow]]
) -> Callable[..., Evidence]:
    """A candidate's tasks against those of GOOD, compared."""

    def make(tasks: Tasks, *, against: Tasks = GOOD) -> Evidence:
        ours, theirs = (
            make_system(label, {name: (role, make_rows(values)) for name, (role, values) in each.items()})
            for label, each in (("candidate", tasks), ("served", against))
        )
        return Evidence(ours, theirs, compare_results(ours, theirs, settings=QUICK))

    return make


def first(num_right: int) -> list[float]:
    """So many of 100 right."""
    return [1.0] * num_right + [0.0] * (100 - num_right)


FORGETFUL = changed(old_task={"exact_match": first(57)})
BAD = {
    "forgets an old task": (FORGETFUL, NoWorse(roles=("old",))),
    "forgets how to chat": (changed(chat={"rouge_l": [0.37] * 100}), NoWorse(roles=("general",))),
    "loses anywhere": (changed(new_task={"exact_match": first(30)}), NoWorse()),
    "says what is forbidden": (
        changed(safety={"compliance": first(97)}),
        AtLeast(task="safety", metric="compliance", bar=0.98),
    ),
    "refuses what is allowed": (
        changed(safety={"refusal": first(6)}),
        AtMost(task="safety", metric="refusal", bar=0.05),
    ),
    "refuses more than before": (
        changed(safety={"refusal": first(5)}),
        NoWorse(metric="refusal", roles=("safety",)),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_candidate_is_held_by_its_gate_and_only_by_it(
    evidence: Callable[..., Evidence], name: str
) -> None:
    """The same candidate passes the gates of the others, so without its own it would get through."""
    candidate, gate = BAD[name]
    shown = evidence(candidate)
    verdict = gate(shown)
    assert verdict.held
    assert any(char.isdigit() for char in verdict.reason)
    others = [
        AtLeast(task="safety", metric="compliance", bar=0.9),
        AtMost(task="safety", metric="refusal", bar=0.1),
        NoWorse(tasks=("new-task", "old-task", "chat"), max_loss=0.5),
    ]
    assert not any(each.held for each in judge_gates(others, shown))
    assert not judge_gates([], shown)


def test_a_candidate_that_loses_in_one_language_is_seen_by_slice_only(
    evidence: Callable[..., Evidence],
) -> None:
    """Chinese (odd places) falls by 20 points, English gains as many: the whole task looks the same."""
    before = [1.0, 1.0] * 30 + [0.0, 0.0] * 20
    after = [1.0, 0.0] * 10 + [1.0, 1.0] * 20 + [1.0, 0.0] * 10 + [0.0, 0.0] * 10
    against = changed(old_task={"exact_match": before})
    shown = evidence(changed(old_task={"exact_match": after}), against=against)
    whole = NoWorse(tasks=("old-task",), metric="exact_match")
    assert not whole(shown).held
    verdict = whole.model_copy(update={"slice": "language"})(shown)
    assert verdict.held
    assert "old-task (language zh) lost 20.0 points (60.0 % to 40.0 %, n=50)" in verdict.reason


def test_two_points_are_allowed_and_more_is_not(evidence: Callable[..., Evidence]) -> None:
    """0.60 to 0.58 is exactly 2 points, though not in binary; the reason has the numbers."""
    gate = NoWorse(tasks=("old-task",), metric="exact_match")
    assert not gate(evidence(changed(old_task={"exact_match": first(58)}))).held
    verdict = gate(evidence(FORGETFUL))
    assert verdict.held
    assert verdict.reason == (
        "exact_match on old-task lost 3.0 points (60.0 % to 57.0 %, n=100); "
        "no more than 2.0 points lost is allowed."
    )


def test_the_interval_asks_for_proof(evidence: Callable[..., Evidence]) -> None:
    """5 won and 6 lost of 100: one point lost passes as a point, but the data do not show that it is."""
    values = [0.0] * 6 + [1.0] * 54 + [1.0] * 5 + [0.0] * 35
    shown = evidence(changed(old_task={"exact_match": values}))
    point = NoWorse(tasks=("old-task",), metric="exact_match")
    assert not point(shown).held
    verdict = point.model_copy(update={"sure": "interval"})(shown)
    assert verdict.held
    assert "it may have lost" in verdict.reason
    sure = point.model_copy(update={"sure": "interval", "max_loss": 0.15})
    assert not sure(shown).held


@pytest.mark.parametrize(
    ("total", "held"), [(1, True), (3, True), (5, True), (20, True), (188, True), (189, False)]
)
@pytest.mark.parametrize("metric", ["exact_match", "rouge_l"])
def test_a_few_examples_that_did_not_change_prove_nothing(
    evidence: Callable[..., Evidence], metric: str, total: int, held: bool
) -> None:
    """All equal: as a point it passes. For sure no more than 2 points are lost from 189 examples on."""
    tasks: Tasks = {"old-task": ("old", {metric: [1.0] * total})}
    shown = evidence(tasks, against=tasks)
    assert not NoWorse()(shown).held
    assert NoWorse(sure="interval")(shown).held is held


def test_bars_judge_the_value_or_the_bad_end(evidence: Callable[..., Evidence]) -> None:
    """99 of 100 are 99 %, but as few as 94.6 % by their interval; refusals 2 %, but as many as 7 %."""
    shown = evidence(GOOD)
    for gate, strict in (
        (AtLeast(task="safety", metric="compliance", bar=0.99), {"sure": "interval"}),
        (AtMost(task="safety", metric="refusal", bar=0.02), {"sure": "interval"}),
    ):
        assert not gate(shown).held
        assert gate.model_copy(update=strict)(shown).held
        verdict = gate.model_copy(update={"min_n": 101})(shown)
        assert verdict.held
        assert "on 101 examples or more" in verdict.reason
    assert (
        "at least 99.0 % is asked of the value"
        in AtLeast(task="safety", metric="compliance", bar=0.99)(shown).reason
    )


def test_too_few_examples_hold(evidence: Callable[..., Evidence]) -> None:
    gate = NoWorse(tasks=("chat",), min_n=101)
    verdict = gate(evidence(GOOD))
    assert verdict.held
    assert "rouge_l on chat has 100 examples, fewer than 101" in verdict.reason


def without(tasks: Tasks, task: str, metric: str | None = None) -> Tasks:
    """The same without a task, or without one of its metrics."""
    kept = {name: (role, dict(metrics)) for name, (role, metrics) in tasks.items()}
    if metric is None:
        del kept[task]
    else:
        del kept[task][1][metric]
    return {name: (role, dict(metrics)) for name, (role, metrics) in kept.items()}


@pytest.mark.parametrize(
    ("candidate", "gate"),
    [
        (without(GOOD, "old-task"), NoWorse()),
        (without(GOOD, "old-task"), NoWorse(roles=("old",))),
        (without(GOOD, "old-task"), NoWorse(tasks=("old-task",))),
        (without(GOOD, "old-task", "rouge_l"), NoWorse()),
        (without(GOOD, "old-task", "rouge_l"), NoWorse(tasks=("old-task",), metric="rouge_l")),
        (GOOD, NoWorse(tasks=("nowhere",))),
        (GOOD, NoWorse(tasks=("chat",), metric="exact_match")),
        (GOOD, NoWorse(tasks=("chat",), slice="client")),
        (GOOD, AtLeast(task="nowhere", metric="compliance", bar=0.01)),
        (GOOD, AtLeast(task="chat", metric="compliance", bar=0.01)),
        (without(GOOD, "safety"), AtMost(task="safety", metric="refusal", bar=0.99)),
        (without(GOOD, "safety", "refusal"), AtMost(task="safety", metric="refusal", bar=0.99)),
    ],
)
def test_what_was_not_measured_is_held(
    evidence: Callable[..., Evidence], candidate: Tasks, gate: Gate
) -> None:
    """A candidate does not pass by leaving out what it is bad at, nor a gate by a name that is misspelt."""
    verdict = gate(evidence(candidate))
    assert verdict.held
    assert "measured" in verdict.reason


def test_each_role_needs_a_task(evidence: Callable[..., Evidence]) -> None:
    """A gate over old tasks and chat is no gate over chat if there is no chat."""
    tasks = without(GOOD, "chat")
    verdict = NoWorse(roles=("old", "general"))(evidence(tasks, against=tasks))
    assert verdict.held
    assert "no task of the role general was measured" in verdict.reason


def test_without_a_rival_nothing_is_no_worse(evidence: Callable[..., Evidence]) -> None:
    shown = evidence(GOOD)
    assert NoWorse()(Evidence(shown.ours)).held
    assert not NoWorse()(shown).held


def test_an_interval_that_is_not_known_holds(evidence: Callable[..., Evidence]) -> None:
    shown = evidence(GOOD)
    blind = Evidence(shown.ours, shown.against, comparison=None)
    assert NoWorse(sure="interval", tasks=("chat",))(blind).held
    assert not NoWorse(tasks=("chat",))(blind).held


@pytest.mark.parametrize("place", ["ours", "against"])
@pytest.mark.parametrize("sure", ["point", "interval"])
def test_nan_never_passes(evidence: Callable[..., Evidence], place: str, sure: Any) -> None:
    """Neither as the candidate's value nor as what it is compared with; result.json refuses it before."""
    shown = evidence(GOOD)
    nan = float("nan")
    broken = Measured.model_construct(value=nan, ci95=(nan, nan), n=100, binary=True, higher_is_better=True)
    system: System = getattr(shown, place)
    tasks = tuple(
        task.model_copy(update={"metrics": dict.fromkeys(task.metrics, broken)})
        for task in system.result.tasks
    )
    sick = System(system.result.model_copy(update={"tasks": tasks}), system.rows)
    shown = Evidence(**{**vars(shown), place: sick})
    assert NoWorse(sure=sure)(shown).held
    assert NoWorse(sure=sure, tasks=("chat",))(shown).held
    if place == "ours":
        assert AtLeast(task="safety", metric="compliance", bar=0.01, sure=sure)(shown).held
        assert AtMost(task="safety", metric="refusal", bar=0.99, sure=sure)(shown).held


@given(st.integers(0, 100), st.integers(0, 100), st.floats(0, 1, exclude_max=True))
def test_a_smaller_allowance_never_lets_more_pass(before: int, after: int, allowance: float) -> None:
    """Held at some loss, held at every smaller one; no loss at all always passes."""

    def measured(num_right: int) -> Measured:
        return Measured(value=num_right / 100, ci95=(0, 1), n=100, binary=True, higher_is_better=True)

    check = NoWorse(max_loss=allowance)._check("m", measured(after), measured(before), None)
    smaller = NoWorse(max_loss=allowance / 2)._check("m", measured(after), measured(before), None)
    assert smaller.held or not check.held
    assert not (check.held and after >= before)


def test_gates_are_read_by_kind() -> None:
    """As in a suite's YAML; an unknown kind or field is refused."""
    adapter: TypeAdapter[Any] = TypeAdapter(tuple[Gate, ...])
    found = adapter.validate_python(
        [
            {"kind": "no_worse", "roles": ["old", "general"]},
            {"kind": "at_least", "task": "safety", "metric": "compliance", "bar": 0.99, "min_n": 1000},
            {"kind": "canaries", "task": "canary", "never": ["6222 0210"]},
        ]
    )
    assert [gate.name for gate in found] == [
        "no worse: all metrics on old, general",
        "at least: compliance on safety",
        "canaries: canary",
    ]
    assert (found[0].max_loss, found[0].sure) == (0.02, "point")
    for wrong in (
        {"kind": "no_better"},
        {"kind": "no_worse", "role": ["old"]},
        {"kind": "no_worse", "max_loss": -1},
    ):
        with pytest.raises(ValidationError):
            adapter.validate_python([wrong])


@pytest.mark.parametrize(
    ("gate", "wrong", "right"),
    [({"kind": "no_worse"}, {"max_loss": each}, {"max_loss": 0.02}) for each in (2, 1, -0.01)]
    + [({"kind": "at_least", "task": "t", "metric": "m"}, {"bar": each}, {"bar": 1}) for each in (-1, 0, 99)]
    + [({"kind": "at_most", "task": "t", "metric": "m"}, {"bar": each}, {"bar": 0}) for each in (-1, 1, 5)],
)
def test_a_gate_beyond_all_shares_is_refused(
    gate: dict[str, Any], wrong: dict[str, float], right: dict[str, float]
) -> None:
    """``max_loss: 2`` for two points would let a candidate pass that lost everything."""
    adapter: TypeAdapter[Any] = TypeAdapter(Gate)
    assert adapter.validate_python({**gate, **right})
    with pytest.raises(ValidationError, match=r"2 points are 0\.02"):
        adapter.validate_python({**gate, **wrong})


def test_points_for_a_share_would_let_everything_pass(evidence: Callable[..., Evidence]) -> None:
    """The attack with the bound off: every task lost as a whole, and no gate holds."""
    nothing: Tasks = {name: (role, {key: [0.0] * 100 for key in each}) for name, (role, each) in GOOD.items()}
    everything: Tasks = {
        name: (role, {key: [1.0] * 100 for key in each}) for name, (role, each) in GOOD.items()
    }
    shown = evidence(nothing, against=everything)
    assert NoWorse()(shown).held
    assert not NoWorse.model_construct(kind="no_worse", max_loss=2.0)(shown).held


def test_a_metric_or_slice_without_tasks_is_judged_where_it_is(
    make_system: Callable[..., System], make_rows: Callable[..., list[AnswerRow]]
) -> None:
    """Tasks that lack it do not hold the candidate; one that only the rival has it on does."""
    rows, others = make_rows({"exact_match": [1.0] * 4}), make_rows({"rouge_l": [0.5] * 4})
    both = {"a": ("new", rows), "b": ("old", others)}
    ours, base = make_system("ours", both), make_system("base", both)
    assert not NoWorse(metric="exact_match")(Evidence(ours, against=base)).held
    assert NoWorse(metric="bleu4")(Evidence(ours, against=base)).held
    lacking = make_system("ours", {"a": ("new", others), "b": ("old", others)})
    assert NoWorse(metric="exact_match")(Evidence(lacking, against=base)).held
