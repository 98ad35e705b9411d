"""Files in lines of bounded length, and strict JSON."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.lines import FIXES, BadLine, HashedRange, Line, decode, parse_json, parse_object, read_lines


def lines_of(
    data: bytes, *, max_line_bytes: int = 1000, start: int = 0, length: int | None = None
) -> list[Line]:
    source = HashedRange(io.BytesIO(data), start=start, length=len(data) if length is None else length)
    return list(read_lines(source, max_line_bytes=max_line_bytes))


def test_a_line_that_is_too_long_is_passed_over() -> None:
    """Only its length is kept; the lines around it are whole."""
    lines = lines_of(b"one\n" + b"x" * 300_000 + b"\ntwo", max_line_bytes=10)
    assert [line.data for line in lines] == [b"one\n", None, b"two"]
    assert [line.number for line in lines] == [1, 2, 3]
    assert lines[1].num_bytes == 300_001


def test_a_range_is_read_and_nothing_behind_it() -> None:
    lines = lines_of(b"a\nbb\nccc\n", start=2, length=3)
    assert [line.data for line in lines] == [b"bb\n"]


@given(st.binary(max_size=200), st.integers(1, 20))
def test_lines_lose_no_byte(data: bytes, limit: int) -> None:
    """Lengths add up, and what is short enough comes out as it went in."""
    lines = lines_of(data, max_line_bytes=limit)
    assert sum(line.num_bytes for line in lines) == len(data)
    expected = [line if len(line.rstrip(b"\n")) <= limit else None for line in io.BytesIO(data)]
    assert [line.data for line in lines] == expected


def test_a_range_is_hashed_as_it_is_read() -> None:
    """The hash is that of the bytes, also of those passed over."""
    first = HashedRange(io.BytesIO(b"abc\n" * 9), start=0, length=36)
    second = HashedRange(io.BytesIO(b"abc\n" * 9), start=0, length=36)
    other = HashedRange(io.BytesIO(b"abc\n" * 8 + b"abd\n"), start=0, length=36)
    for source, limit in ((first, 10), (second, 1), (other, 10)):
        list(read_lines(source, max_line_bytes=limit))
    assert first.digest() == second.digest() != other.digest()


BAD = [
    ("broken-json", b'{"a":'),
    ("broken-json", b'{"a": NaN}'),
    ("broken-json", b'{"a": [-Infinity]}'),
    ("broken-json", b"[" * 100_000),
    ("broken-json", b'{"a": ' + b"9" * 5000 + b"}"),
    ("broken-json", b'{"a": 1} {"a": 2}'),
    ("broken-json", b'{"a": "\x00"}'),
    ("byte-order-mark", b'\xef\xbb\xbf{"a": 1}'),
    ("byte-order-mark", b'{"a": 1}\xef\xbb\xbf'),
    ("duplicate-key", b'{"a": 1, "a": 2}'),
    ("duplicate-key", b'{"b": [{"a": 1, "\\u0061": 1}]}'),
    ("lone-surrogate", rb'{"a": "\ud800"}'),
    ("lone-surrogate", rb'{"\uDC00\uD83D": 1}'),
    ("not-an-object", b"[1]"),
    ("not-utf-8", b'{"a": "\xff"}'),
    ("not-utf-8", b'{"a": "\xed\xa0\x80"}'),  # half of a surrogate pair as bytes
]


@pytest.mark.parametrize(("rule", "data"), BAD, ids=[f"{rule}-{at}" for at, (rule, _) in enumerate(BAD)])
def test_what_two_readers_could_read_differently_is_refused(rule: str, data: bytes) -> None:
    """By a rule that has a fix."""
    with pytest.raises(BadLine) as caught:
        parse_object(decode(data))
    assert caught.value.rule == rule
    assert rule in FIXES


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.booleans())
def test_sound_json_comes_out_as_it_is(value: object, ascii_only: bool) -> None:
    """Escaped or not; pairs of surrogates are characters, and an escaped backslash is no escape."""
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only)) == value
    assert parse_json(r'["\ud83d\ude00", "\\ud800"]') == ["\U0001f600", r"\ud800"]
