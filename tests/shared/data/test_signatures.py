"""Tools become short, readable signatures."""

from __future__ import annotations

import pytest

from sft_shared.data.signatures import first_sentence, signature, type_name
from sft_shared.dialogue import Tool


def test_a_signature_shows_types_choices_defaults_and_one_sentence() -> None:
    """Required parameters are bare, optional ones carry their default or dots."""
    tool = Tool(
        name="book",
        description="Book a table at a place. More text that is left out.",
        parameters={
            "type": "object",
            "properties": {
                "place": {"type": "string"},
                "guests": {"type": "integer", "default": 2},
                "area": {"type": "string", "enum": ["in", "out"]},
                "tags": {"type": "array", "items": {"type": "string"}},
                "note": {"type": "string"},
            },
            "required": ["place", "area"],
        },
    )
    assert signature(tool, description_words=15) == (
        'book(place: str, guests: int = 2, area: "in"|"out", tags: list[str] = ..., note: str = ...)'
        " - Book a table at a place"
    )
    assert signature(tool, description_words=3).endswith(" - Book a table")
    assert signature(tool, description_words=0).endswith("note: str = ...)")


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ({"type": "number"}, "float"),
        ({"type": "boolean"}, "bool"),
        ({"type": "object"}, "dict"),
        ({"type": "array"}, "list"),
        ({"type": ["string", "null"]}, "any"),
        ({}, "any"),
        ("string", "any"),
        ({"type": "string", "enum": list("abcdefghi")}, "str"),
    ],
)
def test_any_schema_has_a_type_name(schema: object, name: str) -> None:
    """Unusual or malformed schemas are shown as ``any``; a long enum by its type."""
    assert type_name(schema) == name


def test_the_first_sentence_is_found_in_english_and_chinese() -> None:
    """A full stop inside a number does not end a sentence."""
    assert first_sentence("Uses v1.5 of it.\nThen more.", max_words=9) == "Uses v1.5 of it"
    assert first_sentence("查询天气。返回温度。", max_words=9) == "查询天气"
    assert first_sentence("", max_words=9) == ""
