"""Lines of files: of bounded length, in UTF-8, as strict JSON; and what is wrong with one that is not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, Protocol

FIXES = {
    "not-utf-8": "Save the file as UTF-8.",
    "byte-order-mark": "Remove it; files were joined together.",
    "too-long": "Shorten it, or raise max_line_bytes (of a dataset: max_record_bytes).",
    "broken-json": "Write one whole JSON object a line.",
    "duplicate-key": "Give every key of an object once.",
    "not-an-object": "Write one JSON object a line.",
    "lone-surrogate": "Remove halves of surrogate pairs, such as \\ud800, which are no characters.",
    "broken-csv": "Quote fields with a delimiter, a quote or a line break in them; double the quotes inside.",
}
"""Rule code -> what to do about it."""

SKIP_BYTES = 1 << 16  # read at a time while passing over a line that is too long


class BadLine(Exception):
    """A line, or part of one, that cannot be taken. ``rule`` is a code; ``reason`` holds none of its text."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason


class Line(NamedTuple):
    """One line, or several that belong together; ``number`` counts from 1 where reading began.

    ``data`` is None if the line is longer than allowed; ``num_bytes`` counts its line break too.
    """

    number: int
    num_lines: int
    data: bytes | None
    num_bytes: int


class Readable(Protocol):
    """A file, or a part of one."""

    def readline(self, limit: int, /) -> bytes:
        """The next line, or its first ``limit`` bytes."""


class HashedRange:
    """The bytes ``start`` to ``start + length`` of a file by lines, hashed (BLAKE2b) on the way."""

    def __init__(self, file: BinaryIO, *, start: int, length: int) -> None:
        self._file = file
        self._left = length
        self._hash = hashlib.blake2b(digest_size=16)
        file.seek(start)

    def readline(self, limit: int) -> bytes:
        """The next line, or its first ``limit`` bytes."""
        data = self._file.readline(min(limit, self._left))
        self._left -= len(data)
        self._hash.update(data)
        return data

    def digest(self) -> str:
        """The hash of what was read so far."""
        return self._hash.hexdigest()


def read_lines(source: Readable, *, max_line_bytes: int) -> Iterator[Line]:
    """Yield the lines, blank ones too; of one above ``max_line_bytes`` only the length."""
    number = 0
    while data := source.readline(max_line_bytes + 1):
        number += 1
        num_bytes = len(data)
        if num_bytes <= max_line_bytes or data.endswith(b"\n"):
            yield Line(number, 1, data, num_bytes)
            continue
        while more := source.readline(SKIP_BYTES):
            num_bytes += len(more)
            if more.endswith(b"\n"):
                break
        yield Line(number, 1, None, num_bytes)


def decode(data: bytes) -> str:
    """``data`` as text. Raises BadLine if it is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadLine("not-utf-8", f"not UTF-8 at byte {error.start}") from None


def parse_json(text: str) -> Any:
    """``text`` as strict JSON. Raises BadLine, also for a key given twice, NaN, and half a surrogate pair."""
    try:
        value = _decode(text)
    except json.JSONDecodeError as error:
        if text[error.pos : error.pos + 1] == "\ufeff":
            raise BadLine(
                "byte-order-mark", f"a byte order mark inside the file, at column {error.colno}"
            ) from None
        raise BadLine("broken-json", f"not JSON at column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or as many brackets
        raise BadLine(
            "broken-json", "holds a value that cannot be read: a number or a nesting too large"
        ) from None
    # without such an escape UTF-8 brings no surrogates
    if "\\" in text and ("\\ud" in text or "\\uD" in text):
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise BadLine("lone-surrogate", "holds half of a surrogate pair, which is no character") from None
    return value


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object that ``text`` is. Raises BadLine as `parse_json`, and for anything but an object."""
    value = parse_json(text)
    if not isinstance(value, dict):
        raise BadLine("not-an-object", f"a JSON {type(value).__name__}, not an object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise BadLine("duplicate-key", "an object has a key twice")
    return value


def _refuse_constant(name: str) -> None:
    raise BadLine("broken-json", f"{name} is no JSON value")


def _decode(text: str) -> Any:
    """As the decoder does, in less time where no blanks stand before the value."""
    try:
        value, end = _DECODER.raw_decode(text)
    except json.JSONDecodeError:
        return _DECODER.decode(text)
    return _DECODER.decode(text) if text[end:].strip(" \t\n\r") else value


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
