"""Word lists: disguises are seen through, and parts of other words are not taken for words."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.errors import DataError
from sft_shared.evaluation.metrics import wordlist
from sft_shared.evaluation.metrics.wordlist import Entry, WordList, flatten, read_word_list

LIST = WordList(
    Entry("r", word) for word in ("赌博", "妈的", "加V信", "shit", "ass", "guaranteed return", "保证盈利")
)


def found(text: str) -> list[str]:
    return [text[hit.start : hit.end] for _, hit in LIST.find(text)]


def test_the_worked_examples_hold() -> None:
    """Doctests."""
    assert doctest.testmod(wordlist).failed == 0


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("我们去赌博吧", "赌博"),
        ("赌 博", "赌 博"),
        ("赌\u200b\u200d博", "赌\u200b\u200d博"),
        ("赌*博", "赌*博"),
        ("赌.-博", "赌.-博"),
        ("賭博", "賭博"),
        ("保證盈利", "保證盈利"),
        ("加 ｖ 信", "加 ｖ 信"),
        ("What ＳＨＩＴ!", "ＳＨＩＴ"),
        ("sh\u00adit", "sh\u00adit"),
        ("s.h.i.t", "s.h.i.t"),
        ("s h i t", "s h i t"),
        ("s-h-i-t!", "s-h-i-t"),
        ("Guaranteed  RETURNS", "Guaranteed  RETURN"),
        ("guaranteed-return", "guaranteed-return"),
        ("shit赌", "shit"),
    ],
)
def test_a_disguised_word_is_found_where_it_stands(text: str, hit: str) -> None:
    """Offsets are those of the text as it came."""
    assert found(text) == [hit]


@pytest.mark.parametrize(
    "text",
    [
        "class assess passenger",
        "as soon as she comes",
        "class hit",
        "push it",
        "Shitake",
        "妈妈的手机",
        "他去赌。博览群书",
        "赌\n博",
        "赌     博",
        "guaranteed. Return it",
        "guaranteedreturn",
        "",
    ],
)
def test_what_only_looks_like_a_word_is_left(text: str) -> None:
    """Parts of longer words in both scripts, and words cut by the end of a sentence."""
    assert found(text) == []


def test_without_the_words_around_a_part_of_a_word_would_be_a_hit() -> None:
    """What the guard is for: 妈妈的 holds 妈的 letter by letter."""
    assert "妈的" in flatten("妈妈的手机").text
    assert found("妈妈的手机") == []
    assert found("妈的，又坏了") == ["妈的"]


@given(
    st.text(st.sampled_from("你好吗ab ，。"), max_size=6),
    st.text(st.sampled_from(" *\u200b._-"), max_size=4),
    st.text(st.sampled_from("，。! "), max_size=3),
)
def test_signs_between_and_text_around_hide_nothing(before: str, gap: str, after: str) -> None:
    """Up to MAX_GAP of them."""
    text = f"{before} 赌{gap}博{after}"
    assert found(text) == [f"赌{gap}博"]


@given(st.text(max_size=40))
def test_every_place_is_in_the_text(text: str) -> None:
    """Also where one character stands for several, or for none."""
    flat = flatten(text)
    assert len(flat.text) == len(flat.places)
    assert list(flat.places) == sorted(flat.places)
    assert all(0 <= place < len(text) for place in flat.places)


def test_a_list_is_read_with_rules_and_comments(tmp_path: Path) -> None:
    """A bare word has the file's name for its rule."""
    path = tmp_path / "bad.txt"
    path.write_text(
        "\ufeff# a comment\n赌博\n\ninsult\t傻瓜\npromise\tsure win\tdeniable\n", encoding="utf-8"
    )
    assert read_word_list(path) == [
        Entry("bad", "赌博"),
        Entry("insult", "傻瓜"),
        Entry("promise", "sure win", deniable=True),
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a\tb\tc\n", r"words\.txt:1: found 3 columns"),
        ("a\tb\n\tb\n", r"words\.txt:2: found 2 columns"),
        ("ab\n\nA B\n", r"words\.txt:3: the word of line 1 again"),
        ("***\n", r"words\.txt:1: a word needs letters"),
        ("# nothing\n", r"words\.txt: no words"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    """With its number."""
    path = tmp_path / "words.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=complaint):
        read_word_list(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_word_list(tmp_path / "none.txt")
