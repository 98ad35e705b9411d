"""Finished updates, kept on disk until nobody can ask for them any more.

An update is written here before it is sent. Asked again for the same order, also after a crash, the node
sends the same bytes and does not train a second time.
"""

from __future__ import annotations

import re
from pathlib import Path

from sft_shared.errors import StoreError
from sft_shared.files import write_lasting

KEEP = 8
"""Updates kept. A server asks again only for its open order; a few more let a person look back."""

_NAME = re.compile(r"[0-9a-f]{64}\.bin")


class Outbox:
    """Updates by the SHA-256 (hex) of their order."""

    def __init__(self, folder: Path, *, keep: int = KEEP) -> None:
        """Open the folder, made if missing. What a crash left half-written is removed."""
        self.folder = folder
        self.keep = keep
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.iterdir():
                if not _NAME.fullmatch(path.name):
                    path.unlink()
        except OSError as error:
            raise StoreError(f"{folder}: cannot be used: {error.strerror}. Set `state` elsewhere.") from None

    def get(self, order_sha256: str) -> bytes | None:
        """The update for an order, or None."""
        try:
            return self._path(order_sha256).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self._path(order_sha256)}: cannot be read: {error.strerror}.") from None

    def put(self, order_sha256: str, update: bytes) -> None:
        """Keep an update; once this returns it is there even if the power fails. The oldest ones go.

        Raises StoreError if the disk does not take it.
        """
        try:
            write_lasting(self._path(order_sha256), update)
            for path in self._newest_first()[self.keep :]:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self.folder}: cannot keep an update: {error.strerror}. Make room.") from None

    def remove(self, order_sha256: str) -> None:
        """Forget the update for an order, if there is one."""
        self._path(order_sha256).unlink(missing_ok=True)

    def _newest_first(self) -> list[Path]:
        paths = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def _path(self, order_sha256: str) -> Path:
        return self.folder / f"{order_sha256}.bin"
