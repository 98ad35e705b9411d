"""Checks that spare a text the closer look never change what is found."""

from __future__ import annotations

import zlib

from hypothesis import example, given
from hypothesis import strategies as st

from sft_shared.data.hygiene.degenerate import MIN_REPEATED_WORDS, _bare, _repeats, _same_bare
from sft_shared.data.hygiene.texts import words

WORDS = ["退", "款", "请", "no", "wait", "，", " ", "A1", "的"]
PHRASES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6)
SHARES = st.sampled_from([0.01, 0.2, 0.4, 0.9, 1.0])


def plain_repeats(text: str, *, max_repeats: int, max_phrase: int, min_share: float) -> bool:
    """The definition, word by word."""
    said = words(text.casefold())
    data = text.encode()
    if len(said) < MIN_REPEATED_WORDS or len(zlib.compress(data, 1)) > 0.75 * len(data) + 12:
        return False
    for period in range(1, min(max_phrase, len(said) // (max_repeats + 1)) + 1):
        longest = run = 0
        for at in range(period, len(said)):
            run = run + 1 if said[at] == said[at - period] else 0
            longest = max(longest, run)
        if longest // period + 1 > max_repeats and longest + period >= min_share * len(said):
            return True
    return False


@given(
    PHRASES,
    PHRASES,
    PHRASES,
    st.integers(1, 12),
    st.sampled_from([0.01, 0.2, 0.4, 0.9, 1.0]),
    st.integers(1, 5),
)
@example(["请"], ["退", "款"], ["no"], 12, 0.4, 4)
def test_a_phrase_said_again_and_again_is_found_wherever_it_stands(
    before: list[str], phrase: list[str], after: list[str], times: int, share: float, max_repeats: int
) -> None:
    """Just as the definition has it."""
    text = " ".join([*before, *phrase * times, *after * 2])
    found = _repeats(text, max_repeats=max_repeats, max_phrase=60, min_share=share)
    assert found == plain_repeats(text, max_repeats=max_repeats, max_phrase=60, min_share=share)


@given(st.text(), st.text())
@example("ß", "SS")
@example("... Where is it?", "where  is it")
@example("\u0345", "ι")
def test_texts_are_the_same_if_they_are_without_case_and_marks(one: str, other: str) -> None:
    assert _same_bare(one, other) == (_bare(one) == _bare(other))
    assert _same_bare(one, one.upper()) == (_bare(one) == _bare(one.upper()))
