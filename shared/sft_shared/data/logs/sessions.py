"""Sessions: turns that belong together, in the order of time, cut where the user was away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from pydantic import PositiveFloat, PositiveInt

from sft_shared.config import Settings
from sft_shared.data.logs.requests import merge_history
from sft_shared.data.logs.signs import only_reacts, sign_of
from sft_shared.data.logs.turns import Piece, Turn


class Session(NamedTuple):
    """A dialogue as it was logged. ``name`` tells it from all others of its source; it may be personal."""

    name: str
    user: str | None
    turns: tuple[Turn, ...]
    tools: tuple[Any, ...] = ()


class Cutting(NamedTuple):
    """Sessions, and the turns that are in none, by the rule that took them out; no turn is in two places."""

    sessions: tuple[Session, ...]
    left_out: tuple[tuple[str, Turn], ...]
    num_repeated: int = 0  # turns that a request told once more; they are in no list


class SessionSettings(Settings):
    """When a session ends: where the user was away for longer than ``idle_gap_s`` and then asks again.

    One of ``max_turns`` ends at the next question: a program that asks day and night makes no endless one.
    """

    idle_gap_s: PositiveFloat = 1800.0
    max_turns: PositiveInt = 400

    def __call__(self, pieces: Sequence[Piece]) -> Cutting:
        """Cut the pieces of one session id, of one user without ids, or of one opening of requests."""
        sessions: list[Session] = []
        left_out: list[tuple[str, Turn]] = []
        num_repeated = 0
        first = pieces[0]
        named = first.session is not None
        user = next((piece.user for piece in pieces if piece.user is not None), None)
        threads: list[tuple[list[Turn], tuple[Any, ...]]] = []
        if first.history:
            ordered = sorted(pieces, key=_begins)
            for conversation in merge_history(ordered, one=named, known=named or user is not None):
                left_out += [("asked-anew", turn) for turn in conversation.replaced]
                num_repeated += conversation.num_repeated
                threads.append((conversation.turns, conversation.tools))
        else:
            tools = next((piece.tools for piece in pieces if piece.tools), ())
            threads.append((in_order(turn for piece in pieces for turn in piece.turns), tools))
        base = first.session if named else f"{user or ''} at"
        for turns, tools in threads:
            for number, part in enumerate(cut(turns, idle_gap_s=self.idle_gap_s, max_turns=self.max_turns)):
                if has_doubled_call(part):
                    left_out += [("duplicate-tool-id", turn) for turn in part]
                    continue
                whole, orphans = without_orphans(part)
                left_out += [("orphan-tool-id", turn) for turn in orphans]
                if whole:
                    name = f"{base}" if named and number == 0 else f"{base} {whole[0].time}"
                    sessions.append(Session(name, user, tuple(whole), tools))
        return Cutting(_own_names(sessions), tuple(left_out), num_repeated)


def in_order(turns: Iterable[Turn]) -> list[Turn]:
    """By time, then by place. A turn without a time stays behind the one that was logged before it."""
    placed = sorted(turns, key=attrgetter("place"))
    last = next((turn.time for turn in placed if turn.time is not None), 0.0)
    keys = []
    for turn in placed:
        last = turn.time if turn.time is not None else last
        keys.append(last)
    order = sorted(range(len(placed)), key=keys.__getitem__)
    return [placed[at] for at in order]


def cut(turns: Iterable[Turn], *, idle_gap_s: float, max_turns: int) -> list[list[Turn]]:
    """Parts between which more than ``idle_gap_s`` passed, or that have ``max_turns``.

    A part begins with the user or the system: an answer that comes late still belongs to its question. So
    does what the user only says of it or in leaving, and the next question begins a part all the same.
    """
    parts: list[list[Turn]] = []
    last: float | None = None
    took_leave = False
    for turn in turns:
        away = turn.time is not None and last is not None and turn.time - last > idle_gap_s
        if not parts:
            parts.append([])
        elif turn.role in ("user", "system") and (away or took_leave or len(parts[-1]) >= max_turns):
            text = turn.text or ""
            reacts = turn.role == "user" and only_reacts(text)
            took_leave = reacts and sign_of(text) != "unresolved"
            if not reacts:
                parts.append([])
        parts[-1].append(turn)
        last = turn.time if turn.time is not None else last
    return parts


def has_doubled_call(turns: Iterable[Turn]) -> bool:
    """Whether two tool calls have the same id, so that nobody can say which one a result answers."""
    ids = [call.id for turn in turns if turn.calls for call in turn.calls if call.id is not None]
    return len(set(ids)) < len(ids)


def without_orphans(turns: Iterable[Turn]) -> tuple[list[Turn], list[Turn]]:
    """(turns, tool results without their call). A result without an id belongs to the call before it."""
    called: set[str] = set()
    any_call = False
    whole, orphans = [], []
    for turn in turns:
        if turn.role == "tool" and (not any_call if turn.call_id is None else turn.call_id not in called):
            orphans.append(turn)
            continue
        if turn.calls:
            any_call = True
            called.update(call.id for call in turn.calls if call.id is not None)
        whole.append(turn)
    return whole, orphans


def _begins(piece: Piece) -> tuple[float, tuple[int, int, int]]:
    first = piece.turns[-1]
    return (first.time if first.time is not None else 0.0, first.place)


def _own_names(sessions: list[Session]) -> tuple[Session, ...]:
    """Sessions that began at the same moment are numbered."""
    named = []
    for name, group in groupby(sorted(sessions, key=attrgetter("name")), key=attrgetter("name")):
        for number, session in enumerate(group):
            named.append(session if number == 0 else session._replace(name=f"{name} #{number}"))
    return tuple(named)
