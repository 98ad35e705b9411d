"""What a log is read into: turns, the pieces they arrive in, and what to do about refused lines."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from sft_shared import lines
from sft_shared.lines import BadLine

FIXES = {
    **lines.FIXES,
    "no-match": "Mend the line, or the source's pattern.",
    "missing-field": "Add the field, or name the one that holds it under the source's fields.",
    "wrong-type": "Write the field in the form that docs/data.md gives.",
    "wrong-role": "Use user, assistant, system or tool, or name the role under the source's roles.",
    "bad-time": "Write ISO 8601 with a zone, or seconds or ms since 1970; or set the source's zone.",
    "no-session": "Give each line a session id, or a user and a time.",
    "empty-turn": "Drop the turn, or log what was said.",
    "empty-assistant-turn": "Drop the turn, or log the answer or its tool calls.",
    "bad-tool-call": "Give a function's name, and its arguments as a JSON object.",
    "orphan-tool-id": "Log the assistant's call with the same id in the same session, ahead of its result.",
    "duplicate-tool-id": "Give every tool call of a session an id of its own.",
    "control-characters": "Remove control characters other than tab and line break.",
    "no-answer": "Log the model's response with its request.",
}
"""Rule code -> what to do about it."""

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


class Call(NamedTuple):
    """One tool call of an assistant."""

    id: str | None
    name: str
    arguments: dict[str, Any]


class Turn(NamedTuple):
    """One message of a log.

    ``time`` is in seconds since 1970. ``feedback`` is 1 (good), -1 (bad) or 0 (neither). ``place`` is where
    the turn was read: number of the unit, line in it, position in the line. It orders turns that have the
    same time, and names the turn.
    """

    role: str
    text: str | None
    time: float | None = None
    calls: tuple[Call, ...] = ()
    call_id: str | None = None
    feedback: int | None = None
    intent: str | None = None
    place: tuple[int, int, int] = (0, 0, 0)


class Piece(NamedTuple):
    """The turns that one line of a log holds: one turn, a whole session, or a request with its history.

    ``history``: the turns but the last ones were, it may be, logged before.
    """

    session: str | None
    user: str | None
    turns: tuple[Turn, ...]
    history: bool = False
    tools: tuple[Any, ...] = ()


def check_text(text: str, *, where: str = "text") -> str:
    """Return ``text``. Raises BadLine for control characters other than tab and line breaks."""
    found = CONTROL.search(text)
    if found:
        raise BadLine("control-characters", f"{where} holds U+{ord(found[0]):04X} at {found.start()}")
    return text


def check_turn(turn: Turn, *, where: str = "") -> Turn:
    """Return ``turn``. Raises BadLine if it says nothing, or calls tools without being the assistant's."""
    said = turn.text is not None and not turn.text.isspace() and turn.text != ""
    if turn.role == "assistant":
        if not said and not turn.calls:
            raise BadLine("empty-assistant-turn", f"{where}the assistant has neither text nor tool calls")
    elif turn.calls:
        raise BadLine("bad-tool-call", f"{where}a {turn.role} turn has tool calls")
    elif turn.role == "tool":
        if turn.text is None:
            raise BadLine("missing-field", f"{where}the tool's result has no text")
    elif not said:
        raise BadLine("empty-turn", f"{where}the {turn.role} turn has no text")
    return turn
