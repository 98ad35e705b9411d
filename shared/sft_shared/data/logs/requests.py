"""Logs of chat-completion requests, each of which repeats its conversation: every turn is counted once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sft_shared.data.logs.fields import FieldNames, Names
from sft_shared.data.logs.source import Source, read_tools
from sft_shared.data.logs.turns import Piece, Turn
from sft_shared.data.logs.values import look_up, read_feedback
from sft_shared.lines import BadLine, parse_object

RECENT = 32  # conversations in which the last turns of a shortened history are looked for


class RequestFields(FieldNames):
    """As in other sources; ids and times are looked for in the line, then in the request."""

    session: Names = (
        "session",
        "session_id",
        "conversation_id",
        "metadata.session_id",
        "metadata.conversation_id",
    )
    user: Names = ("user", "user_id", "metadata.user_id")


class OpenAiRequestSource(Source):
    """``{"request": {"messages": [...]}, "response": {"choices": [...]}}`` a line, or the same flat."""

    kind: Literal["openai_requests"] = "openai_requests"
    fields: RequestFields = RequestFields()

    def parse(self, text: str, *, header: str) -> Piece:
        """The request's messages and, as the last turn, the answer. Raises BadLine."""
        record = parse_object(text)
        request, response = record.get("request", record), record.get("response", record)
        if not isinstance(request, dict) or not isinstance(response, dict):
            raise BadLine("wrong-type", "request or response is no object")
        outer = {
            **request,
            **{key: value for key, value in record.items() if key not in ("request", "response")},
        }
        names = self.fields.found_in(outer)
        time = self.read_when(outer, names)
        if time is None:
            time = self.read_when(response, self.fields.found_in(response))
        messages = look_up(request, self.fields.messages)
        if not isinstance(messages, list) or not messages:
            raise BadLine("missing-field", "the request has no list of messages")
        turns = []
        for number, message in enumerate([*messages, _answer(response)], start=1):
            if not isinstance(message, dict):
                raise BadLine("wrong-type", f"message {number} is no object")
            message = _as_today(message)
            found = self.fields.found_in(message)
            turns.append(self.read_turn(message, found, time=time, where=f"message {number}: "))
        feedback = read_feedback(look_up(outer, names.feedback), scale=self.feedback_scale)
        if feedback is not None:
            turns[-1] = turns[-1]._replace(feedback=feedback)
        return Piece(
            self.read_session(outer, names),
            self.read_user(outer, names),
            tuple(turns),
            history=True,
            tools=read_tools(request, self.fields.tools),
        )


def _answer(response: dict[str, Any]) -> dict[str, Any]:
    choices = response.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise BadLine("no-answer", "the response has no choices[0].message")
    return {"role": "assistant", **message}


def _as_today(message: dict[str, Any]) -> dict[str, Any]:
    """A message with a list of calls, also if it has the ``function_call`` of the time before tools."""
    call = message.get("function_call")
    return {**message, "tool_calls": [call]} if call and not message.get("tool_calls") else message


def fingerprint(turn: Turn) -> bytes:
    """What makes a turn the same turn in a later request: who says what, not when."""
    said = [turn.role, turn.text or "", [call[1:] for call in turn.calls], turn.call_id or ""]
    return hashlib.blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=16).digest()


@dataclass
class Conversation:
    """A conversation put together from the requests that carried it."""

    turns: list[Turn]  # the system's first
    prints: list[bytes]  # fingerprints of the turns but the system's
    tools: tuple[Any, ...]
    num_repeated: int = 0  # turns that a later request told once more
    replaced: list[Turn] = field(default_factory=list)  # answers that were asked for anew

    def overlap(self, prints: Sequence[bytes]) -> int:
        """How many of the first ``prints`` are the conversation's last turns."""
        for length in range(min(len(self.prints), len(prints)), 0, -1):
            if self.prints[-length:] == list(prints[:length]):
                return length
        return 0


class _Conversations:
    """Conversations, found by how they begin without looking at each of them."""

    def __init__(self) -> None:
        self.all: list[Conversation] = []
        self._by_turns: dict[bytes, Conversation] = {}
        self._by_question: dict[bytes, Conversation] = {}  # by all turns but the last answer

    def note(self, conversation: Conversation) -> None:
        """Find it from now on by the turns that it has."""
        beginnings = _beginnings(conversation.prints)
        self._by_turns[beginnings[-1]] = conversation
        if len(beginnings) > 1:
            self._by_question[beginnings[-2]] = conversation

    def asked_before(self, asked: Sequence[bytes]) -> Conversation | None:
        """The one whose last answer answers the same turns."""
        found = self._by_question.get(_beginnings(asked)[-1]) if asked else None
        return found if found is not None and found.prints[:-1] == list(asked) else None

    def goes_on(self, asked: Sequence[bytes]) -> tuple[Conversation, int] | None:
        """(conversation, number of turns already told): the one that has most of the first turns.

        Else one of the last ones whose last turns these are: an app may send no more.
        """
        beginnings = _beginnings(asked)
        for length in range(len(asked), 1, -1):
            found = self._by_turns.get(beginnings[length - 1])
            if found is not None and len(found.prints) == length:
                return found, length
        told = [(each.overlap(asked), each) for each in self.all[-RECENT:]]
        most, best = max(told, key=lambda it: it[0], default=(0, None))
        return None if best is None or most < 2 else (best, most)


def _beginnings(prints: Sequence[bytes]) -> list[bytes]:
    """A hash of the first turn, of the first two, and so on."""
    last = b""
    return [last := hashlib.blake2b(last + each, digest_size=16).digest() for each in prints]


def merge_history(pieces: Sequence[Piece], *, one: bool, known: bool) -> list[Conversation]:
    """Put requests in the order of time together into conversations, each turn once.

    A request goes on with the conversation that it repeats. One that repeats all but the answer asks for it
    anew: the later answer stays. System messages are kept from a conversation's first request.
    ``one``: all belong to one conversation, as a session id says; else a request that goes on with none opens
    another. ``known``: it is known who asks, so the same request again is the same person's.
    """
    conversations = _Conversations()
    for piece in pieces:
        system = [turn for turn in piece.turns if turn.role == "system"]
        turns = [turn for turn in piece.turns if turn.role != "system"]
        prints = [fingerprint(turn) for turn in turns]
        again = conversations.asked_before(prints[:-1]) if known else None
        if again is not None:
            _ask_anew(again, turns[-1], prints[-1])
            again.num_repeated += len(system) + len(turns) - 1
            conversations.note(again)
            continue
        found = conversations.goes_on(prints[:-1])
        if found is None and one and conversations.all:
            found = (conversations.all[-1], 0)
        if found is None:
            fresh = Conversation(system + turns, prints, piece.tools)
            conversations.all.append(fresh)
            conversations.note(fresh)
            continue
        conversation, num_told = found
        conversation.num_repeated += num_told + len(system)
        conversation.tools = conversation.tools or piece.tools
        conversation.turns += turns[num_told:]
        conversation.prints += prints[num_told:]
        conversations.note(conversation)
    return conversations.all


def _ask_anew(conversation: Conversation, answer: Turn, fingerprint: bytes) -> None:
    if conversation.prints[-1] == fingerprint:
        conversation.num_repeated += 1
        return
    conversation.replaced.append(conversation.turns.pop())
    conversation.turns.append(answer)
    conversation.prints[-1] = fingerprint
