"""The elements of a JSON array cut apart as the bytes come in, without parsing the whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

_STRUCTURE = re.compile(rb'[\[\]{}",\\]')
_SPACE = b" \t\r\n"


class ArrayCutter:
    """Splits the bytes of ``[a, b, c]`` into elements, whatever the size of the chunks they come in.

    At most ``max_bytes`` of an element are held. Inside an element nothing is checked but the balance of
    brackets and quotes, so that a broken element mostly loses itself alone.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._line = self._start_line = 1
        self._depth = 0
        self._in_string = self._escaped = self._overflow = False
        self._element = bytearray()

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes | None]]:
        """Yield (line, element) for each element that ends in ``chunk``; None for one that is too long."""
        place = 0
        while place < len(chunk):
            if self._escaped:
                self._take(chunk[place : place + 1])
                self._escaped = False
                place += 1
                continue
            found = _STRUCTURE.search(chunk, place)
            if found is None:
                self._take(chunk[place:])
                return
            self._take(chunk[place : found.start()])
            place = found.end()
            part = self._part(found.group())
            if part == "inside":
                self._take(found.group())
            elif part == "end":
                yield from self._flush()

    def left_over(self) -> int | None:
        """The line from which on the bytes belong to no element; None if all do."""
        if self._overflow or self._element.strip(_SPACE):
            return self._start_line
        return self._line if self._depth else None

    def _part(self, mark: bytes) -> Literal["inside", "begin", "end"]:
        if self._in_string:
            self._escaped = mark == b"\\"
            self._in_string = mark != b'"'
        elif mark == b'"':
            self._in_string = True
        elif mark in b"[{":
            self._depth += 1
            return "begin" if self._depth == 1 and mark == b"[" else "inside"
        elif mark in b"]}" and self._depth > (mark == b"}"):  # a stray } does not end the array
            self._depth -= 1
            return "end" if self._depth == 0 else "inside"
        elif mark == b"," and self._depth == 1:
            return "end"
        return "inside"

    def _take(self, piece: bytes) -> None:
        if not self._element and not self._overflow:
            stripped = piece.lstrip(_SPACE)
            self._line += piece[: len(piece) - len(stripped)].count(b"\n")
            piece, self._start_line = stripped, self._line
        self._line += piece.count(b"\n")
        if len(self._element) + len(piece) > self._max_bytes:
            self._overflow = True
            self._element.clear()
        if not self._overflow:
            self._element += piece

    def _flush(self) -> Iterator[tuple[int, bytes | None]]:
        if self._overflow or self._element.strip(_SPACE):
            yield self._start_line, None if self._overflow else bytes(self._element)
        self._element.clear()
        self._overflow = False
