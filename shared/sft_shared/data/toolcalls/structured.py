"""Structured answers: input plus context -> JSON {intent, parameters, response}, checked against a schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, model_validator

from sft_shared.config import LocalPath, Settings, load_yaml
from sft_shared.data.signatures import signature
from sft_shared.data.steps import Dropped
from sft_shared.data.toolcalls.schemas import problems, schema_problem
from sft_shared.dialogue import Example, Intent, Message, Provenance, Split, Tool

INSTRUCTION = (
    'Reply only with one JSON object: {"intent": name, "parameters": {name: value}, "response": text}. '
    "The intents and their parameters are:"
)


class IntentSchema(Settings):
    """One intent: what it means, and a JSON Schema of its parameters (by default it has none)."""

    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})

    @model_validator(mode="after")
    def _is_sound(self) -> IntentSchema:
        problem = schema_problem(self.parameters)
        if problem is not None:
            raise ValueError(f"parameters: at {problem.path or 'its root'}: {problem.detail}")
        return self


class IntentSchemas(Settings):
    """The intents that may be answered, by name. ``response`` may be left out of answers if not required."""

    instruction: str = Field(default=INSTRUCTION, min_length=1)
    description_words: int = Field(default=12, ge=0)  # of each intent in the instruction; 0 leaves it out
    intents: dict[str, IntentSchema] = Field(min_length=1)
    response_required: bool = True

    def system(self) -> str:
        """The instruction, then one intent a line, such as ``cancel_order(order_id: str)``."""
        lines = [
            signature(
                Tool(name=name, description=intent.description, parameters=intent.parameters),
                description_words=self.description_words,
            )
            for name, intent in self.intents.items()
        ]
        return "\n".join([self.instruction, *lines])

    def problem(self, text: str) -> Dropped | None:
        """What is wrong with an answer; None if it is the JSON of a declared intent with fitting parameters.

        Rules: ``structured-not-json``, ``-fields``, ``-intent-unknown``, ``-parameter-missing``, ``-type``,
        ``-choice``, ``-undeclared``, ``-value``.
        """
        parsed = parse_structured(text)
        if parsed is None:
            return Dropped("structured-not-json", "the answer is not one JSON object with its three fields")
        if self.response_required and not parsed.response.strip():
            return Dropped("structured-fields", "the response is empty")
        if parsed.intent not in self.intents:
            return Dropped("structured-intent-unknown", "the intent is not declared")
        schema = self.intents[parsed.intent].parameters
        for found in problems(schema, parsed.parameters, closed=True):
            path = found.path if found.code != "undeclared" else "parameters"
            return Dropped(f"structured-parameter-{found.code}", f"at {path}: {found.detail}")
        return None


@dataclass(frozen=True)
class Structured:
    """What a structured answer says."""

    intent: str
    parameters: dict[str, Any]
    response: str


def structured_text(intent: str, *, parameters: Mapping[str, Any], response: str) -> str:
    """The answer as compact JSON, its keys in the order intent, parameters, response.

    >>> structured_text("logistics_query", parameters={"number": "SF1"}, response="好的")
    '{"intent":"logistics_query","parameters":{"number":"SF1"},"response":"好的"}'
    """
    value = {"intent": intent, "parameters": dict(parameters), "response": response}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def parse_structured(text: str) -> Structured | None:
    """Read an answer; None if it is not one JSON object of the right fields and types.

    A Markdown fence around it is stripped, ``parameters`` and ``response`` may be missing; no key may be
    there twice, and no other.
    """
    stripped = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    try:
        value = json.loads(stripped, object_pairs_hook=_without_twins)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not set(value) <= {"intent", "parameters", "response"}:
        return None
    intent, parameters = value.get("intent"), value.get("parameters", {})
    response = value.get("response", "")
    if not isinstance(intent, str) or not isinstance(parameters, dict) or not isinstance(response, str):
        return None
    return Structured(intent=intent, parameters=parameters, response=response)


def structured_example(
    utterance: str,
    *,
    example_id: str,
    intent: str,
    parameters: Mapping[str, Any],
    response: str,
    source: str,
    schemas: IntentSchemas | None = None,
    context: Sequence[Message] = (),
    session: str | None = None,
    split: Split = "train",
    category: str | None = None,
) -> Example:
    """An example whose answer is the JSON of ``intent``, ``parameters`` and ``response``.

    ``schemas`` give the system message (none: no system message), ``context`` are earlier turns. The session
    is the example's id unless given, the category the intent.
    """
    system = () if schemas is None else (Message(role="system", content=schemas.system()),)
    answer = structured_text(intent, parameters=parameters, response=response)
    return Example(
        id=example_id,
        messages=(
            *system,
            *context,
            Message(role="user", content=utterance),
            Message(role="assistant", content=answer),
        ),
        category=intent if category is None else category,
        intent=Intent(name=intent, confidence=1.0, by="given"),
        provenance=Provenance(source=source, session=session or example_id, split=split),
    )


class ToStructured(Settings):
    """Turn an example with an intent and entities into one whose answer is the structured JSON.

    Parameters are the entities of the user's messages by type: one value as text, several as a list;
    the schema's types number, integer and boolean are read from the text. The answer becomes the response.
    Dropped by ``structured-no-intent`` without an intent (or one below ``min_confidence``), by
    ``structured-no-response`` if the answer is a tool call, else by the rules of `IntentSchemas.problem`.
    """

    kind: Literal["to_structured"] = "to_structured"
    schemas: LocalPath
    min_confidence: float = Field(default=0.0, ge=0, le=1)

    @cached_property
    def loaded(self) -> IntentSchemas:
        """The file of schemas, read once."""
        return load_yaml(self.schemas, IntentSchemas)

    def __call__(self, example: Example) -> Example | Dropped:
        """The structured example, or why there is none. Raises ConfigError for a wrong file of schemas."""
        schemas = self.loaded
        intent = example.intent
        if intent is None or intent.confidence < self.min_confidence:
            return Dropped("structured-no-intent", "no intent, or one that is too uncertain")
        if example.answer.tool_calls or not example.answer.content:
            return Dropped("structured-no-response", "the answer is no text")
        declared = schemas.intents[intent.name].parameters if intent.name in schemas.intents else {}
        answer = structured_text(
            intent.name,
            parameters=_parameters(example, declared.get("properties", {})),
            response=example.answer.content,
        )
        dropped = schemas.problem(answer)
        if dropped is not None:
            return dropped
        kept = tuple(message for message in example.prompt if message.role != "system")
        system = Message(role="system", content=schemas.system())
        shift = 1 + len(kept) - len(example.prompt)
        if shift and any(message.role == "system" for message in example.prompt[1:]):
            return Dropped("structured-system", "a system message stands inside the dialogue")
        entities = tuple(
            entity.model_copy(update={"message": entity.message + shift})
            for entity in example.entities
            if example.messages[entity.message].role not in ("system",)
            and entity.message < len(example.prompt)
        )
        provenance = example.provenance.model_copy(
            update={"steps": (*example.provenance.steps, "to_structured")}
        )
        return example.model_copy(
            update={
                "messages": (system, *kept, Message(role="assistant", content=answer)),
                "entities": entities,
                "tools": (),
                "expected_calls": (),
                "provenance": provenance,
            }
        )


class CheckStructured(Settings):
    """Drop an example whose answer is not the structured JSON of a declared intent that fits its schema."""

    kind: Literal["check_structured"] = "check_structured"
    schemas: LocalPath

    @cached_property
    def loaded(self) -> IntentSchemas:
        """The file of schemas, read once."""
        return load_yaml(self.schemas, IntentSchemas)

    def __call__(self, example: Example) -> Example | Dropped:
        """The example itself, or why it is dropped. Raises ConfigError for a wrong file of schemas."""
        return self.loaded.problem(example.answer.content or "") or example


def _parameters(example: Example, properties: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, list[Any]] = {}
    for entity in example.entities:
        if example.messages[entity.message].role == "user":
            schema = properties.get(entity.type, {})
            value = _typed(entity.value, schema if isinstance(schema, dict) else {})
            if value not in values.setdefault(entity.type, []):
                values[entity.type].append(value)
    return {
        name: found if len(found) > 1 or _is_list(properties.get(name)) else found[0]
        for name, found in values.items()
    }


def _is_list(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "array"


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "array" and isinstance(schema.get("items"), dict):
        return _typed(text, schema["items"])
    try:
        if kind == "integer":
            return int(text.replace(",", ""))
        if kind == "number":
            number = float(text.replace(",", ""))
            return int(number) if number.is_integer() and "." not in text else number
    except ValueError:
        return text
    return {"true": True, "false": False}.get(text.lower(), text) if kind == "boolean" else text


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key is there twice")
    return value
