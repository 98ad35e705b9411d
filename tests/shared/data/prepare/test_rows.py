"""Rows between stages: what is written is what is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.prepare.rows import decode_row, encode_row

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_a_row_comes_back_as_it_was(value: object) -> None:
    """Numbers of any size and infinity too; it is one line of JSON, which other readers read alike."""
    row = encode_row(value)
    assert row.endswith(b"\n")
    assert row.count(b"\n") == 1
    assert decode_row(row) == json.loads(row) == value


@pytest.mark.parametrize("depth", [150, 230, 300, 900])
def test_deep_values_come_back_too(depth: int) -> None:
    """Deeper than the compiled reader and writer go."""
    value: object = "x"
    for _ in range(depth):
        value = [value]
    assert decode_row(encode_row(value)) == value


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode_row(["\ud800"])
