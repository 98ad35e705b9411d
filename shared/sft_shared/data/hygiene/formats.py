"""The dataset formats that are read, and which of them a file is in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from sft_shared.data.hygiene.raw import MAX_RECORD_BYTES, Record
from sft_shared.data.hygiene.records import read_records
from sft_shared.data.hygiene.turns import Unfit, read_tools, read_turns
from sft_shared.data.steps import Rejected
from sft_shared.dialogue import Message, Tool
from sft_shared.errors import DataError

FormatName = Literal["example", "openai", "sharegpt", "alpaca", "prompt_completion", "labelled"]

INSTRUCTION = ("instruction", "指令")
INPUT = ("input", "context", "输入")
OUTPUT = ("output", "response", "输出")
PROMPT = ("prompt", "question", "query", "input", "问题", "提问")
COMPLETION = ("completion", "answer", "response", "output", "回答", "答案")
TEXT = ("text", "utterance", "sentence", "query", "question", "文本")
LABEL = ("intent", "label", "category", "意图", "标签")

NUM_PROBED = 50
"""Records that decide the format."""


@dataclass(frozen=True)
class Draft:
    """What a record holds, before it gets its id and provenance."""

    messages: list[Message]
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True)
class Format:
    """How records of one format look, and how they are read; ``read`` raises Unfit."""

    needs: str
    matches: Callable[[Mapping[str, Any]], bool]
    read: Callable[[Mapping[str, Any]], Draft]
    fields: Collection[str]


@dataclass(frozen=True)
class Detection:
    """The format of a file, and the reason in one line."""

    format: FormatName
    reason: str


def detect_format(path: Path, *, max_record_bytes: int = MAX_RECORD_BYTES) -> Detection:
    """Tell a file's format by the field names of its first NUM_PROBED readable records.

    Raises DataError with ``file:line`` if there is none, if one fits no format, or if two fit different
    ones.
    """
    records: list[Record] = []
    bad: Rejected | None = None
    for item in islice(read_records(path, max_record_bytes=max_record_bytes), 4 * NUM_PROBED):
        if isinstance(item, Rejected):
            bad = bad or item
        else:
            records.append(item)
        if len(records) == NUM_PROBED:
            break
    if bad is not None and not records:
        raise DataError(f"{bad.where}: {bad.detail}. No readable record was found in the file.")
    if not records:
        raise DataError(f"{path}: no records in it. Give at least one dialogue.")
    first = records[0]
    name = format_of(first)
    for record in records[1:]:
        if (other := format_of(record)) != name:
            raise DataError(
                f"{record.where}: found {other} ({field_names(record.value)}), but {first.where} is {name} "
                f"({field_names(first.value)}). Split the file, one format a file."
            )
    ignored = sorted(
        {key for record in records for key in record.value} - set(FORMATS[name].fields) - set(EXTRA)
    )
    reason = f"{name}: the first {len(records)} records have {FORMATS[name].needs}"
    return Detection(name, reason + (f"; not used: {_shown(ignored)}" if ignored else ""))


def format_of(record: Record) -> FormatName:
    """The first format that fits. Raises DataError with the fields found and the formats there are."""
    for name, each in FORMATS.items():
        if each.matches(record.value):
            return name
    known = "; ".join(f"{name}: {each.needs}" for name, each in FORMATS.items())
    raise DataError(
        f"{record.where}: found the fields {field_names(record.value)}, which fit no known format. "
        f"Rename them to fit one of: {known}."
    )


def field_names(value: Mapping[str, Any]) -> str:
    """The keys that look like names of fields; others may be data, as in a table without a header."""
    return _shown(value) or "none"


def _shown(keys: Collection[str]) -> str:
    known = {key for each in FORMATS.values() for key in each.fields} | set(EXTRA)
    names = [key for key in keys if key in known or re.fullmatch(r"[A-Za-z][A-Za-z_.-]{0,31}[0-9]{0,2}", key)]
    hidden = len(keys) - len(names)
    return ", ".join(
        [*names[:12], *(["..."] if len(names) > 12 else [])]
        + ([f"{hidden} that are no field names"] if hidden else [])
    )


def _value(record: Mapping[str, Any], aliases: Collection[str]) -> Any:
    return next((record[name] for name in aliases if name in record), None)


def _has(record: Mapping[str, Any], *groups: Collection[str]) -> bool:
    return all(any(name in record for name in group) for group in groups)


def _said(record: Mapping[str, Any], aliases: Collection[str], *, role: str) -> dict[str, Any]:
    value = _value(record, aliases)
    if not isinstance(value, str | int | float):
        raise Unfit(
            "not-text", f"the field {next(name for name in aliases if name in record)!r} is no text; mend it"
        )
    return {"role": role, "content": str(value)}


def _with_system(record: Mapping[str, Any], turns: list[Any]) -> Draft:
    system = record.get("system")
    if isinstance(system, str) and system.strip():
        turns = [{"role": "system", "content": system}, *turns]
    return Draft(read_turns(turns), read_tools(record.get("tools") or record.get("functions")))


def _read_openai(record: Mapping[str, Any]) -> Draft:
    turns = record["messages"]
    if isinstance(turns, list) and turns and isinstance(turns[-1], dict) and turns[-1].get("weight") == 0:
        raise Unfit("weight-zero", "the last answer has weight 0, not to be learned; cut it off")
    return _with_system(record, turns)


def _read_sharegpt(record: Mapping[str, Any]) -> Draft:
    return _with_system(record, _value(record, ("conversations", "conversation")))


def _read_alpaca(record: Mapping[str, Any]) -> Draft:
    turns: list[Any] = []
    history = record.get("history") or []
    for pair in history if isinstance(history, list) else [history]:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise Unfit("bad-history", "history is no list of [question, answer] pairs; mend it")
        turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    question = _said(record, INSTRUCTION, role="user")
    if _value(record, INPUT):
        question["content"] += "\n" + _said(record, INPUT, role="user")["content"]
    return _with_system(record, [*turns, question, _said(record, OUTPUT, role="assistant")])


def _read_prompt_completion(record: Mapping[str, Any]) -> Draft:
    turns: list[Any] = []
    for aliases, role in ((PROMPT, "user"), (COMPLETION, "assistant")):
        value = _value(record, aliases)
        turns += value if isinstance(value, list) else [_said(record, aliases, role=role)]
    return _with_system(record, turns)


def _read_labelled(record: Mapping[str, Any]) -> Draft:
    label = _said(record, LABEL, role="assistant")["content"].strip()
    if not label:
        raise Unfit("empty-answer", "the record has no label; add it or drop the record")
    answer = {"role": "assistant", "content": json.dumps({"intent": label}, ensure_ascii=False)}
    return _with_system(record, [_said(record, TEXT, role="user"), answer])


def _is_list(record: Mapping[str, Any], *names: str) -> bool:
    return isinstance(_value(record, names), list)


TURNS = ("system", "tools", "functions")
EXTRA = ("id", "session", "session_id", "conversation_id", "category", "intent", "parallel_tool_calls")
FORMATS: dict[FormatName, Format] = {
    "example": Format(
        needs="messages and provenance, as sft-client writes them",
        matches=lambda record: _is_list(record, "messages") and "provenance" in record,
        read=_read_openai,
        fields=("messages", "provenance", "tools", "expected_calls", "entities", "outcome"),
    ),
    "openai": Format(
        needs="messages (a list of role and content)",
        matches=lambda record: _is_list(record, "messages"),
        read=_read_openai,
        fields=("messages", *TURNS),
    ),
    "sharegpt": Format(
        needs="conversations (a list of from and value)",
        matches=lambda record: _is_list(record, "conversations", "conversation"),
        read=_read_sharegpt,
        fields=("conversations", "conversation", *TURNS),
    ),
    "alpaca": Format(
        needs="instruction and output, perhaps input and history",
        matches=lambda record: _has(record, INSTRUCTION, OUTPUT),
        read=_read_alpaca,
        fields=(*INSTRUCTION, *INPUT, *OUTPUT, "history", *TURNS),
    ),
    "prompt_completion": Format(
        needs="prompt and completion, or question and answer",
        matches=lambda record: _has(record, PROMPT, COMPLETION),
        read=_read_prompt_completion,
        fields=(*PROMPT, *COMPLETION, *TURNS),
    ),
    "labelled": Format(
        needs="text and intent, or label or category",
        matches=lambda record: _has(record, TEXT, LABEL),
        read=_read_labelled,
        fields=(*TEXT, *LABEL, *TURNS),
    ),
}
