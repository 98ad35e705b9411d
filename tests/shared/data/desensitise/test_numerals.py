"""Digits in every writing, and numbers written again in the same way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn
from stdnum.cn import ric

from sft_shared.data.desensitise.numerals import (
    digits_of,
    passes_luhn,
    plain,
    resident_check_digit,
    write_digits,
)

DIGITS = st.text("0123456789", min_size=1, max_size=19)


@given(st.text())
def test_no_offset_moves(text: str) -> None:
    """Whatever the text, its plain form has a character for each of its own."""
    assert len(plain(text)) == len(text)


@pytest.mark.parametrize(
    "written", ["１３８", "一三八", "壹叁捌", "幺三八", "①③⑧", "¹³⁸", "١٣٨", "𝟏𝟑𝟖", "1３八"]
)
def test_digits_are_read_in_every_writing(written: str) -> None:
    """Full-width, Chinese in small and large, spoken, in circles, raised, Arabic, mathematical, mixed."""
    assert digits_of(written) == "138"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("1381 2345", "9876 5432"),
        ("１３８１－２３４５", "９８７６－５４３２"),
        ("一三八一二三四五", "九八七六五四三二"),
        ("壹叁捌壹贰叁肆伍", "玖捌柒陆伍肆叁贰"),
    ],
)
def test_a_number_is_written_as_the_one_before(form: str, expected: str) -> None:
    """Width, script and what stands between stay."""
    assert write_digits(form, "98765432") == expected


@given(DIGITS)
def test_luhn_s_check_agrees_with_another_implementation(digits: str) -> None:
    """python-stdnum's."""
    assert passes_luhn(digits) == luhn.is_valid(digits)


@given(st.text("0123456789", min_size=17, max_size=17))
def test_the_identity_check_digit_agrees_with_another_implementation(digits: str) -> None:
    """python-stdnum's."""
    assert resident_check_digit(digits) == ric.calc_check_digit(f"{digits}0")


@given(st.text(max_size=120))
def test_plain_says_the_same_however_long_the_text_is(text: str) -> None:
    """Long texts take another way: every character of the plane that it serves, and those beyond."""
    short = f"é{text[:20]}"
    assert plain(short + "é" * 30) == plain(short) + "é" * 30
