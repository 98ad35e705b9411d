"""Dialogues become tokens: the chat template, and a label mask that covers the answer alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from sft_shared.config import Settings
from sft_shared.data.signatures import signature
from sft_shared.dialogue import Example, Message, Tool, ToolCall
from sft_shared.errors import DataError

IGNORED = -100  # label of a token that is not trained on (torch's cross-entropy convention)

TOOL_INSTRUCTION = (
    "Call one of the functions below to answer the user. "
    'Reply only with a JSON list: [{"name": "function", "arguments": {"parameter": value}}]. '
    "Leave out optional parameters (with a default) unless the user asks for them."
)


class ToolPromptSettings(Settings):
    """How tools are shown to the model: an instruction, then one signature a line, in the system message.

    The same text is used for every model, also where a chat template has a tool syntax of its own, so
    that one reader of answers fits all of them.
    """

    instruction: str = Field(default=TOOL_INSTRUCTION, min_length=1)
    description_words: NonNegativeInt = 15  # words of each function's description; 0 leaves it out


class DataSettings(Settings):
    """How examples become training rows."""

    max_tokens: PositiveInt = 1024  # of an example; none is ever cut
    too_long: Literal["error", "drop"] = "error"  # what becomes of a longer one
    tool_prompt: ToolPromptSettings = ToolPromptSettings()


class TooLong(DataError):
    """An example has more than ``DataSettings.max_tokens`` tokens."""


@dataclass(frozen=True)
class Row:
    """One example as tokens. ``labels`` is ``input_ids`` where the answer is, ``IGNORED`` elsewhere."""

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    example_id: str
    category: str | None = None  # its class; None: it has none
    source: str = ""

    @property
    def num_supervised(self) -> int:
        """How many tokens are trained on."""
        return sum(label != IGNORED for label in self.labels)


def render_prompt(
    example: Example, tokenizer: Any, settings: DataSettings, *, shots: Sequence[Example] = ()
) -> list[int]:
    """The tokens up to where the assistant's answer begins.

    ``shots`` are solved examples that come before it in the same dialogue, each with its own tools.
    Raises DataError with the example's id if it has images, if the chat template refuses it or if a message
    holds a control token of the template.
    """
    return _tokens(tokenizer, _prompt_text(example, tokenizer, settings, shots=shots))


def tokenize(example: Example, tokenizer: Any, settings: DataSettings) -> Row:
    """One training row: the prompt unlabelled, the final answer labelled up to and with its end token.

    Raises TooLong if the row is longer than ``settings.max_tokens``, DataError with the example's id if the
    prompt's tokens are not a prefix of the whole (the mask would be off), if nothing is supervised, or
    if the end token is not (the model would never learn to stop).
    """
    prompt_text = _prompt_text(example, tokenizer, settings, shots=())
    answer = {"role": "assistant", "content": answer_text(example.answer)}
    text = _apply_template(example, tokenizer, [*_turns(example, settings), answer], generation_prompt=False)
    prompt, tokens = _tokens(tokenizer, prompt_text), _tokens(tokenizer, text)
    if tokens[: len(prompt)] != prompt:
        raise DataError(
            f"example {example.id!r}: the chat template renders the prompt differently once the answer "
            "follows, so the answer's tokens cannot be told apart. Use a template that only appends."
        )
    tail = tokens[len(prompt) :]
    if not answer["content"].strip():
        raise DataError(
            f"example {example.id!r}: the answer is empty, nothing to train on. Drop the example."
        )
    if tokenizer.eos_token_id not in tail:
        raise DataError(
            f"example {example.id!r}: the end token {tokenizer.eos_token!r} does not follow the "
            "answer, so the model would never learn to stop. Set the tokenizer's eos_token to what the chat "
            "template ends a turn with."
        )
    end = tail.index(tokenizer.eos_token_id) + 1
    if end < 2:
        raise DataError(
            f"example {example.id!r}: the chat template drops the answer. Use a template that renders it."
        )
    row = tuple(tokens[: len(prompt) + end])
    if len(row) > settings.max_tokens:
        raise TooLong(
            f"example {example.id!r}: {len(row)} tokens, data.max_tokens is {settings.max_tokens}. "
            "Raise data.max_tokens, or set data.too_long to drop; nothing is cut."
        )
    labels = (IGNORED,) * len(prompt) + row[len(prompt) :]
    return Row(
        input_ids=row,
        labels=labels,
        example_id=example.id,
        category=example.category or None,
        source=example.provenance.source,
    )


def tokenize_all(examples: Iterable[Example], tokenizer: Any, settings: DataSettings) -> list[Row]:
    """``tokenize`` each example; too long ones are left out if ``settings`` say so.

    Raises DataError on the first that cannot be used, and if none is left.
    """
    rows, num_dropped = [], 0
    for example in examples:
        try:
            rows.append(tokenize(example, tokenizer, settings))
        except TooLong:
            if settings.too_long == "error":
                raise
            num_dropped += 1
    if num_dropped and not rows:
        raise DataError(
            f"all {num_dropped} examples have more than data.max_tokens ({settings.max_tokens}) tokens. "
            "Raise data.max_tokens."
        )
    if not rows:
        raise DataError("no examples to train on. Give at least one.")
    return rows


def answer_text(message: Message) -> str:
    """What the assistant is to write: its text, its tool calls as a JSON list, or both in this order."""
    parts = [message.content] if message.content else []
    if message.tool_calls:
        parts.append(calls_text(message.tool_calls))
    return "\n".join(parts)


def calls_text(calls: Sequence[ToolCall]) -> str:
    """Tool calls as ``[{"name": "f", "arguments": {"a": 1}}]``."""
    return json.dumps(
        [{"name": call.name, "arguments": call.arguments} for call in calls], ensure_ascii=False
    )


def tools_text(tools: Sequence[Tool], settings: ToolPromptSettings) -> str:
    """The instruction and one signature a line; empty without tools."""
    if not tools:
        return ""
    lines = [signature(tool, description_words=settings.description_words) for tool in tools]
    return settings.instruction + "\n\n" + "\n".join(lines)


def _turns(example: Example, settings: DataSettings) -> list[dict[str, str]]:
    """Role and text of each message before the answer; the tools join the first system message."""
    turns = [{"role": message.role, "content": answer_text(message)} for message in example.prompt]
    tools = tools_text(example.tools, settings.tool_prompt)
    if tools and turns and turns[0]["role"] == "system":
        turns[0] = {"role": "system", "content": f"{turns[0]['content']}\n\n{tools}"}
    elif tools:
        turns.insert(0, {"role": "system", "content": tools})
    return turns


def _prompt_text(
    example: Example, tokenizer: Any, settings: DataSettings, *, shots: Sequence[Example]
) -> str:
    turns: list[dict[str, str]] = []
    for shown in (*shots, example):
        if any(message.images for message in shown.messages):
            raise DataError(
                f"example {shown.id!r}: has images, and this model reads text only. Leave examples with "
                "images out of its data."
            )
    for shot in shots:
        turns += [*_turns(shot, settings), {"role": "assistant", "content": answer_text(shot.answer)}]
    turns += _turns(example, settings)
    return _apply_template(example, tokenizer, turns, generation_prompt=True)


def _apply_template(
    example: Example, tokenizer: Any, turns: list[dict[str, str]], *, generation_prompt: bool
) -> str:
    from jinja2 import TemplateError

    controls = _control_tokens(tokenizer)
    for turn in turns:
        for token in controls:
            if token in turn["content"]:
                raise DataError(
                    f"example {example.id!r}: a {turn['role']} message contains the control token {token!r}, "
                    "which would end the turn early. Remove it from the text."
                )
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=generation_prompt)
    except TemplateError as error:
        raise DataError(
            f"example {example.id!r}: the model's chat template refuses the dialogue: {error}. "
            "Change the order or the roles of the messages."
        ) from None
    return str(text)


def _control_tokens(tokenizer: Any) -> list[str]:
    template, ends = tokenizer.chat_template, {tokenizer.eos_token, tokenizer.bos_token}
    return [token for token in tokenizer.all_special_tokens if token in template or token in ends]


def _tokens(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
