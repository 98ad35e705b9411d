"""A signature holds for one body, one purpose, one name and one key; private keys stay private."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.errors import KeysError, SignatureError, WireError
from sft_shared.wire import adapter_pb2
from sft_shared.wire.sign import Context, SigningKey, VerifyKey, open_signed, peek_signer, sign

KEY = SigningKey.generate()
OTHER = SigningKey.generate()
SIGNED = sign(b"body", context="update", signer="node-1", key=KEY)


def open_it(data: bytes) -> bytes:
    return open_signed(data, context="update", key=KEY.public, signer="node-1", max_bytes=10_000)


def changed(**fields: object) -> bytes:
    message = adapter_pb2.Signed.FromString(SIGNED)
    for name, value in fields.items():
        setattr(message, name, value)
    return message.SerializeToString()


@given(st.binary(max_size=300), st.sampled_from(["order", "update"]))
def test_what_was_signed_opens(body: bytes, context: Context) -> None:
    """Any body, for either purpose; signing twice gives the same bytes."""
    data = sign(body, context=context, signer="机构-1", key=KEY)
    assert data == sign(body, context=context, signer="机构-1", key=KEY)
    assert peek_signer(data) == "机构-1"
    assert open_signed(data, context=context, key=KEY.public, signer="机构-1", max_bytes=10_000) == body


@pytest.mark.parametrize(
    "forged",
    [
        changed(body=b"Body"),
        changed(signature=bytes(64)),
        changed(signature=b""),
        changed(signature=adapter_pb2.Signed.FromString(SIGNED).signature + b"\0"),
        sign(b"body", context="update", signer="node-1", key=OTHER),
        sign(b"body", context="order", signer="node-1", key=KEY),
        changed(signer="node-2"),
        sign(b"body", context="update", signer="node-2", key=KEY),
    ],
    ids=["altered", "zeros", "unsigned", "longer", "other key", "other context", "renamed", "other signer"],
)
def test_a_signature_that_is_not_right_is_refused(forged: bytes) -> None:
    """All of them parse and carry a body: one who reads it without checking is taken in."""
    assert adapter_pb2.Signed.FromString(forged).body.lower() == b"body"
    with pytest.raises(SignatureError):
        open_it(forged)


@pytest.mark.parametrize(("context", "signer"), [("update", "node-1"), ("order", "node-2")])
def test_a_bare_signature_would_pass_for_another_purpose(context: Context, signer: str) -> None:
    """Signed without context and name, a body replays as anyone's anything; with them it does not."""
    bare = KEY.signature(b"body")
    Ed25519PublicKey.from_public_bytes(KEY.public.raw).verify(bare, b"body")
    data = sign(b"body", context="order", signer="node-1", key=KEY)
    with pytest.raises(SignatureError):
        open_signed(data, context=context, key=KEY.public, signer=signer, max_bytes=1000)


def test_a_name_cannot_move_into_the_body() -> None:
    """Without the NUL between them, signer 'a' with body 'bc' and signer 'ab' with body 'c' sign alike."""
    assert sign(b"c", context="update", signer="ab", key=KEY) != sign(
        b"bc", context="update", signer="a", key=KEY
    )
    ab = adapter_pb2.Signed.FromString(sign(b"c", context="update", signer="ab", key=KEY))
    moved = adapter_pb2.Signed(signer="a", body=b"bc", signature=ab.signature).SerializeToString()
    with pytest.raises(SignatureError):
        open_signed(moved, context="update", key=KEY.public, signer="a", max_bytes=1000)
    for name in ("", "a\0b", "x" * 257):
        with pytest.raises(WireError, match="expected 1 to 256 bytes without NUL"):
            sign(b"", context="update", signer=name, key=KEY)


def test_the_same_signed_body_has_one_spelling() -> None:
    """The parser accepts fields in another order; then one update would have two content addresses."""
    message = adapter_pb2.Signed.FromString(SIGNED)
    name_last = (
        adapter_pb2.Signed(body=message.body, signature=message.signature).SerializeToString()
        + adapter_pb2.Signed(signer=message.signer).SerializeToString()
    )
    assert adapter_pb2.Signed.FromString(name_last) == message
    assert name_last != SIGNED
    with pytest.raises(WireError, match="spelled"):
        open_it(name_last)


def test_too_many_bytes_are_refused_before_parsing() -> None:
    """The limit is the caller's."""
    with pytest.raises(WireError, match=f"found {len(SIGNED)} bytes, allowed are 10"):
        open_signed(SIGNED, context="update", key=KEY.public, signer="node-1", max_bytes=10)


@given(st.data())
def test_no_flipped_bit_opens(data: st.DataObject) -> None:
    """Any bit of the message changed: an error of ours, never the body, never a traceback of another kind."""
    position = data.draw(st.integers(0, len(SIGNED) - 1))
    bit = data.draw(st.integers(0, 7))
    flipped = bytearray(SIGNED)
    flipped[position] ^= 1 << bit
    with pytest.raises(WireError):
        open_it(bytes(flipped))


@given(st.binary(max_size=100))
def test_junk_has_no_signer(junk: bytes) -> None:
    """Random bytes give a name or a WireError."""
    with contextlib.suppress(WireError):
        assert isinstance(peek_signer(junk), str)


def test_a_saved_key_is_the_same_and_only_the_owner_reads_it(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask; PKCS8 PEM that other tools read."""
    path = tmp_path / "keys" / "sign_key.pem"
    old = os.umask(0)
    try:
        KEY.save(path)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert SigningKey.load(path).public == KEY.public


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    """A second `keys init` must not cut a node off from its federation."""
    path = tmp_path / "key.pem"
    KEY.save(path)
    with pytest.raises(KeysError, match="exists already"):
        OTHER.save(path)
    assert SigningKey.load(path).public == KEY.public


def test_a_key_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """Its folder is a file."""
    (tmp_path / "keys").write_text("")
    with pytest.raises(KeysError, match="cannot be written"):
        KEY.save(tmp_path / "keys" / "key.pem")


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o666])
def test_a_key_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    """Others who read it sign as this node."""
    path = tmp_path / "key.pem"
    KEY.save(path)
    path.chmod(mode)
    with pytest.raises(KeysError, match=r"Run `chmod 600 "):
        SigningKey.load(path)


def private_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_a_wrong_key_file_says_what_is_wrong(tmp_path: Path) -> None:
    """Missing, a folder, junk, another algorithm, and one with a password."""
    elliptic = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    locked = KEY._private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    for path, message in (
        (tmp_path / "none.pem", "no such key"),
        (tmp_path, "cannot be read"),
        (private_file(tmp_path / "junk.pem", b"\xff\x00junk"), "not a private key"),
        (private_file(tmp_path / "ec.pem", elliptic), "expected Ed25519"),
        (private_file(tmp_path / "locked.pem", locked), "not a private key in PEM without a password"),
    ):
        with pytest.raises(KeysError, match=message):
            SigningKey.load(path)


def test_a_public_key_is_one_line_of_text() -> None:
    """44 characters; with a line's white space around it too."""
    text = KEY.public.to_text()
    assert len(text) == 44
    assert VerifyKey.from_text(f" {text}\n") == KEY.public
    for wrong in ("", "abc", text[:-2], "é" * 44, text + text, text[:10] + "!" + text[10:]):
        with pytest.raises(KeysError):
            VerifyKey.from_text(wrong)


def test_the_private_key_is_not_in_its_repr() -> None:
    """A key in a log line or a traceback shows its public half."""
    assert repr(KEY) == f"SigningKey(public={KEY.public.to_text()})"
