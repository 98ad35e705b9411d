"""Generate ``*_pb2.py`` and ``*_pb2.pyi`` from the .proto files beside this script.

    python proto/generate.py            # into shared/, where the generated code is committed
    python proto/generate.py --out DIR  # into DIR, to compare with what is committed

Needs grpcio-tools at the version in pyproject.toml; another one writes other bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from grpc_tools import protoc

PROTO = Path(__file__).resolve().parent
_MYPY_HEADER = "# mypy: disable-error-code=type-arg\n"  # protoc writes a bare Mapping for a map field


def generate(out: Path) -> int:
    """Write the generated modules under ``out``, in their packages' folders; return protoc's exit code."""
    out.mkdir(parents=True, exist_ok=True)
    sources = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    code: int = protoc.main(["protoc", f"-I{PROTO}", f"--python_out={out}", f"--pyi_out={out}", *sources])
    for source in sources:
        stub = (out / source).with_name(f"{Path(source).stem}_pb2.pyi")
        stub.write_text(_MYPY_HEADER + stub.read_text())
    return code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=PROTO.parent / "shared", help="default: %(default)s")
    raise SystemExit(generate(parser.parse_args().out))
