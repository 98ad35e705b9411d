"""Questions that the same user asked again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.logs.repeats import Asked, RepeatSettings, _alike, letter_pairs


def asked(text: str, time: float, *, twin: str = "", at: int = 0) -> Asked:
    return Asked(time, text, twin, "s", (0, at, 0))


def repeated(*questions: Asked, **fields: float) -> list[str]:
    return [each.text for each in RepeatSettings(**fields)(questions)]


def test_the_earlier_of_two_like_questions_was_not_answered() -> None:
    first, again = asked("我的包裹到哪里了？", 0, at=1), asked("我的包裹到哪里了啊", 600, at=2)
    assert repeated(again, first) == ["我的包裹到哪里了？"]
    assert repeated(asked("Where is my parcel?", 0), asked("where is my parcel now", 60)) == [
        "Where is my parcel?"
    ]


def test_another_question_is_no_repetition() -> None:
    assert repeated(asked("我的包裹到哪里了？", 0), asked("怎么申请退款？", 60)) == []


def test_after_the_window_it_is_a_new_question() -> None:
    pair = (asked("我的包裹到哪里了？", 0), asked("我的包裹到哪里了？", 3600))
    assert repeated(*pair, window_s=3600) == ["我的包裹到哪里了？"]
    assert repeated(*pair, window_s=3599) == []


def test_a_greeting_is_no_question() -> None:
    assert repeated(asked("你好", 0), asked("你好", 60)) == []


def test_a_request_logged_twice_is_no_second_question() -> None:
    text = "我的包裹到哪里了？"
    assert repeated(asked(text, 0, twin="t"), asked(text, 1, twin="t")) == []
    assert repeated(asked(text, 0, twin="t"), asked(text, 1, twin="other")) == [text]


@given(st.text("abc退款", min_size=5), st.text("abc退款", min_size=5), st.sampled_from([0.3, 0.5, 0.75, 1.0]))
def test_likeness_is_the_dice_coefficient_of_letter_pairs(one: str, other: str, least: float) -> None:
    a, b = letter_pairs(one), letter_pairs(other)
    assert a == {one[at : at + 2] for at in range(len(one) - 1)}
    assert _alike(a, b, least=least) == (2 * len(a & b) / (len(a) + len(b)) >= least)
