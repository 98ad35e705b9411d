"""What all sources of logs have in common: files and lines."""

from __future__ import annotations

import glob
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from sft_shared.config import LocalPath
from sft_shared.data.logs.fields import Reading
from sft_shared.data.logs.turns import Piece
from sft_shared.data.logs.values import look_up
from sft_shared.errors import DataError
from sft_shared.lines import BadLine, HashedRange, Line, read_lines

MAX_TOOL_DEPTH = 100  # examples are read and written again by code that goes 200 levels deep


class Source(Reading):
    """One kind of log. ``path`` is a file, or a pattern with * for several."""

    kind: str
    path: LocalPath
    name: str = Field(default="", pattern=r"^[\w.-]*$")  # goes into provenance; without it the kind

    @property
    def label(self) -> str:
        """What the source's examples say they come from."""
        return self.name or self.kind

    def files(self) -> list[Path]:
        """The files, sorted by name. Raises DataError if there is none."""
        text = str(self.path)
        names = sorted(glob.glob(text, recursive=True)) if glob.has_magic(text) else [text]
        files = [path for path in map(Path, names) if path.is_file()]
        if not files:
            raise DataError(
                f"{self.path}: no such file. Give the path of a log, or a pattern such as logs/*.jsonl."
            )
        return files

    def split(self, source: HashedRange, *, max_line_bytes: int) -> Iterator[Line]:
        """What can be read each by itself: lines, or several that belong together; blank ones too."""
        return read_lines(source, max_line_bytes=max_line_bytes)

    def header(self, path: Path) -> str:
        """What the file's beginning says about all its lines; empty if nothing. Raises DataError."""
        return ""

    @abstractmethod
    def parse(self, text: str, *, header: str) -> Piece:
        """The turns of one line. Raises BadLine."""


def read_tools(record: Mapping[str, Any], names: tuple[str, ...]) -> tuple[Any, ...]:
    """The tools that a line declares. Raises BadLine for anything but a list of objects."""
    tools = look_up(record, names)
    if tools is None:
        return ()
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise BadLine("wrong-type", "tools is no list of objects")
    if _is_deeper(tools, MAX_TOOL_DEPTH):
        raise BadLine("wrong-type", f"tools are nested more than {MAX_TOOL_DEPTH} levels deep")
    return tuple(tools)


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for values in inner for each in values if isinstance(each, dict | list)]
        if not level:
            return False
    return True
