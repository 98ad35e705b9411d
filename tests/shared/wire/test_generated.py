"""The committed protobuf code is what the .proto files give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_committed_code_is_current(tmp_path: Path) -> None:
    """Generating again gives the same files, byte for byte, and no committed one is left over."""
    subprocess.run(
        [sys.executable, str(ROOT / "proto" / "generate.py"), "--out", str(tmp_path)], check=True, timeout=120
    )
    generated = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*_pb2.py*")}
    committed = {
        path.relative_to(ROOT / "shared"): path.read_bytes()
        for path in (ROOT / "shared").rglob("*_pb2.py*")
        if "__pycache__" not in path.parts
    }
    assert generated
    assert generated == committed, "run `python proto/generate.py` and commit what it writes"
