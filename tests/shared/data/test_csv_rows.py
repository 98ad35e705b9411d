"""Rows of CSV in bounded memory."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.csv_rows import join_quoted, read_row
from sft_shared.lines import BadLine, Line, read_lines


def rows_of(data: bytes, *, max_line_bytes: int = 1000) -> list[Line]:
    lines = read_lines(io.BytesIO(data), max_line_bytes=max_line_bytes)
    return list(join_quoted(lines, delimiter=",", max_line_bytes=max_line_bytes))


CELL = st.text(alphabet='ab,"\n\r 包', max_size=8)


@given(st.lists(st.lists(CELL, min_size=2, max_size=3), max_size=8))
def test_rows_with_quoted_line_breaks_stay_whole(rows: list[list[str]]) -> None:
    """What Python's csv module writes comes back row by row."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    found = rows_of(text.getvalue().encode())
    assert [read_row((row.data or b"").decode(), delimiter=",") for row in found] == rows


def test_a_row_knows_its_first_line() -> None:
    rows = rows_of(b'a,"x\ny"\nb,c\n')
    assert [(row.number, row.num_lines) for row in rows] == [(1, 2), (3, 1)]


def test_a_quote_that_is_never_closed_costs_its_own_line() -> None:
    rows = rows_of(b'a,"open\nb,c\nd,e\n')
    assert [row.data for row in rows] == [b'a,"open\n', b"b,c\n", b"d,e\n"]


def test_a_quote_within_a_field_opens_nothing() -> None:
    """As in the size of a screen."""
    rows = rows_of(b'a,24" screen\nb,c\n')
    assert [row.data for row in rows] == [b'a,24" screen\n', b"b,c\n"]


def test_a_cell_may_be_as_long_as_its_row() -> None:
    """Python's own limit is 131,072 characters."""
    assert read_row("a;" + "x" * 200_000, delimiter=";") == ["a", "x" * 200_000]
    with pytest.raises(BadLine) as caught:
        read_row('"a"b;c', delimiter=";")
    assert caught.value.rule == "broken-csv"
