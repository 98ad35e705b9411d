"""Tool calling in stages: choose the tool, then fill its parameters, then read its result."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Literal

from pydantic import PositiveInt

from sft_shared.config import Settings
from sft_shared.data.chat import DataSettings
from sft_shared.dialogue import Example, Message

SELECTION_INSTRUCTION = (
    "Choose which of the functions below answer the user. "
    'Reply only with a JSON list of their names: ["function"].'
)


class StageSettings(Settings):
    """One stage of a recipe: what of each example is trained on, for how many cycles.

    ``selection``: the names of the functions to call. ``parameters``: the whole calls, all tools in sight.
    ``result``: the answer in words once a tool's result is in the dialogue.
    """

    kind: Literal["selection", "parameters", "result"]
    cycles: PositiveInt = 1

    def view(self, example: Example) -> Example | None:
        """The example as this stage trains on it; None if it has nothing for this stage."""
        if self.kind == "result":
            has_result = any(message.role == "tool" for message in example.prompt)
            return example if has_result and not example.answer.tool_calls else None
        if not example.answer.tool_calls or not example.tools:
            return None
        if self.kind == "parameters":
            return example
        answer = Message(role="assistant", content=json.dumps(called_names(example), ensure_ascii=False))
        return example.model_copy(update={"messages": (*example.prompt, answer), "expected_calls": ()})

    def data(self, settings: DataSettings) -> DataSettings:
        """How this stage's examples become rows: choosing has an instruction of its own."""
        if self.kind != "selection":
            return settings
        prompt = settings.tool_prompt.model_copy(update={"instruction": SELECTION_INSTRUCTION})
        return settings.model_copy(update={"tool_prompt": prompt})


def called_names(example: Example) -> list[str]:
    """The names of the functions that the example's answer calls, in its order."""
    return [call.name for call in example.answer.tool_calls]


def views(stage: StageSettings | None, examples: Iterable[Example]) -> list[Example]:
    """The examples as ``stage`` sees them, without those that have nothing for it; all of them if None."""
    if stage is None:
        return list(examples)
    return [view for example in examples if (view := stage.view(example)) is not None]
