"""The texts of an example, value by value, and the example written again with some of them changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from sft_shared.data.desensitise.audit import FieldName
from sft_shared.dialogue import Entity, Example, ExpectedCall, Message, Tool, ToolCall


class Passage(NamedTuple):
    """A text that is looked at by itself.

    ``cue`` is the key that it is the value of, in words; ``turn`` says that people wrote it one after the
    other with the other turns; ``whole`` that a change is one of the whole text (an id).
    """

    text: str
    field: FieldName
    cue: str = ""
    turn: bool = False
    whole: bool = False


class Edit(NamedTuple):
    """``text`` takes the place of the characters from ``start`` to ``end``."""

    start: int
    end: int
    text: str


Visit = Callable[[Passage], Sequence[Edit]]
"""Told of each passage, in an order that depends on the example alone; returns its edits in their order."""


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """The text after the edits."""
    if not edits:
        return text
    parts, position = [], 0
    for edit in edits:
        parts += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*parts, text[position:]])


def passages_of(example: Example) -> list[Passage]:
    """What `rewrite` visits, in its order; nothing is built. Raises RecursionError as it does."""
    seen: list[Passage] = []
    for message in example.messages:
        _passages_of_text(seen, message.content or "", "content", turn=message.role != "system")
        for call in message.tool_calls:
            for key, value in call.arguments.items():
                _passages_of_value(seen, value, key, "arguments")
            _passage_of_identity(seen, call.id)
        _passage_of_identity(seen, message.tool_call_id)
    for tool in example.tools:
        seen.append(Passage(tool.description, "tools"))
        for value in tool.parameters.values():
            _passages_of_value(seen, value, "", "tools")
    for expected in example.expected_calls:
        for key, values in expected.arguments.items():
            for value in values:
                _passages_of_value(seen, value, key, "expected_calls")
    origin = example.provenance
    for identity in (example.id, origin.source, origin.session, origin.origin):
        _passage_of_identity(seen, identity)
    labels = [example.category, example.intent.name if example.intent else ""]
    labels += example.outcome.reasons if example.outcome else ()
    labels += [entity.type for entity in example.entities]
    seen += [Passage(label, "labels") for label in labels if label]
    return seen


def _passages_of_text(
    seen: list[Passage], text: str, field: FieldName, *, cue: str = "", turn: bool = False
) -> None:
    values = _json_values(text)
    if values is None:
        if text:
            seen.append(Passage(text, field, cue, turn))
        return
    for start, end, key in values:
        raw = text[start:end]
        if raw[0] != '"':
            seen.append(Passage(_in_full(raw), field, _in_words(key)))
        else:
            inner = json.loads(raw, strict=False) if "\\" in raw else raw[1:-1]
            _passages_of_text(seen, inner, field, cue=_in_words(key))


def _passages_of_value(seen: list[Passage], value: Any, key: str, field: FieldName) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _passages_of_value(seen, inner, "" if field == "tools" else name, field)
    elif isinstance(value, list):
        for inner in value:
            _passages_of_value(seen, inner, key, field)
    elif isinstance(value, str):
        _passages_of_text(seen, value, field, cue=_in_words(key))
    elif _is_whole(value):
        seen.append(Passage(str(int(value)), field, _in_words(key)))


def _is_whole(value: Any) -> bool:
    """Is it a number that could be somebody's?"""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or value.is_integer()


def _passage_of_identity(seen: list[Passage], text: str | None) -> None:
    if text and _COULD_TELL.search(text):
        seen.append(Passage(text, "ids", whole=True))


