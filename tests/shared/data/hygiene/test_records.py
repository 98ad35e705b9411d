"""Raw records: the bad ones are named with their line, the good ones around them are kept."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.hygiene.arrays import ArrayCutter
from sft_shared.data.hygiene.raw import Record
from sft_shared.data.hygiene.records import read_records
from sft_shared.data.steps import Rejected
from sft_shared.errors import DataError


def read(path: Path, data: bytes, **settings: int) -> list[tuple[int, str]]:
    """(line, rule) of each record of a file with this content; the rule is ``ok`` for a good one."""
    path.write_bytes(data)
    found = list(read_records(path, **settings))
    return [
        (int(item.where.rpartition(":")[2].split()[0]), item.rule if isinstance(item, Rejected) else "ok")
        for item in found
    ]


def test_each_bad_line_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    """Broken JSON, a BOM in mid-file, a key twice, no object, no UTF-8, half a surrogate, a long line."""
    lines = [
        b'{"a": 1}',
        b"",
        b'{"a":',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": 1, "a": 2}',
        b"[1]",
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": NaN}',
        b'{"a": "' + b"x" * 2000 + b'"}',
        b'{"a": ' + b"[" * 800 + b"1" + b"]" * 800 + b"}",
        '{"a": "好"}'.encode(),
    ]
    assert read(tmp_path / "d.jsonl", b"\n".join(lines), max_record_bytes=1800) == [
        (1, "ok"),
        (3, "broken-json"),
        (4, "byte-order-mark"),
        (5, "duplicate-key"),
        (6, "not-an-object"),
        (7, "not-utf-8"),
        (8, "lone-surrogate"),
        (9, "broken-json"),
        (10, "too-long"),
        (11, "ok"),
        (12, "ok"),
    ]


def test_a_bom_at_the_start_of_any_file_is_accepted(tmp_path: Path) -> None:
    """Windows programs write one."""
    bom = b"\xef\xbb\xbf"
    assert read(tmp_path / "d.jsonl", bom + b'{"a": 1}\n') == [(1, "ok")]
    assert read(tmp_path / "d.json", bom + b'[{"a": 1}]') == [(1, "ok")]
    assert read(tmp_path / "d.csv", bom + b"a,b\n1,2\n") == [(2, "ok")]
    assert next(read_records(tmp_path / "d.csv")).value == {"a": "1", "b": "2"}


def test_a_line_of_any_length_takes_little_memory(tmp_path: Path) -> None:
    """A line of 40 MB is passed over with less than 4 MB at hand."""
    path = tmp_path / "d.jsonl"
    path.write_bytes(b'{"a": "' + b"x" * 40_000_000 + b'"}\n{"a": 1}\n')
    tracemalloc.start()
    found = list(read_records(path, max_record_bytes=1_000_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(item) for item in found] == [Rejected, Record]
    assert peak < 4_000_000


def test_one_bad_element_of_an_array_is_the_only_one_lost(tmp_path: Path) -> None:
    """Elements are cut apart before they are parsed, with the line of each."""
    data = b'[\n {"a": "x,]}\\""},\n {"a": 1, "a": 2},\n {"b": 1}},\n\n 3, {"c":\n [{}]}\n]\n'
    assert read(tmp_path / "d.json", data) == [
        (2, "ok"),
        (3, "duplicate-key"),
        (4, "broken-json"),
        (6, "not-an-object"),
        (6, "ok"),
    ]


def test_an_array_that_is_cut_off_is_said_to_be(tmp_path: Path) -> None:
    """The whole elements before the end are kept."""
    assert read(tmp_path / "d.json", b'[{"a": 1},\n{"a": ') == [(1, "ok"), (2, "broken-json")]
    assert read(tmp_path / "d.json", b'[{"a": 1},\n') == [(1, "ok"), (2, "broken-json")]
    assert read(tmp_path / "d.json", b'[{"a": 1}]\n{"b": 2}') == [(1, "ok"), (2, "broken-json")]


def test_an_element_that_is_too_long_is_passed_over(tmp_path: Path) -> None:
    """And the next one is read."""
    data = b'[{"a": "' + b"x" * 5000 + b'"}, {"a": 1}]'
    assert read(tmp_path / "d.json", data, max_record_bytes=1000) == [(1, "too-long"), (1, "ok")]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=5), st.integers(1, 7), st.sampled_from([None, 2]), st.booleans())
def test_an_array_is_cut_alike_whatever_the_chunks(
    values: list[object], size: int, indent: int | None, ascii_only: bool
) -> None:
    """Any JSON, indented or not, in chunks of any size."""
    data = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    cutter = ArrayCutter(1 << 20)
    found = [raw for start in range(0, len(data), size) for _, raw in cutter.feed(data[start : start + size])]
    assert [json.loads(raw.decode("utf-8", "surrogatepass")) for raw in found if raw is not None] == values
    assert cutter.left_over() is None


def test_a_table_says_which_row_is_wrong(tmp_path: Path) -> None:
    """Too many cells, text behind a quote, an open quote, another encoding; cells may hold line breaks."""
    data = (
        b'text;label\n"a;b\nc";x\nbad;1;2\n\n"mid"x;3\nfine;4\n' + "中;5\n".encode("gbk") + b'"open;6\nz;7\n'
    )
    assert read(tmp_path / "d.csv", data) == [
        (2, "ok"),
        (4, "column-count"),
        (6, "broken-csv"),
        (7, "ok"),
        (8, "not-utf-8"),
        (9, "broken-csv"),
        (10, "ok"),
    ]
    first = next(read_records(tmp_path / "d.csv"))
    assert isinstance(first, Record)
    assert first.value == {"text": "a;b\nc", "label": "x"}


def test_a_row_that_is_too_long_costs_itself_only(tmp_path: Path) -> None:
    """Also where its quoted cell would be cut, which would leave the quote open."""
    long = b"x" * 2000
    data = b'text,label\n"' + long + b'",1\nfine,2\n' + long + b'",3\n"fine\n",4\n'
    assert read(tmp_path / "d.csv", data, max_record_bytes=1000) == [
        (2, "too-long"),
        (3, "ok"),
        (4, "too-long"),
        (5, "ok"),
    ]


@given(st.lists(st.tuples(st.text(), st.text(min_size=1)), min_size=1, max_size=5), st.sampled_from(",;\t"))
def test_a_table_that_python_wrote_is_read_back(rows: list[tuple[str, str]], delimiter: str) -> None:
    """Any text in any cell."""
    from sft_shared.data.hygiene.tables import read_table

    rows = [tuple(cell.encode("utf-8", "replace").decode() for cell in row) for row in rows]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("q", "a"), *rows])
    file = io.BytesIO(text.getvalue().encode())
    found = list(read_table(Path("t.csv"), file, max_record_bytes=1 << 20))
    assert [tuple(item.value.values()) for item in found if isinstance(item, Record)] == rows


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("d.jsonl", "﻿{}".encode("utf-16-le"), "UTF-16"),
        ("d.csv", b"", "no records"),
        ("d.csv", b"a,b,a\n1,2,3\n", "column 3 has the name of column 1"),
        ("d.csv", "文本,标签\n1,2\n".encode("gbk"), "header is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_at_all(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    """One error with the place, not one a line."""
    with pytest.raises(DataError, match=message):
        read(tmp_path / name, data)


def test_a_missing_file(tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(DataError, match=r"no\.jsonl: no such file"):
        list(read_records(tmp_path / "no.jsonl"))


def test_a_record_of_an_array_on_one_line_is_named_by_its_number(tmp_path: Path) -> None:
    """The line alone would say nothing."""
    path = tmp_path / "d.json"
    path.write_text('[{"a": 1}, {"a": 2}, [3], {"a": NaN}]', encoding="utf-8")
    places = [item.where for item in read_records(path)]
    assert places == [f"{path}:1 record {number}" for number in (1, 2, 3, 4)]
