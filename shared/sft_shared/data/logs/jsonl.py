"""Logs of JSON lines: a turn a line, or a whole session a line."""

from __future__ import annotations

from typing import Any, Literal

from sft_shared.data.logs.fields import FieldNames
from sft_shared.data.logs.source import Source, read_tools
from sft_shared.data.logs.turns import Piece, Turn
from sft_shared.data.logs.values import look_up, read_feedback
from sft_shared.lines import BadLine, parse_object


class JsonlSource(Source):
    """One JSON object a line: a turn, or a session with its list of messages."""

    kind: Literal["jsonl"] = "jsonl"

    def parse(self, text: str, *, header: str) -> Piece:
        """A turn, or as many as the list of messages has. Raises BadLine."""
        record = parse_object(text)
        names = self.fields.found_in(record)
        messages = look_up(record, names.messages)
        if isinstance(messages, list):
            turns = self._session(record, names, messages)
        else:
            turns = (self.read_turn(record, names),)
        return Piece(
            self.read_session(record, names),
            self.read_user(record, names),
            turns,
            tools=read_tools(record, names.tools),
        )

    def _session(self, record: dict[str, Any], names: FieldNames, messages: list[Any]) -> tuple[Turn, ...]:
        """The turns of a list; the line's feedback goes to the last one, its intent to the first question."""
        time = self.read_when(record, names)
        turns = []
        for number, message in enumerate(messages, start=1):
            if not isinstance(message, dict):
                raise BadLine("wrong-type", f"message {number} is no object")
            found = self.fields.found_in(message)
            turns.append(self.read_turn(message, found, time=time, where=f"message {number}: "))
        if not turns:
            raise BadLine("missing-field", "the list of messages is empty")
        feedback = read_feedback(look_up(record, names.feedback), scale=self.feedback_scale)
        if feedback is not None:
            turns[-1] = turns[-1]._replace(feedback=feedback)
        intent = look_up(record, names.intent)
        if isinstance(intent, str) and intent:
            first = next((at for at, turn in enumerate(turns) if turn.role == "user"), 0)
            turns[first] = turns[first]._replace(intent=turns[first].intent or intent)
        return tuple(turns)
