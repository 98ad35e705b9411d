"""Rows that one stage leaves to the next, a JSON value each, written and read by pydantic's compiled code."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json, to_json


def encode_row(value: Any) -> bytes:
    """``value`` as a line of JSON. Raises UnicodeEncodeError for text that UTF-8 cannot hold."""
    try:
        return to_json(value, inf_nan_mode="constants") + b"\n"
    except ValueError:  # what is nested deeper than the compiled code goes
        return _encode(value).encode() + b"\n"


def decode_row(row: bytes) -> Any:
    """The value that `encode_row` was given; tuples are lists."""
    try:
        return from_json(row)
    except ValueError:
        return json.loads(row)


_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
