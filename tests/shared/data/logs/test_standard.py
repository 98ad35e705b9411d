"""Examples in the standard form."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.logs.outcomes import OutcomeSettings
from sft_shared.data.logs.sessions import Session
from sft_shared.data.logs.standard import answers, as_values, session_name, split_of
from sft_shared.data.logs.turns import Call, Turn
from sft_shared.dialogue import Example

TURNS = (
    Turn("user", "我的包裹到哪了", 0.0),
    Turn("assistant", None, 1.0, calls=(Call("c", "track", {"id": 7}),)),
    Turn("tool", '{"ok": true}', 2.0, call_id="c"),
    Turn("assistant", "在路上，明天到", 3.0),
    Turn("user", "不行，我今天就要", 4.0),
    Turn("assistant", "已为您加急，今天送达", 5.0),
    Turn("user", "谢谢，可以了", 6.0),
    Turn("assistant", "不客气", 7.0),
)
SESSION = Session("13800138000", "u", TURNS, ({"name": "track"},))


def test_the_last_answer_is_the_last_one_that_teaches() -> None:
    (found,) = answers(SESSION, OutcomeSettings(), per="last_answer", repeated=())
    assert found.at == 5
    assert found.outcome is not None
    assert found.outcome.success


def test_every_answer_is_judged_by_what_follows_it() -> None:
    """The tool call by its result, the first answer by the complaint, the second by the thanks."""
    found = answers(SESSION, OutcomeSettings(), per="every_answer", repeated=())
    judged = [(each.at, each.outcome.success, each.outcome.reasons) for each in found if each.outcome]
    assert judged == [(1, True, ("tool_ok",)), (3, False, ("unresolved",)), (5, True, ("resolved",))]


def test_an_example_holds_the_turns_up_to_its_answer_and_no_id_of_a_person() -> None:
    (found,) = answers(SESSION, OutcomeSettings(), per="last_answer", repeated=())
    example = Example.model_validate(as_values(found, source="shop", key=None, intent=None, split="train"))
    assert [message.role for message in example.messages] == [turn.role for turn in TURNS[:6]]
    assert example.messages[1].tool_calls[0].arguments == {"id": 7}
    assert example.messages[2].tool_call_id == "c"
    assert example.tools[0].name == "track"
    assert "13800138000" not in example.model_dump_json()


def test_ids_depend_on_the_content_and_on_nothing_else() -> None:
    def identity(session: Session) -> str:
        (found,) = answers(session, OutcomeSettings(), per="last_answer", repeated=())
        return str(as_values(found, source="shop", key=None, intent=None, split="train")["id"])

    other = Session(SESSION.name, "u", (Turn("user", "别的问题", 0.0), *TURNS[1:]), SESSION.tools)
    assert (
        identity(SESSION)
        == identity(Session(SESSION.name, "someone", TURNS, SESSION.tools))
        != identity(other)
    )
    assert identity(SESSION).startswith(session_name(SESSION, source="shop", key=None))


def test_with_a_key_no_id_can_be_found_by_trying() -> None:
    """Neither the session's nor a text in it; without a key both can."""
    (found,) = answers(SESSION, OutcomeSettings(), per="last_answer", repeated=())

    def made(key: bytes | None) -> tuple[str, str]:
        values = as_values(found, source="shop", key=key, intent=None, split="train")
        return values["provenance"]["session"], str(values["id"]).rpartition("-")[2]

    tried = session_name(Session("13800138000", None, ()), source="shop", key=None)
    assert made(None)[0] == tried
    keys = [None, bytes(32), bytes(31) + b"1"]
    assert len({made(key)[0] for key in keys}) == len({made(key)[1] for key in keys}) == 3
    assert made(keys[1]) == made(keys[1])


@given(st.text(max_size=20), st.integers(0, 9))
def test_the_split_depends_on_session_and_seed_alone(name: str, seed: int) -> None:
    assert split_of(name, held_out=0.0, seed=seed) == "train"
    drawn = [split_of(name, held_out=share / 10, seed=seed) for share in range(1, 10)]
    assert drawn == sorted(drawn, reverse=True)  # a larger share only adds sessions


def test_the_share_held_out_is_about_what_was_asked_for() -> None:
    drawn = [split_of(str(number), held_out=0.1, seed=3) for number in range(5000)]
    assert 400 < drawn.count("held_out") < 600