def rewrite(example: Example, visit: Visit) -> Example:
    """The example after the edits of each of its passages; entities move along.

    An entity that an edit touches covers all that was put there. Keys of arguments and names of tools stay,
    JSON in a text stays JSON. The example itself, if there are no edits. Raises RecursionError on arguments
    nested too deeply.
    """
    everywhere: list[Sequence[Edit]] = []

    def noted(passage: Passage) -> Sequence[Edit]:
        edits = visit(passage)
        everywhere.append(edits)
        return edits

    messages, moves = [], []
    for message in example.messages:
        edits = _text_edits(message.content or "", "content", noted, turn=message.role != "system")
        moves.append(edits)
        messages.append(_message(message, edits, noted))
    origin = example.provenance
    tools = tuple([_tool(tool, noted) for tool in example.tools])
    expected_calls = tuple([_expected(call, noted) for call in example.expected_calls])
    identity, source, session = (
        _identity(text, noted) for text in (example.id, origin.source, origin.session)
    )
    made_from = origin.origin and _identity(origin.origin, noted)
    category, intent = _label(example.category, noted), example.intent
    named = intent and _label(intent.name, noted)
    outcome = example.outcome
    reasons = tuple([_label(reason, noted) for reason in outcome.reasons]) if outcome else ()
    types = [_label(entity.type, noted) for entity in example.entities]
    if not any(everywhere):
        return example
    values = {
        "messages": tuple(messages),
        "tools": tools,
        "expected_calls": expected_calls,
        "id": identity,
        "category": category,
        "intent": intent and intent.model_copy(update={"name": named}),
        "outcome": outcome and outcome.model_copy(update={"reasons": reasons}),
        "provenance": origin.model_copy(update={"source": source, "session": session, "origin": made_from}),
        "entities": tuple(
            [
                _moved(entity, messages[entity.message], moves[entity.message], named=name)
                for entity, name in zip(example.entities, types, strict=True)
            ]
        ),
    }
    return example.model_copy(update=values)


def _message(message: Message, edits: Sequence[Edit], visit: Visit) -> Message:
    calls = tuple([_call(call, visit) for call in message.tool_calls])
    identity = message.tool_call_id and _identity(message.tool_call_id, visit)
    if not edits and calls == message.tool_calls and identity == message.tool_call_id:
        return message
    content = message.content and apply_edits(message.content, edits)
    return message.model_copy(update={"content": content, "tool_calls": calls, "tool_call_id": identity})


def _call(call: ToolCall, visit: Visit) -> ToolCall:
    arguments = {key: _value(value, key, "arguments", visit) for key, value in call.arguments.items()}
    identity = call.id and _identity(call.id, visit)
    if arguments == call.arguments and identity == call.id:
        return call
    return call.model_copy(update={"arguments": arguments, "id": identity})


def _tool(tool: Tool, visit: Visit) -> Tool:
    description = apply_edits(tool.description, visit(Passage(tool.description, "tools")))
    parameters = {key: _value(value, "", "tools", visit) for key, value in tool.parameters.items()}
    if description == tool.description and parameters == tool.parameters:
        return tool
    return tool.model_copy(update={"description": description, "parameters": parameters})


def _expected(call: ExpectedCall, visit: Visit) -> ExpectedCall:
    arguments = {
        key: [_value(value, key, "expected_calls", visit) for value in values]
        for key, values in call.arguments.items()
    }
    return call if arguments == call.arguments else call.model_copy(update={"arguments": arguments})


_COULD_TELL = re.compile("[0-9０-９](?:[^0-9０-９A-Za-z]{0,3}[0-9０-９]){6}|@|＠|[\u3400-\u9fff]", re.S)


def _identity(text: str, visit: Visit) -> str:
    """An id tells of a person by seven digits in a row, an address or Han; others are not looked at."""
    return apply_edits(text, visit(Passage(text, "ids", whole=True))) if _COULD_TELL.search(text) else text


def _label(text: str, visit: Visit) -> str:
    return apply_edits(text, visit(Passage(text, "labels"))) if text else text


def _value(value: Any, key: str, field: FieldName, visit: Visit) -> Any:
    if isinstance(value, dict):
        return {
            name: _value(inner, "" if field == "tools" else name, field, visit)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_value(inner, key, field, visit) for inner in value]
    if isinstance(value, str):
        return apply_edits(value, _text_edits(value, field, visit, cue=_in_words(key)))
    if not _is_whole(value):
        return value
    text = str(int(value))
    changed = apply_edits(text, visit(Passage(text, field, cue=_in_words(key))))
    if changed == text:
        return value
    exact = changed.isdecimal() and (isinstance(value, int) or int(changed) <= _LARGEST_EXACT)
    return type(value)(changed) if exact else changed


