"""Values that were found once are followed through the dialogue."""

from __future__ import annotations

import pytest

from sft_shared.data.desensitise.known import Known
from sft_shared.data.desensitise.spans import Kind, Span


def known(kind: Kind, value: str) -> Known:
    """What one find makes known."""
    return Known([(value, Span(0, len(value), kind, 0.8))])


@pytest.mark.parametrize(
    ("kind", "value", "text", "expected"),
    [
        ("account", "6217000123456", "用 6217 0001 23456 付", ["6217 0001 23456"]),
        ("account", "6217000123456", "用６２１７０００１２３４５６付", ["６２１７０００１２３４５６"]),
        ("account", "6217000123456", "96217000123456", []),
        ("account", "6217000123456", "no6217 0001 23456My", ["6217 0001 23456"]),
        ("name", "张伟", "张伟和张伟明", ["张伟", "张伟"]),
        ("name", "Alice", "Alice, not Alicement", ["Alice"]),
        ("name", "Will", "Will you come?", []),
        ("name", "Will Smith", "Will Smith will come", ["Will Smith"]),
        ("account", "123", "123 times", []),
    ],
)
def test_a_known_value_is_found_where_nothing_says_what_it_is(
    kind: Kind, value: str, text: str, expected: list[str]
) -> None:
    """Spaced and wide as well; not within another word or number, and no word that is also a name."""
    places = known(kind, value).places(text, alone=False)
    assert [text[span.start : span.end] for span in places] == expected


def test_an_argument_by_itself_may_be_such_a_word() -> None:
    """The whole value of an argument is the name that was said before."""
    places = list(known("name", "Will").places("Will", alone=True))
    assert [(span.start, span.end) for span in places] == [(0, 4)]


def test_a_value_has_one_kind() -> None:
    """That of its most confident find."""
    found = Known(
        [
            ("6222021234567890128", Span(0, 19, "account", 0.6)),
            ("6222 0212 3456 7890 128", Span(0, 23, "card", 1.0)),
        ]
    )
    assert found.kind("6222021234567890128", "account") == "card"
    assert found.kind("77777777", "order") == "order"
