"""Scores of fixed texts: systems that are known to be bad score badly, and slices add up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import ClassVar

import pytest

from sft_shared.data.chat import answer_text
from sft_shared.dialogue import Example, Message, Provenance
from sft_shared.errors import DataError
from sft_shared.evaluation.answer_cache import Answer
from sft_shared.evaluation.compare import wilson_interval
from sft_shared.evaluation.metrics.metric import MetricSettings
from sft_shared.evaluation.results import TaskResult
from sft_shared.evaluation.scoring import length_of, measure, score_answers
from sft_shared.evaluation.suites import SuiteSettings

MakeSuite = Callable[..., SuiteSettings]


def score(suite: SuiteSettings, questions: list[Example], answer: Callable[[Example], str]) -> TaskResult:
    answers = [Answer(answer(example)) for example in questions]
    return score_answers(suite.tasks[0], questions, answers)[0]


def same_call(example: Example) -> str:
    return '[{"name": "get_weather", "arguments": {"city": "Paris", "days": 0}}]'


@pytest.mark.parametrize(
    ("system", "answer", "fails_on"),
    [
        ("constant text", lambda example: "I am happy to help.", "weather"),
        ("constant call", same_call, "none"),
        ("echo of the prompt", lambda example: str(example.prompt[-1].content), "weather"),
        ("echo of the tools", lambda example: example.tools[0].model_dump_json(), "weather"),
        (
            "always calls, with what the prompt says",
            lambda example: json.dumps(
                [{"name": "get_weather", "arguments": {"city": "Paris", "days": int(example.id[1:])}}]
            ),
            "none",
        ),
        ("never calls", lambda example: "[]", "weather"),
        ("says nothing", lambda example: "", "weather"),
    ],
)
def test_a_known_bad_system_fails_a_suite_with_calls_and_no_calls(
    suite_of: MakeSuite,
    questions: list[Example],
    system: str,
    answer: Callable[[Example], str],
    fails_on: str,
) -> None:
    """None does better than the half that its habit gives it; on the other half it has next to nothing.

    A bar of 0.75 is out of its reach by the interval too: its upper end is below.
    """
    result = score(suite_of(), questions, answer)
    calls = result.metrics["tool_calls"]
    assert calls.value <= 0.55, system
    assert calls.ci95[1] < 0.75
    assert result.slices["category"][fails_on]["tool_calls"].value <= 0.1


def test_the_right_answers_score_all(suite_of: MakeSuite, questions: list[Example]) -> None:
    """What training aims at is what the suite rewards, in both languages."""
    result = score(suite_of(), questions, lambda example: answer_text(example.answer))
    calls = result.metrics["tool_calls"]
    assert (calls.value, calls.n, calls.ci95) == (1.0, 20, wilson_interval(20, num_total=20))
    valid = result.metrics["json_valid"]
    assert (valid.value, valid.n) == (1.0, 10)  # the others' references are no JSON
    assert set(result.slices["language"]) == {"zh", "en"}


def test_slices_split_the_examples(suite_of: MakeSuite, questions: list[Example]) -> None:
    """In every slice the parts add up to the whole, in number and in value."""
    result = score(suite_of(), questions, same_call)
    whole = result.metrics["tool_calls"]
    assert set(result.slices) == {"category", "client", "language", "length"}
    assert set(result.slices["client"]) == {"client-0", "client-1"}
    for table in result.slices.values():
        parts = [metrics["tool_calls"] for metrics in table.values()]
        assert sum(part.n for part in parts) == whole.n
        assert sum(part.n * part.value for part in parts) == pytest.approx(whole.n * whole.value)


def test_rows_say_what_was_answered_and_what_it_was_worth(
    suite_of: MakeSuite, questions: list[Example]
) -> None:
    """One row an example in order, with its slices; a cut answer is counted."""
    answers = [Answer("[", cut=True, seconds=0.5) for _ in questions]
    result, rows = score_answers(suite_of().tasks[0], questions, answers)
    assert [row.id for row in rows] == [example.id for example in questions]
    assert (result.num_cut, result.seconds) == (20, 10.0)
    assert (rows[1].category, rows[1].client, rows[1].language, rows[1].length) == (
        "weather",
        "client-1",
        "zh",
        "short",
    )
    assert rows[0].values == {"tool_calls": 0.0, "json_valid": 0.0}


def test_an_answer_cut_off_in_its_form_is_wrong(suite_of: MakeSuite, questions: list[Example]) -> None:
    """Half a call is not the absence of one. Where no form was asked for, what was written counts."""
    bare = [example for example in questions if not example.answer.tool_calls]
    half = [Answer('[{"na', cut=True) for _ in bare]
    task = suite_of({"metrics": [{"kind": "tool_calls"}]}).tasks[0]
    free, _ = score_answers(task, bare, half)
    held, _ = score_answers(task, bare, half, held=[True] * len(bare))
    assert free.metrics["tool_calls"].value == 1.0
    assert held.metrics["tool_calls"].value == 0.0


def test_answers_must_be_one_to_one(suite_of: MakeSuite, questions: list[Example]) -> None:
    """A lost answer is an error, not a shift of all others."""
    with pytest.raises(ValueError, match="zip"):
        score_answers(suite_of().tasks[0], questions, [Answer("")] * 19)


def test_a_metric_without_references_is_refused(suite_of: MakeSuite, questions: list[Example]) -> None:
    """Nothing is not 0 %: without tools there is no call to judge."""
    bare = [
        example.model_copy(update={"tools": (), "expected_calls": ()})
        for example in questions
        if not example.answer.tool_calls
    ]
    with pytest.raises(DataError, match="'tool_calls' says nothing about any of its 10 examples"):
        score(suite_of(), bare, lambda example: "")


def said(text: str) -> Example:
    return Example(
        id="x",
        messages=(Message(role="user", content=text), Message(role="assistant", content="ok")),
        provenance=Provenance(source="s", session="s"),
    )


@pytest.mark.parametrize(
    ("text", "length"),
    [("word " * 32, "short"), ("word " * 33, "medium"), ("字" * 128, "medium"), ("字" * 129, "long")],
)
def test_length_has_fixed_bounds_in_words_or_characters(text: str, length: str) -> None:
    """Chinese counts by characters."""
    assert length_of(said(text)) == length


class Share(MetricSettings):
    """A mean of values between 0 and 1."""

    binary: ClassVar[bool] = False
    label: str | None = "share"

    def __call__(self, prediction: str, example: Example) -> float | None:
        return None  # the rows have their values


def test_intervals_of_means_hold_the_value(suite_of: MakeSuite, questions: list[Example]) -> None:
    """Rows without a value do not count. Seeded."""
    _, rows = score_answers(suite_of().tasks[0], questions, [Answer("")] * 20)
    valued = [
        row.model_copy(update={"values": {"share": None if number == 19 else (number % 5) / 4}})
        for number, row in enumerate(rows)
    ]
    found = measure(Share(), questions, valued, seed=1)
    assert found is not None
    assert (found.n, found.pooling) == (19, "mean")
    assert found.ci95[0] < found.value < found.ci95[1]
    assert found.ci95[1] - found.ci95[0] < 0.5
    assert found == measure(Share(), questions, valued, seed=1)


def test_intervals_of_corpora_hold_the_value(suite_of: MakeSuite, questions: list[Example]) -> None:
    """Also where drawing answers twice shifts the score. What it is computed from is kept in the rows."""
    task = suite_of({"metrics": [{"kind": "distinct"}, {"kind": "bleu4"}], "slices": []}).tasks[0]
    answers = [Answer(f"I cannot book flight {number % 7} now.") for number in range(20)]
    result, rows = score_answers(task, questions, answers)
    for name, pooling, size in (("distinct_2", "distinct", 20), ("bleu4", "bleu", 10)):
        found = result.metrics[name]
        assert (found.n, found.pooling) == (size, pooling)
        assert found.ci95[0] < found.value < found.ci95[1]
        assert found.ci95[1] - found.ci95[0] < 0.5
    assert rows[0].parts.keys() == {"distinct_2"}  # its reference is a call
    assert rows[2].parts.keys() == {"distinct_2", "bleu4"}
    assert score_answers(task, questions, answers) == (result, rows)


def test_the_bootstrap_of_a_mean_is_that_of_theory(suite_of: MakeSuite, questions: list[Example]) -> None:
    """1.96 standard errors on either side, within a tenth."""
    many = questions * 20
    _, rows = score_answers(suite_of().tasks[0], many, [Answer("") for _ in many])
    values = [((number * 37) % 100) / 100 for number in range(len(many))]
    valued = [
        row.model_copy(update={"values": {"share": value}}) for row, value in zip(rows, values, strict=True)
    ]
    found = measure(Share(), many, valued, seed=3)
    assert found is not None
    mean = sum(values) / len(values)
    error = (sum((value - mean) ** 2 for value in values) / len(values) ** 2) ** 0.5
    assert found.ci95 == pytest.approx((mean - 1.96 * error, mean + 1.96 * error), abs=0.1 * 2 * 1.96 * error)
