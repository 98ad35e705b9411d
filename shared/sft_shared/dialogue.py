"""The dialogue schema: OpenAI-style messages with tool calls, and examples with provenance."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from sft_shared.content import PLACEHOLDER, Image, read_parts, write_parts
from sft_shared.errors import DataError
from sft_shared.files import writing_atomic
from sft_shared.lines import BadLine, decode, parse_json

Role = Literal["system", "user", "assistant", "tool"]
Split = Literal["train", "held_out"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolCall(_Record):
    """One call of a function. On disk it has OpenAI's form: arguments are a JSON string."""

    name: str = Field(min_length=1)
    arguments: dict[str, Any] = {}
    id: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_openai(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "function" not in value:
            return value
        function = value["function"]
        if not isinstance(function, dict) or "name" not in function:
            raise ValueError("a tool call needs function.name")
        arguments = function.get("arguments", {})
        if isinstance(arguments, str):
            try:
                arguments = parse_json(arguments or "{}")
            except BadLine as bad:
                raise ValueError(f"the arguments of {function['name']} are not JSON: {bad.reason}") from None
        return {"name": function["name"], "arguments": arguments, "id": value.get("id")}

    @model_serializer
    def _to_openai(self) -> dict[str, Any]:
        arguments = json.dumps(self.arguments, ensure_ascii=False)
        call = {"type": "function", "function": {"name": self.name, "arguments": arguments}}
        return call if self.id is None else {"id": self.id, **call}


class Tool(_Record):
    """One function the assistant may call; ``parameters`` is a JSON Schema of type object."""

    name: str = Field(min_length=1)
    description: str = ""
    parameters: dict[str, Any] = {"type": "object", "properties": {}}

    @model_validator(mode="before")
    @classmethod
    def _from_openai(cls, value: Any) -> Any:
        return value["function"] if isinstance(value, dict) and "function" in value else value

    @model_serializer
    def _to_openai(self) -> dict[str, Any]:
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}


