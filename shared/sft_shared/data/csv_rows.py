"""Rows of CSV (RFC 4180) in bounded memory: a bad one costs itself only."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from sft_shared.lines import BadLine, Line


def read_row(text: str, *, delimiter: str) -> list[str]:
    """The cells of one row, whatever their length. Raises BadLine."""
    csv.field_size_limit(max(len(text), csv.field_size_limit()))
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise BadLine("broken-csv", f"not CSV: {error}") from None


def join_quoted(lines: Iterator[Line], *, delimiter: str, max_line_bytes: int) -> Iterator[Line]:
    """Join the lines of a CSV file whose quoted fields hold line breaks (RFC 4180).

    A quote that is never closed costs its own line only: reading goes on with the line behind it.
    """
    waiting: list[Line] = []  # read ahead behind an open quote
    separator = delimiter.encode()
    while line := waiting.pop(0) if waiting else next(lines, None):
        if line.data is None or not _is_open(line.data, separator=separator, inside=False):
            yield line
            continue
        parts, inside, num_bytes, ahead = [line], True, line.num_bytes, 0
        while inside and num_bytes <= max_line_bytes:
            if ahead == len(waiting):
                following = next(lines, None)
                if following is None:
                    break
                waiting.append(following)
            following = waiting[ahead]
            if following.data is None:
                break
            ahead += 1
            parts.append(following)
            num_bytes += following.num_bytes
            inside = _is_open(following.data, separator=separator, inside=True)
        if inside:
            yield line
        else:
            del waiting[:ahead]
            data = b"".join(part.data or b"" for part in parts)
            yield Line(line.number, len(parts), data, num_bytes)


def _is_open(data: bytes, *, separator: bytes, inside: bool) -> bool:
    """Whether a quoted field goes on behind this line; a quote within an unquoted field opens nothing."""
    if b'"' not in data:
        return inside
    if not inside and data.count(b'"') % 2 == 0:
        return False
    at = 0
    while True:
        if inside:
            at = data.find(b'"', at)
            if at < 0:
                return True
            if data[at + 1 : at + 2] == b'"':
                at += 2
                continue
            inside = False
            at += 1
        elif data[at : at + 1] == b'"':
            inside = True
            at += 1
        else:
            at = data.find(separator, at)
            if at < 0:
                return False
            at += len(separator)
