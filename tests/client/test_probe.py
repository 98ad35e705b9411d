"""Each way in which a server cannot be reached has a sentence of its own; real sockets, real TLS."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sft_client.probe import diagnose

DAY = datetime.timedelta(days=1)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


class Authority:
    """A CA that issues server certificates for 127.0.0.1."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.now = datetime.datetime.now(datetime.UTC)
        self.certificate = (
            self._builder("test CA", self.key.public_key(), self.now - DAY, self.now + DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        """The CA's certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    def issue(self, folder: Path, *, address: str = "127.0.0.1", days: int = 1) -> Path:
        """Write a server's certificate and key into one file; return it."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        certificate = (
            self._builder("test server", key.public_key(), self.now - 3 * DAY, self.now + days * DAY)
            .add_extension(names, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        path = folder / "server.pem"
        path.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM)
        )
        return path

    def _builder(
        self, subject: str, key: ec.EllipticCurvePublicKey, start: datetime.datetime, end: datetime.datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name("test CA"))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
        )


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server on loopback that handles one connection; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@contextmanager
def tls_server(certificate: Path) -> Iterator[str]:
    """A TLS server with this certificate; gives its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def shake_hands(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(1)
        except OSError:
            return  # the client hung up, as it should in most of these tests

    with listening(shake_hands) as address:
        yield address


def test_a_server_with_the_right_certificate_has_no_fault(tmp_path: Path) -> None:
    """The handshake succeeds and nothing is said."""
    authority = Authority()
    with tls_server(authority.issue(tmp_path)) as address:
        assert diagnose(address, ca_cert=authority.pem) is None


def test_another_authority_is_named(tmp_path: Path) -> None:
    """A certificate by a CA that the federation's card does not hold: maybe an attacker, maybe new keys."""
    with tls_server(Authority().issue(tmp_path)) as address:
        fault = diagnose(address, ca_cert=Authority().pem)
    assert fault is not None
    assert "not by the CA in federation.json" in fault
    assert "Ask the server's operator for the present federation.json" in fault


def test_a_certificate_for_another_host_is_named(tmp_path: Path) -> None:
    """The operator is told where to set the right name."""
    authority = Authority()
    with tls_server(authority.issue(tmp_path, address="10.0.0.1")) as address:
        fault = diagnose(address, ca_cert=authority.pem)
    assert fault is not None
    assert "not made for '127.0.0.1'" in fault


def test_an_expired_certificate_is_named(tmp_path: Path) -> None:
    """With the clock as the other suspect."""
    authority = Authority()
    with tls_server(authority.issue(tmp_path, days=-1)) as address:
        fault = diagnose(address, ca_cert=authority.pem)
    assert fault is not None
    assert "has expired" in fault
    assert "clock" in fault


def test_a_server_without_tls_is_named() -> None:
    """Plaintext is never spoken, only told apart."""
    with listening(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as address:
        fault = diagnose(address, ca_cert=Authority().pem)
    assert fault is not None
    assert "does not speak TLS" in fault


def test_nobody_listening_is_named() -> None:
    """The commonest case: the server has not been started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    fault = diagnose(f"127.0.0.1:{port}", ca_cert=Authority().pem)
    assert fault is not None
    assert fault.startswith(f"nothing listens at 127.0.0.1:{port}.")


def test_a_silent_server_is_named() -> None:
    """A peer that accepts and says nothing holds us up no longer than the time given."""
    done = threading.Event()
    with listening(lambda connection: bool(done.wait(10)) and None) as address:
        fault = diagnose(address, ca_cert=Authority().pem, timeout_s=0.3)
        done.set()
    assert fault is not None
    assert "no answer" in fault


def test_a_name_that_does_not_resolve_is_named() -> None:
    """The name is shown; .invalid never resolves (RFC 2606)."""
    fault = diagnose("server.invalid:9092", ca_cert=Authority().pem)
    assert fault is not None
    assert "'server.invalid' cannot be resolved" in fault


@pytest.mark.parametrize("address", ["[::1]:1", "localhost:1"])
def test_other_forms_of_address_are_understood(address: str) -> None:
    """IPv6 in brackets and names."""
    fault = diagnose(address, ca_cert=Authority().pem)
    assert fault is not None
    assert address in fault
