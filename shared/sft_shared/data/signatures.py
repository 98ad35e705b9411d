"""Tools as compact signatures: a fifth of the tokens of their JSON Schema."""

from __future__ import annotations

import json
import re
from typing import Any

from sft_shared.dialogue import Tool

TYPES = {
    "integer": "int",
    "number": "float",
    "float": "float",
    "string": "str",
    "boolean": "bool",
    "array": "list",
    "tuple": "list",
    "object": "dict",
    "dict": "dict",
}
MAX_CHOICES = 8  # a longer enum is shown by its type only
SENTENCE_END = re.compile(r"(?<=[^.][.!?])\s+(?=[A-Z])|(?<=[。！？])")


def signature(tool: Tool, *, description_words: int) -> str:
    """One line such as ``get_weather(city: str, days: int = 1) - Return the weather of a city``.

    Optional parameters carry their default, or ``...`` if the schema names none. The first sentence of
    the description follows, cut to ``description_words`` words (0: no description).
    """
    required = set(tool.parameters.get("required", ()))
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    parameters = []
    for name, schema in properties.items():
        parameter = f"{name}: {type_name(schema)}"
        if name not in required:
            default = schema.get("default") if isinstance(schema, dict) else None
            shown = "..." if default is None else json.dumps(default, ensure_ascii=False)
            parameter = f"{parameter} = {shown}"
        parameters.append(parameter)
    line = f"{tool.name}({', '.join(parameters)})"
    summary = first_sentence(tool.description, max_words=description_words)
    return f"{line} - {summary}" if summary else line


def type_name(schema: Any) -> str:
    """Python's name for a JSON Schema type, or the choices of a short enum as ``"a"|"b"``."""
    if not isinstance(schema, dict):
        return "any"
    items = schema.get("items")
    choices = schema.get("enum") or (items.get("enum") if isinstance(items, dict) else None)
    if isinstance(choices, list) and 0 < len(choices) <= MAX_CHOICES:
        return "|".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
    kind = schema.get("type")
    name = TYPES.get(kind, "any") if isinstance(kind, str) else "any"
    if name == "list" and isinstance(items, dict) and isinstance(items.get("type"), str):
        return f"list[{TYPES.get(items['type'], 'any')}]"
    return name


def first_sentence(text: str, *, max_words: int) -> str:
    """The first sentence of ``text`` on one line, without its full stop, at most ``max_words`` words."""
    flat = " ".join(text.split())
    sentence = SENTENCE_END.split(flat, maxsplit=1)[0].rstrip(".。")
    return " ".join(sentence.split(" ")[:max_words])
