"""Sessions: in order, cut where the user was away, and no turn lost."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.logs.sessions import SessionSettings, cut, in_order, without_orphans
from sft_shared.data.logs.turns import Call, Piece, Turn

TIMES = st.one_of(st.none(), st.floats(0, 20_000, allow_nan=False))
TURNS = st.lists(
    st.tuples(
        st.sampled_from(["user", "assistant", "tool", "system"]), TIMES, st.sampled_from([None, "c1", "c2"])
    ),
    min_size=1,
    max_size=25,
)


def turn(role: str, time: float | None, at: int, *, call: str | None = None) -> Turn:
    calls = (Call(call, "f", {}),) if call and role == "assistant" else ()
    return Turn(role, f"turn {at}", time, calls, call if role == "tool" else None, place=(0, at, 0))


def pieces_of(drawn: list[tuple[str, float | None, str | None]], *, session: str | None) -> list[Piece]:
    return [
        Piece(session, "u", (turn(role, time, at, call=call),)) for at, (role, time, call) in enumerate(drawn)
    ]


@given(TURNS, st.sampled_from(["s", None]), st.floats(1, 5000))
def test_sessions_lose_no_turn(
    drawn: list[tuple[str, float | None, str | None]], session: str | None, gap: float
) -> None:
    """Every turn is in exactly one session, or among those left out with a rule."""
    pieces = pieces_of(drawn, session=session)
    cutting = SessionSettings(idle_gap_s=gap)(pieces)
    found = [each.place for part in cutting.sessions for each in part.turns]
    found += [each.place for _, each in cutting.left_out]
    assert Counter(found) == Counter(piece.turns[0].place for piece in pieces)
    assert len({part.name for part in cutting.sessions}) == len(cutting.sessions)


@given(TURNS, st.randoms(use_true_random=False))
def test_the_order_of_the_lines_changes_nothing_but_ties(
    drawn: list[tuple[str, float | None, str | None]], chance: object
) -> None:
    """Pieces may come in any order: their places say where they were logged."""
    pieces = pieces_of(drawn, session="s")
    shuffled = list(pieces)
    chance.shuffle(shuffled)
    assert SessionSettings()(pieces) == SessionSettings()(shuffled)


@given(TURNS)
def test_within_a_session_time_goes_forward(drawn: list[tuple[str, float | None, str | None]]) -> None:
    for part in SessionSettings()(pieces_of(drawn, session="s")).sessions:
        times = [each.time for each in part.turns if each.time is not None]
        assert times == sorted(times)


def test_lines_out_of_order_are_sorted_and_equal_times_keep_their_order() -> None:
    turns = [turn("user", 30.0, 0), turn("user", 10.0, 1), turn("assistant", 10.0, 2), turn("user", None, 3)]
    assert [each.place[1] for each in in_order(turns)] == [1, 2, 3, 0]


def test_a_session_ends_where_the_user_was_away() -> None:
    """At the gap exactly it goes on; an answer that comes late belongs to its question."""
    turns = [
        turn("user", 0.0, 0),
        turn("assistant", 5000.0, 1),
        turn("user", 5100.0, 2),
        turn("user", 5201.0, 3),
    ]
    assert [[each.place[1] for each in part] for part in cut(turns, idle_gap_s=100, max_turns=9)] == [
        [0, 1, 2],
        [3],
    ]


@pytest.mark.parametrize(
    ("late", "parts"),
    [
        (["好的，收到了，解决了"], [3]),
        (["谢谢", "不客气", "怎么开发票"], [4, 1]),
        (["thanks, it works now", "you are welcome", "great", "how do I pay?"], [5, 1]),
        (["还是不行", "请重启", "重启了，然后呢"], [5]),
        (["谢谢，再问下运费怎么算"], [2, 1]),
        (["解决了吗？"], [2, 1]),
        (["怎么开发票", "点我的订单"], [2, 2]),
    ],
)
def test_what_is_said_late_of_an_answer_belongs_to_it(late: list[str], parts: list[int]) -> None:
    """A session begins where the user asks, also right behind late thanks."""
    turns = [Turn("user", "q", 0.0), Turn("assistant", "a", 1.0)]
    for at, text in enumerate(late):
        role = "assistant" if text in ("不客气", "请重启", "点我的订单", "you are welcome") else "user"
        turns.append(Turn(role, text, 7200.0 + at))
    assert [len(part) for part in cut(turns, idle_gap_s=1800, max_turns=99)] == parts


def test_a_session_without_end_is_cut_at_a_question() -> None:
    turns = [turn(("user", "assistant", "assistant")[at % 3], float(at), at) for at in range(9)]
    assert [len(part) for part in cut(turns, idle_gap_s=100, max_turns=4)] == [6, 3]


def test_without_ids_sessions_are_named_by_user_and_start() -> None:
    pieces = pieces_of([("user", 0.0, None), ("assistant", 1.0, None), ("user", 9000.0, None)], session=None)
    first, second = SessionSettings()(pieces).sessions
    assert first.name != second.name
    (again,) = SessionSettings()(pieces[:2]).sessions
    assert again.name == first.name


def test_a_result_whose_call_is_nowhere_is_left_out() -> None:
    turns = [
        turn("assistant", 0.0, 0, call="c1"),
        turn("tool", 1.0, 1, call="c1"),
        turn("tool", 2.0, 2, call="c9"),
    ]
    whole, orphans = without_orphans(turns)
    assert [each.place[1] for each in whole] == [0, 1]
    assert [each.place[1] for each in orphans] == [2]


def test_a_result_without_an_id_belongs_to_the_call_before_it() -> None:
    call, result = turn("assistant", 0.0, 0, call="c1"), turn("tool", 1.0, 1)
    assert without_orphans([call, result]) == ([call, result], [])
    assert without_orphans([result]) == ([], [result])


def test_a_session_with_two_calls_of_one_id_is_left_out_whole() -> None:
    """Nobody can say which of them a result answers; the session after it is not touched."""
    roles = ("user", "assistant", "tool", "assistant", "tool")
    turns = [turn(role, float(at), at, call="c1") for at, role in enumerate(roles)]
    pieces = [Piece("s", None, (each,)) for each in [*turns, turn("user", 9000.0, 9)]]
    cutting = SessionSettings()(pieces)
    assert [rule for rule, _ in cutting.left_out] == ["duplicate-tool-id"] * 5
    assert [each.place[1] for session in cutting.sessions for each in session.turns] == [9]
