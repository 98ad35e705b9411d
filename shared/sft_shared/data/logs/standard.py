"""From a session to examples in the standard form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

from sft_shared.data.desensitise.keyed import name_for
from sft_shared.data.logs.intents import UNKNOWN
from sft_shared.data.logs.outcomes import OutcomeSettings, Place, places_that_teach
from sft_shared.data.logs.sessions import Session
from sft_shared.data.logs.signs import is_closing
from sft_shared.data.logs.turns import Turn
from sft_shared.dialogue import Intent, Outcome, Split

ExamplesPer = Literal["last_answer", "every_answer"]


class Answer(NamedTuple):
    """An answer of a session that may be worth learning, and what became of it."""

    session: Session
    at: int  # place of the answer in the session's turns
    outcome: Outcome | None

    def questions(self) -> list[Turn]:
        """What the user said before the answer, the last question first, farewells apart."""
        turns = reversed(self.session.turns[: self.at])
        return [turn for turn in turns if turn.role == "user" and not is_closing(turn.text or "")]


def answers(
    session: Session, settings: OutcomeSettings, *, per: ExamplesPer, repeated: Collection[Place]
) -> list[Answer]:
    """The answers to learn from, or to mark as negative.

    ``last_answer``: the last one in words that answers a question, judged by all that follows.
    ``every_answer``: each, tool calls included, judged by what follows up to the next answer in words;
    where that shows nothing, by what became of the last one.
    """
    turns = session.turns
    places = places_that_teach(turns)
    in_words = [at for at in places if not turns[at].calls] or places[-1:]
    if not in_words:
        return []
    last = in_words[-1]
    seen = session.user is not None and turns[last].time is not None
    final = settings(turns, last, repeated=repeated, seen=seen)
    if per == "last_answer":
        return [Answer(session, last, final)]
    found = []
    for at in places:
        if at == last:
            found.append(Answer(session, at, final))
            continue
        end = next((place for place in in_words if place > at), len(turns))
        outcome = settings(turns[:end], at, repeated=repeated, seen=False)
        found.append(Answer(session, at, outcome or final))
    return found


def as_values(
    answer: Answer, *, source: str, key: bytes | None, intent: Intent | None, split: Split
) -> dict[str, Any]:
    """The fields of an `Example`: the turns up to the answer, an id made from what it holds.

    With a ``key`` nobody else can try which session or which text the id was made from.
    """
    session = answer.session
    messages = [_message(turn) for turn in session.turns[: answer.at + 1]]
    name = session_name(session, source=source, key=key)
    content = name_for(_encode([messages, session.tools]), key=key)[:8]
    return {
        "id": f"{name}-{answer.at}-{content}",
        "messages": messages,
        "tools": list(session.tools),
        "category": "" if intent is None or intent.name == UNKNOWN else intent.name,
        "intent": intent,
        "outcome": answer.outcome,
        "provenance": {"source": source, "session": name, "split": split},
    }


def session_name(session: Session, *, source: str, key: bytes | None) -> str:
    """A hash in place of the session's id, which may be somebody's number."""
    return name_for(f"{source}\x1f{session.name}", key=key)


def split_of(name: str, *, held_out: float, seed: int) -> Split:
    """The split of a session: by its name and the seed alone, whatever else is in the data.

    The name is the one without a key: sessions stay on their side though the key is lost.
    """
    drawn = hashlib.blake2b(f"{seed}\x1f{name}".encode(), digest_size=8).digest()
    return "held_out" if int.from_bytes(drawn, "big") < held_out * 2**64 else "train"


def given_intent(turns: Sequence[Turn]) -> Intent | None:
    """The intent that the log itself gives, if it does; of several turns the first one named."""
    for turn in turns:
        if turn.intent:
            return Intent(name=turn.intent, confidence=1.0, by="given")
    return None


_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


def _message(turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": turn.text}
    if turn.calls:
        message["tool_calls"] = [call._asdict() for call in turn.calls]
    if turn.call_id is not None and turn.role == "tool":
        message["tool_call_id"] = turn.call_id
    return message
