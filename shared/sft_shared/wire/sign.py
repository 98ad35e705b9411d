"""Ed25519 signatures over message bytes: who signed what, and for which purpose (RFC 8032)."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from sft_shared.errors import KeysError, SignatureError, WireError
from sft_shared.wire import adapter_pb2
from sft_shared.wire.codec import parse

Context = Literal["order", "update"]
"""What a signature is for; one made for an order never passes for an update."""

MAX_SIGNER_BYTES = 256
_KEY_BYTES = 32
_KEY_MODE = 0o600
_FOREIGN_ACCESS = stat.S_IWGRP | stat.S_IRWXO


@dataclass(frozen=True)
class VerifyKey:
    """The public half, 32 raw bytes; safe to show."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != _KEY_BYTES:
            raise KeysError(f"a public Ed25519 key has {_KEY_BYTES} bytes, found {len(self.raw)}.")

    @classmethod
    def from_text(cls, text: str) -> VerifyKey:
        """Read what `to_text` wrote. Raises KeysError for anything else."""
        try:
            raw = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise KeysError(f"{text[:60]!r} is not a public key. Copy the whole base64 line again.") from None
        return cls(raw)

    def to_text(self) -> str:
        """Return the key as one line of 44 base64 characters."""
        return base64.b64encode(self.raw).decode("ascii")


@dataclass(frozen=True)
class SigningKey:
    """The private half. It is kept out of repr, logs and messages."""

    _private: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> SigningKey:
        """Return a new key from the operating system's random source."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Read a PKCS8 PEM file without a password.

        Raises KeysError when the file is missing, not an Ed25519 key, or open to other users of the machine.
        """
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                text = file.read()
        except FileNotFoundError:
            raise KeysError(f"{path}: no such key. Make it with the command `keys init`.") from None
        except OSError as error:
            raise KeysError(f"{path}: cannot be read: {error.strerror}.") from None
        if mode & _FOREIGN_ACCESS:
            raise KeysError(f"{path}: mode {mode:04o} lets others at the key. Run `chmod 600 {path}`.")
        try:
            private = load_pem_private_key(text, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeysError(
                f"{path}: not a private key in PEM without a password. Restore the file."
            ) from None
        if not isinstance(private, Ed25519PrivateKey):
            raise KeysError(f"{path}: found another kind of key, expected Ed25519. Restore the file.")
        return cls(private)

    def save(self, path: Path) -> None:
        """Write the key as PKCS8 PEM with mode 0600, and its folder where that is missing.

        Raises KeysError when the file exists (a key is never overwritten) or cannot be written.
        """
        pem = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        if path.exists():
            raise KeysError(f"{path}: exists already. Move it away if you want a new key.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _KEY_MODE), "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise KeysError(f"{path}: cannot be written: {error.strerror}.") from None

    @property
    def public(self) -> VerifyKey:
        """The key that others check this one's signatures with."""
        return VerifyKey(self._private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.to_text()})"

    def signature(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature over ``message``."""
        return self._private.sign(message)


def sign(body: bytes, *, context: Context, signer: str, key: SigningKey) -> bytes:
    """Return a serialized Signed message: ``body``, its signer, the signature over both and ``context``.

    Raises WireError for a signer's name that is empty, longer than 256 bytes or holds a NUL.
    """
    if not signer or "\0" in signer or len(signer.encode()) > MAX_SIGNER_BYTES:
        raise WireError(f"signer {signer[:60]!r}: expected 1 to {MAX_SIGNER_BYTES} bytes without NUL.")
    signature = key.signature(_signed_bytes(body, context, signer))
    return _serialize(adapter_pb2.Signed(signer=signer, body=body, signature=signature))


def open_signed(data: bytes, *, context: Context, key: VerifyKey, signer: str, max_bytes: int) -> bytes:
    """Return the body of a Signed message that ``key`` signed as ``signer`` for ``context``.

    A body and its signature have one spelling: the digest of ``data`` may stand for them.

    Raises WireError when ``data`` is larger than ``max_bytes`` or is not a Signed message, and its
    subclass SignatureError when another name is on it or the signature does not hold.
    """
    message = parse(adapter_pb2.Signed, data, max_bytes=max_bytes)
    if _serialize(message) != data:
        raise WireError("Signed: the fields are not spelled as a sender spells them.")
    if message.signer != signer:
        raise SignatureError(f"signed as {message.signer[:60]!r}, expected {signer!r}.")
    try:
        public = Ed25519PublicKey.from_public_bytes(key.raw)
        public.verify(message.signature, _signed_bytes(message.body, context, signer))
    except (InvalidSignature, ValueError):
        raise SignatureError(
            f"the signature of {signer!r} over this {context} does not hold. "
            "The bytes were changed, or signed with a key that is not the registered one."
        ) from None
    return message.body


def peek_signer(data: bytes) -> str:
    """Return the name on a Signed message, **not verified**: good for looking up the key, for nothing else.

    Raises WireError when ``data`` is not a Signed message.
    """
    return parse(adapter_pb2.Signed, data, max_bytes=len(data)).signer


def _signed_bytes(body: bytes, context: Context, signer: str) -> bytes:
    return b"fedsft/1/" + context.encode() + b"\0" + signer.encode() + b"\0" + body


def _serialize(message: adapter_pb2.Signed) -> bytes:
    return message.SerializeToString(deterministic=True)
