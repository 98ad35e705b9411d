"""A node's identity: two private keys on its disk, and the public card that the operator registers."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sft_shared.files import write_atomic, write_secret
from sft_shared.wire.cards import NodeCard, card_text
from sft_shared.wire.sign import SigningKey


def make_node_keys(*, name: str, auth_key: Path, sign_key: Path, card: Path) -> NodeCard:
    """Make both keys of a node and write them and its card to these files; return the card.

    ``auth_key`` opens the transport (Flower's node authentication: P-384, OpenSSH form), ``sign_key`` signs
    updates end to end (Ed25519). Raises FileExistsError or KeysError if a key is there, OSError.
    """
    auth_key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    auth, sign = ec.generate_private_key(ec.SECP384R1()), SigningKey.generate()
    write_secret(auth_key, auth.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    sign.save(sign_key)
    made = NodeCard(name=name, auth_key=public_line(auth), sign_key=sign.public.to_text())
    write_atomic(card, card_text(made).encode())
    return made


def public_line(key: ec.EllipticCurvePrivateKey) -> str:
    """The public half as an OpenSSH line."""
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
