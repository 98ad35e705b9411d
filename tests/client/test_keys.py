"""A node's keys: made once, private, and checked before anything is done with them."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flwr.supernode.cli.flower_supernode import _try_setup_client_authentication

from sft_client.keys import init_keys, load_keys
from sft_shared.errors import FedsftError, KeysError
from sft_shared.wire.cards import NodeCard, read_card
from sft_shared.wire.sign import SigningKey


def test_the_card_holds_the_public_halves(home: Any) -> None:
    """node.json names the node and can be read by the server; both private keys have mode 0600."""
    layout = home.config.layout
    card = read_card(layout.card, NodeCard)
    assert card.name == "site-a"
    assert card.sign_key == load_keys(home.config).public.to_text()
    assert "PRIVATE" not in layout.card.read_text(encoding="utf-8")
    for path in (layout.auth_key, layout.sign_key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(layout.keys.stat().st_mode) == 0o700


def test_flower_reads_the_authentication_key(home: Any) -> None:
    """It is what flower-supernode accepts: an elliptic-curve key in OpenSSH form."""
    arguments = type("Arguments", (), {})()
    arguments.auth_supernode_private_key = str(home.config.layout.auth_key)
    arguments.auth_supernode_public_key = None
    private, public = _try_setup_client_authentication(arguments)
    assert public.curve.name == "secp384r1"
    assert private.public_key() == public


@pytest.mark.parametrize("kept", ["auth_key", "sign_key", "card"])
def test_keys_are_never_overwritten(home: Any, kept: str) -> None:
    """Any one of the three files that is there stops it, and stays as it is."""
    layout = home.config.layout
    for name in {"auth_key", "sign_key", "card"} - {kept}:
        getattr(layout, name).unlink()
    before = getattr(layout, kept).read_bytes()
    with pytest.raises(KeysError, match="exists already"):
        init_keys(home.config)
    assert getattr(layout, kept).read_bytes() == before


def _remove(path: Path) -> None:
    path.unlink()


def _open_to_others(path: Path) -> None:
    path.chmod(0o640)


def _damage(path: Path) -> None:
    path.write_text("damaged", encoding="utf-8")


def _another_curve(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


def _another_key(path: Path) -> None:
    path.unlink()
    SigningKey.generate().save(path)


@pytest.mark.parametrize(
    ("file", "spoil", "words"),
    [
        ("auth_key", _remove, "no such key. Make it with `sft-client keys init`"),
        ("auth_key", _open_to_others, "chmod 600"),
        ("auth_key", _damage, "not an OpenSSH private key"),
        ("auth_key", _another_curve, "P-384"),
        ("sign_key", _remove, "no such key"),
        ("sign_key", _another_key, "does not belong to the keys"),
        ("card", _remove, "no such file. `sft-client keys init` writes it"),
        ("card", _damage, "card"),
    ],
)
def test_spoilt_keys_are_named(home: Any, file: str, spoil: Any, words: str) -> None:
    """Missing, open to others, damaged, of another kind, or not belonging together."""
    path = getattr(home.config.layout, file)
    spoil(path)
    with pytest.raises(FedsftError, match=words) as caught:
        load_keys(home.config)
    assert str(home.config.layout.state) in str(caught.value)


def test_a_card_made_for_another_name_is_refused(home: Any) -> None:
    """The name in client.yaml is what updates are signed as; it cannot drift from the registered one."""
    home.configure(name="site-b")
    with pytest.raises(KeysError, match="made for 'site-a'"):
        load_keys(home.config)
