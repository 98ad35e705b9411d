"""Records of a CSV or TSV file: the header names the fields, quoted cells may hold line breaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from sft_shared.data.csv_rows import join_quoted, read_row
from sft_shared.data.hygiene.raw import Record, too_long
from sft_shared.data.steps import Rejected, rejected
from sft_shared.errors import DataError
from sft_shared.lines import BadLine, Line, decode, parse_json, read_lines

DELIMITERS = ",;\t"
STRUCTURED = ("messages", "conversations", "conversation", "tools", "functions", "history")
"""Columns whose cells hold JSON."""


def read_table(path: Path, file: IO[bytes], *, max_record_bytes: int) -> Iterator[Record | Rejected]:
    """Yield the rows as records. Comma, semicolon or tab is told by the header.

    Raises DataError for a header that is missing, not UTF-8, or names a column twice.
    """
    lines = read_lines(file, max_line_bytes=max_record_bytes)
    delimiter, header = _header(path, lines)
    number = 0
    for line in join_quoted(lines, delimiter=delimiter, max_line_bytes=max_record_bytes):
        if line.data is not None and not line.data.strip(b"\r\n"):
            continue
        number += 1
        where = f"{path}:{line.number}"
        if line.data is None:
            yield too_long(where, max_record_bytes)
            continue
        try:
            cells = read_row(decode(line.data), delimiter=delimiter)
            yield _record(where, number, header, cells, delimiter)
        except BadLine as bad:
            yield rejected(where, bad)


def _header(path: Path, lines: Iterator[Line]) -> tuple[str, list[str]]:
    line = next((line for line in lines if line.data is None or line.data.strip()), None)
    if line is None:
        raise DataError(f"{path}: no records in it. Give a table with a header and at least one row.")
    where = f"{path}:{line.number}"
    if line.data is None:
        raise DataError(f"{where}: the header is longer than max_record_bytes. Shorten it.")
    try:
        text = decode(line.data)
        delimiter = max(DELIMITERS, key=text.count)
        names = [name.strip() for name in read_row(text, delimiter=delimiter)]
    except BadLine as bad:
        fix = "Save the table as 'CSV UTF-8', not in the system's own encoding such as GBK."
        raise DataError(f"{where}: the header is {bad.reason}. {fix}") from None
    double = [place for place, name in enumerate(names, start=1) if names.index(name) + 1 < place]
    if double:
        raise DataError(
            f"{where}: column {double[0]} has the name of column {names.index(names[double[0] - 1]) + 1}. "
            "Give every column its own name."
        )
    return delimiter, names


def _record(
    where: str, number: int, header: list[str], cells: list[str], delimiter: str
) -> Record | Rejected:
    if len(cells) != len(header):
        detail = f"{len(cells)} cells under {len(header)} columns; quote cells that hold {delimiter!r}"
        return Rejected(where, "column-count", detail)
    value: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=True):
        value[name] = cell
        if name in STRUCTURED and cell.lstrip()[:1] in ("[", "{"):
            try:
                value[name] = parse_json(cell)
            except BadLine as bad:
                raise BadLine(bad.rule, f"column {name!r}: {bad.reason}") from None
    return Record(where, number, value)
