"""Pictures in messages: OpenAI's parts are read into placeholders and written back the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sft_shared.content import PLACEHOLDER, is_remote
from sft_shared.dialogue import Example, Message, read_examples, write_examples

PART = {"type": "image_url", "image_url": {"url": "img/a.png"}}
DATA = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def test_parts_become_text_with_placeholders_and_back(tmp_path: Path) -> None:
    """Order, data URLs and digests survive the way to the disk."""
    parts = [text("看"), {**PART, "sha256": "0" * 64}, text("和"), DATA, text("哪个大？")]
    message = Message.model_validate({"role": "user", "content": parts})
    assert message.content == "看<image>和<image>哪个大？"
    assert [image.path for image in message.images] == ["img/a.png", None]
    assert message.model_dump()["content"] == parts
    example = Example.model_validate(
        {
            "id": "e",
            "messages": [message.model_dump(), {"role": "assistant", "content": "左边"}],
            "provenance": {"source": "s", "session": "s"},
        }
    )
    write_examples(tmp_path / "x.jsonl", [example])
    assert json.loads((tmp_path / "x.jsonl").read_text())["messages"][0]["content"] == parts
    assert list(read_examples(tmp_path / "x.jsonl")) == [example]


SEGMENT = st.text().filter(lambda value: PLACEHOLDER not in value)


@given(st.lists(SEGMENT.map(text) | st.just(PART) | st.just(DATA)))
def test_reading_what_was_written_changes_nothing(parts: list[dict[str, Any]]) -> None:
    """Whatever texts and pictures follow each other, unless texts make up a placeholder together."""
    joined = "".join(part.get("text", "\0") for part in parts)
    if PLACEHOLDER in joined and any("image_url" in part for part in parts):
        return
    message = Message.model_validate({"role": "user", "content": parts})
    assert Message.model_validate(message.model_dump()) == message


def test_a_message_without_images_is_written_as_text() -> None:
    """Nothing changes for text, not even where it speaks of a placeholder."""
    message = Message(role="user", content="what does <image> mean?")
    assert message.model_dump(exclude_defaults=True) == {"role": "user", "content": "what does <image> mean?"}
    assert Message.model_validate({"role": "user", "content": [text("<image>?")]}).images == ()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"content": [{"type": "image_url", "image_url": {"url": "https://x.org/a.png"}}]}, "not fetched"),
        ({"content": [{"type": "image_url", "image_url": {"url": "//host/a.png"}}]}, "not fetched"),
        ({"content": [{"type": "image_url", "image_url": {"url": "file://host/a.png"}}]}, "on a network"),
        (
            {"content": [{"type": "image_url", "image_url": {"url": "data:text/html;base64,aGk="}}]},
            "data URL",
        ),
        ({"content": [{"type": "input_audio"}]}, "part 0"),
        ({"content": [text("<image>"), PART]}, "holds <image> itself"),
        ({"content": "look", "images": [{"path": "a.png"}]}, "0 <image> in the content for 1"),
        ({"content": "<image>", "images": [{"path": "a.png", "data": "aGk="}]}, "either path or data"),
        ({"content": "<image>", "images": [{"data": "aGk="}]}, "media_type"),
        ({"content": [PART], "images": [{"path": "a.png"}]}, "not in both"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_reason(values: dict[str, Any], reason: str) -> None:
    """Network addresses above all: nothing here ever fetches a picture."""
    with pytest.raises(ValidationError, match=reason):
        Message.model_validate({"role": "user", **values})


def test_paths_are_told_from_addresses() -> None:
    """A drive letter is no scheme."""
    assert not any(map(is_remote, ["a/b.png", "/a/b.png", "C:\\a.png", "../a.png", "图片/一.png"]))
    assert all(
        map(is_remote, ["http://a/b.png", "HTTPS://a", "ftp://a", "//a/b", "\\\\host\\a.png", "s3://b/k"])
    )
