"""Short dialogues, and the step in both of its forms."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sft_shared.data.desensitise.desensitise import Desensitiser, DesensitiseSettings
from sft_shared.data.desensitise.replace import PseudonymReplacement
from sft_shared.dialogue import Example

KEY = b"k" * 32
TAGS = DesensitiseSettings(key=Path("unused"))
PSEUDONYMS = DesensitiseSettings(key=Path("unused"), replacement=PseudonymReplacement())
STEPS = {"tag": Desensitiser(TAGS, key=KEY), "pseudonym": Desensitiser(PSEUDONYMS, key=KEY)}


def _dialogue(*contents: str | dict[str, Any], **changes: Any) -> Example:
    """Turns by user and assistant in turn; a dict is the arguments of a call, and its result follows."""
    messages: list[dict[str, Any]] = []
    for content in contents:
        if isinstance(content, dict):
            messages.append({"role": "assistant", "tool_calls": [{"name": "f", "arguments": content}]})
            messages.append({"role": "tool", "content": json.dumps(content, ensure_ascii=False)})
        else:
            last = messages[-1]["role"] if messages else "assistant"
            messages.append({"role": "assistant" if last != "assistant" else "user", "content": content})
    if messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": "ok"})
    values = {"id": "one", "messages": messages, "provenance": {"source": "test", "session": "s"}, **changes}
    return Example.model_validate(values)


def _applied(step: Desensitiser, example: Example) -> Example:
    """The example after the step, which keeps it."""
    changed = step(example)
    assert isinstance(changed, Example)
    return changed


@pytest.fixture(scope="session")
def dialogue() -> Callable[..., Example]:
    return _dialogue


@pytest.fixture(scope="session")
def applied() -> Callable[[Desensitiser, Example], Example]:
    return _applied


@pytest.fixture(scope="session")
def steps() -> Mapping[str, Desensitiser]:
    """The step that leaves tags, and the one that leaves pseudonyms."""
    return STEPS


@pytest.fixture(scope="session", params=STEPS)
def step(request: pytest.FixtureRequest) -> Desensitiser:
    """Either of them."""
    return STEPS[request.param]
