"""One plain form for what was typed, dictated or disguised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.desensitise.dictation import read_digits
from sft_shared.data.desensitise.folding import fold


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("１３８ＡＢ＠ｑｑ．ｃｏｍ", "138AB@qq.com"),
        ("1\u200b3\ufeff8", "138"),
        ("①③⑧", "138"),
        ("6️⃣2️⃣", "62"),
        ("𝟏𝟑𝟖", "138"),
        ("6222\u30000212\u00a03456—7890", "6222 0212 3456-7890"),
        ("张伟，你好", "张伟,你好"),
    ],
)
def test_odd_widths_become_ascii(written: str, plain: str) -> None:
    """Full-width, circled, mathematical digits and invisible characters are read as what they stand for."""
    assert fold(written).text == plain


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("幺三八零零一三八零零零", "13800138000"),
        ("壹叁捌 零零壹叁 捌零零零", "13800138000"),
        ("幺三八，零零一三，八零零零", "138,0013,8000"),
        ("一三八零零零零一二三四/幺三九零零零零一二三四", "13800001234/13900001234"),
        ("零五七一，八八二三四一九零、一三九零零零零一二三四", "0571,88234190、13900001234"),
        ("oh seven seven double oh nine hundred four five six", "07700900456"),
        ("plus four four seven seven double oh nine hundred four five six", "+447700900456"),
        ("138零零一3八000", "13800138000"),
        ("一三八三个零一三八零零零", "138000138000"),
        ("six two two two oh two one two", "62220212"),
        ("four one five, double five five, two six seven one", "4155552671"),
        ("twenty-one forty five nine", "21459"),
        ("粤B·幺二三四五", "粤B·12345"),
        ("two oh six dot five five five dot oh one four three", "206.555.0143"),
        ("two oh six, ok, five five five, and then oh one four three", "2065550143"),
        ("(two oh six) five five five oh one four three", "(206)5550143"),
        ("two oh six, five five five, twenty-two hundred", "2065552200"),
        ("oh sorry, that's two oh six double five", "oh sorry, that's 20655"),
        ("ohone sixone four nine six", "0161496"),
    ],
)
def test_dictated_digits_are_read(said: str, digits: str) -> None:
    """Digits in Chinese and English words, repeats and tens too."""
    assert read_digits(fold(said)).text == digits


@pytest.mark.parametrize(
    "text",
    [
        "一定要三个，两天一次，五一放假",
        "方式一13800138000",
        "one of the two dogs",
        "the old one 07801 318345 is off",
        "someone phoned the seventh tenant",
        "too good, oh so good",
        "point one is that one",
        "一五一十地说，再三要求",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    """A number's word in a sentence is no digit."""
    folded = fold(text)
    assert read_digits(folded).text == folded.text


@given(st.text(alphabet="一三八零个两 ，,-138ａ１\u200bonetwo five的", max_size=40))
def test_offsets_lead_back_in_order(text: str) -> None:
    """Every character of the plain form stands somewhere in the original, in the same order."""
    plain = read_digits(fold(text))
    places = [plain.original(index, index + 1) for index in range(len(plain.text))]
    assert all(0 <= start < end <= len(text) for start, end in places)
    assert places == sorted(places)


@given(st.text(max_size=40))
def test_what_needs_no_change_keeps_its_offsets(text: str) -> None:
    """A character that is kept is found at its own place."""
    folded = fold(text)
    for index, char in enumerate(folded.text):
        start, end = folded.original(index, index + 1)
        assert end == start + 1
        assert not char.isalpha() or not char.isascii() or fold(text[start:end]).text == char
