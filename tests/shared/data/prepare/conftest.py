"""Small logs, and runs over them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from sft_shared.data.prepare.run import Prepared, prepare
from sft_shared.data.prepare.settings import PrepareSettings


class Silent:
    """A report that keeps the stages, how much each had to do, and how much it said it did."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.done: list[int] = []

    def stage(self, label: str, *, total_bytes: int) -> None:
        self.stages.append((label, total_bytes))
        self.done.append(0)

    def advance(self, num_bytes: int) -> None:
        assert num_bytes >= 0
        self.done[-1] += num_bytes


# The road without what has tests of its own: these logs are much alike, and hold nobody's data.
BARE = {"steps": (), "desensitise": None, "leak_gate": "off", "dedup": None}


class Road:
    """A folder of logs, and what runs make of its ``*.jsonl``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.report = Silent()

    def run(self, *, out: str = "out", **fields: Any) -> Prepared:
        """Prepare into the folder ``out``, with one worker unless told otherwise."""
        values = {
            "sources": [{"kind": "jsonl", "path": str(self.folder / "*.jsonl"), "name": "shop"}],
            "out": str(self.folder / out),
            "workers": 1,
            **BARE,
            **fields,
        }
        return prepare(PrepareSettings.model_validate(values), report=self.report)

    def write(self, name: str, *lines: Any) -> Path:
        """JSON lines; what is text already is written as it is."""
        texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
        path = self.folder / name
        path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
        return path

    def write_logs(self) -> None:
        """Two files whose forty sessions are mixed, with bad lines and complaints among them."""
        lines: list[Any] = []
        for number in range(40):
            lines += self.session(number, closing="还是不行" if number % 4 == 0 else "谢谢，可以了")
        lines.sort(key=lambda line: (line["time"] * 31) % 97)
        lines[10:10] = ['{"session": "x", ', "", {"session": "s1", "role": "wizard", "text": "x"}]
        self.write("a.jsonl", *lines[: len(lines) // 2])
        self.write("b.jsonl", *lines[len(lines) // 2 :])

    @staticmethod
    def session(number: int, *, closing: str = "谢谢，可以了") -> list[dict[str, Any]]:
        """A question, its answer, and what the user says of it."""
        head = {"session": f"s{number}", "user": f"u{number % 7}"}
        said = (
            ("user", f"第{number}个包裹到哪了"),
            ("assistant", f"第{number}个包裹明天送达"),
            ("user", closing),
        )
        return [
            {**head, "time": 1772326800 + 100 * number + at, "role": role, "text": text}
            for at, (role, text) in enumerate(said)
        ]

    def digests(self, out: str = "out") -> dict[str, str]:
        """SHA-256 of each output."""
        files = sorted(path for path in (self.folder / out).iterdir() if path.is_file())
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def read(self, name: str, out: str = "out") -> list[dict[str, Any]]:
        """The lines of an output."""
        text = (self.folder / out / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def road(tmp_path: Path) -> Road:
    return Road(tmp_path)
