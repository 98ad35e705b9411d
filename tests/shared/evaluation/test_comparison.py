"""A comparison pairs the same examples, says who won what, and corrects for many looks."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any

import pytest

from sft_shared.dialogue import Example, Message, Provenance
from sft_shared.errors import DataError
from sft_shared.evaluation.answer_cache import Answer
from sft_shared.evaluation.compare import paired_bootstrap, paired_interval, paired_shares
from sft_shared.evaluation.comparison import Comparison, ComparisonSettings, compare_results
from sft_shared.evaluation.results import AnswerRow, System
from sft_shared.evaluation.scoring import score_answers
from sft_shared.evaluation.significance import holm, mcnemar, sign_flip
from sft_shared.evaluation.suites import TaskSettings

MakeSystem = Callable[..., System]
MakeRows = Callable[..., list[AnswerRow]]
QUICK = ComparisonSettings(num_resamples=400, num_permutations=400)


def compared(ours: System, theirs: System) -> Comparison:
    return compare_results(ours, theirs, settings=QUICK)


@pytest.fixture
def pair(make_system: MakeSystem, make_rows: MakeRows) -> Callable[..., tuple[System, System]]:
    """{metric: (our values, their values)} -> two systems with one task."""

    def make(**values: tuple[Sequence[float | None], Sequence[float | None]]) -> tuple[System, System]:
        ours = make_rows({name: own for name, (own, _) in values.items()})
        theirs = make_rows({name: rival for name, (_, rival) in values.items()})
        return make_system("ours", {"t": ("new", ours)}), make_system("theirs", {"t": ("new", theirs)})

    return make


def test_numbers_are_those_of_the_single_functions(pair: Callable[..., tuple[System, System]]) -> None:
    """Score interval and bootstrap, McNemar for what is binary, sign flips for the rest, Holm over both."""
    rng = random.Random(1)
    right = [float(rng.random() < 0.6) for _ in range(60)], [float(rng.random() < 0.4) for _ in range(60)]
    rouge = [rng.random() for _ in range(60)], [rng.random() * 0.9 for _ in range(60)]
    task = compared(*pair(exact_match=right, rouge_l=rouge)).tasks[0]
    found = task.metrics["exact_match"]
    reference = paired_shares(*right)
    assert (found.difference, found.ci95) == (reference.difference, (reference.low, reference.high))
    assert found.p_value == mcnemar(reference.num_won, reference.num_lost)
    flips = [mine - rival for mine, rival in zip(*rouge, strict=True)]
    other = task.metrics["rouge_l"]
    means = paired_bootstrap(*rouge, seed=0, num_resamples=400)
    assert (other.difference, other.ci95) == (means.difference, (means.low, means.high))
    assert other.p_value == sign_flip(flips, seed=0, num_permutations=400)
    assert [found.p_holm, other.p_holm] == holm([found.p_value, other.p_value])


@pytest.mark.parametrize("total", [1, 5, 20])
def test_examples_that_did_not_change_do_not_prove_that_none_will(
    pair: Callable[..., tuple[System, System]], total: int
) -> None:
    """The bootstrap of no change has no width, however few the examples are."""
    same = [1.0] * total
    task = compared(*pair(exact_match=(same, same), rouge_l=(same, same))).tasks[0]
    none = paired_bootstrap(same, same, seed=0)
    assert (none.low, none.high) == (0, 0)
    for metric in ("exact_match", "rouge_l"):
        assert task.metrics[metric].ci95 == paired_interval(0, 0, num_total=total)
        assert task.metrics[metric].ci95[0] < -0.15


VARIED = [f"{name} will bring parcel {number}" for name in ("Anna", "Li", "Omar") for number in range(40)]
CONSTANT = ["Your parcel arrives tomorrow morning"] * 120


def scored(make_system: MakeSystem, label: str, said: Sequence[str], metric: Any) -> System:
    """Answers to 120 questions whose references are those of VARIED."""
    examples = [
        Example(
            id=f"q{place}",
            messages=(Message(role="user", content="?"), Message(role="assistant", content=text)),
            provenance=Provenance(source="s", session=str(place)),
        )
        for place, text in enumerate(VARIED)
    ]
    task = TaskSettings.model_validate({"name": "chat", "data": "x.jsonl", "metrics": [metric]})
    result, rows = score_answers(task, examples, [Answer(text) for text in said])
    system = make_system(label, {"chat": ("general", rows)})
    return System(system.result.model_copy(update={"tasks": (result,)}), system.rows)


@pytest.mark.parametrize("metric", [{"kind": "distinct"}, {"kind": "bleu4"}])
def test_the_difference_of_totals_is_that_of_the_values(make_system: MakeSystem, metric: Any) -> None:
    """One answer for all 120: distinct-2 falls, though within each answer it is as high as ever or higher."""
    said = ["So so: so so, " + text for text in VARIED]
    ours = scored(make_system, "ours", CONSTANT, metric)
    theirs = scored(make_system, "theirs", said, metric)
    ((name, found),) = compared(ours, theirs).tasks[0].metrics.items()
    values = [system.result.tasks[0].metrics[name].value for system in (ours, theirs)]
    assert found.difference == pytest.approx(values[0] - values[1])
    assert found.difference < -0.03
    assert found.ci95[0] < found.difference < found.ci95[1] < 0
    assert found.p_value < 0.01
    lost = None if name == "distinct_2" else 120
    assert (found.num_won, found.num_lost) == (None if lost is None else 0, lost)
    singles = [mean(row.values[name] or 0 for row in system.rows["chat"]) for system in (ours, theirs)]
    if name == "distinct_2":
        assert singles[0] > singles[1]  # what the means of single answers would say
    same = compared(theirs, theirs).tasks[0].metrics[name]
    assert (same.difference, same.p_value, same.ci95) == (0, 1, paired_interval(0, 0, num_total=120))


def test_totals_without_what_they_are_computed_from_are_refused(make_system: MakeSystem) -> None:
    """Rows of a result that has them in part."""
    whole = scored(make_system, "ours", CONSTANT, {"kind": "distinct"})
    bare = [row.model_copy(update={"parts": {}}) for row in whole.rows["chat"]]
    with pytest.raises(DataError, match="lacks what 'distinct_2' of all is computed from"):
        compared(whole, System(whole.result, {"chat": bare}))


def test_exchanging_the_two_turns_the_signs(pair: Callable[..., tuple[System, System]]) -> None:
    ours, theirs = pair(exact_match=([1, 1, 0, 1, 0], [0, 1, 1, 0, 0]))
    there, back = (
        compared(*each).tasks[0].metrics["exact_match"] for each in ((ours, theirs), (theirs, ours))
    )
    assert there.difference == pytest.approx(-back.difference)
    assert (there.num_won, there.num_lost) == (back.num_lost, back.num_won) == (2, 1)
    assert there.p_value == back.p_value


def test_less_of_what_is_bad_is_won(pair: Callable[..., tuple[System, System]]) -> None:
    """Refusals fall from 3 to 1: two examples won, a negative difference, a positive gain."""
    task = compared(*pair(refusal=([0, 0, 1, 0], [1, 1, 1, 0]))).tasks[0]
    found = task.metrics["refusal"]
    assert (found.num_won, found.num_lost) == (2, 0)
    assert found.difference == -0.5
    assert found.gain == 0.5
    assert found.gain_ci95 == (-found.ci95[1], -found.ci95[0])
    assert [(flip.id, flip.gained) for flip in task.flips] == [
        ("q0000", ("refusal",)),
        ("q0001", ("refusal",)),
    ]


def test_examples_without_a_value_do_not_count(pair: Callable[..., tuple[System, System]]) -> None:
    """A metric that says nothing about an example leaves it out; one that says nothing is not there."""
    ours, theirs = pair(exact_match=([1, None, 0, 1], [0, None, 0, 1]), rouge_l=([None] * 4, [None] * 4))
    task = compared(ours, theirs).tasks[0]
    assert task.n == 4
    assert task.metrics["exact_match"].n == 3
    assert "rouge_l" not in task.metrics


def test_a_value_in_one_result_only_is_refused(pair: Callable[..., tuple[System, System]]) -> None:
    """Leaving it out would let a system drop what it fails on."""
    ours, theirs = pair(exact_match=([1, None, 1], [1, 0, 1]))
    with pytest.raises(DataError, match="'q0001' in one result only"):
        compared(ours, theirs)


def test_flips_go_both_ways_with_both_texts(make_system: MakeSystem, make_rows: MakeRows) -> None:
    """By id; what stays right or wrong is no flip; a value that is not binary flips nothing."""
    ours = make_rows(
        {"exact_match": [1, 0, 1, 0], "json_valid": [1, 1, 1, 0], "rouge_l": [0.1, 0.2, 0.3, 0.4]},
        predictions=["好", "b", "c", "d"],
    )
    theirs = make_rows(
        {"exact_match": [0, 1, 1, 0], "json_valid": [0, 1, 1, 0], "rouge_l": [0.9, 0.9, 0.9, 0.9]},
        predictions=["坏", "B", "C", "D"],
    )
    task = compared(
        make_system("ours", {"t": ("new", ours)}),
        make_system("theirs", {"t": ("new", list(reversed(theirs)))}),
    ).tasks[0]
    assert [(flip.id, flip.gained, flip.lost, flip.ours, flip.theirs) for flip in task.flips] == [
        ("q0000", ("exact_match", "json_valid"), (), "好", "坏"),
        ("q0001", (), ("exact_match",), "b", "B"),
    ]


def test_slices_are_compared_alike_and_corrected_apart(pair: Callable[..., tuple[System, System]]) -> None:
    """A model that gains in English and loses in Chinese shows both; whole tasks keep their own p-values."""
    ours, theirs = pair(exact_match=([1, 0] * 20, [0, 1] * 20))
    task = compared(ours, theirs).tasks[0]
    whole, parts = task.metrics["exact_match"], task.slices["language"]
    assert whole.difference == 0
    assert whole.p_holm == whole.p_value
    assert (parts["en"]["exact_match"].difference, parts["zh"]["exact_match"].difference) == (1, -1)
    assert parts["en"]["exact_match"].n == 20
    assert parts["en"]["exact_match"].p_holm == 2 * parts["en"]["exact_match"].p_value
    assert set(task.slices) == {"language"}


def test_tasks_of_one_system_only_are_named(make_system: MakeSystem, make_rows: MakeRows) -> None:
    rows = make_rows({"exact_match": [1, 0]})
    ours = make_system("ours", {"a": ("new", rows), "b": ("old", rows)})
    theirs = make_system("theirs", {"b": ("old", rows), "c": ("old", rows)})
    found = compared(ours, theirs)
    assert [task.name for task in found.tasks] == ["b"]
    assert (found.only_ours, found.only_theirs) == (("a",), ("c",))


def test_other_examples_and_other_suites_are_refused(make_system: MakeSystem, make_rows: MakeRows) -> None:
    """Also with as many examples, of which one is another."""
    rows = make_rows({"exact_match": [1, 0, 1]})
    other = [*rows[:2], rows[2].model_copy(update={"id": "q9"})]
    ours = make_system("ours", {"t": ("new", rows)})
    with pytest.raises(DataError, match=r"other examples: 2 are in one only, such as 'q0002'"):
        compared(ours, make_system("theirs", {"t": ("new", other)}))
    with pytest.raises(DataError, match="Compare results of one suite"):
        compared(ours, make_system("theirs", {"t": ("new", rows)}, suite="another"))


def test_a_value_between_right_and_wrong_is_refused(pair: Callable[..., tuple[System, System]]) -> None:
    """A damaged row is an error of the data, with its metric named."""
    with pytest.raises(DataError, match=r"'exact_match' has a value that is neither 0 nor 1"):
        compared(*pair(exact_match=([1, 0.5, 1], [1, 0, 1])))


def test_a_metric_that_changed_its_meaning_is_refused(make_system: MakeSystem, make_rows: MakeRows) -> None:
    """More is better in one, less in the other."""
    ours = make_system("ours", {"t": ("new", make_rows({"exact_match": [1, 0]}))})
    task = ours.result.tasks[0]
    turned = task.metrics["exact_match"].model_copy(update={"higher_is_better": False})
    task = task.model_copy(update={"metrics": {"exact_match": turned}})
    theirs = System(ours.result.model_copy(update={"tasks": (task,)}), ours.rows)
    with pytest.raises(DataError, match="not one metric in both"):
        compared(ours, theirs)
