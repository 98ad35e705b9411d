"""The studies' own arithmetic and data: no model, no download."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.curriculum import steps_to_reach
from bench.curriculum import summarise as summarise_curves
from bench.longtail import FREQUENT, RARE
from bench.longtail import summarise as summarise_recalls
from bench.study_data import TOPICS, split_by_class, topic_examples
from bench.study_run import Kept, macro_recall, recalls
from sft_shared.errors import DataError

QUESTIONS = {"ai": [f"ai {number}?" for number in range(9)], "food": [f"food {n}?" for n in range(5)]}


def test_steps_to_reach_is_the_first_measured_step_at_or_below_the_target() -> None:
    """Equal counts as reached, a later rise does not matter, and never is None."""
    curve = [(4, 0.9), (8, 0.5), (12, 0.6)]
    assert steps_to_reach(curve, target=0.9) == 4
    assert steps_to_reach(curve, target=0.5) == 8
    assert steps_to_reach(curve, target=0.4) is None


def test_curves_are_summarised_seed_by_seed_against_their_own_target() -> None:
    """A target of one seed has no say in another."""
    found = summarise_curves([[(4, 0.9), (8, 0.5)], [(4, 0.4), (8, 0.3)]], [0.5, 0.2])
    assert found["steps_to_target"] == [8, None]
    assert found["last_loss"] == [0.5, 0.3]


def test_macro_recall_weighs_classes_alike() -> None:
    """One right of one counts as much as fifty of a hundred; a wrong name is never right."""
    answers = [("rare", "rare"), *[("often", "often")] * 50, *[("often", "oft")] * 50]
    assert recalls(answers) == {"rare": (1, 1), "often": (50, 100)}
    assert macro_recall(recalls(answers)) == 0.75


def test_rare_and_frequent_classes_are_pooled_apart() -> None:
    """Pooled over seeds: right and asked are added before the division."""
    first = {RARE[0]: (0, 2), "trivia": (4, 4)}
    second = {RARE[0]: (3, 4), "trivia": (2, 4)}
    found = summarise_recalls([first, second])
    assert found["rare"]["by_seed"] == [0.0, 0.75]
    assert found["rare"]["pooled"] == 0.5
    assert found["frequent"]["pooled"] == 0.75
    assert found["macro"] == [0.5, 0.625]
    low, high = found["rare"]["ci95"]
    assert 0 < low < 0.5 < high < 1


def test_every_topic_is_either_rare_or_frequent() -> None:
    """The long tail's two groups cover the topics."""
    assert {*RARE, *FREQUENT} == set(TOPICS)
    assert not {*RARE} & {*FREQUENT}


def test_a_split_by_class_has_the_asked_counts_and_shares_nothing() -> None:
    """Each seed draws other examples, and the same ones again."""
    examples = topic_examples(QUESTIONS)
    train, test = split_by_class(examples, num_train={"ai": 4, "food": 2}, max_test=4, seed=0)
    assert [example.category for example in train] == ["ai"] * 4 + ["food"] * 2
    assert [example.category for example in test] == ["ai"] * 4 + ["food"] * 3
    assert not {example.id for example in train} & {example.id for example in test}
    again = split_by_class(examples, num_train={"ai": 4, "food": 2}, max_test=4, seed=0)
    other = split_by_class(examples, num_train={"ai": 4, "food": 2}, max_test=4, seed=1)
    assert again == (train, test)
    assert other != (train, test)


def test_a_class_without_test_examples_is_an_error() -> None:
    """The message names the class and what it has."""
    with pytest.raises(DataError, match="class 'food' has 5 examples, 5 are for training alone"):
        split_by_class(topic_examples(QUESTIONS), num_train={"food": 5}, max_test=4, seed=0)


def test_a_topic_prompt_names_all_topics_and_the_answer_is_one() -> None:
    """So a model need not guess the names."""
    example = topic_examples(QUESTIONS)[-1]
    assert "ai, food" in str(example.messages[0].content)
    assert example.answer.content == example.category == "food"


def test_a_finished_part_is_not_computed_again_unless_the_settings_change(tmp_path: Path) -> None:
    """What a killed study had finished stays; other settings never meet it."""
    calls = []

    def compute() -> dict[str, object]:
        calls.append(1)
        return {"loss": 0.5, "counts": {"a": (1, 2)}}

    first = Kept(tmp_path, {"steps": 1}).get("seed0", compute)
    assert (
        Kept(tmp_path, {"steps": 1}).get("seed0", compute) == first == {"loss": 0.5, "counts": {"a": [1, 2]}}
    )
    assert len(calls) == 1
    Kept(tmp_path, {"steps": 2}).get("seed0", compute)
    assert len(calls) == 2
