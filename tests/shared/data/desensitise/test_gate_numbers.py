"""The gate's look at numbers: what is certain, what is suspect, and what is nothing."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sft_shared.data.desensitise.gate_numbers import is_card, is_resident_id, joined_kind, numbers
from sft_shared.data.desensitise.numerals import plain


def found(text: str, *, certain: bool = True) -> list[tuple[str, str]]:
    """(kind, text) of the hits that are certain, or of those that are not."""
    hits = numbers(plain(text))
    return [(hit.kind, text[hit.start : hit.end]) for hit in hits if hit.certain == certain]


@pytest.mark.parametrize(
    "card",
    [
        *("4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "4111.1111.1111.1111"),
        *(
            "４１１１１１１１１１１１１１１１",
            "四一一一一一一一一一一一一一一一",
            "肆壹壹壹-壹壹壹壹-壹壹壹壹-壹壹壹壹",
        ),
        *("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "41 11 11 11 11 11 11 11", "4111\u200b1111\u200b1111\u200b1111"),
        *("4111\u00a01111\u00a01111\u00a01111", "4111 - 1111 - 1111 - 1111", "4111\n1111\n1111\n1111"),
        *("6222021234567890128", "6222 0212 3456 7890 128", "3782 822463 10005", "5500005555555559"),
        *("①②③①①①①①①①①①①①①①".replace("①②③", "④①①"), "4111·1111·1111·1111", "4111/1111/1111/1111"),
    ],
)
@pytest.mark.parametrize("frame", ["{}", "卡号{}，谢谢", "my card {} 123", "card: {}, 12/27", "a {}b{}"])
def test_a_card_number_is_certain_in_any_disguise(card: str, frame: str) -> None:
    """Width, spaces, dashes, script; alone, in a sentence, with a security code behind it."""
    if "b{}" in frame:
        frame = "{0}，{0}"
    assert ("card", card) in found(frame.format(card))


@pytest.mark.parametrize(
    "number",
    [
        "11010519491231002X",
        "110105 19491231 002x",
        "１１０１０５１９４９１２３１００２Ｘ",
        "440305-19900512-1232",
    ],
)
def test_an_identity_number_is_certain(number: str) -> None:
    """Its division, date and check digit say so."""
    number = number if "1232" not in number else "440305-19900512-" + _last_four("44030519900512")
    assert found(f"身份证{number}。") == [("resident_id", number)]


@pytest.mark.parametrize(
    "number",
    [
        *(
            "13812345678",
            "138-1234-5678",
            "138 1234 5678",
            "１３８１２３４５６７８",
            "幺三八一二三四五六七八",
        ),
        *("+86 138 1234 5678", "8613812345678", "1 3 8 1 2 3 4 5 6 7 8"),
    ],
)
def test_a_mobile_is_certain(number: str) -> None:
    """In the usual groups, with and without the country."""
    hits = found(f"请打{number}。")
    assert [kind for kind, _ in hits] == ["phone"]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "订单号 4111111111111111",
            "版本 1.2.3.4",
            "2024-06-18 12:34:56.789",
            "时间戳1694500000123",
            "共1380000元",
        ),
        *(
            "15412345678",
            "6200 0085 0219 0963",
            "990000196101145971",
            "0.4111111111111111",
            "13812345678.55 元",
        ),
        *("¥13812345678", "1500 2000 300", "SO4111111111111111", "deadbeef13812345678cafe", "151.146.246.85"),
        *("550e8400-e29b-41d4-a716-446655440000", "110105194913310025", "0000000000000000", "12345678901"),
    ],
)
def test_other_numbers_are_not_certain(text: str) -> None:
    """Orders, versions, times, amounts, codes, pseudonyms, and numbers that fail their check."""
    assert found(text) == []


def test_a_code_that_may_be_a_card_is_suspect() -> None:
    """It is counted; an order number passes Luhn's check one time in ten."""
    assert found("SO4111111111111111", certain=False) == [("card", "4111111111111111")]
    assert found("¥13812345678", certain=False) == [("phone", "13812345678")]


def test_a_table_of_numbers_is_no_card_and_two_cards_side_by_side_are() -> None:
    """Windows over rows of four digits pass the checks by chance; a second card right behind does not."""
    draw = random.Random(0)
    rows = [" ".join(f"{draw.randint(1000, 9999)}" for _ in range(40)) for _ in range(200)]
    assert sum(len(found(row)) for row in rows) == 0
    assert sum(len(found(row, certain=False)) for row in rows) > 50
    assert len(found("4111 1111 1111 1111 5500 0055 5555 5559")) == 2


def test_random_order_numbers_are_seldom_certain() -> None:
    """One in thirty passes for a card of 16 digits; called an order's number it is a suspect only."""
    draw = random.Random(1)
    orders = [str(draw.randint(10**15, 10**16 - 1)) for _ in range(3000)]
    assert sum(bool(found(order)) for order in orders) < 3000 / 25
    for frame in ("订单号：{}", "order_id\x1e{}", "Tracking number {}"):
        assert [order for order in orders if found(frame.format(order))] == []
    assert found("订单付款卡号4111111111111111") == [("card", "4111111111111111")]


@pytest.mark.parametrize(
    ("digits", "right"),
    [
        *(("4111111111111111", True), ("4111111111111112", False), ("411111111111111", False)),
        *(("378282246310005", True), ("9111111111111111", False), ("6200000000000005", True)),
    ],
)
def test_a_card_is_of_an_issuer_and_its_length(digits: str, right: bool) -> None:
    """And passes Luhn's check."""
    assert is_card(digits) == right


def test_an_identity_number_needs_a_date_that_exists() -> None:
    """A right check digit alone is not enough."""
    assert is_resident_id("11010519491231002X")
    assert not is_resident_id("110105194913310025")
    assert not is_resident_id("99010519491231002X")


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        (["6222", "0212", "3456", "7890128"], ("card", True)),
        (["62220212", "34567890128"], ("card", True)),
        (["622202123", "4567890128"], ("card", False)),
        (["110105", "19491231002X"], ("resident_id", True)),
        (["138", "12345678"], ("phone", True)),
        (["13", "812345678"], None),
        (["1234", "5678"], None),
    ],
)
def test_pieces_make_a_number_together(parts: list[str], kind: tuple[str, bool] | None) -> None:
    """Certain where they are cut as people cut them."""
    assert joined_kind(parts) == kind


@pytest.mark.parametrize("piece", ["4", "4 ", "4.", "4111 1111 1111 1111 ", "0 x", "13812345678 ", "1-"])
def test_hostile_text_takes_linear_time(piece: str, grows_linearly: Any) -> None:
    """300 kB of what the patterns are made of."""
    grows_linearly(lambda count: list(numbers(piece * count)), 300_000 // len(piece))


def _last_four(body: str) -> str:
    from sft_shared.data.desensitise.numerals import resident_check_digit

    return "123" + resident_check_digit(f"{body}123")
