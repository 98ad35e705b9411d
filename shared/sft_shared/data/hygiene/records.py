"""Raw records of a JSONL file, a JSON array or a table, one at a time, each with its place in the file."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sft_shared.data.hygiene.arrays import ArrayCutter
from sft_shared.data.hygiene.raw import MAX_RECORD_BYTES, Record, too_long
from sft_shared.data.hygiene.tables import read_table
from sft_shared.data.steps import Rejected, rejected
from sft_shared.errors import DataError
from sft_shared.lines import BadLine, decode, parse_object, read_lines

_CHUNK_BYTES = 1 << 16
_SPACE = b" \t\r\n"


def read_records(path: Path, *, max_record_bytes: int = MAX_RECORD_BYTES) -> Iterator[Record | Rejected]:
    """Yield the records of a ``.csv`` or ``.tsv`` table, of a JSON array, or of JSON lines.

    Table or JSON is told by the file's name, array or lines by the first character. A bad record is
    yielded as `Rejected`, and reading goes on behind it. Raises DataError for a file that is missing, cannot
    be read, is UTF-16, or is a table without a usable header.
    """
    try:
        with path.open("rb") as file:
            _skip_bom(path, file)
            if path.suffix.lower() in (".csv", ".tsv"):
                yield from read_table(path, file, max_record_bytes=max_record_bytes)
            elif _is_array(file):
                yield from _read_array(path, file, max_record_bytes)
            else:
                yield from _read_lines(path, file, max_record_bytes)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file. Give the path of a dataset.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from None


def _skip_bom(path: Path, file: IO[bytes]) -> None:
    start = file.read(3)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path}:1: the file is UTF-16. Save it as UTF-8.")
    if start != codecs.BOM_UTF8:
        file.seek(0)


def _is_array(file: IO[bytes]) -> bool:
    begin = file.tell()
    while (start := file.read(_CHUNK_BYTES)) and not start.strip(_SPACE):
        pass
    file.seek(begin)
    return start.lstrip(_SPACE).startswith(b"[")


def _read_lines(path: Path, file: IO[bytes], max_bytes: int) -> Iterator[Record | Rejected]:
    number = 0
    for line in read_lines(file, max_line_bytes=max_bytes):
        if line.data is not None and not line.data.strip():
            continue
        number += 1
        where = f"{path}:{line.number}"
        yield too_long(where, max_bytes) if line.data is None else _record(where, number, line.data)


def _record(where: str, number: int, raw: bytes) -> Record | Rejected:
    try:
        return Record(where, number, parse_object(decode(raw)))
    except BadLine as bad:
        return rejected(where, bad)


def _read_array(path: Path, file: IO[bytes], max_bytes: int) -> Iterator[Record | Rejected]:
    """Parse the elements of a JSON array one by one, so that a bad one is the only one that is lost."""
    cutter = ArrayCutter(max_bytes)
    number = 0
    while chunk := file.read(_CHUNK_BYTES):
        for line, raw in cutter.feed(chunk):
            number += 1
            where = f"{path}:{line} record {number}"  # an array often stands on one line
            yield too_long(where, max_bytes) if raw is None else _record(where, number, raw)
    if (line_left := cutter.left_over()) is not None:
        detail = "the array is not closed, or text follows it; mend the brackets and quotes from here on"
        yield Rejected(f"{path}:{line_left}", "broken-json", detail)
