"""The cache folder: converted models, file hashes and the measured dtype, safe between processes."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sft_shared.errors import ModelError
from sft_shared.files import write_atomic


def cache_folder(name: str) -> Path:
    """Folder ``name`` in ``$FEDSFT_CACHE`` (or ``~/.cache/fedsft``), made if missing.

    Raises ModelError if it cannot be made or written.
    """
    root = Path(os.environ.get("FEDSFT_CACHE") or Path.home() / ".cache" / "fedsft").expanduser()
    folder = root / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"{folder}: cannot make the cache folder: {error.strerror}. "
            "Set FEDSFT_CACHE to a folder that this user may write."
        ) from None
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file ``path``; it ends with the block, or with the process."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be opened: {error.strerror}. "
            "Set FEDSFT_CACHE to a folder that this user may write."
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sha256_of_file(path: Path) -> str:
    """Hex digest of the file's bytes, remembered by (path, size, mtime) so that it is read once."""
    status = path.stat()
    identity = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    remembered = cache_folder("hashes") / hashlib.sha256(identity.encode()).hexdigest()
    try:
        digest = remembered.read_text(encoding="ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        digest = ""
    if len(digest) != 64:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        write_atomic(remembered, digest.encode("ascii"))
    return digest
