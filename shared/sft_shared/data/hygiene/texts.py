"""The parts of an example that filters and profiles look at, as plain text."""

from __future__ import annotations

import re

from sft_shared.data.chat import answer_text
from sft_shared.dialogue import Example

_WORDS = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)


def question_text(example: Example) -> str:
    """All that the user says."""
    return "\n".join([message.content or "" for message in example.prompt if message.role == "user"])


def prompt_text(example: Example) -> str:
    """All that comes before the answer."""
    texts = [answer_text(each) if each.tool_calls else each.content or "" for each in example.prompt]
    return "\n".join(texts)


def num_words(text: str) -> int:
    """Chinese, Japanese and Korean characters, and runs of other letters and digits."""
    return len(words(text))


def words(text: str) -> list[str]:
    """Each Chinese, Japanese or Korean character, and each run of other letters and digits."""
    return _WORDS.findall(text)
