"""What a run has to do: the inputs cut into units of whole lines, each known by its content."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sft_shared
from sft_shared.data.logs.source import Source
from sft_shared.data.prepare.settings import PrepareSettings
from sft_shared.errors import DataError
from sft_shared.files import write_atomic
from sft_shared.lines import HashedRange

CUT_EVERY = 64  # lines, on average, at which a unit may end: its end depends on the line, not on the offset
MAX_BUCKETS = 1024  # a larger one is read in several passes
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Unit:
    """Some lines of an input. ``key`` depends on their content and on how they are read, not on the place."""

    source: int  # number of the source in the settings
    path: str
    header: str
    start: int
    length: int
    digest: str
    num_lines_before: int
    key: str


@dataclass(frozen=True)
class Input:
    """One file that was read."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Plan:
    """All units in order. ``key`` stands for the whole work: inputs, settings, files they name, and code."""

    units: tuple[Unit, ...]
    inputs: tuple[Input, ...]
    num_buckets: int  # a power of two
    key: str

    def save(self, path: Path) -> None:
        """Write it for the workers."""
        write_atomic(path, json.dumps(asdict(self)).encode(), private=True)

    @staticmethod
    def load(path: Path) -> Plan:
        """Read what `save` wrote."""
        values = json.loads(path.read_bytes())
        return Plan(
            tuple(Unit(**unit) for unit in values["units"]),
            tuple(Input(**each) for each in values["inputs"]),
            values["num_buckets"],
            values["key"],
        )


def make_plan(settings: PrepareSettings, *, progress: Callable[[int], None] = lambda _: None) -> Plan:
    """Look through all inputs and cut them; ``progress`` is told the bytes read. Raises DataError."""
    code = code_hash()
    cuts: list[tuple[int, Path, str, int, int, str, int]] = []
    inputs: list[Input] = []
    seen: dict[tuple[int, int], Path] = {}  # by what they are on disk, whatever their names
    for number, source in enumerate(settings.sources):
        for path in source.files():
            status = path.stat()
            same = seen.setdefault((status.st_dev, status.st_ino), path)
            if same is not path:
                raise DataError(
                    f"{path}: is the same file as {same}, which is read already, so its turns would count "
                    "twice. Leave one of them out."
                )
            header = source.header(path)
            size = status.st_size
            ranges = list(_cut(source, path, size=size, settings=settings))
            digests, whole = _hash_ranges(path, [length for _, length, _ in ranges], progress)
            inputs.append(Input(str(path), size, whole))
            for (start, length, num_lines), digest in zip(ranges, digests, strict=True):
                cuts.append((number, path, header, start, length, digest, num_lines))
    num_buckets = 1
    total = sum(each.size for each in inputs)
    while num_buckets < MAX_BUCKETS and num_buckets * settings.bucket_bytes < total:
        num_buckets *= 2
    units = []
    for number, path, header, start, length, digest, num_lines in cuts:
        reading = settings.sources[number].model_dump(mode="json", exclude={"path"})
        key = _hash([code, reading, settings.max_line_bytes, header, start == 0, digest, num_buckets])
        units.append(Unit(number, str(path), header, start, length, digest, num_lines, key))
    whole_key = _hash([code, settings.meaning(), [each.__dict__ for each in inputs]])
    return Plan(tuple(units), tuple(inputs), num_buckets, whole_key)


def _cut(
    source: Source, path: Path, *, size: int, settings: PrepareSettings
) -> Iterator[tuple[int, int, int]]:
    """(start, length, number of lines before) of each unit of a file.

    Units end at lines that a checksum picks out, so that a mended line changes its own unit and no other.
    """
    start = length = lines_before = num_lines = 0
    with path.open("rb") as file:
        for line in source.split(
            HashedRange(file, start=0, length=size), max_line_bytes=settings.max_line_bytes
        ):
            length += line.num_bytes
            num_lines += line.num_lines
            full = length >= settings.unit_bytes and zlib.crc32(line.data or b"") % CUT_EVERY == 0
            if full or length >= 2 * settings.unit_bytes:
                yield start, length, lines_before
                start, length, lines_before = start + length, 0, num_lines
    if length:
        yield start, length, lines_before


def _hash_ranges(path: Path, lengths: list[int], progress: Callable[[int], None]) -> tuple[list[str], str]:
    """The hash of each of the ranges that the file consists of, and the SHA-256 of the whole."""
    whole = hashlib.sha256()
    digests = []
    with path.open("rb") as file:
        for length in lengths:
            part, left = hashlib.blake2b(digest_size=16), length
            while left > 0 and (block := file.read(min(BLOCK_BYTES, left))):
                part.update(block)
                whole.update(block)
                left -= len(block)
                progress(len(block))
            digests.append(part.hexdigest())
    return digests, whole.hexdigest()


def code_hash() -> str:
    """A hash of the code that makes examples: what another version left behind is not gone on with."""
    root = Path(sft_shared.__file__).parent
    files = [root / "dialogue.py", *sorted((root / "data").rglob("*.py"))]
    return _hash([[str(path.relative_to(root)), path.read_text(encoding="utf-8")] for path in files])


def _hash(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()
