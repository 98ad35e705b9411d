"""Examples in which no tool fits: the same question, other tools, and an assistant that says so."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field, PositiveInt

from sft_shared.config import LocalPath, Settings
from sft_shared.data.partition import question_words
from sft_shared.data.steps import Rejected
from sft_shared.data.templating.slots import Language
from sft_shared.data.words import HAN, has_han
from sft_shared.dialogue import Example, Message, Tool, read_examples

MAX_OVERLAP = 0.25
"""Share of a tool's words (name, description, parameters) that an unrelated tool may have in common."""

REFUSALS: dict[Language, tuple[str, ...]] = {
    "zh": (
        "抱歉，现有的工具都不能处理这个请求，所以我没有调用任何工具。",
        "目前可用的功能里没有适合这个问题的，我无法替您完成这一步。",
        "这个请求超出了我手头工具的范围，暂时办不了。如果您有其他需要，可以告诉我。",
        "我手头没有能查到这项内容的工具，不想给您编一个答案。",
        "没有可用的工具能满足这个请求，建议您换一个渠道咨询。",
        "我看了一下可用的工具，没有一个适合用来处理您的问题。",
    ),
    "en": (
        "Sorry, none of the tools I have can handle this request, so I have not called any.",
        "There is no function available to me that fits this question, so I cannot do that for you.",
        "This is outside what my tools cover. If there is something else you need, let me know.",
        "I have no tool that can look this up, and I would rather not make up an answer.",
        "None of the available tools fits your request. Another channel may be able to help you.",
        "I checked the tools at hand, and not one of them is suited to what you are asking.",
    ),
}


class NoCalls(Settings):
    """Make no-call examples from the tool calls of a JSONL file of examples, by swapping their tools.

    One is made of each example whose answer calls tools, where unrelated tools can be found; a share of them
    is enough to train on, since a model that has only seen refusals calls nothing.
    """

    kind: Literal["no_calls"] = "no_calls"
    file: LocalPath
    share: float = Field(default=0.2, gt=0, le=1)  # of the examples whose answer calls a tool
    num_tools: PositiveInt = 3  # offered in place of the right ones; fewer if there are not as many
    seed: int

    def examples(self) -> Iterator[Example | Rejected]:
        """The examples, in the file's order. Raises DataError for a file that cannot be read."""
        originals = list(read_examples(self.file))
        yield from swap_tools(originals, share=self.share, num_tools=self.num_tools, seed=self.seed)


def swap_tools(
    originals: Sequence[Example], *, share: float, num_tools: int, seed: int
) -> Iterator[Example | Rejected]:
    """No-call examples from those of ``originals`` whose first answer is a call.

    The tools come from all the originals, none of them related to one that the example offers or to its
    question; whoever has none left is rejected by the rule ``no-unrelated-tool``.
    """
    pool = list({tool.name: tool for example in originals for tool in example.tools}.values())
    words = {tool.name: tool_words(tool) for tool in pool}
    for example in originals:
        rng = random.Random(f"{seed}:{example.id}")  # noqa: S311 (drawing examples, not a secret)
        earlier = any(message.role == "assistant" for message in example.prompt)
        if not example.answer.tool_calls or earlier or rng.random() >= share:
            continue
        offered = [tool_words(tool) for tool in example.tools]
        asked = question_words(example)
        unrelated = [
            tool
            for tool in pool
            if all(overlap(words[tool.name], other) <= MAX_OVERLAP for other in offered)
            and len(words[tool.name] & asked) <= MAX_OVERLAP * len(words[tool.name])
        ]
        if not unrelated:
            yield Rejected(example.id, "no-unrelated-tool", "every tool of the set is akin to the right one")
            continue
        tools = rng.sample(unrelated, min(num_tools, len(unrelated)))
        answer = Message(role="assistant", content=rng.choice(REFUSALS[language_of(example)]))
        provenance = example.provenance.model_copy(
            update={"origin": example.id, "steps": (*example.provenance.steps, "swap_tools")}
        )
        yield example.model_copy(
            update={
                "id": f"{example.id}-no-call",
                "messages": (*example.prompt, answer),
                "tools": tuple(tools),
                "expected_calls": (),
                "entities": tuple(e for e in example.entities if e.message < len(example.prompt)),
                "outcome": None,
                "provenance": provenance,
            }
        )


def overlap(first: frozenset[str], second: frozenset[str]) -> float:
    """Shared words over the words of the smaller set; 0 if either is empty."""
    return len(first & second) / min(len(first), len(second)) if first and second else 0.0


def tool_words(tool: Tool) -> frozenset[str]:
    """What a tool is about: words of its name and description, Chinese as pairs of characters."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|[_.-]", " ", tool.name) + " " + tool.description
    latin = {word.rstrip("s") for word in re.findall(r"[a-z]{3,}", text.lower())} - _STOP
    runs = re.findall(f"[{HAN}]+", text)
    return frozenset(latin | {run[i : i + 2] for run in runs for i in range(len(run) - 1)} - _STOP)


def language_of(example: Example) -> Language:
    """Chinese if the last thing the user said holds Chinese characters."""
    said = next((m.content or "" for m in reversed(example.prompt) if m.role == "user"), "")
    return "zh" if has_han(said) else "en"


_NO_TOPIC = """
the and for from with that this get query check lookup look find search return given give one its use into
function tool info information data 查询 根据 返回 获取 指定 一个 一笔 一张 信息 的信 工具
"""
_STOP = frozenset(_NO_TOPIC.split())
