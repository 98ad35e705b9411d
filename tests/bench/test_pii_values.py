"""Made-up values are what they claim to be: check digits, issuers, number plans, address forms."""

from __future__ import annotations

import ipaddress
import random
import re

import phonenumbers
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iban, isbn, luhn
from stdnum.cn import ric

from bench import pii_secrets, pii_values
from bench.pii_disguise import cut, disguise, full_width, groups_of, plain

draws = st.integers(0, 1 << 40).map(random.Random)


@given(draws)
def test_cards_have_their_luhn_digit_and_their_issuers_length(draw: random.Random) -> None:
    """14 to 19 digits; UnionPay cards begin with 62."""
    card = pii_values.card(draw)
    assert luhn.is_valid(card)
    lengths = {length for prefix, length in _issuers().items() if card.startswith(prefix)}
    assert len(card) in lengths


def _issuers() -> dict[str, int]:
    return pii_values.UNION_PAY | pii_values.OTHER_CARDS


@given(draws)
def test_resident_ids_have_a_birth_date_and_their_check_digit(draw: random.Random) -> None:
    """As stdnum computes it; X included."""
    number = pii_values.resident_id(draw)
    assert ric.calc_check_digit(number) == number[-1]
    assert 1948 <= ric.get_birth_date(number).year <= 2012


def test_some_resident_ids_end_in_x() -> None:
    """About one in eight."""
    draw = random.Random(0)
    share = sum(pii_values.resident_id(draw).endswith("X") for _ in range(2000)) / 2000
    assert 0.1 < share < 0.16


@given(draws)
def test_phone_numbers_exist_in_their_countrys_plan(draw: random.Random) -> None:
    """400 numbers and every written form included."""
    chinese = pii_values.phone_zh(draw)
    assert phonenumbers.is_valid_number(phonenumbers.parse(chinese.replace("(+86)", "+86"), "CN")), chinese
    american = pii_values.phone_us(draw)
    assert phonenumbers.is_valid_number(phonenumbers.parse(american, "US")), american
    british = pii_values.phone_uk(draw)
    assert phonenumbers.is_valid_number(phonenumbers.parse(british, "GB")), british
    foreign = pii_values.phone_intl(draw)
    assert phonenumbers.is_valid_number(phonenumbers.parse(foreign, None)), foreign


@given(draws)
def test_ibans_isbns_and_ip_addresses_are_valid(draw: random.Random) -> None:
    """No IP address stands for this machine or for none."""
    assert iban.is_valid(pii_secrets.iban(draw))
    assert isbn.is_valid(pii_secrets.FILLERS["isbn"](draw))
    address = ipaddress.ip_address(pii_values.ip(draw))
    assert not address.is_loopback
    assert not address.is_unspecified


@given(draws)
def test_harmless_numbers_are_no_cards_by_chance(draw: random.Random) -> None:
    """Orders, accounts and fillers of card length fail the Luhn check; plates have six or seven places."""
    for maker in (pii_secrets.order, pii_secrets.account, *pii_secrets.FILLERS.values()):
        made = maker(draw)
        if re.fullmatch(r"\d{13,19}", made) and maker is not pii_secrets.FILLERS["isbn"]:
            assert not luhn.is_valid(made)
    assert re.fullmatch(r"[一-龥][A-Z][·\s]?[A-Z0-9]{5,6}", pii_values.plate(draw))


@given(draws, st.sampled_from(["prose", "json", "log"]), st.sampled_from(["zh", "en"]))
def test_a_disguise_changes_the_writing_but_not_the_number(
    draw: random.Random, style: str, language: str
) -> None:
    """What lies behind it is the same, and log lines keep their numbers plain."""
    for kind, maker in (("card", pii_values.card), ("resident_id", pii_values.resident_id)):
        value = maker(draw)
        hidden = disguise(draw, kind, value, language=language, style=style)
        assert plain(hidden) == plain(value)
        if style == "log":
            assert hidden == value
        if language == "en":
            assert hidden.isascii()


def test_disguises_of_every_form_occur() -> None:
    """Full width, groups, single digits and Chinese numerals, among a few hundred draws."""
    draw = random.Random(1)
    seen = {disguise(draw, "phone", "13912345678", language="zh", style="prose") for _ in range(400)}
    assert {"139 1234 5678", "139-1234-5678", "139.1234.5678", "1 3 9 1 2 3 4 5 6 7 8"} <= seen
    assert {full_width("13912345678"), "一三九一二三四五六七八", "幺三九幺二三四五六七八"} <= seen


def test_a_value_is_cut_at_its_groups_and_nothing_is_lost() -> None:
    """Three pieces of a 19-digit card, two of a resident ID; a card of 18 digits is no resident ID."""
    assert cut("6222021234567890123", 3) == ["62220212", "34567890", "123"]
    assert cut("11010519491231002X", 2) == ["11010519491231", "002X"]
    assert groups_of("622918123456789012") == ["6229", "1812", "3456", "7890", "12"]
