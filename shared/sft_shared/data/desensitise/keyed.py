"""Draws that depend on a secret key and on what they are for, and on nothing else."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from sft_shared.errors import ConfigError
from sft_shared.files import write_secret

T = TypeVar("T")
KEY_BYTES = 32
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


def load_key(path: Path) -> bytes:
    """The 32 bytes of a key file, which is made if missing. Raises ConfigError if it holds anything else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_secret(path, secrets.token_bytes(KEY_BYTES))
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigError(f"{path}: cannot be made: {error.strerror}. Set `key` elsewhere.") from None
    try:
        key = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}. Set `key` elsewhere.") from None
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"{path}: found {len(key)} bytes, a key has {KEY_BYTES}, so it is none. Set `key` to a file of "
            "its own: a missing one is made, and pseudonyms then change."
        )
    return key


def keyed_letters(key: bytes, *what: str, length: int) -> str:
    """``length`` letters from a to p, at most 64, of HMAC-SHA256 over ``what``: no digits, so no number."""
    return hmac.digest(key, _joined(what), "sha256").hex()[:length].translate(_LETTERS)


def name_for(text: str, *, key: bytes | None) -> str:
    """16 letters from a to p in place of ``text``.

    Only who has the key can find the text by trying, as all phone numbers can be tried. Without one, for
    public data, anybody can.
    """
    if key is None:
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest().translate(_LETTERS)
    return keyed_letters(key, "name", text, length=16)


class Draw:
    """An endless row of draws for one purpose. Numbers come from HMAC-SHA256 (RFC 2104) in counter mode."""

    def __init__(self, key: bytes, *what: str) -> None:
        self._key, self._what = key, _joined(what)
        self._block, self._pool, self._room = 0, 0, 1

    def below(self, bound: int) -> int:
        """A number from 0 to ``bound`` - 1. The bias is under 2**-128 for the bounds that are used here."""
        while self._room < bound << 128:
            block = self._block.to_bytes(4, "big")
            value = hmac.digest(self._key, block + self._what, "sha256")
            self._pool, self._room = (
                (self._pool << 256) | int.from_bytes(value, "big"),
                self._room << 256,
            )
            self._block += 1
        self._pool, drawn = divmod(self._pool, bound)
        self._room //= bound
        return drawn

    def choice(self, options: Sequence[T]) -> T:
        """One of ``options``."""
        return options[self.below(len(options))]

    def digits(self, count: int) -> str:
        """So many decimal digits."""
        return f"{self.below(10**count):0{count}d}" if count > 0 else ""

    def like(self, sign: str) -> str:
        """A letter or digit of the same class and case; anything else stays."""
        if sign.isdigit():
            return self.digits(1)
        if not (sign.isascii() and sign.isalpha()):
            return sign
        drawn = chr(ord("a") + self.below(26))
        return drawn.upper() if sign.isupper() else drawn


def _joined(what: Sequence[str]) -> bytes:
    """No two different sequences give the same bytes."""
    return b"".join(
        len(part).to_bytes(4, "big") + part for part in (text.encode("utf-8", "replace") for text in what)
    )
