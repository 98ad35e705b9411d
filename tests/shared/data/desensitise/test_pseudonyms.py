"""Pseudonyms: of the same shape, by key and session, and nobody's."""

from __future__ import annotations

import re

import pytest

from sft_shared.data.desensitise.gate_numbers import is_card, is_resident_id
from sft_shared.data.desensitise.numerals import digits_of, passes_luhn, plain
from sft_shared.data.desensitise.placeholders import is_placeholder
from sft_shared.data.desensitise.pseudonyms import pseudonym
from sft_shared.data.desensitise.spans import Kind

KEY = b"k" * 32
VALUES: list[tuple[Kind, str]] = [
    ("card", "6222 0212 3456 7890 128"),
    ("card", "378282246310005"),
    ("card", "４１１１１１１１１１１１１１１１"),
    ("resident_id", "11010519491231002X"),
    ("resident_id", "110105 19491231 0021"),
    ("resident_id", "110105491231002"),
    ("phone", "13812345678"),
    ("phone", "幺三八零零一三八零零零"),
    ("phone", "+86 138-1234-5678"),
    ("phone", "(0755) 23456789"),
    ("phone", "010-65541234"),
    ("phone", "+1 (415) 555-2671"),
    ("phone", "+44 7911 123456"),
    ("email", "zhang.wei88@qq.com"),
    ("email", "ｚｈａｎｇ＠ｑｑ．ｃｏｍ"),
    ("plate", "粤B·D12345"),
    ("ip", "123.45.67.89"),
    ("ip", "2400:3200::1"),
    ("mac", "00:1A:2B:3C:4D:5E"),
    ("mac", "001a.2b3c.4d5e"),
    ("passport", "E12345678"),
    ("account", "6217000123456"),
    ("order", "TB2024091812345"),
    ("api_key", "sk-abcdefghijklmnopqrstuvwx1234"),
    ("password", "hunter2hunter2"),
    ("name", "张伟"),
    ("name", "张伟明"),
    ("name", "司马相如"),
    ("name", "Alice Smith"),
    ("name", "ALICE SMITH"),
    ("address", "北京市海淀区中关村大街27号院3号楼1203室"),
    ("address", "123 Main Street, Apt 4B, Springfield, IL 62704"),
    ("birth_date", "1990年5月12日"),
    ("birth_date", "May 12, 1990"),
    ("birth_date", "19900512"),
]


def shape(text: str) -> str:
    """Which characters are digits, and what stands between them."""
    return re.sub("[0-9]", "0", plain(text))


def of(kind: Kind, text: str, *, key: bytes = KEY, session: str = "s") -> str:
    """The pseudonym, which there is."""
    written = pseudonym(kind, text, key=key, session=session)
    assert written is not None
    return written


@pytest.mark.parametrize(("kind", "text"), VALUES)
def test_a_pseudonym_is_another_value_that_is_known_as_one(kind: Kind, text: str) -> None:
    """By key, session and value: change one and it is another; nothing else counts."""
    first = of(kind, text)
    assert is_placeholder(first)
    assert first == of(kind, text)
    assert first != text
    others = {of(kind, text, session=f"{number}") for number in range(8)}
    keys = {of(kind, text, key=bytes([number]) * 32) for number in range(8)}
    assert len(others) >= 6  # some kinds have few values, such as dates
    assert len(keys) >= 6


@pytest.mark.parametrize(
    ("kind", "text"),
    [each for each in VALUES if each[0] in ("card", "phone", "account", "mac") and "X" not in each[1]],
)
def test_numbers_keep_their_shape(kind: Kind, text: str) -> None:
    """Length, spaces, dashes, brackets, width and script."""
    written = of(kind, text)
    if kind == "mac":
        assert re.sub("[0-9A-Fa-f]", "0", written) == re.sub("[0-9A-Fa-f]", "0", text)
    elif not text.startswith("(0755)"):
        assert shape(written) == shape(text)
        assert [sign.isascii() for sign in written] == [sign.isascii() for sign in text]


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("card", "6222021234567890128", "６２２２ ０２１２ ３４５６ ７８９０ １２８"),
        ("card", "6222021234567890128", "六二二二零二一二三四五六七八九零一二八"),
        ("phone", "13812345678", "138-1234-5678"),
        ("phone", "13812345678", "+86 138 1234 5678"),
        ("email", "a.b@qq.com", "A.B@QQ.com"),
    ],
)
def test_one_value_in_two_writings_has_one_pseudonym(kind: Kind, first: str, second: str) -> None:
    """However it is spaced or wide."""
    one, two = (plain(of(kind, text)).lower() for text in (first, second))
    digits = [digits_of(each).removeprefix("86") or each for each in (one, two)]
    assert digits[0] == digits[1]


def test_a_card_keeps_length_and_issuer_and_fails_luhn_s_check() -> None:
    """So it is nobody's, and looks like one in every other respect."""
    for text in ("6222021234567890128", "4111111111111111", "378282246310005", "5500005555555559"):
        for session in "abcdefgh":
            written = of("card", text, session=session)
            assert (len(written), written[:2]) == (len(text), text[:2])
            assert not passes_luhn(written)
            assert not is_card(written)


def test_an_identity_number_is_of_no_division_and_has_a_wrong_check_digit() -> None:
    """Either alone would do."""
    for session in "abcdefgh":
        written = of("resident_id", "11010519491231002X", session=session)
        assert written.startswith("990000")
        assert not is_resident_id(written)


def test_parts_of_an_english_name_stay_together() -> None:
    """Alice Smith, called Alice later, is the same person; titles stay."""
    assert of("name", "Alice Smith").split()[0] == of("name", "Alice")
    assert of("name", "Mr. Smith") == f"Mr. {of('name', 'Smith')}"
    assert of("name", "王先生") == "某先生"


def test_an_address_keeps_its_detail() -> None:
    """Province, city, district, road, number, building and room are all there, each another."""
    written = of("address", "浙江省杭州市西湖区文三路15号2单元301室")
    assert re.fullmatch(r"..省..市..区..路\d\d号\d单元\d{3}室", written)
    for part in ("浙江", "杭州", "西湖", "文三", "301"):
        assert part not in written


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(("card", "6222 0212"), ("card", "six two two two"), ("phone", "65541234"), ("mac", "001a.2b3c")),
        *(
            ("account", "wx_zhang"),
            ("birth_date", "5月12日"),
            ("name", "阿依古丽·买买提"),
            ("plate", "7ABC123"),
        ),
    ],
)
def test_there_is_none_for_a_form_in_which_nothing_is_nobody_s(kind: Kind, text: str) -> None:
    """Pieces of numbers, numbers in words: they take their tag."""
    assert pseudonym(kind, text, key=KEY, session="s") is None
