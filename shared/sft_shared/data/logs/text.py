"""Logs as plain text: a pattern says how a turn begins, and where its parts stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import field_validator

from sft_shared.data.logs.fields import FieldNames
from sft_shared.data.logs.source import Source
from sft_shared.data.logs.turns import Piece
from sft_shared.data.logs.values import look_up, read_time
from sft_shared.lines import BadLine, HashedRange, Line, read_lines


class TextSource(Source):
    """Each turn begins with a line that ``pattern`` matches; its named groups are the turn's fields.

    ``(?P<time>\\S+) (?P<session>\\S+) (?P<role>\\w+): (?P<text>.*)`` reads
    ``2026-03-01T09:00:00+08:00 c-17 user: 我的包裹到哪了``.
    """

    kind: Literal["text"] = "text"
    pattern: str
    unmatched: Literal["continue", "reject"] = (
        "continue"  # other lines belong to the turn before, or are refused
    )
    time_format: str | None = None  # strptime's, such as %d/%m/%Y %H:%M:%S; without it ISO 8601 or a number

    @field_validator("pattern")
    @classmethod
    def _pattern_is_usable(cls, pattern: str) -> str:
        try:
            groups = set(re.compile(pattern).groupindex)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        if missing := {"role", "text"} - groups:
            raise ValueError(f"lacks the named groups {', '.join(sorted(missing))}; write (?P<role>...)")
        return pattern

    @field_validator("time_format")
    @classmethod
    def _time_format_is_usable(cls, time_format: str | None) -> str | None:
        if time_format is not None:
            datetime.strptime(datetime.now(UTC).strftime(time_format), time_format)
        return time_format

    def split(self, source: HashedRange, *, max_line_bytes: int) -> Iterator[Line]:
        """Lines, or turns with the lines that continue them."""
        lines = read_lines(source, max_line_bytes=max_line_bytes)
        return lines if self.unmatched == "reject" else self._join(lines, max_line_bytes)

    def _join(self, lines: Iterator[Line], max_line_bytes: int) -> Iterator[Line]:
        match = re.compile(self.pattern).match
        parts: list[bytes] = []
        number = num_lines = num_bytes = 0

        def joined() -> Line:
            data = b"".join(parts) if num_bytes <= max_line_bytes else None
            return Line(number, num_lines, data, num_bytes)

        for line in lines:
            if not num_lines or (line.data is not None and match(line.data.decode("utf-8-sig", "replace"))):
                if num_lines:
                    yield joined()
                parts, number, num_lines, num_bytes = [], line.number, 0, 0
            num_lines += 1
            num_bytes += line.num_bytes
            if num_bytes <= max_line_bytes:  # what is too long is not kept
                parts.append(line.data or b"")
        if num_lines:
            yield joined()

    def read_when(self, record: Mapping[str, Any], names: FieldNames) -> float | None:
        """The time in ``record``, by ``time_format`` if there is one. Raises BadLine."""
        value = look_up(record, names.time)
        return read_time(value, zone=self.zone, time_format=self.time_format)

    def parse(self, text: str, *, header: str) -> Piece:
        """The turn that the line begins, with the lines behind it. Raises BadLine."""
        first, _, rest = text.partition("\n")
        match = re.match(self.pattern, first.rstrip("\r"))
        if match is None:
            raise BadLine("no-match", "the pattern does not match")
        record = {name: value for name, value in match.groupdict().items() if value}
        if rest.strip():
            record["text"] = f"{record.get('text', '')}\n{rest.rstrip()}"
        names = self.fields.found_in(record)
        turns = (self.read_turn(record, names),)
        return Piece(self.read_session(record, names), self.read_user(record, names), turns)
