"""The cards two operators hand each other before any network is used: JSON files without secrets.

A node's operator gives ``node.json`` to the server's operator and gets ``federation.json``. From then on
the keys on the cards authenticate everything.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from pydantic import AfterValidator, Field, ValidationError

from sft_shared.config import Settings
from sft_shared.errors import FedsftError, KeysError
from sft_shared.wire.sign import VerifyKey

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
NodeName = Annotated[str, Field(pattern=NAME_PATTERN)]
"""Name of a node or a federation: 1 to 63 of ``a-z 0-9 . _ -``, the first a letter or digit."""


def _is_p384_line(text: str) -> str:
    try:
        key = load_ssh_public_key(text.encode("ascii"))
    except (ValueError, UnicodeEncodeError, UnsupportedAlgorithm):
        raise ValueError("not an OpenSSH public key line such as 'ecdsa-sha2-nistp384 AAAA...'") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("not an elliptic-curve public key; sft-client keys init makes the right kind")
    if not isinstance(key.curve, ec.SECP384R1):
        raise ValueError(f"on the curve {key.curve.name}, must be on P-384 (secp384r1)")
    return " ".join(text.split()[:2])


def _is_verify_key(text: str) -> str:
    try:
        return VerifyKey.from_text(text).to_text()
    except FedsftError:
        raise ValueError("not a base64 Ed25519 public key of 32 bytes") from None


def _is_certificate(text: str) -> str:
    try:
        x509.load_pem_x509_certificate(text.encode("ascii"))
    except (ValueError, UnicodeEncodeError):
        raise ValueError("not a PEM certificate") from None
    return text


def split_address(address: str) -> tuple[str, int]:
    """``host:port`` as (host, port); ``[::1]:9092`` loses its brackets. Raises ValueError."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("expected host:port with a port from 1 to 65535, such as 127.0.0.1:9092")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("an IPv6 address needs brackets, such as [::1]:9092")
    return host.strip("[]"), int(port)


def _is_address(address: str) -> str:
    split_address(address)
    return address


Address = Annotated[str, AfterValidator(_is_address)]
"""``host:port``."""


class NodeCard(Settings):
    """Who a node is: the key that opens the transport and the key that signs its updates."""

    name: NodeName
    auth_key: Annotated[str, AfterValidator(_is_p384_line)]  # OpenSSH line, P-384
    sign_key: Annotated[str, AfterValidator(_is_verify_key)]  # base64 of 32 bytes, Ed25519


class FederationCard(Settings):
    """What a node must know of its federation: where it is, and by which keys it is known."""

    name: NodeName
    address: Address  # of the Fleet gRPC
    ca_cert: Annotated[str, AfterValidator(_is_certificate)]  # PEM; the only CA that is trusted
    order_key: Annotated[str, AfterValidator(_is_verify_key)]  # base64 of 32 bytes, Ed25519


CardT = TypeVar("CardT", NodeCard, FederationCard)


def read_card(path: Path, card: type[CardT]) -> CardT:
    """Read a card. Raises KeysError that names the file, the field and what is wrong with it."""
    try:
        return card.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        maker = "sft-client keys init" if card is NodeCard else "sft-server keys init"
        raise KeysError(f"{path}: no such file. `{maker}` writes it; copy it here.") from None
    except OSError as error:
        raise KeysError(f"{path}: cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"]) or "file"
        message = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
        kind = "node's card" if card is NodeCard else "federation's card"
        raise KeysError(f"{path}: {field}: {message}. Expected a {kind} as JSON.") from None


def card_text(card: NodeCard | FederationCard) -> str:
    """The card as the JSON text of its file."""
    return json.dumps(card.model_dump(mode="json"), indent=2) + "\n"