def _text_edits(
    text: str, field: FieldName, visit: Visit, *, cue: str = "", turn: bool = False
) -> Sequence[Edit]:
    """The edits of a text; of one that is JSON, those of its values."""
    values = _json_values(text)
    if values is None:
        edits_of_prose = visit(Passage(text, field, cue=cue, turn=turn)) if text else ()
        return [_quoted_in_json(text, edit) for edit in edits_of_prose]
    edits: list[Edit] = []
    for start, end, key in values:
        raw = text[start:end]
        if raw[0] != '"':
            digits = _in_full(raw)
            changed = apply_edits(digits, visit(Passage(digits, field, cue=_in_words(key))))
            if changed != digits:
                edits.append(Edit(start, end, changed if changed.isdecimal() else _quoted(changed)))
            continue
        inner = json.loads(raw, strict=False) if "\\" in raw else raw[1:-1]
        changes = _text_edits(inner, field, visit, cue=_in_words(key))
        if "\\" in raw and changes:
            edits.append(Edit(start, end, _quoted(apply_edits(inner, changes))))
        else:
            shift = start + 1
            edits += [
                Edit(each.start + shift, each.end + shift, _quoted(each.text)[1:-1]) for each in changes
            ]
    return edits


_LARGEST_EXACT = 2**53  # a float holds every whole number up to it
_EXPONENT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?[eE][+]?[0-9]{1,2}")


def _in_full(number: str) -> str:
    """All digits of a JSON number with an exponent, if it is a whole one.

    >>> _in_full("6.222021234567890128e18")
    '6222021234567890128'
    """
    if not _EXPONENT.fullmatch(number):
        return number
    value = Decimal(number)
    return str(int(value)) if value == int(value) else number


def _quoted_in_json(text: str, edit: Edit) -> Edit:
    """In prose with a piece of JSON in it, a number that becomes a word takes quotes: ``{"tel": 138...}``."""
    if not text[edit.start : edit.end].isdecimal() or edit.text.isdecimal():
        return edit
    before, after = text[max(0, edit.start - 20) : edit.start], text[edit.end : edit.end + 20]
    if _BEFORE_VALUE.search(before) and _BEHIND_VALUE.match(after):
        return Edit(edit.start, edit.end, _quoted(edit.text))
    return edit


_BEFORE_VALUE = re.compile(r"[\"']\s*:\s*$")
_BEHIND_VALUE = re.compile(r"\s*[,}\]]")
_JSON_STARTS = frozenset("{[ \t\r\n")
_JSON_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?', re.S)


def _json_values(text: str) -> list[tuple[int, int, str]] | None:
    """(start, end, key) of the strings and numbers in a JSON object or list; None if it is none."""
    return None if text[:1] not in _JSON_STARTS else _values_of(text)


@lru_cache(maxsize=64)  # a message is looked at again when it is written anew
def _values_of(text: str) -> list[tuple[int, int, str]] | None:
    bare = text.strip()
    if bare[:1] + bare[-1:] not in ("{}", "[]"):
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    values, key = [], ""
    for token in _JSON_TOKEN.finditer(text):
        if token[2]:
            key = json.loads(token[1], strict=False)
        else:
            values.append((token.start(), token.end(), key))
    return values


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_-]+")


def _in_words(key: str) -> str:
    """``cardNumber`` and ``card_number`` as people write it.

    >>> _in_words("cardNumber")
    'card Number'
    """
    return _CAMEL.sub(" ", key)


def _moved(entity: Entity, message: Message, edits: Sequence[Edit], *, named: str) -> Entity:
    start, end = entity.start, entity.end
    for edit in edits:
        if edit.start < entity.end and entity.start < edit.end:
            start, end = min(start, edit.start), max(end, edit.end)
    new_start, new_end = (place + sum(_growth(edits, before=place)) for place in (start, end))
    value = (message.content or "")[new_start:new_end]
    return Entity(type=named, value=value, message=entity.message, start=new_start, end=new_end)


def _growth(edits: Sequence[Edit], *, before: int) -> Iterator[int]:
    return (len(edit.text) - (edit.end - edit.start) for edit in edits if edit.end <= before)
