"""Logs as CSV: a turn a row, with a header."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from sft_shared.data.csv_rows import join_quoted, read_row
from sft_shared.data.logs.source import Source
from sft_shared.data.logs.turns import Piece
from sft_shared.errors import DataError
from sft_shared.lines import BadLine, HashedRange, Line, read_lines

MAX_HEADER_BYTES = 1 << 16


class CsvSource(Source):
    """One turn a row. The first row names the fields; quoted fields may hold line breaks."""

    kind: Literal["csv"] = "csv"
    delimiter: str = Field(default=",", pattern=r'^[^\w"\r\n]$')

    def split(self, source: HashedRange, *, max_line_bytes: int) -> Iterator[Line]:
        """Rows, of one line or several."""
        lines = read_lines(source, max_line_bytes=max_line_bytes)
        return join_quoted(lines, delimiter=self.delimiter, max_line_bytes=max_line_bytes)

    def header(self, path: Path) -> str:
        """The first row. Raises DataError if it does not name a role and a text."""
        with path.open("rb") as file:
            data = file.readline(MAX_HEADER_BYTES)
        try:
            header = data.decode("utf-8-sig").rstrip("\r\n")
            names = [name.strip() for name in read_row(header, delimiter=self.delimiter)]
        except (UnicodeDecodeError, BadLine):
            raise DataError(f"{path}:1: the header is not CSV in UTF-8. Save the file as UTF-8.") from None
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(
                f"{path}:1: the header names {doubled[0]!r} twice. Give every column its own name."
            )
        for what, known in (("role", self.fields.role), ("text", self.fields.text)):
            if not set(known) & set(names):
                raise DataError(
                    f"{path}:1: no column holds the {what}; the header has {', '.join(names)}. Name the "
                    f"column under the source's fields ({what}: ...), or set the delimiter."
                )
        return header

    def parse(self, text: str, *, header: str) -> Piece:
        """The row's turn. Raises BadLine."""
        names, values = read_row(header, delimiter=self.delimiter), read_row(text, delimiter=self.delimiter)
        if len(values) != len(names):
            raise BadLine("broken-csv", f"{len(values)} fields, and the header has {len(names)}")
        record = {name.strip(): value for name, value in zip(names, values, strict=True) if value != ""}
        found = self.fields.found_in(record)
        turns = (self.read_turn(record, found),)
        return Piece(self.read_session(record, found), self.read_user(record, found), turns)
