"""Whether the user was helped, and which signs say so."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal

from sft_shared.config import Settings
from sft_shared.data.logs.repeats import RepeatSettings
from sft_shared.data.logs.signs import (
    Sign,
    asks_for_human,
    awaits_answer,
    hands_over,
    is_closing,
    is_denial,
    only_apologises,
    sign_of,
)
from sft_shared.data.logs.turns import Turn
from sft_shared.dialogue import Outcome

FAILED = re.compile(
    r"^\s*(?:error|exception|traceback|failed|failure|错误|失败|异常)\b|^\s*\w*(?:Error|Exception)\b", re.I
)
BAD_STATUS = frozenset({"error", "fail", "failed", "failure", "exception", "timeout", "denied"})

Place = tuple[int, int, int]


class OutcomeSettings(Settings):
    """From what success is read, and what becomes of dialogues that show no sign.

    The strongest sign decides: feedback, then a person called for, then what the user wrote last, then an
    apology in place of an answer, a question asked again, a tool that failed. Without any of these, a tool
    that did its work, thanks, or a user who did not ask again within the window speak for success: the last
    not if the user was left waiting for an answer.
    """

    repeat: RepeatSettings = RepeatSettings()
    unclear: Literal["keep", "drop"] = (
        "drop"  # dialogues without a sign: no time or no user to see who came back
    )

    def __call__(
        self, turns: Sequence[Turn], at: int, *, repeated: Collection[Place], seen: bool
    ) -> Outcome | None:
        """What became of the answer ``turns[at]``; None if there is no sign.

        ``turns`` end where the answer's effect does. ``repeated`` names the questions asked again; ``seen``
        says that the user would have been seen asking again.
        """
        answer, before, after = turns[at], turns[:at], turns[at + 1 :]
        ratings = [turn.feedback for turn in (answer, *after) if turn.feedback is not None]
        if ratings and ratings[-1]:
            return _outcome(ratings[-1] > 0, "feedback")
        said = [turn.text or "" for turn in after if turn.role == "user"]
        if hands_over(answer.text or "") or any(map(asks_for_human, said)):
            return _outcome(False, "escalated")
        if any(turn.role == "assistant" and hands_over(turn.text or "") for turn in after):
            return _outcome(False, "escalated")
        signs = [sign for sign in _signs(turns[at:]) if sign is not None]
        clear = [sign for sign in signs if sign != "thanks"]
        if clear:
            return _outcome(clear[-1] == "resolved", clear[-1])
        if only_apologises(answer.text or "") and not answer.calls:
            return _outcome(False, "apology")
        question = next((turn for turn in reversed(before) if turn.role == "user"), None)
        if question is not None and question.place in repeated:
            return _outcome(False, "repeat_question")
        results = [works(turn.text or "") for turn in _results(turns, at)]
        if results and results[-1] is False:
            return _outcome(False, "tool_error")
        if question is not None and _is_second_try(turns, question):
            return None  # and nothing is heard of it
        weak: tuple[str, ...] = ("tool_ok",) if results and results[-1] else ()
        weak += ("thanks",) if signs else ()
        waits = any(turn.role == "user" and awaits_answer(turn.text or "") for turn in after)
        weak += ("no_repeat",) if seen and question is not None and not waits else ()
        return Outcome(success=True, reasons=weak) if weak else None


def _signs(turns: Sequence[Turn]) -> Iterator[Sign | None]:
    """What each turn of the user says of the answers, a bare "no" by what the assistant said before it."""
    asked = ""
    for turn in turns:
        if turn.role == "assistant":
            asked = turn.text or ""
        elif turn.role == "user":
            denies = is_denial(turn.text or "", asked=asked)
            yield "unresolved" if denies else sign_of(turn.text or "")


def _outcome(success: bool, reason: str) -> Outcome:
    return Outcome(success=success, reasons=(reason,))


def _is_second_try(turns: Sequence[Turn], question: Turn) -> bool:
    """Whether a question complains of the answer before it."""
    answered = any(turn.role == "assistant" for turn in turns[: turns.index(question)])
    return answered and sign_of(question.text or "") == "unresolved"


def _results(turns: Sequence[Turn], at: int) -> list[Turn]:
    """Tool results since the user's question, and for an answer that calls tools their results."""
    start = next((place for place in range(at - 1, -1, -1) if turns[place].role == "user"), 0)
    end = at
    if turns[at].calls:
        start = at
        while end + 1 < len(turns) and turns[end + 1].role == "tool":
            end += 1
    return [turn for turn in turns[start : end + 1] if turn.role == "tool"]


def works(result: str) -> bool | None:
    """Whether a tool's result tells of success; None if it does not say."""
    try:
        value: Any = json.loads(result)
    except (ValueError, RecursionError):
        return False if FAILED.match(result) else None
    if not isinstance(value, dict):
        return None
    if value.get("error") or value.get("errors") or value.get("exception"):
        return False
    for name in ("ok", "success"):
        if isinstance(value.get(name), bool):
            return bool(value[name])
    status = value.get("status", value.get("status_code", value.get("code")))
    if isinstance(status, int) and not isinstance(status, bool):
        return status < 400 if 100 <= status < 600 else status == 0 if status in (0, 1, -1) else None
    if isinstance(status, str):
        return (
            False
            if status.casefold() in BAD_STATUS
            else True
            if status.casefold() in ("ok", "success")
            else None
        )
    return None


def places_that_teach(turns: Sequence[Turn]) -> list[int]:
    """Where the answers worth learning stand: those to a question, not to a farewell."""
    places = []
    asked = False
    for at, turn in enumerate(turns):
        if turn.role == "user":
            asked = not is_closing(turn.text or "")
        elif turn.role == "assistant" and asked:
            places.append(at)
    return places
