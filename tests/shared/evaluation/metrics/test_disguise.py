"""Disguises: escapes, lookalikes, leet and stretched letters are read; places stay the answer's."""

from __future__ import annotations

import doctest
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.evaluation.metrics import disguise
from sft_shared.evaluation.metrics.disguise import readings, strings, unescaped, whole_text

TEXTS = st.text(st.sampled_from('你好abАé"\\{}[]:,!13$ \nuUfF00'), max_size=24)


def read(text: str) -> list[str]:
    return [each.text for each in readings(whole_text(text))]


def test_the_worked_examples_hold() -> None:
    """Doctests."""
    assert doctest.testmod(disguise).failed == 0


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("sh1t", "shit"),
        ("1d10t", "idiot"),
        ("an 1diot!", "an idiot!"),
        ("sh!t", "shit"),
        ("$hit", "shit"),
        ("a$$h0le", "asshole"),
        ("b1oodc10t", "bloodclot"),
        ("fuuuuuuuck", "fuck"),
        ("asssshole", "asshole"),
        ("idіot", "idiot"),
        ("ѕhit", "shit"),
        ("МАPLE", "MAPLE"),
        ("shít", "shit"),
        ("ｓｈｉｔ", "shit"),
        ("fuc\u0301k", "fuck"),
        ("ρаѕѕwοrd", "password"),
    ],
)
def test_a_disguised_word_has_its_plain_reading(text: str, reading: str) -> None:
    assert reading in read(text)


@pytest.mark.parametrize(
    "text",
    [
        "SH17",
        "A55",
        "5hours",
        "call 800 5717",
        "Wow!",
        "$15 off",
        "SF12345678",
        "v2.10",
        "see mp3",
        "你好！！！",
    ],
)
def test_codes_and_numbers_have_no_other_reading(text: str) -> None:
    """Letters before digits, digits before letters, prices and marks: nothing is spelled with them."""
    assert not {"shit", "ass"} & set(" ".join(read(text)).casefold().split())
    assert read(text)[0] == text


def test_punctuation_keeps_its_width() -> None:
    """The rules tell clauses by it."""
    assert read("您好，请问：Ａ。") == ["您好，请问：Ａ。", "您好，请问：A。"]


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=5))
def test_every_string_and_key_of_json_is_read(value: object) -> None:
    """As json.loads reads them, also where every letter is escaped."""

    def texts(each: object) -> list[str]:
        if isinstance(each, str):
            return [each]
        if isinstance(each, dict):
            return [text for pair in each.items() for one in pair for text in texts(one)]
        return [text for one in each for text in texts(one)] if isinstance(each, list) else []

    if isinstance(value, str):
        return
    for ascii_only in (True, False):
        found = [each.text for each in strings(json.dumps(value, ensure_ascii=ascii_only))]
        plain = [text for text in texts(value) if text.strip() and "\\" not in text and text[:1] not in "{["]
        assert all(any(text == each for each in found) for text in plain if text.isprintable())


def test_json_in_a_string_and_cut_off_json_are_read() -> None:
    """A call's arguments are such; an answer that was cut off has no end of its string."""
    inner = json.dumps({"q": "你是"})
    assert "你是" in [each.text for each in strings(json.dumps([{"arguments": inner}]))]
    assert strings('{"response": "\\u4f60\\u662f')[-1].text == "你是"
    assert strings('```json\n{"a": "b c"}\n```')[-1].text == "b c"
    assert unescaped(whole_text("\\ud83d\\ude00 a")).text == "😀 a"


@given(TEXTS)
def test_every_place_is_in_the_answer(text: str) -> None:
    """In order, one a character."""
    whole = whole_text(text)
    for string in (whole, unescaped(whole), *strings(text)):
        for reading in readings(string):
            assert len(reading.text) == len(reading.places)
            assert list(reading.places) == sorted(reading.places)
            assert all(0 <= place < len(text) for place in reading.places)
