"""The hashes of what decides a result change with it, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sft_shared.data.chat import DataSettings, ToolPromptSettings
from sft_shared.dialogue import Example, write_examples
from sft_shared.errors import ConfigError
from sft_shared.evaluation.conditions import Conditions
from sft_shared.evaluation.digests import conditions_of, suite_sha256
from sft_shared.evaluation.suites import SuiteSettings

MakeSuite = Callable[..., SuiteSettings]
OTHER_PROMPT = DataSettings(tool_prompt=ToolPromptSettings(instruction="Use these:"))


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("bad\n")
    return path


def found(suite: SuiteSettings, data: DataSettings | None = None) -> Conditions:
    (task,) = suite.load()
    return conditions_of(task, max_new_tokens=suite.generation.max_new_tokens, data=data or DataSettings())


def changed(one: Conditions, other: Conditions) -> set[str]:
    return {name for name in Conditions.model_fields if getattr(one, name) != getattr(other, name)}


def test_each_condition_has_its_own_hash(
    suite_of: MakeSuite, data_file: Path, questions: list[Example], words: Path, tmp_path: Path
) -> None:
    """Other questions, references, metrics, word lists, prompts, shots or lengths: each is seen as it is."""
    metrics = [{"kind": "compliance", "words": [words]}]
    first = found(suite_of({"metrics": metrics}))
    assert changed(first, found(suite_of({"metrics": metrics}), OTHER_PROMPT)) == {"prompts"}
    shots = [each.model_copy(update={"id": f"shot-{each.id}"}) for each in questions[:2]]
    write_examples(tmp_path / "shots.jsonl", shots)
    with_shots = suite_of({"metrics": metrics, "shots": tmp_path / "shots.jsonl"})
    assert changed(first, found(with_shots)) == {"prompts"}
    longer = suite_of({"metrics": metrics}, generation={"max_new_tokens": 9})
    assert changed(first, found(longer)) == {"max_new_tokens"}
    words.write_text("worse\n")
    assert changed(first, found(suite_of({"metrics": metrics}))) == {"metrics"}
    words.write_text("bad\n")
    other = questions[0].model_copy(update={"expected_calls": ()})
    write_examples(data_file, [other, *questions[1:]])
    assert changed(first, found(suite_of({"metrics": metrics}))) == {"examples"}


def test_moved_files_and_another_order_change_nothing(
    suite_of: MakeSuite, questions: list[Example], words: Path, tmp_path: Path
) -> None:
    """Nor how rows are cut in training: the same suite measures the base and the adapter of any recipe."""
    first = found(suite_of({"metrics": [{"kind": "compliance", "words": [words]}]}))
    words.rename(tmp_path / "moved.txt")
    write_examples(tmp_path / "elsewhere.jsonl", questions[::-1])
    moved = {
        "data": tmp_path / "elsewhere.jsonl",
        "metrics": [{"kind": "compliance", "words": [tmp_path / "moved.txt"]}],
    }
    assert found(suite_of(moved), DataSettings(max_tokens=64, too_long="drop")) == first


@pytest.mark.parametrize(
    ("task", "suite", "same"),
    [
        ({}, {"gates": []}, True),
        ({}, {"generation": {"max_new_tokens": 8, "batch_size": 7, "threads": 2}}, True),
        ({"role": "old"}, {}, False),
        ({"slices": []}, {}, False),
        ({"perplexity": True}, {}, False),
        ({}, {"seed": 1}, False),
        ({}, {"generation": {"max_new_tokens": 8, "constrained": "json"}}, False),
        ({"limit": 19}, {}, False),
    ],
)
def test_the_hash_of_a_suite_is_that_of_its_result(
    suite_of: MakeSuite, task: dict[str, Any], suite: dict[str, Any], same: bool
) -> None:
    """Who judges and how fast it went is not a part of it."""
    first, other = suite_of(), suite_of(task, **suite)
    hashes = [suite_sha256(each, each.load(), data=DataSettings()) for each in (first, other)]
    assert (hashes[0] == hashes[1]) is same
    assert suite_sha256(first, first.load(), data=DataSettings(max_tokens=64)) != hashes[0]


def test_a_file_that_is_gone_is_named(suite_of: MakeSuite, words: Path) -> None:
    (task,) = suite_of({"metrics": [{"kind": "compliance", "words": [words]}]}).load()
    words.unlink()
    with pytest.raises(ConfigError, match=r"words\.txt: No such file"):
        conditions_of(task, max_new_tokens=8, data=DataSettings())
