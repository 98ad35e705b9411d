"""An address is read back from its postal code, in the forms of many countries."""

from __future__ import annotations

import pytest

from sft_shared.data.desensitise.postal_addresses import find_postal_addresses


def addresses(text: str) -> set[str]:
    return {text[span.start : span.end] for span in find_postal_addresses(text)}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("my place is flat 7, 12 hazel rd, leeds ls6 3nt now", "flat 7, 12 hazel rd, leeds ls6 3nt"),
        ("It is Plot 14, Sector 21, Gurgaon, Haryana 122016.", "Plot 14, Sector 21, Gurgaon, Haryana 122016"),
        ("send it to 250 Rue Saint-Paul, Montréal, QC H2Y 1G9", "250 Rue Saint-Paul, Montréal, QC H2Y 1G9"),
        ("Rural Route 3, Box 118, Salina, KS 67401", "Rural Route 3, Box 118, Salina, KS 67401"),
        ("Hauptstraße 12, 10115 Berlin", "Hauptstraße 12, 10115 Berlin"),
        ("14 Rue de Rivoli, 75001 Paris", "14 Rue de Rivoli, 75001 Paris"),
        ("so the address is forty two elm grove", "forty two elm grove"),
    ],
)
def test_an_address_is_found_from_its_house_to_its_code(text: str, address: str) -> None:
    """The first house or number from which no prose follows is where it begins."""
    assert address in addresses(text)


@pytest.mark.parametrize(
    "text",
    [
        "We sold 20 boxes, shipped on Monday, total 5000",
        "Invoice 12, due June, 2024",
        "Room 4 is free, call reception, then pay 1500",
        "In 2023, Paris 75001 was quiet",
    ],
)
def test_prose_with_numbers_is_no_address(text: str) -> None:
    """A number, a comma and a code alone are not enough."""
    assert addresses(text) == set()