class Message(_Record):
    """One turn. An assistant's turn has text, tool calls, or both.

    In a turn with ``images``, each ``<image>`` in ``content`` stands for one of them, in order. On disk such
    a turn has OpenAI's form: a list of content parts.
    """

    role: Role
    content: str | None = None
    images: tuple[Image, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_parts(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("content"), list):
            return value
        if value.get("images"):
            raise ValueError("images stand in the content parts or in images, not in both")
        content, images = read_parts(value["content"])
        return {**value, "content": content, "images": images}

    @model_serializer(mode="wrap")
    def _to_parts(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        value: dict[str, Any] = handler(self)
        if self.images:
            del value["images"]
            value["content"] = write_parts(self.content or "", self.images)
        return value

    @model_validator(mode="after")
    def _says_something_and_places_its_images(self) -> Message:
        if self.images and (num_places := (self.content or "").count(PLACEHOLDER)) != len(self.images):
            raise ValueError(
                f"{num_places} {PLACEHOLDER} in the content for {len(self.images)} images; give each one"
            )
        if self.role == "assistant":
            if not self.tool_calls and not (self.content or "").strip():
                raise ValueError("an assistant message needs content or tool_calls; drop the empty turn")
        elif self.tool_calls:
            raise ValueError(f"only an assistant may call tools, not the role {self.role!r}")
        elif self.content is None:
            raise ValueError(f"a {self.role} message needs content")
        return self


class ExpectedCall(_Record):
    """What a right call looks like: for each argument every value that counts as right.

    An empty string among the values means that the argument may be left out (BFCL's convention).
    """

    name: str
    arguments: dict[str, list[Any]]


class Provenance(_Record):
    """Where an example came from. Splits are made by ``session``, never by turn."""

    source: str
    session: str
    split: Split = "train"
    origin: str | None = None  # id of the example that this one was made from
    steps: tuple[str, ...] = ()  # what was done to it, such as ``noise:pinyin:0.1``, in order


class Entity(_Record):
    """A labelled piece of a message: ``messages[message].content[start:end]`` is ``value``.

    Offsets count code points from 0; ``end`` is behind the last one.
    """

    type: str = Field(min_length=1)
    value: str = Field(min_length=1)
    message: NonNegativeInt
    start: NonNegativeInt
    end: PositiveInt


class Intent(_Record):
    """What the user wants, who says so, and how sure they are."""

    name: str = Field(min_length=1)
    confidence: float = Field(ge=0, le=1)
    by: str  # ``given``, ``rule:NAME`` or ``classifier``


class Outcome(_Record):
    """Whether the user was helped. Reasons are short codes, such as ``resolved`` or ``repeat_question``."""

    success: bool
    reasons: tuple[str, ...] = ()


class Example(_Record):
    """A dialogue to learn from or to be measured on; the last message is the assistant's."""

    id: str = Field(min_length=1)
    messages: tuple[Message, ...] = Field(min_length=1)
    tools: tuple[Tool, ...] = ()
    expected_calls: tuple[ExpectedCall, ...] = ()
    category: str = ""
    intent: Intent | None = None
    entities: tuple[Entity, ...] = ()
    outcome: Outcome | None = None
    provenance: Provenance

    @model_validator(mode="after")
    def _entities_are_where_they_say(self) -> Example:
        for index, entity in enumerate(self.entities):
            if entity.message >= len(self.messages):
                raise ValueError(
                    f"entities.{index}: message {entity.message} of {len(self.messages)}; count from 0"
                )
            found = (self.messages[entity.message].content or "")[entity.start : entity.end]
            if found != entity.value:
                raise ValueError(
                    f"entities.{index}: message {entity.message} does not hold its value at "
                    f"{entity.start}:{entity.end}; count code points from 0"
                )
        return self

    @model_validator(mode="after")
    def _is_answered(self) -> Example:
        if self.messages[-1].role != "assistant":
            raise ValueError(f"the last message is by {self.messages[-1].role!r}, it must be by 'assistant'")
        return self

    @property
    def prompt(self) -> tuple[Message, ...]:
        """The messages before the answer."""
        return self.messages[:-1]

    @property
    def answer(self) -> Message:
        """The assistant's last message."""
        return self.messages[-1]


def read_examples(path: Path) -> Iterator[Example]:
    """Yield the examples of a JSONL file, one a line; blank lines are skipped.

    Raises DataError with ``file:line`` and the fix for a line that is not UTF-8, not JSON or not an
    example, for an id seen before, and for a file without any example.
    """
    seen: dict[str, int] = {}
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if not raw.strip():
                    continue
                example = _parse_line(f"{path}:{number}", raw)
                if example.id in seen:
                    raise DataError(
                        f"{path}:{number}: id {example.id!r} was used on line {seen[example.id]}. "
                        "Give every example its own id."
                    )
                seen[example.id] = number
                yield example
    except FileNotFoundError:
        raise DataError(f"{path}: no such file. Give the path of a JSONL file of examples.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from None
    if not seen:
        raise DataError(f"{path}: no examples in it. Put at least one dialogue a line into the file.")


def _parse_line(where: str, raw: bytes) -> Example:
    try:
        value = parse_json(decode(raw.removeprefix(BOM_UTF8) if where.endswith(":1") else raw))
    except BadLine as bad:
        raise DataError(f"{where}: {bad.reason}. Mend the line.") from None
    try:
        return Example.model_validate(value)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"]) or "example"
        message = str(problem["msg"]).removeprefix("Value error, ")
        raise DataError(f"{where}: {field}: {message}.") from None


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Write examples as JSONL and return how many; the folder is made, an old file replaced at the end.

    If ``examples`` raises, what was there stays.
    """
    count = 0
    with writing_atomic(path) as file:
        for example in examples:
            value = example.model_dump(exclude_defaults=True)
            file.write((json.dumps(value, ensure_ascii=False) + "\n").encode())
            count += 1
    return count
