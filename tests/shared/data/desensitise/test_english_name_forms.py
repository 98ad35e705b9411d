"""Names that their form or what goes before gives away, in either case."""

from __future__ import annotations

import pytest

from sft_shared.data.desensitise.english_name_forms import find_named_by_form


def names(text: str) -> set[str]:
    return {text[span.start : span.end] for span in find_named_by_form(text)}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Attendees: OKAFOR, NGOZI; O'BRIEN, SEAN", "OKAFOR, NGOZI"),
        ("Passenger: Kowalczyk/Anna", "Kowalczyk/Anna"),
        ('From: Robert "Bobby" Tran', 'Robert "Bobby" Tran'),
        ("minutes by J. P. Mbeki", "J. P. Mbeki"),
        ("@Pritam can you check?", "Pritam"),
        ("mrs delgado wants the heating fixed", "delgado"),
        ("hey priya, any update?", "priya"),
        ("so i talked to chinedu okonkwo and he left", "chinedu okonkwo"),
        ("its kevin again", "kevin"),
        ("my husband Gareth is on it", "Gareth"),
    ],
)
def test_a_name_is_found_by_its_form(text: str, name: str) -> None:
    """Turned round, with initials or a nickname, mentioned, addressed."""
    assert name in names(text)


@pytest.mark.parametrize(
    "text",
    [
        "Paris, Texas",
        "GB/T 22239 applies",
        "Section A. Introduction follows",
        "mail me @ work",
        "hey there, any update?",
        "it's urgent",
        "thanks guys",
        "Is Dr Pepper sold here?",
        "from monday to friday",
    ],
)
def test_words_in_the_same_place_are_no_names(text: str) -> None:
    """Places, standards, headings, brands, and ordinary words after a greeting."""
    assert names(text) == set()
