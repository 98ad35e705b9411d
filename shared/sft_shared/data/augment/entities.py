"""Other values for the labelled entities, in sentences of the same form."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import Field, RootModel, ValidationError, model_validator

from sft_shared.config import LocalPath
from sft_shared.data.augment.copies import Copies
from sft_shared.data.augment.pieces import Piece, edited, rewrite
from sft_shared.data.augment.values import Ambiguous, Replacement, as_json, is_chinese, same
from sft_shared.dialogue import Entity, Example, Message, ToolCall
from sft_shared.errors import ConfigError

TRIES = 8  # values tried for an entity before it is left as it is

Values = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class _Lexicon(RootModel[dict[str, Values]]):
    pass


class Entities(Copies):
    """Replace entities by others of their type, together with all that repeats them.

    The values come from ``lexicon`` (type -> values) and from the YAML or JSON file ``lexicon_file`` of the
    same form; a Chinese value is replaced by a Chinese one, any other by one without Chinese. The tool calls,
    expected calls, JSON answers and texts that hold the old value get the new one, never inside another word
    or number. An entity stays as it is where this cannot be told (an argument 1200 for 1,200 in the text, a
    Chinese value that cuts through a word), where the new value would break a tool's schema, or where its
    type has no other value. ``strength`` is the share of the entities that change.
    """

    kind: Literal["entities"] = "entities"
    strength: float = Field(default=1.0, ge=0, le=1)
    lexicon: Mapping[str, Values] = {}
    lexicon_file: LocalPath | None = None

    @model_validator(mode="after")
    def _has_values(self) -> Entities:
        if not self.lexicon and self.lexicon_file is None:
            raise ValueError("lexicon: missing, and so is lexicon_file. Give one of them, type -> values")
        return self

    @cached_property
    def _values(self) -> dict[str, tuple[str, ...]]:
        values = dict(self.lexicon)
        for name, more in _read_lexicon(self.lexicon_file).items() if self.lexicon_file else ():
            values[name] = tuple(dict.fromkeys((*values.get(name, ()), *more)))
        return values

    def _change(self, example: Example, rng: random.Random) -> tuple[Example, str] | None:
        targets = sorted({(entity.type, entity.value) for entity in example.entities})
        targets = [target for target in targets if target[0] in self._values]
        wanted = self.strength * len(targets)
        count = int(wanted) + (rng.random() < wanted % 1)
        changed = example
        for name, old in rng.sample(targets, count):
            values = [
                it for it in self._values[name] if not same(it, old) and is_chinese(it) == is_chinese(old)
            ]
            for new in rng.sample(values, min(TRIES, len(values))):
                replaced = replace_entity(changed, name, old, new)
                if replaced is not None:
                    changed = replaced
                    break
        return None if changed is example else (changed, f"entities:{self.strength:g}")


def replace_entity(example: Example, type_: str, old: str, new: str) -> Example | None:
    """The example with the entities (``type_``, ``old``) now ``new``, and all that repeats them.

    None if ``new`` is in the example already or near another label's value, if ``old`` is labelled with
    another type too, if it is not clear which places mean it, if a schema held before and would not after, or
    if the argument that is named as the type says something else than ``old``.
    """
    others = {entity.value for entity in example.entities if entity.value != old}
    if any(entity.value == old and entity.type != type_ for entity in example.entities):
        return None
    if any(new in other or other in new for other in others) or new in _everything(example):
        return None
    replacement = Replacement(old, new, others=others)
    try:
        changed = _replaced(example, replacement)
    except Ambiguous:
        return None
    same_said = len([it for it in example.entities if it.type == type_]) == 1 and any(
        before == after for before, after in zip(_said(example, type_), _said(changed, type_), strict=True)
    )
    return None if same_said else changed  # tomorrow -> Monday would leave {"date": "2026-11-24"} behind


def _replaced(example: Example, replacement: Replacement) -> Example:
    messages: list[Message] = []
    entities: list[tuple[int, Entity]] = []
    for index, message in enumerate(example.messages):
        own = [(place, it) for place, it in enumerate(example.entities) if it.message == index]
        content, moved = _content(message.content, [it for _, it in own], replacement)
        calls = tuple(
            ToolCall(name=call.name, arguments=replacement.in_value(call.arguments), id=call.id)
            for call in message.tool_calls
        )
        messages.append(message.model_copy(update={"content": content, "tool_calls": calls}))
        entities += [(place, it) for (place, _), it in zip(own, moved, strict=True)]
    expected = tuple(
        call.model_copy(update={"arguments": replacement.in_value(call.arguments)})
        for call in example.expected_calls
    )
    changed = example.model_copy(
        update={
            "messages": tuple(messages),
            "expected_calls": expected,
            "entities": tuple(it for _, it in sorted(entities, key=lambda pair: pair[0])),
        }
    )
    if _num_valid_calls(changed) < _num_valid_calls(example):
        raise Ambiguous
    return changed


def _content(
    content: str | None, entities: list[Entity], replacement: Replacement
) -> tuple[str | None, list[Entity]]:
    if not content:
        return content, entities
    if as_json(content) is not None:
        if entities and replacement.old in content:
            raise Ambiguous  # labels inside JSON: its layout would have to stay the same to the character
        return replacement.in_content(content), entities
    labelled = [(it.start, it.end) for it in entities]
    spans = {(it.start, it.end) for it in entities if it.value == replacement.old}
    loose = _loose(content, labelled, replacement)
    pieces = edited(len(content), [Piece(start, end, replacement.new) for start, end in spans | loose])
    rewritten = rewrite(content, pieces, entities)
    if rewritten is None:
        raise Ambiguous
    return rewritten


def _loose(
    content: str, labelled: Iterable[tuple[int, int]], replacement: Replacement
) -> set[tuple[int, int]]:
    """Where the old value stands without a label; the labelled places are blanked out before the search."""
    blank = list(content)
    for start, end in labelled:
        blank[start:end] = "\ue000" * (end - start)
    return set(replacement.places("".join(blank)))


def _num_valid_calls(example: Example) -> int:
    schemas = {tool.name: tool.parameters for tool in example.tools}
    calls = [call for message in example.messages for call in message.tool_calls]
    return sum(_fits(call.arguments, schemas[call.name]) for call in calls if call.name in schemas)


def _fits(arguments: dict[str, Any], schema: dict[str, Any]) -> bool:
    try:
        return Draft202012Validator(schema).is_valid(arguments)
    except SchemaError:
        return False


def _said(example: Example, name: str) -> list[Any]:
    """The values of the arguments, and of the JSON answers' parameters, that are called ``name``."""
    objects: list[Any] = [call.arguments for message in example.messages for call in message.tool_calls]
    for message in example.messages:
        parsed = as_json(message.content or "") if message.role == "assistant" else None
        value = parsed[0] if parsed else None
        objects.append(value.get("parameters", value) if isinstance(value, dict) else None)
    return [it[name] for it in objects if isinstance(it, dict) and name in it]


def _everything(example: Example) -> str:
    texts = [message.content or "" for message in example.messages]
    return "\n".join([*texts, *(str(call.arguments) for m in example.messages for call in m.tool_calls)])


@lru_cache(maxsize=8)
def _read_lexicon(path: Path) -> dict[str, tuple[str, ...]]:
    try:
        return _Lexicon.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))).root
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror}. Give a file of type -> values."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}. Save the file as UTF-8.") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}.") from None
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ConfigError(
            f"{path}:1: {field or 'the file'}: found {type(error.errors()[0]['input']).__name__}. "
            "Write entity types, each with a list of values, numbers in quotes."
        ) from None
