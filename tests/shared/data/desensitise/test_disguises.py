"""What is read behind markup, escapes and odd signs; and where nothing is."""

from __future__ import annotations

from typing import Any

import pytest

from sft_shared.data.desensitise.canonical import read


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("4532<br>8123<br>4567<br>8905", "4532-8123-4567-8905"),
        ("4532&nbsp;8123", "4532 8123"),
        ("a%40qq%2Ecom", "a@qq.com"),
        ("a&amp;#64;qq.com", "a@qq.com"),
        ("**1101**01199003071233", "**110101199003071233"),
        ("138~1234~5678", "138-1234-5678"),
    ],
)
def test_a_number_or_address_is_read_plainly(written: str, plain: str) -> None:
    """And each character knows where it stood."""
    canonical = read(written)[1]
    assert canonical.text == plain
    start, end = canonical.original(0, len(plain))
    assert (start, end) == (0, len(written))


@pytest.mark.parametrize("text", ["AT&T 50% a**b", "2018~2019", "4:3, 16:9", "a&lt;b", "100%", "3 + 4 + 5"])
def test_other_text_stays(text: str) -> None:
    """Sums, ratios, shares, code."""
    assert read(text)[1].text == text


@pytest.mark.parametrize("piece", ["4532 ~ ", "<", "&#64", "**1", "4532然后", "1"])
def test_hostile_text_takes_linear_time(piece: str, grows_linearly: Any) -> None:
    """100 kB of what the patterns are made of."""
    grows_linearly(lambda count: read(piece * count), 100_000 // len(piece))
