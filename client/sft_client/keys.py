"""A node's two private keys and its public card.

``keys/auth_key`` opens the transport (Flower's node authentication: P-384, OpenSSH form);
``keys/sign_key.pem`` signs updates end to end (Ed25519). ``node.json`` holds their public halves.
"""

from __future__ import annotations

import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from sft_client.config import ClientConfig
from sft_shared.errors import KeysError
from sft_shared.files import make_private_folder
from sft_shared.wire.cards import NodeCard, read_card
from sft_shared.wire.node_keys import make_node_keys, public_line
from sft_shared.wire.sign import SigningKey


def init_keys(config: ClientConfig) -> NodeCard:
    """Make both keys and write the card. Raises KeysError if any of them is there already."""
    layout = config.layout
    for path in (layout.auth_key, layout.sign_key, layout.card):
        if path.exists():
            raise KeysError(
                f"{path}: exists already, and the federation knows this node by it. "
                f"To begin anew under new keys, move {layout.keys} and {layout.card} away first."
            )
    make_private_folder(layout.state)
    try:
        return make_node_keys(
            name=config.name, auth_key=layout.auth_key, sign_key=layout.sign_key, card=layout.card
        )
    except OSError as error:
        raise KeysError(f"{error.filename or layout.keys}: cannot be written: {error.strerror}.") from None


def load_keys(config: ClientConfig) -> SigningKey:
    """Return the signing key, after a check that the authentication key and the card belong to it.

    Raises KeysError for a key that is missing, damaged or open to others, and for a card that names another
    node or other keys.
    """
    layout = config.layout
    auth_key = _load_auth_key(layout.auth_key)
    sign_key = SigningKey.load(layout.sign_key)
    card = read_card(layout.card, NodeCard)
    if card.name != config.name:
        raise KeysError(
            f"{layout.card}: made for {card.name!r}, but the settings name this node {config.name!r}. "
            "Set the name back, or make keys in another state folder."
        )
    if (card.auth_key, card.sign_key) != (public_line(auth_key), sign_key.public.to_text()):
        raise KeysError(f"{layout.card}: does not belong to the keys in {layout.keys}. Restore both.")
    return sign_key


def _load_auth_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_bytes()
    except FileNotFoundError:
        raise KeysError(f"{path}: no such key. Make it with `sft-client keys init`.") from None
    except OSError as error:
        raise KeysError(f"{path}: cannot be read: {error.strerror}.") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeysError(f"{path}: mode {mode:04o} lets others at the key. Run `chmod 600 {path}`.")
    try:
        key = load_ssh_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeysError(f"{path}: not an OpenSSH private key without a password. Restore the file.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise KeysError(f"{path}: found another kind of key, expected P-384 (secp384r1). Restore the file.")
    return key
