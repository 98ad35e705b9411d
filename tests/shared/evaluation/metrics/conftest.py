"""Examples for the tests of metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sft_shared.dialogue import Example

Make = Callable[..., Example]


@pytest.fixture(scope="session")
def make() -> Make:
    """An example of a question and its reference answer, with any other field."""

    def example(answer: str | None = "Yes.", *, question: str = "Is it open?", **fields: Any) -> Example:
        reply: dict[str, Any] = {"role": "assistant", "content": answer}
        reply |= {name: fields.pop(name) for name in ("tool_calls",) if name in fields}
        messages = [{"role": "user", "content": question}, reply]
        value = {"id": "e", "messages": messages, "provenance": {"source": "s", "session": "s"}}
        return Example.model_validate(value | fields)

    return example
