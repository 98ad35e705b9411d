"""The Berkeley Function Calling Leaderboard (BFCL) as examples, from the installed ``bfcl-eval`` package.

Only the package's JSON files are read; none of its code is imported or run. Data: Apache-2.0,
https://github.com/ShishirPatil/gorilla. A model that trains on a part of BFCL has no meaningful place
on BFCL's leaderboard.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Literal, get_args

from sft_shared.dialogue import Example, ExpectedCall, Message, Provenance, Tool, ToolCall
from sft_shared.errors import DataError

BfclCategory = Literal[
    "simple_python",
    "multiple",
    "parallel",
    "parallel_multiple",
    "live_simple",
    "live_multiple",
    "live_parallel",
    "live_parallel_multiple",
]
"""The single-turn categories with a ground truth. The ``live_`` ones come from users of real systems."""

_INSTALL = "pip install --no-deps bfcl-eval==2026.3.23"
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?!\w)")
_NUMBER_WORDS: dict[float, str] = dict(
    enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], start=1)
)
_JSON_SCHEMA_TYPES = {"dict": "object", "float": "number", "tuple": "array"}


def read_bfcl(categories: Sequence[BfclCategory]) -> list[Example]:
    """Read ``categories`` in the package's order; ``session`` is the example's own id, split is train.

    Left out are the few questions whose ground truth no call can meet: an argument for which nothing
    counts as right, or a needed argument that its function does not have.
    Raises DataError when the package is missing, a category is unknown or a file is not as expected.
    """
    unknown = sorted(set(categories) - set(get_args(BfclCategory)))
    if unknown:
        allowed = ", ".join(get_args(BfclCategory))
        raise DataError(
            f"BFCL has no category {unknown[0]!r} with single-turn calls. Choose from: {allowed}."
        )
    try:
        package = distribution("bfcl-eval")
    except PackageNotFoundError:
        raise DataError(
            f"BFCL is read from the package bfcl-eval, which is missing. Run: {_INSTALL}"
        ) from None
    source = f"bfcl-eval {package.version}"
    examples: list[Example] = []
    for category in categories:
        questions = _read_records(package, f"BFCL_v4_{category}.json")
        answers = _read_records(package, f"possible_answer/BFCL_v4_{category}.json")
        for identity, record in questions.items():
            if identity not in answers:
                raise DataError(f"{source}: {identity} has no ground truth. Install it anew: {_INSTALL}")
            example = to_example(record, answers[identity]["ground_truth"], category=category, source=source)
            if example is not None:
                examples.append(example)
    return examples


def to_example(
    question: dict[str, Any], ground_truth: list[dict[str, Any]], *, category: str, source: str
) -> Example | None:
    """Join one BFCL question with its ground truth; None if no call can meet the ground truth.

    The answer to learn from takes the first allowed value of each argument. One that may be left out is
    left out, unless the question states an allowed value of it: then a right answer uses it. A BFCL
    question is a list of turns; those read here have one.
    """
    tools = tuple(
        Tool(
            name=function["name"],
            description=function.get("description", ""),
            parameters=to_json_schema(function["parameters"]),
        )
        for function in question["function"]
    )
    schemas = {tool.name: tool.parameters for tool in tools}
    expected = []
    for call in ground_truth:
        ((name, arguments),) = call.items()
        known = {key: values for key, values in arguments.items() if key in schemas[name]["properties"]}
        dropped = [values for key, values in arguments.items() if key not in known]
        if any("" not in values for values in dropped) or not all(known.values()):
            return None
        expected.append(ExpectedCall(name=name, arguments=known))
    prompt = tuple(Message(role=turn["role"], content=turn["content"]) for turn in question["question"][0])
    asked = "\n".join(message.content or "" for message in prompt if message.role == "user")
    calls = tuple(
        ToolCall(
            name=call.name, arguments=_arguments_to_learn(call.arguments, schemas[call.name], asked=asked)
        )
        for call in expected
    )
    return Example(
        id=question["id"],
        messages=(*prompt, Message(role="assistant", tool_calls=calls)),
        tools=tools,
        expected_calls=tuple(expected),
        category=category,
        provenance=Provenance(source=source, session=question["id"]),
    )


def to_json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Translate BFCL's Python-like types: dict, float and tuple get JSON Schema's names, ``any`` is no type.

    >>> to_json_schema({"type": "dict", "properties": {"x": {"type": "float"}, "y": {"type": "any"}}})
    {'type': 'object', 'properties': {'x': {'type': 'number'}, 'y': {}}}
    """
    translated: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "type":
            if value != "any":
                translated["type"] = _JSON_SCHEMA_TYPES.get(value, value)
        elif key == "properties":
            translated["properties"] = {name: to_json_schema(inner) for name, inner in value.items()}
        elif key == "items":
            translated["items"] = to_json_schema(value)
        elif key != "optional":  # a BFCL mark that repeats what "required" says
            translated[key] = value
    return translated


def states(question: str, value: Any) -> bool:
    """Whether the question says ``value``: a text but for case and punctuation, a number as digits or a word.

    True, False, null, and a single character are never found: they could stand there for anything.

    >>> states("Book two rooms in New York for $1,200.", "new-york"), states("Book two rooms.", 2)
    (True, True)
    >>> states("Pay 1,200 now", 1200.0), states("Room 12b", 12), states("Is it on?", True)
    (True, False, False)
    """
    if isinstance(value, str):
        wanted = _letters_and_digits(value)
        return len(wanted) > 1 and wanted in _letters_and_digits(question)
    if isinstance(value, int | float) and not isinstance(value, bool):
        numbers = (float(digits.replace(",", "")) for digits in _NUMBER.findall(question))
        return value in numbers or _NUMBER_WORDS.get(value, "-") in question.lower().split()
    return isinstance(value, list) and bool(value) and all(states(question, item) for item in value)


def _letters_and_digits(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()


def _arguments_to_learn(
    allowed: dict[str, list[Any]], schema: dict[str, Any], *, asked: str
) -> dict[str, Any]:
    arguments = {}
    for name, values in allowed.items():
        given = [value for value in values if value != ""]
        if "" not in values:
            arguments[name] = _plain(values[0])
        elif name in schema.get("required", ()):
            arguments[name] = _plain(given[0]) if given else ""
        elif stated := [value for value in given if states(asked, value)]:
            arguments[name] = _plain(stated[0])
    return arguments


def _plain(value: Any) -> Any:
    """One concrete value: inside a dict BFCL lists the allowed values of each key."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        choices = {key: inner if isinstance(inner, list) else [inner] for key, inner in value.items()}
        return {key: _plain(inner[0]) for key, inner in choices.items() if "" not in inner}
    return value


def _read_records(package: Distribution, name: str) -> dict[str, dict[str, Any]]:
    path = Path(str(package.locate_file(f"bfcl_eval/data/{name}")))
    records = {}
    try:
        with path.open(encoding="utf-8") as file:
            for line in filter(str.strip, file):
                record = json.loads(line)
                records[record["id"]] = record
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: cannot be read as BFCL's data: {error}. Install it anew: {_INSTALL}"
        ) from None
    return records
