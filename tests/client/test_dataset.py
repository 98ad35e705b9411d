"""The node's examples between its file and the tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sft_client.dataset import Dataset
from sft_shared.data.chat import IGNORED
from sft_shared.data.stages import StageSettings
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
    assert [row.example_id for row in rows.train] == [f"example-{index}" for index in range(6)]
    assert dataset.rows(home.base, settings) is rows
    assert dataset.rows(home.base, settings.model_copy(update={"max_tokens": 512})) is not rows


def test_a_file_that_changed_is_read_again(home: Any) -> None:
    """New examples count from the next order on, without a restart."""
    dataset, settings = Dataset(home.data), home.recipe().data
    dataset.rows(home.base, settings)
    write(home.data, lines(home.data)[:2])
    assert len(dataset.rows(home.base, settings).train) == 2


def test_held_out_examples_are_never_trained_on(home: Any) -> None:
    """They are set apart, as examples and as rows."""
    examples = lines(home.data)
    for example in examples[:4]:
        example["provenance"]["split"] = "held_out"
    write(home.data, examples)
    dataset = Dataset(home.data)
    snapshot, rows = dataset.read(), dataset.rows(home.base, home.recipe().data)
    assert [example.id for example in snapshot.examples] == ["example-4", "example-5"]
    assert [example.id for example in snapshot.held_out] == [f"example-{index}" for index in range(4)]
    assert [row.example_id for row in rows.train] == ["example-4", "example-5"]
    assert [row.example_id for row in rows.held_out] == [f"example-{index}" for index in range(4)]


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


def test_too_long_examples_are_dropped_and_counted_if_the_settings_say_so(home: Any) -> None:
    """Of those to train on and of those held out; what is left is whole."""
    examples = lines(home.data)
    examples[1]["messages"][0]["content"] += " very" * 100
    examples[3]["messages"][0]["content"] += " very" * 100
    examples[3]["provenance"]["split"] = examples[4]["provenance"]["split"] = "held_out"
    write(home.data, examples)
    settings = home.recipe().data.model_copy(update={"max_tokens": 150, "too_long": "drop"})
    rows = Dataset(home.data).rows(home.base, settings)
    assert [row.example_id for row in rows.train] == ["example-0", "example-2", "example-5"]
    assert [row.example_id for row in rows.held_out] == ["example-4"]
    assert rows.num_dropped == 2
    assert max(len(row.input_ids) for row in rows.train) <= 150
    with pytest.raises(DataError, match=r"'example-1'.*data\.max_tokens is 150"):
        Dataset(home.data).rows(home.base, settings.model_copy(update={"too_long": "error"}))


def test_a_file_of_too_long_examples_alone_is_an_error(home: Any) -> None:
    """Dropping all of them would leave nothing to train on."""
    settings = home.recipe().data.model_copy(update={"max_tokens": 5, "too_long": "drop"})
    with pytest.raises(DataError, match=r"all 6 examples have more than data\.max_tokens"):
        Dataset(home.data).rows(home.base, settings)


def test_a_stage_has_rows_of_its_own(home: Any) -> None:
    """Those with nothing for it are counted, and another stage is tokenised anew."""
    tool = {"name": "look", "parameters": {"type": "object", "properties": {}}}
    examples = lines(home.data)
    for example in examples[:2]:
        example["tools"] = [tool]
        example["messages"][-1] = {"role": "assistant", "tool_calls": [{"name": "look"}]}
    write(home.data, examples)
    dataset, settings = Dataset(home.data), home.recipe().data
    chosen = dataset.rows(home.base, settings, StageSettings(kind="selection"))
    filled = dataset.rows(home.base, settings, StageSettings(kind="parameters"))
    for rows, answer in ((chosen, '["look"]'), (filled, '[{"name": "look", "arguments": {}}]')):
        assert [row.example_id for row in rows.train] == ["example-0", "example-1"]
        assert rows.num_other_stages == 4
        labels = [label for label in rows.train[0].labels if label != IGNORED]
        assert home.base.tokenizer.decode(labels, skip_special_tokens=True) == answer
    assert dataset.rows(home.base, settings).num_other_stages == 0
    with pytest.raises(DataError, match=r"none of the 6 examples has anything.* 'result'"):
        dataset.rows(home.base, settings, StageSettings(kind="result"))
