"""Card numbers are masked wherever they stand, and other numbers are left alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from sft_shared.data.finance.cards import MaskCards, is_card
from sft_shared.dialogue import Example


def card(body: str) -> str:
    return body + luhn.calc_check_digit(body)


UNION = card("622202123456789012")  # 19 digits
VISA = "4111111111111111"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"卡号{VISA}。", "卡号411111******1111。"),
        ("4111 1111 1111 1111", "4111 11** **** 1111"),
        ("4111-1111-1111-1111", "4111-11**-****-1111"),
        ("４１１１１１１１１１１１１１１１", "４１１１１１******１１１１"),
        (UNION, UNION[:6] + "*" * 9 + UNION[-4:]),
        (f"{VISA},5555555555554444", "411111******1111,555555******4444"),
    ],
)
def test_a_card_number_is_masked_where_it_stands(text: str, masked: str) -> None:
    """Spaces, dashes and full width stay; the text keeps its length."""
    assert MaskCards().text(text) == masked


@pytest.mark.parametrize(
    "text",
    ["4111111111111112", "订单20260305123456789", "1234567890123", "0000000000000000", "A4111111111111111",
     "13812345678", "4111111111111111222233", "3.14159265358979323"],
)  # fmt: skip
def test_other_numbers_are_left_alone(text: str) -> None:
    """A wrong check digit, no issuer, too short or long, and pieces of longer codes."""
    assert MaskCards().text(text) == text


@pytest.mark.parametrize(
    ("keep", "shown"), [("last4", "************1111"), ("first4_last4", "4111********1111")]
)
def test_what_is_kept_is_a_setting(keep: str, shown: str) -> None:
    """The last four always."""
    assert MaskCards.model_validate({"keep": keep}).text(VISA) == shown


def test_arguments_results_labels_and_expected_calls_are_masked() -> None:
    """Strings, numbers and nested lists of JSON; a label's value follows."""
    arguments = f'{{"card": "{VISA}", "n": {VISA}, "more": [{{"x": "{VISA}"}}], "amount": 100}}'
    call = {"id": "c", "type": "function", "function": {"name": "pay", "arguments": arguments}}
    example = Example.model_validate(
        {
            "id": "e",
            "messages": [
                {"role": "user", "content": f"用{VISA}付款"},
                {"role": "assistant", "tool_calls": [call]},
                {"role": "tool", "content": f'{{"card": "{VISA}"}}', "tool_call_id": "c"},
                {"role": "assistant", "content": "已用尾号1111的卡付款"},
            ],
            "entities": [{"type": "card", "value": VISA, "message": 0, "start": 1, "end": 17}],
            "expected_calls": [{"name": "pay", "arguments": {"card": [VISA]}}],
            "provenance": {"source": "s", "session": "s"},
        }
    )
    masked = MaskCards()(example)
    assert VISA in example.model_dump_json()
    assert VISA not in masked.model_dump_json()
    assert Example.model_validate(masked.model_dump()) == masked
    assert masked.entities[0].value == "411111******1111"
    assert masked.messages[1].tool_calls[0].arguments["amount"] == 100
    assert MaskCards()(masked) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f'{{"card":{VISA}}}', '{"card":"411111******1111"}'),
        (f'[{VISA}, {{"note": "卡\\"{VISA}", "n": 1.5}}]',
         '["411111******1111", {"note": "卡\\"411111******1111", "n": 1.5}]'),
        (f'{{"card": "{VISA}"}}', '{"card": "411111******1111"}'),
        (f'{{"card":{VISA}', '{"card":411111******1111'),
    ],
)  # fmt: skip
def test_json_stays_json(text: str, masked: str) -> None:
    """A number becomes text; what is no JSON to begin with is masked as text is."""
    assert MaskCards().text(text) == masked
    if text.endswith(("}", "]")):
        json.loads(masked)


def test_labels_on_json_move_with_its_quotes() -> None:
    """The label of the number is the masked number, without quotes; those behind it stay on their words."""
    content = f'{{"card":{VISA},"city":"新乡"}}'
    labels = [(VISA, "card"), ("新乡", "city"), ("card", "key")]
    example = Example.model_validate(
        {
            "id": "e",
            "messages": [{"role": "user", "content": content}, {"role": "assistant", "content": "好"}],
            "entities": [
                {"type": kind, "value": value, "message": 0,
                 "start": (at := content.index(value)), "end": at + len(value)}
                for value, kind in labels
            ],
            "provenance": {"source": "s", "session": "s"},
        }
    )  # fmt: skip
    masked = MaskCards()(example)
    assert [each.value for each in masked.entities] == ["411111******1111", "新乡", "card"]
    assert Example.model_validate(masked.model_dump()) == masked


DIGITS = st.text("0123456789", min_size=12, max_size=18)


@given(
    st.sampled_from(["4", "51", "6222", "35"]),
    DIGITS,
    st.sampled_from(["", " ", "-", "　"]),
    st.text("卡号：，. ", max_size=4),
)
def test_every_valid_number_is_masked_and_offsets_stay(issuer: str, body: str, gap: str, around: str) -> None:
    """In any grouping; the rest of the text is untouched."""
    number = card((issuer + body)[:18])
    if not is_card(number) or around.endswith("."):
        return
    shown = gap.join(number[place : place + 4] for place in range(0, len(number), 4))
    text = f"{around}{shown}{around}"
    masked = MaskCards(keep="last4").text(text)
    assert len(masked) == len(text)
    assert masked.count("*") == len(number) - 4
    assert masked.replace("*", "") != text
    assert MaskCards(keep="last4").text(masked) == masked
