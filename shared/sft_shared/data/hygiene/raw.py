"""One raw record of a dataset, and why one cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sft_shared.data.steps import Rejected, rejected
from sft_shared.lines import BadLine

MAX_RECORD_BYTES = 4_000_000
"""Longest line or array element that is read, unless told otherwise; memory stays within a few times this."""


@dataclass(frozen=True)
class Record:
    """One record as it was written; ``where`` is ``file:line`` of its first line.

    For an element of a JSON array its number follows: ``a.json:1 record 17``.
    """

    where: str
    number: int  # of the record in the file, from 1
    value: dict[str, Any]


def too_long(where: str, max_bytes: int) -> Rejected:
    """A line or an element of more bytes than are read."""
    return rejected(where, BadLine("too-long", f"more than {max_bytes:,} bytes"))
