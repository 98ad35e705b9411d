"""The run log: one JSON object a line, appended and flushed, so that a crash loses no finished line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class RunLog:
    """Append-only JSONL file of events.

    Every line has ``time`` (unix seconds), ``event`` and the event's own fields. Floats that are not
    finite are written as strings ("nan", "inf"), so every line is strict JSON.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path

    def write(self, event: str, **fields: Any) -> None:
        """Append one event; the line is on its way to the disk when this returns."""
        record = {"time": round(time.time(), 3), "event": event, **fields}
        line = printable(json.dumps(_strict(record), ensure_ascii=False, allow_nan=False, default=str))
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def printable(text: str) -> str:
    """``text`` with what UTF-8 cannot hold (lone surrogates) replaced by question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def read_run_log(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole events of a run log; a last line cut off by a crash is left out."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


def _strict(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return value
