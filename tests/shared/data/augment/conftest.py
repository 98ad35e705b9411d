"""How a short labelled dialogue is written in the tests of augmentation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sft_shared.dialogue import Example

Dialogue = Callable[..., Example]


def dialogue(
    question: str,
    answer: str | Mapping[str, Any] = "ok",
    *,
    entities: Mapping[str, str] | None = None,
    **more: Any,
) -> Example:
    """``entities``: value -> type, labelled where it first stands in the question; an answer may be JSON."""
    labels = [
        {"type": name, "value": value, "message": 0, "start": at, "end": at + len(value)}
        for value, name in (entities or {}).items()
        for at in [question.index(value)]
    ]
    content = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    last = more.pop("last", {"role": "assistant", "content": content})
    value = {
        "id": "source",
        "messages": [{"role": "user", "content": question}, last],
        "entities": labels,
        "provenance": {"source": "test", "session": "s"},
    }
    return Example.model_validate({**value, **more})


@pytest.fixture(scope="session")
def talk() -> Dialogue:
    return dialogue
