"""Which digits reach somebody: the numbering plans of the world, by Google's libphonenumber."""

from __future__ import annotations

import re
from collections.abc import Iterable

import phonenumbers

_REGIONS = (
    "US",
    "CN",
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
    "KE",
    "NG",
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


_FOR_FICTION = re.compile(
    r"\+?(?:(?:44|0)(?:7700900|1632960)\d{3}|(?:353|0)2091\d{5}|(?:33|0)63998\d{4}|1?555\d{7})"
)
"""Kept free for books and films in Britain, Ireland and France, or no area's: people write them in texts."""


def _is_valid(digits: str, regions: Iterable[str | None]) -> bool:
    if _FOR_FICTION.fullmatch(digits):
        return True
    for region in regions:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(digits, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False
