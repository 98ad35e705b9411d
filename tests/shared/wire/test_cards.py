"""Cards: what two operators exchange is checked field by field before anything trusts it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sft_shared.errors import KeysError
from sft_shared.wire.cards import FederationCard, NodeCard, card_text, read_card
from sft_shared.wire.sign import SigningKey


def _line(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")


def _values() -> dict[str, str]:
    return {
        "name": "shop-1",
        "auth_key": _line(ec.generate_private_key(ec.SECP384R1())),
        "sign_key": SigningKey.generate().public.to_text(),
    }


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Text and back."""
    card = NodeCard.model_validate(_values())
    path = tmp_path / "node.json"
    path.write_text(card_text(card), encoding="utf-8")
    assert read_card(path, NodeCard) == card


def test_a_comment_on_the_key_line_is_dropped() -> None:
    """Two cards of one key are equal, whoever copied the line."""
    values = _values()
    commented = {**values, "auth_key": values["auth_key"] + " me@laptop"}
    assert NodeCard.model_validate(commented) == NodeCard.model_validate(values)


@pytest.mark.parametrize("name", ["", "Shop", "-a", "a b", "a/b", "../a", "a" * 64, "läden", "a\n"])
def test_names_that_could_confuse_are_refused(tmp_path: Path, name: str) -> None:
    """Names become file names, log fields and signatures."""
    path = tmp_path / "node.json"
    path.write_text(json.dumps({**_values(), "name": name}), encoding="utf-8")
    with pytest.raises(KeysError, match=r"node\.json: name"):
        read_card(path, NodeCard)


ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))  # fixed: it names the test


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("auth_key", _line(ec.generate_private_key(ec.SECP256R1())), "on the curve secp256r1"),
        ("auth_key", _line(ED25519), "not an elliptic-curve public key"),
        ("auth_key", "ecdsa-sha2-nistp384 AAAA", "not an OpenSSH public key"),
        ("auth_key", "ключ", "not an OpenSSH public key"),
        ("sign_key", "AAAA", "not a base64 Ed25519 public key"),
        ("sign_key", "!" * 44, "not a base64 Ed25519 public key"),
        ("extra", "x", "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, field: str, value: str, expected: str) -> None:
    """With file, field and what is wrong."""
    path = tmp_path / "node.json"
    path.write_text(json.dumps({**_values(), field: value}), encoding="utf-8")
    with pytest.raises(KeysError, match=expected) as caught:
        read_card(path, NodeCard)
    assert f"node.json: {field}" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "field"),
    [({"address": "localhost"}, "address"), ({"address": "http://a:1"}, "address"), ({}, "ca_cert")],
)
def test_a_wrong_federation_card_is_named(tmp_path: Path, values: dict[str, str], field: str) -> None:
    """An address without a port, and a CA that is none."""
    path = tmp_path / "federation.json"
    card = {"name": "f", "address": "a:1", "ca_cert": "x", "order_key": _values()["sign_key"], **values}
    path.write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(KeysError, match=f"federation.json: {field}"):
        read_card(path, FederationCard)


@pytest.mark.parametrize("card", [NodeCard, FederationCard])
def test_a_missing_card_says_who_writes_it(
    tmp_path: Path, card: type[NodeCard] | type[FederationCard]
) -> None:
    """The command is in the message."""
    with pytest.raises(KeysError, match="keys init"):
        read_card(tmp_path / "none.json", card)
