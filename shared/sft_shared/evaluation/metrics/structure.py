"""Whether an answer has the form that was asked for, and names the intent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from sft_shared.config import LocalPath, load_yaml
from sft_shared.data.logs.signs import fold
from sft_shared.data.toolcalls.schemas import problems, schema_problem
from sft_shared.data.toolcalls.structured import IntentSchemas
from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError
from sft_shared.evaluation.metrics.metric import MetricSettings, whole_reference
from sft_shared.lines import BadLine, parse_json

_FENCE = re.compile(r"```(?:json)?[ \t]*\n?(.*?)\n?[ \t]*```", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Parsed:
    """A JSON value; wrapped, since the value may be None."""

    value: Any


def read_json(text: str, *, fence: bool = False) -> Parsed | None:
    """The JSON value that ``text`` is from end to end; with ``fence`` a Markdown fence may stand around it.

    A key given twice, NaN, half a surrogate pair, prose before or behind it: None.

    >>> read_json('{"a": [1, null]}')
    Parsed(value={'a': [1, None]})
    >>> read_json('{"a": 1, "a": 2}'), read_json('[NaN]'), read_json('Sure: {"a": 1}'), read_json("")
    (None, None, None, None)
    >>> read_json('```json\\n[1]\\n```'), read_json('```json\\n[1]\\n```', fence=True)
    (None, Parsed(value=[1]))
    """
    stripped = text.strip()
    if fence and (inner := _FENCE.fullmatch(stripped)):
        stripped = inner[1].strip()
    try:
        return Parsed(parse_json(stripped))
    except BadLine:
        return None


def json_valid(prediction: str, *, fence: bool = False) -> bool:
    """Whether ``prediction`` is a JSON object or list; a bare number or word is no answer of this kind.

    >>> json_valid('[{"name": "f", "arguments": {}}]'), json_valid('{"a": 1'), json_valid("42")
    (True, False, False)
    """
    parsed = read_json(prediction, fence=fence)
    return parsed is not None and isinstance(parsed.value, dict | list)


def schema_valid(prediction: str, schema: Mapping[str, Any], *, fence: bool = False) -> bool:
    """Whether ``prediction`` is JSON that fits a JSON Schema (draft 2020-12).

    >>> schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    >>> schema_valid('{"n": 3}', schema), schema_valid('{"n": "3"}', schema), schema_valid("{", schema)
    (True, False, False)
    """
    parsed = read_json(prediction, fence=fence)
    return parsed is not None and not problems(dict(schema), parsed.value)


def intent_of(prediction: str, *, fence: bool = False) -> str:
    """The intent that an answer names: that of its JSON, else all of it. Compare with `plain_label`.

    >>> intent_of('{"intent": "card_arrival", "parameters": {}}'), intent_of(" Card arrival. ")
    ('card_arrival', 'card_arrival')
    """
    parsed = read_json(prediction, fence=fence)
    if parsed is None or isinstance(parsed.value, str):
        return plain_label(prediction)
    intent = parsed.value.get("intent") if isinstance(parsed.value, dict) else None
    return plain_label(intent) if isinstance(intent, str) else ""


def plain_label(text: str) -> str:
    """A label without case, width, quotes and a full stop; spaces and hyphens are underscores."""
    return re.sub(r"[\s_-]+", "_", fold(text).strip(" \t\r\n\"'`“”‘’「」.。!"))


class JsonValid(MetricSettings):
    """1 if the answer is strict JSON, an object or a list; silent where the reference is none."""

    kind: Literal["json_valid"] = "json_valid"
    fence: bool = False  # whether a Markdown code fence around it is allowed

    def __call__(self, prediction: str, example: Example) -> float | None:
        """1 or 0; None if the reference answer is no JSON either."""
        if not example.expected_calls and not json_valid(whole_reference(example), fence=True):
            return None
        return float(json_valid(prediction, fence=self.fence))


class SchemaValid(MetricSettings):
    """1 if the answer is JSON that fits the schema; silent where the reference does not fit it either.

    The schema is given in ``fields``, in a JSON file, or as a file of intents (see `IntentSchemas`), by
    which an answer must name a declared intent and parameters that fit it.
    """

    kind: Literal["schema_valid"] = "schema_valid"
    fields: dict[str, Any] | None = None  # a JSON Schema
    file: LocalPath | None = None  # a JSON Schema
    intents: LocalPath | None = None
    fence: bool = False

    @model_validator(mode="after")
    def _is_one_schema(self) -> SchemaValid:
        if sum(each is not None for each in (self.fields, self.file, self.intents)) != 1:
            raise ValueError("give one of fields, file and intents")
        if self.fields is not None and (problem := schema_problem(self.fields)):
            raise ValueError(f"fields: at {problem.path or 'its root'}: {problem.detail}")
        return self

    @cached_property
    def _loaded(self) -> dict[str, Any] | IntentSchemas:
        if self.intents is not None:
            return load_yaml(self.intents, IntentSchemas)
        return self.fields if self.fields is not None else _schema_file(self.file)

    def load(self) -> None:
        """Read the schema. Raises ConfigError for a file that is none."""
        _ = self._loaded

    def _apart(self) -> tuple[str, ...]:
        path = self.file or self.intents
        return () if path is None else (path.stem,)

    def _fits(self, text: str, *, fence: bool) -> bool:
        if isinstance(self._loaded, IntentSchemas):
            return json_valid(text, fence=fence) and self._loaded.problem(text) is None
        return schema_valid(text, self._loaded, fence=fence)

    def __call__(self, prediction: str, example: Example) -> float | None:
        """1 or 0; None if the reference does not fit. Raises ConfigError for a file that is no schema."""
        if not self._fits(whole_reference(example), fence=True):
            return None
        return float(self._fits(prediction, fence=self.fence))


class IntentAccuracy(MetricSettings):
    """1 if the answer names the example's intent (its category where it has none)."""

    kind: Literal["intent"] = "intent"
    fence: bool = True

    def __call__(self, prediction: str, example: Example) -> float | None:
        """1 or 0; None without an intent and a category."""
        wanted = example.intent.name if example.intent is not None else example.category
        if not wanted:
            return None
        return float(intent_of(prediction, fence=self.fence) == plain_label(wanted))


def _schema_file(path: Path | None) -> dict[str, Any]:
    assert path is not None
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}. Give a JSON Schema.") from None
    except BadLine as bad:
        raise ConfigError(f"{path}:1: {bad.reason}. Give a JSON Schema.") from None
    problem = schema_problem(value) if isinstance(value, dict) else None
    if not isinstance(value, dict) or problem is not None:
        fault = "no JSON object" if problem is None else f"at {problem.path or 'its root'}: {problem.detail}"
        raise ConfigError(f"{path}:1: no usable JSON Schema: {fault}.")
    return value
