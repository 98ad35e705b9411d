"""Which digits reach somebody: the numbering plans of the world, by Google's libphonenumber."""

from __future__ import annotations

from collections.abc import Iterable

import phonenumbers

_REGIONS = (
    "US",
    "GB",
    "AU",
    "IN",
    "FR",
    "DE",
    "IE",
    "NZ",
    "TW",
    "SG",
    "HK",
    "JP",
    "IT",
    "ES",
    "BR",
    "MX",
    "KR",
    "NL",
    "ZA",
    "AE",
)


def is_valid_anywhere(digits: str) -> bool:
    """Would the digits reach somebody if dialled within one of the larger countries?"""
    return _is_valid(digits, _REGIONS)


def is_valid_abroad(digits: str) -> bool:
    """Would they, dialled with a + before them?"""
    return _is_valid(f"+{digits}", (None,))


def is_valid_in(region: str, digits: str) -> bool:
    """Would they, dialled within one country (ISO 3166)?"""
    return _is_valid(digits, (region,))


def _is_valid(digits: str, regions: Iterable[str | None]) -> bool:
    for region in regions:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(digits, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False
