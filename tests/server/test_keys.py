"""Keys are made once, fit each other, and are checked before anything starts with them."""

from __future__ import annotations

import datetime
import os
import shutil
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest

from sft_server.config import ServerConfig
from sft_server.keys import init_keys, load_keys, renew_server_certificate, write_federation_card
from sft_server.layout import Layout
from sft_shared.errors import KeysError
from sft_shared.wire.cards import FederationCard, read_card


@pytest.fixture
def config(tmp_path: Path) -> ServerConfig:
    """A server that nodes dial as localhost."""
    return ServerConfig(
        federation="f", state=tmp_path / "server", recipe=tmp_path / "r.yaml", public_address="localhost:9092"
    )


def _shake_hands(layout: Layout, *, host: str, ca: Path) -> str:
    """Connect to a TLS server with our certificate and return the version that was agreed."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(layout.server_cert, layout.server_key)
    client = ssl.create_default_context(cafile=str(ca))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=host) as secure:
            return secure.version() or ""
    finally:
        ours.close()
        thread.join()


def test_private_keys_are_for_their_owner_only(config: ServerConfig) -> None:
    """Folder and private files are closed to others."""
    init_keys(config)
    layout = Layout(config.state)
    assert stat.S_IMODE(layout.keys.stat().st_mode) == 0o700
    for path in (layout.ca_key, layout.server_key, layout.order_key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_card_has_what_a_node_needs(config: ServerConfig) -> None:
    """federation.json carries name, address, CA and order key."""
    init_keys(config)
    layout = Layout(config.state)
    card = read_card(layout.federation_card, FederationCard)
    assert (card.name, card.address) == ("f", "localhost:9092")
    assert card.ca_cert == layout.ca_cert.read_text(encoding="ascii")
    assert card.order_key == load_keys(config).order_key.public.to_text()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_tls_holds_for_the_names_in_the_certificate(config: ServerConfig, host: str) -> None:
    """Nodes by the public name and our own HTTP by loopback, under OpenSSL's strict rules."""
    init_keys(config)
    layout = Layout(config.state)
    assert _shake_hands(layout, host=host, ca=layout.ca_cert) == "TLSv1.3"


def test_tls_fails_for_another_name_or_ca(config: ServerConfig, tmp_path: Path) -> None:
    """Whoever took over the address has no certificate of ours."""
    init_keys(config)
    layout = Layout(config.state)
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(layout, host="elsewhere.example", ca=layout.ca_cert)
    other = config.model_copy(update={"state": tmp_path / "other"})
    init_keys(other)
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(layout, host="localhost", ca=Layout(other.state).ca_cert)


def test_keys_are_never_overwritten(config: ServerConfig) -> None:
    """A second init changes no byte."""
    init_keys(config)
    layout = Layout(config.state)
    before = {path: path.read_bytes() for path in layout.keys.iterdir()}
    with pytest.raises(KeysError, match="keys are there already"):
        init_keys(config)
    assert {path: path.read_bytes() for path in layout.keys.iterdir()} == before
    assert sorted(path.name for path in config.state.iterdir()) == ["federation.json", "keys"]


def test_a_failed_init_leaves_nothing(config: ServerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """All keys or none: init may be run again."""

    def fail(*args: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="disk full"):
            init_keys(config)
    assert list(config.state.iterdir()) == []
    init_keys(config)


def test_card_is_made_again_if_a_crash_lost_it(config: ServerConfig) -> None:
    """A crash between keys and card leaves nothing that a start does not mend."""
    init_keys(config)
    path = Layout(config.state).federation_card
    text = path.read_bytes()
    path.unlink()
    write_federation_card(config)
    assert path.read_bytes() == text


def test_start_without_keys_says_how_to_make_them(config: ServerConfig) -> None:
    """The first thing a newcomer forgets."""
    with pytest.raises(KeysError, match="keys init"):
        load_keys(config)


@pytest.mark.parametrize(("days", "expected"), [(-2, "valid from"), (800, "server.crt"), (4000, "ca.crt")])
def test_a_certificate_out_of_its_dates_is_refused(config: ServerConfig, days: int, expected: str) -> None:
    """Too early, too late, and the CA itself too late."""
    init_keys(config)
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    with pytest.raises(KeysError, match=expected):
        load_keys(config, now=now)


def test_a_certificate_of_another_ca_is_refused(config: ServerConfig, tmp_path: Path) -> None:
    """A mixed-up keys folder."""
    init_keys(config)
    other = config.model_copy(update={"state": tmp_path / "other"})
    init_keys(other)
    for name in ("server.crt", "server.key"):
        shutil.copy(other.state / "keys" / name, config.state / "keys" / name)
    with pytest.raises(KeysError, match="not issued by"):
        load_keys(config)


def test_a_key_of_another_certificate_is_refused(config: ServerConfig, tmp_path: Path) -> None:
    """The SuperLink would die of it with a traceback."""
    init_keys(config)
    other = config.model_copy(update={"state": tmp_path / "other"})
    init_keys(other)
    shutil.copy(other.state / "keys" / "server.key", config.state / "keys" / "server.key")
    with pytest.raises(KeysError, match="does not belong to"):
        load_keys(config)


@pytest.mark.parametrize("name", ["ca.crt", "server.crt", "server.key", "order_key.pem"])
@pytest.mark.parametrize("content", [None, b"junk"])
def test_a_missing_or_damaged_file_is_named(config: ServerConfig, name: str, content: bytes | None) -> None:
    """One line with the file, no traceback."""
    init_keys(config)
    path = config.state / "keys" / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(KeysError, match=name):
        load_keys(config)


def test_another_address_needs_a_new_certificate(config: ServerConfig) -> None:
    """The nodes would refuse the old one; `keys renew` mends it and keeps the CA."""
    init_keys(config)
    ca = Layout(config.state).ca_cert.read_bytes()
    moved = config.model_copy(update={"public_address": "fed.example:9092"})
    with pytest.raises(KeysError, match=r"not for fed\.example"):
        load_keys(moved)
    assert renew_server_certificate(moved).address == "fed.example:9092"
    assert load_keys(moved).ca_cert == ca
