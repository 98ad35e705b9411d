"""A report's verdict in one sentence, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from sft_shared.errors import DataError
from sft_shared.evaluation.comparison import ComparisonSettings
from sft_shared.evaluation.gates import AtLeast, Gate, NoWorse
from sft_shared.evaluation.report.contents import Report, make_report, sentence, tally
from sft_shared.evaluation.results import AnswerRow, System


@pytest.fixture
def report_on(
    make_system: Callable[..., System], make_rows: Callable[..., list[AnswerRow]]
) -> Callable[..., Report]:
    """A candidate with so many of 100 right against a base with 50."""

    def make(
        num_right: int, gates: Sequence[Gate] = (NoWorse(),), *, labels: Sequence[str] = ("base",)
    ) -> Report:
        def system(label: str, right: int) -> System:
            rows = make_rows({"exact_match": [1.0] * right + [0.0] * (100 - right)})
            return make_system(label, {"orders": ("new", rows)})

        return make_report(
            system("ours", num_right),
            [system(label, 50) for label in labels],
            gates=gates,
            settings=ComparisonSettings(num_resamples=200),
            facts=None,
            command="again",
        )

    return make


@pytest.mark.parametrize(
    ("num_right", "gates", "said"),
    [
        (
            80,
            (NoWorse(),),
            "ours passes its gate: it is better than base in 1 of 1 measures and worse in none.",
        ),
        (50, (NoWorse(), NoWorse()), "ours passes all 2 gates: these examples cannot tell it from base"),
        (30, (), "ours was judged by no gate; against base it is better in 0 and worse in 1 of 1 measures."),
        (47, (NoWorse(),), "ours is held: exact_match on orders lost 3.0 points (50.0 % to 47.0 %, n=100)"),
        (
            30,
            (NoWorse(), AtLeast(task="orders", metric="exact_match", bar=0.5)),
            "ours is held (2 of 2 gates hold it): exact_match on orders lost 20.0 points",
        ),
    ],
)
def test_the_sentence_says_what_was_found(
    report_on: Callable[..., Report], num_right: int, gates: Sequence[Gate], said: str
) -> None:
    report = report_on(num_right, gates)
    assert sentence(report).startswith(said)
    assert report.numbers.sentence == sentence(report)
    assert (
        report.held
        == any(each.held for each in report.verdicts)
        == sentence(report).startswith("ours is held")
    )


def test_a_chance_difference_is_not_called_better(report_on: Callable[..., Report]) -> None:
    """Three examples more of 100 are no proof."""
    assert tally(report_on(53).comparisons[0]) == (0, 0, 1)
    assert tally(report_on(65).comparisons[0]) == (1, 0, 1)


def test_the_first_rival_is_the_one_to_be_no_worse_than(report_on: Callable[..., Report]) -> None:
    """Others are compared too, in the order given."""
    report = report_on(80, labels=("base", "中心训练"))
    assert [each.theirs for each in report.comparisons] == ["base", "中心训练"]
    assert [each.label for each in report.numbers.systems] == ["ours", "base", "中心训练"]


def test_systems_have_names_of_their_own(report_on: Callable[..., Report]) -> None:
    """In a table two columns of one name could be mixed up."""
    with pytest.raises(DataError, match="called 'ours'"):
        report_on(80, labels=("ours",))
    with pytest.raises(DataError, match="--against"):
        report_on(80, labels=())
