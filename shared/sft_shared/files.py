"""Files and folders that survive a crash: written whole or not at all, held by one process, private."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sft_shared.errors import StoreError


def write_atomic(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write ``data`` to ``path``: readers see the old file or the whole new one, also after a crash.

    A ``private`` file is its owner's alone.
    """
    with writing_atomic(path, private=private) as file:
        file.write(data)


@contextlib.contextmanager
def writing_atomic(path: Path, *, private: bool = False) -> Iterator[IO[bytes]]:
    """A file to write to piece by piece; ``path`` stays as it is until the end, and on any error for ever."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o600 if private else 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_lasting(path: Path, data: bytes, *, private: bool = False) -> None:
    """`write_atomic`; once this returns the file is there even if the power fails."""
    write_atomic(path, data, private=private)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_secret(path: Path, data: bytes) -> None:
    """Write a new file that only its owner may read. Raises FileExistsError if it is there."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def make_private_folder(folder: Path, *, setting: str = "state") -> None:
    """Make a folder that is open to its owner only, unless it is there already.

    Raises StoreError, which names the ``setting`` that says where the folder is.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made: {error.strerror}. Set `{setting}` elsewhere.") from None


@contextlib.contextmanager
def held_folder(folder: Path, *, holder: str, setting: str = "state") -> Iterator[None]:
    """Hold a state folder, made if missing, for this process; the lock ends with the process.

    Raises StoreError if another process holds it; ``holder`` says what such a process is ("server"),
    ``setting`` where the folder is set.
    """
    make_private_folder(folder, setting=setting)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with open(lock, "a+") as file:
        os.fchmod(lock, 0o600)  # one of before may be readable by others
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise StoreError(
                f"{folder}: in use by another {holder} (process {file.read().strip() or 'unknown'}). "
                f"Stop it, or set another `{setting}` folder."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
