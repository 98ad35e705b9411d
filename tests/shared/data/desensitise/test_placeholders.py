"""What is known as standing in place of personal data, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from sft_shared.data.desensitise.placeholders import FILLER, is_placeholder, mask


@pytest.mark.parametrize(
    "text",
    [
        *("[信用卡号]", "[CARD]", "15412345678", "154 1234 5678", "+86 154-1234-5678", "(415) 555-0123"),
        *("someone@example.com", "198.18.3.4", "203.0.113.9", "2001:db8::1", "06:00:00:1a:2b:3c"),
        *("京I12345", "sk-abcdeEXAMPLE", "1900-05-12", "1900年5月12日", "May 12, 1900", "张砚禾", "某"),
        *(
            "Quillmere Tarrowgate",
            "澄泽市岚渡区昭坪路12号3单元401室",
            "12 Quillmere Street, Wexholm, ZZ 12345",
        ),
    ],
)
def test_a_placeholder_is_known_by_its_form(text: str) -> None:
    """Alone, and with text on both sides."""
    assert is_placeholder(text)
    assert mask(f"是{text}，好") == f"是{FILLER * len(text)}，好"


@pytest.mark.parametrize(
    "text",
    [
        *("[订单]", "13812345678", "(415) 555-2671", "me@example.cn", "me@notexample.com", "198.51.99.1"),
        *("00:1a:2b:3c:4d:5e", "京A12345", "sk-abcdef123456", "1990-05-12", "张伟", "Alice Smith"),
        *("4111 1111 1111 1111", "11010519491231002X", "北京市海淀区中关村大街27号", "9912345678"),
    ],
)
def test_a_real_value_is_none(text: str) -> None:
    """Not a character of it is masked."""
    assert mask(text) == text


@pytest.mark.parametrize(
    ("placeholder", "beside"),
    [
        ("15412345678", "13812345678"),
        ("Quillmere", "138 1234 5678"),
        ("Quillmere Road", "4111 1111 1111 1111"),
        ("澄泽路", "13812345678"),
        ("澄泽路", "138-1234-5678"),
        ("[CARD]", "4111111111111111"),
        ("a@example.com", "a@qq.com"),
        ("198.18.3.4", "8.8.4.4"),
    ],
)
@pytest.mark.parametrize("between", [" ", "，", "\n"])
def test_a_placeholder_does_not_hide_its_neighbour(placeholder: str, beside: str, between: str) -> None:
    """On neither side."""
    for text in (f"{placeholder}{between}{beside}", f"{beside}{between}{placeholder}"):
        assert mask(text) == text.replace(placeholder, FILLER * len(placeholder))


@pytest.mark.parametrize(
    "piece",
    ["4 ", "9 9a", "0 0", "EXAMPLE", "a@", "王砚", "澄泽", "quillby ", "1 Main ", "[", "06:00:", "1900-"],
)
def test_hostile_text_takes_linear_time(piece: str, grows_linearly: Any) -> None:
    """300 kB of what placeholders are made of."""
    grows_linearly(lambda count: mask(piece * count), 300_000 // len(piece))
