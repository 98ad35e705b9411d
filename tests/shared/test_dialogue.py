"""The dialogue schema reads OpenAI's form, and every bad line is answered with file:line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sft_shared.dialogue import Example, Message, ToolCall, read_examples, write_examples
from sft_shared.errors import DataError

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": [1, "二"]}'}}
GOOD: dict[str, Any] = {
    "id": "e1",
    "messages": [{"role": "user", "content": "do f"}, {"role": "assistant", "tool_calls": [CALL]}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "provenance": {"source": "test", "session": "s1"},
}


def test_openai_form_is_read_and_written_back(tmp_path: Path) -> None:
    example = Example.model_validate(GOOD)
    assert example.answer.tool_calls == (ToolCall(name="f", arguments={"a": [1, "二"]}, id="c1"),)
    assert [message.role for message in example.prompt] == ["user"]
    path = tmp_path / "deep" / "x.jsonl"
    assert write_examples(path, [example]) == 1
    line = json.loads(path.read_text(encoding="utf-8"))
    assert line["messages"][1]["tool_calls"] == [CALL]
    assert list(read_examples(path)) == [example]


def changed(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": "e2", ', "not JSON at column"),
        (b'{"id": "\xff"}', "not UTF-8 at byte 8"),
        (changed(), "id 'e1' was used on line 1"),
        ("[" * 100_000, "holds a value that cannot be read"),
        ('{"id": ' + "9" * 5000 + "}", "holds a value that cannot be read"),
        (changed(id="e2", category="\ud800"), "half of a surrogate pair"),
        (changed(id="e2", colour="red"), "colour: Extra inputs are not permitted"),
        (changed(id="e2", messages=[{"role": "user", "content": "x"}]), "must be by 'assistant'"),
        (
            changed(
                id="e2", messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": " "}]
            ),
            "needs content or tool_calls",
        ),
        (
            changed(id="e2", messages=[{"role": "user", "content": "x", "tool_calls": [CALL]}]),
            "only an assistant",
        ),
        (
            changed(
                id="e2",
                messages=[
                    {
                        "role": "assistant",
                        "tool_calls": [
                            {"function": {"name": "f", "arguments": "{a: 1}"}, "type": "function"}
                        ],
                    }
                ],
            ),
            "the arguments of f are not JSON",
        ),
    ],
)
def test_a_bad_line_is_named_with_file_line_and_reason(
    tmp_path: Path, line: str | bytes, reason: str
) -> None:
    path = tmp_path / "d.jsonl"
    raw = line.encode() if isinstance(line, str) else line
    path.write_bytes(json.dumps(GOOD).encode() + b"\n\n" + raw + b"\n")
    with pytest.raises(DataError) as caught:
        list(read_examples(path))
    assert f"{path}:3: " in str(caught.value)
    assert reason in str(caught.value)


def test_an_empty_or_missing_file_is_an_error_not_an_empty_dataset(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(DataError, match="no examples"):
        list(read_examples(tmp_path / "empty.jsonl"))
    with pytest.raises(DataError, match="no such file"):
        list(read_examples(tmp_path / "missing.jsonl"))


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    path = tmp_path / "bom.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode())
    assert len(list(read_examples(path))) == 1


def test_a_user_turn_without_content_is_refused() -> None:
    with pytest.raises(ValueError, match="needs content"):
        Message(role="user")


def test_an_entity_must_stand_where_it_says() -> None:
    """A label that no longer fits its text is an error, not a silent wrong label."""
    values = {
        "id": "a",
        "messages": [{"role": "user", "content": "cancel 4711"}, {"role": "assistant", "content": "done"}],
        "entities": [{"type": "order_id", "value": "4711", "message": 0, "start": 7, "end": 11}],
        "provenance": {"source": "s", "session": "s"},
    }
    assert Example.model_validate(values).entities[0].value == "4711"
    values["entities"] = [{"type": "order_id", "value": "4711", "message": 0, "start": 6, "end": 10}]
    with pytest.raises(ValidationError, match="does not hold its value at 6:10"):
        Example.model_validate(values)
    values["entities"] = [{"type": "order_id", "value": "4711", "message": 2, "start": 7, "end": 11}]
    with pytest.raises(ValidationError, match="message 2 of 2"):
        Example.model_validate(values)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """Nothing is lost and nothing is left beside it; a reader never sees half of it."""
    path = tmp_path / "e.jsonl"
    old = Example.model_validate(
        {
            "id": "old",
            "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}],
            "provenance": {"source": "s", "session": "s"},
        }
    )
    write_examples(path, [old])

    def broken() -> Iterator[Example]:
        yield old.model_copy(update={"id": "new"})
        assert list(read_examples(path)) == [old]
        raise DataError("no model")

    with pytest.raises(DataError, match="no model"):
        write_examples(path, broken())
    assert list(read_examples(path)) == [old]
    assert [each.name for each in tmp_path.iterdir()] == ["e.jsonl"]
