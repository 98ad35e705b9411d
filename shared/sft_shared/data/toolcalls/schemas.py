"""JSON Schema (draft 2020-12): is a schema sound, what is wrong with a value; no network."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

MAX_DEPTH = 64  # of a value or a schema; deeper ones are refused before a validator recurses into them

_CODES = {
    "required": "missing",
    "type": "type",
    "enum": "choice",
    "const": "choice",
    "additionalProperties": "undeclared",
    "unevaluatedProperties": "undeclared",
}


@dataclass(frozen=True)
class Problem:
    """What is wrong: ``code`` is missing, type, choice, undeclared, value or schema; ``path`` says where.

    ``detail`` names keywords and paths of the schema, never the value that was found.
    """

    code: str
    path: str
    detail: str


def schema_problem(schema: dict[str, Any]) -> Problem | None:
    """Why ``schema`` cannot be used, None if it can.

    A ``$ref`` outside the schema itself is a problem: the validator would fetch it from the network.
    """
    if _depth(schema) > MAX_DEPTH:
        return Problem("schema", "", f"nested deeper than {MAX_DEPTH}")
    return _schema_problem(json.dumps(schema, sort_keys=True, default=str))


@lru_cache(maxsize=4096)
def _schema_problem(text: str) -> Problem | None:
    """The same schemas come with thousands of examples."""
    schema = json.loads(text)
    foreign = _foreign_reference(schema)
    if foreign is not None:
        return Problem("schema", foreign, "refers to something outside itself, which is never fetched")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return Problem("schema", _path(error), f"breaks the keyword {error.validator!r} of draft 2020-12")
    except RecursionError:
        return Problem("schema", "", "refers to itself without end")
    return None


def problems(schema: dict[str, Any], value: Any, *, closed: bool = False) -> list[Problem]:
    """What is wrong with ``value``, in the order of paths; empty if nothing.

    ``closed``: an object's key that the top level of the schema does not declare is wrong even where the
    schema does not say ``additionalProperties: false``.
    """
    unsound = schema_problem(schema)
    if unsound is not None:
        return [unsound]
    if _depth(value) > MAX_DEPTH:
        return [Problem("value", "", f"nested deeper than {MAX_DEPTH}")]
    found: list[Problem] = []
    try:
        for error in Draft202012Validator(schema, registry=Registry()).iter_errors(value):
            found.append(_problem(error))
    except Unresolvable:
        return [Problem("schema", "", "refers to a part of itself that is not there")]
    except RecursionError:
        return [Problem("schema", "", "refers to itself without end")]
    if closed and isinstance(value, dict) and _is_open(schema):
        declared = schema.get("properties", {})
        found += [Problem("undeclared", str(key), "not declared") for key in value if key not in declared]
    return sorted(set(found), key=lambda each: (each.path, each.code, each.detail))


def _problem(error: ValidationError) -> Problem:
    code = _CODES.get(str(error.validator), "value")
    if code == "missing":
        name = re.match(r"'(.*)' is a required property", error.message)
        return Problem(code, _joined(error, name[1] if name else ""), "required")
    if code == "type":
        return Problem(code, _path(error), f"must be {error.validator_value}")
    if code == "undeclared":
        return Problem(code, _path(error), "holds a key that is not declared")
    return Problem(code, _path(error), f"breaks {error.validator!r}")


def _path(error: ValidationError | SchemaError) -> str:
    return ".".join(str(part) for part in error.absolute_path)


def _joined(error: ValidationError, name: str) -> str:
    return ".".join(part for part in (_path(error), name) if part)


def _is_open(schema: dict[str, Any]) -> bool:
    """Whether nothing but ``properties`` says which keys there may be."""
    says_more = {
        "additionalProperties",
        "patternProperties",
        "unevaluatedProperties",
        "$ref",
        "allOf",
        "anyOf",
    }
    return not says_more & schema.keys() and "oneOf" not in schema


def _foreign_reference(node: Any, path: str = "") -> str | None:
    if isinstance(node, dict):
        for key, value in node.items():
            here = f"{path}.{key}".lstrip(".")
            if key in ("$ref", "$dynamicRef") and isinstance(value, str) and not value.startswith("#"):
                return here
            if key == "$schema" and isinstance(value, str) and "2020-12" not in value:
                return here
            found = _foreign_reference(value, here)
            if found is not None:
                return found
    elif isinstance(node, list):
        for index, value in enumerate(node):
            found = _foreign_reference(value, f"{path}.{index}")
            if found is not None:
                return found
    return None


def _depth(value: Any) -> int:
    """Levels of nesting, counted without recursion; stops one past MAX_DEPTH."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        level = [
            item
            for each in level
            if isinstance(each, dict | list)
            for item in (each.values() if isinstance(each, dict) else each)
        ]
        depth += 1
    return depth
