"""Plates are known by their form in China, and elsewhere by what is said around them."""

from __future__ import annotations

import pytest

from sft_shared.data.desensitise.cues import Reading
from sft_shared.data.desensitise.folding import fold
from sft_shared.data.desensitise.plates import find_plates


def plates(text: str) -> list[str]:
    return [text[span.start : span.end] for span in find_plates(Reading(fold(text)))]


@pytest.mark.parametrize(
    ("text", "plate"),
    [
        ("那辆陕A·6P07T挡着卷帘门", "陕A·6P07T"),
        ("My rego is CXR 48K and the app rejects it", "CXR 48K"),
        ("the plates read HJK-4471", "HJK-4471"),
        ("BV14 WXE is the reg of my van", "BV14 WXE"),
        ("registration: wn22 ouk", "wn22 ouk"),
        ("They towed my car, tag IJK 45B", "IJK 45B"),
        ("Can you add 7TRX442 to my permit? That's my license plate.", "7TRX442"),
        ("truck with plate number 99-KL-22", "99-KL-22"),
    ],
)
def test_a_plate_is_found_whole(text: str, plate: str) -> None:
    """In either case, with any separator, before or after the word that calls it one."""
    assert plates(text) == [plate]


@pytest.mark.parametrize(
    "text",
    [
        "license plate frame 12x6",
        "2024-05-06 gate: plate reader restarted",
        "the number plate light went out 3rd time",
        "registration opens in May 2025",
        "I eat from a plate, ISBN A1B2C3",
        "order HJK-4471 has not come",
    ],
)
def test_other_codes_are_no_plates(text: str) -> None:
    """Sizes, dates and numbers of other things stay."""
    assert plates(text) == []
