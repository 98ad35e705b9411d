"""The node's examples between its file and the tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sft_client.dataset import Dataset
from sft_shared.errors import DataError


def lines(path: Path) -> list[dict[str, Any]]:
    """The file's examples as plain values."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, values: list[dict[str, Any]]) -> None:
    """A JSONL file."""
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")


def test_rows_are_tokenised_once(home: Any) -> None:
    """The same file, model and settings give the very same rows; other settings give others."""
    dataset, settings = Dataset(home.data), home.recipe().data
    rows = dataset.rows(home.base, settings)
    assert [row.example_id for row in rows] == [f"example-{index}" for index in range(6)]
    assert dataset.rows(home.base, settings) is rows
    assert dataset.rows(home.base, settings.model_copy(update={"max_tokens": 512})) is not rows


def test_a_file_that_changed_is_read_again(home: Any) -> None:
    """New examples count from the next order on, without a restart."""
    dataset, settings = Dataset(home.data), home.recipe().data
    dataset.rows(home.base, settings)
    write(home.data, lines(home.data)[:2])
    assert len(dataset.rows(home.base, settings)) == 2


def test_held_out_examples_are_never_trained_on(home: Any) -> None:
    """They are counted, so that the operator is told, and left out."""
    examples = lines(home.data)
    for example in examples[:4]:
        example["provenance"]["split"] = "held_out"
    write(home.data, examples)
    snapshot = Dataset(home.data).read()
    assert [example.id for example in snapshot.examples] == ["example-4", "example-5"]
    assert snapshot.num_held_out == 4


def test_a_file_of_held_out_examples_alone_is_an_error(home: Any) -> None:
    """There is nothing to train on, and that is said."""
    examples = lines(home.data)
    for example in examples:
        example["provenance"]["split"] = "held_out"
    write(home.data, examples)
    with pytest.raises(DataError, match="all 6 examples are of the split 'held_out'"):
        Dataset(home.data).read()


@pytest.mark.parametrize(
    ("content", "words"), [(None, "no such file"), ("", "no examples"), ("{]\n", "train.jsonl:1")]
)
def test_an_unusable_file_is_named(home: Any, content: str | None, words: str) -> None:
    """Missing, empty or wrong: the path, and the line where there is one."""
    if content is None:
        home.data.unlink()
    else:
        home.data.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        Dataset(home.data).read()
