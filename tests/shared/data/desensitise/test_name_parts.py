"""Of a name that was found, its parts are followed where they stand as somebody, and nowhere else."""

from __future__ import annotations

import pytest

from sft_shared.data.desensitise.known import Known
from sft_shared.data.desensitise.name_parts import parts_of
from sft_shared.data.desensitise.spans import Span


def followed(name: str, text: str) -> list[str]:
    """What is taken for that person in a later text."""
    known = Known([(name, Span(0, len(name), "name", 0.9))])
    return [text[span.start : span.end] for span in known.places(text, alone=False)]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("欧阳娜娜", "好的，娜娜，马上办", ["娜娜"]),
        ("欧阳娜娜", "麻烦转告娜娜", ["娜娜"]),
        ("欧阳娜娜", "那就找娜娜姐吧", ["娜娜"]),
        ("欧阳娜娜", "欧阳娜娜您好", ["欧阳娜娜"]),
        ("陈春梅", "春梅您好", ["春梅"]),
        ("买买提·艾力江", "艾力江，请问", ["艾力江"]),
        ("Alice Okonkwo", "Hi Alice, thanks. Mrs Okonkwo will call", ["Alice", "Okonkwo"]),
        ("Alice Okonkwo", "It was Alice's parcel", ["Alice"]),
        ("ALICE OKONKWO", "ask Alice", ["Alice"]),
    ],
)
def test_a_part_is_followed(name: str, text: str, expected: list[str]) -> None:
    """Spoken to, between marks, before a title; the whole name stays one."""
    assert followed(name, text) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            ("王明天", "明天，我再打来"),
            ("王明天", "好的，明天"),
            ("李高兴", "高兴，太高兴了"),
            ("张建国", "建国七十年"),
        ),
        *(("陈子涵", "分子涵盖面"), ("欧阳娜娜", "安娜娜塔莎"), ("王芳", "芳，香"), ("欧阳娜", "娜，好")),
        *(("Will Okonkwo", "Will you come?"), ("Mark Chen", "Mark the date"), ("May Lindqvist", "May I ask")),
        *(
            ("Alice Springfield", "Alice Springs"),
            ("Jo Okonkwo", "Jo said"),
            ("Alice Okonkwo", "alice@x.com"),
        ),
        *(
            ("Rosa Parker", "Parker pen refills"),
            ("Alice Okonkwo", "Okonkwo & Sons"),
            ("Alice Okonkwo", "Alicement"),
        ),
    ],
)
def test_words_and_other_names_stay(name: str, text: str) -> None:
    """A word that is also a name, two characters of different words, a place, a firm, an initial part."""
    assert followed(name, text) == []


def test_a_single_name_has_no_parts() -> None:
    """Nor has one whose given name is one character."""
    assert [list(parts_of(name, confidence=1)) for name in ("Alice", "王芳", "小王", "娜娜")] == [
        [],
        [],
        [],
        [],
    ]
