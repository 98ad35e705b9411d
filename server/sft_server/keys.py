"""The federation's keys: a CA and a server certificate for TLS, and the key that signs orders."""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sft_server.config import ServerConfig
from sft_server.layout import Layout
from sft_shared.errors import KeysError
from sft_shared.files import make_private_folder, sync_folder, write_lasting, write_secret
from sft_shared.wire.cards import FederationCard, card_text, split_address
from sft_shared.wire.sign import SigningKey

CA_DAYS = 3650
SERVER_DAYS = 730
LOOPBACK = ("localhost", "127.0.0.1")
"""Names that every server certificate holds: Flower's HTTP is spoken to over loopback."""


@dataclass(frozen=True)
class ServerKeys:
    """What a running server needs of its keys; TLS files are read by the SuperLink itself."""

    ca_cert: bytes  # PEM
    order_key: SigningKey


def init_keys(config: ServerConfig) -> FederationCard:
    """Make all keys and ``federation.json``, or nothing. Raises KeysError if there are keys already."""
    layout = Layout(config.state)
    if layout.keys.exists():
        raise KeysError(
            f"{layout.keys}: keys are there already. Nodes trust them; move the folder away only if you want "
            "to start the federation anew, or run `sft-server keys renew` for a new server certificate."
        )
    make_private_folder(layout.state)
    staging = Path(tempfile.mkdtemp(prefix=".keys-", dir=layout.state))
    try:
        ca_key, ca = _make_ca(config.federation)
        write_secret(staging / layout.ca_key.name, _private_pem(ca_key))
        (staging / layout.ca_cert.name).write_bytes(ca.public_bytes(Encoding.PEM))
        _issue_server(staging, config, ca=ca, ca_key=ca_key)
        SigningKey.generate().save(staging / layout.order_key.name)
        sync_folder(staging)
        try:
            os.rename(staging, layout.keys)
        except OSError:
            raise KeysError(f"{layout.keys}: appeared while keys were made. Run the command once.") from None
        sync_folder(layout.state)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return write_federation_card(config)


def renew_server_certificate(config: ServerConfig) -> FederationCard:
    """Replace server certificate and key; the CA stays, so nodes need nothing new. Raises KeysError."""
    layout = Layout(config.state)
    ca = _load_certificate(layout.ca_cert)
    ca_key = _load_private_key(layout.ca_key)
    staging = Path(tempfile.mkdtemp(prefix=".keys-", dir=layout.state))
    try:
        _issue_server(staging, config, ca=ca, ca_key=ca_key)
        os.replace(staging / layout.server_key.name, layout.server_key)
        os.replace(staging / layout.server_cert.name, layout.server_cert)
        sync_folder(layout.keys)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return write_federation_card(config)


def write_federation_card(config: ServerConfig) -> FederationCard:
    """Write ``federation.json`` from the keys and the address that nodes dial. Raises KeysError."""
    layout = Layout(config.state)
    _load_certificate(layout.ca_cert)
    card = FederationCard(
        name=config.federation,
        address=config.address,
        ca_cert=layout.ca_cert.read_text(encoding="ascii"),
        order_key=SigningKey.load(layout.order_key).public.to_text(),
    )
    text = card_text(card).encode()
    if not layout.federation_card.exists() or layout.federation_card.read_bytes() != text:
        write_lasting(layout.federation_card, text)
    return card


def load_keys(config: ServerConfig, *, now: datetime.datetime | None = None) -> ServerKeys:
    """Read and check the keys before anything is started with them.

    Raises KeysError, naming the file and the command that mends it, for a file that is missing or damaged,
    a certificate out of its dates, of another CA or for another key, and one that does not hold the host of
    the address that nodes dial.
    """
    layout = Layout(config.state)
    if not layout.keys.exists():
        raise KeysError(f"{layout.keys}: no keys yet. Run `sft-server keys init` with this config first.")
    now = now or datetime.datetime.now(datetime.UTC)
    ca, server = _load_certificate(layout.ca_cert), _load_certificate(layout.server_cert)
    key = _load_private_key(layout.server_key)
    for path, certificate, mend in (
        (layout.ca_cert, ca, "Start the federation anew with `sft-server keys init`"),
        (layout.server_cert, server, "Run `sft-server keys renew`"),
    ):
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise KeysError(
                f"{path}: valid from {certificate.not_valid_before_utc:%Y-%m-%d} to "
                f"{certificate.not_valid_after_utc:%Y-%m-%d}, today is {now:%Y-%m-%d}. {mend}."
            )
    try:
        server.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError, TypeError):
        raise KeysError(
            f"{layout.server_cert}: not issued by {layout.ca_cert}. Run `sft-server keys renew`."
        ) from None
    if _public_bytes(server.public_key()) != _public_bytes(key.public_key()):
        raise KeysError(
            f"{layout.server_key}: does not belong to {layout.server_cert}. Run `sft-server keys renew`."
        )
    host, _ = split_address(config.address)
    names = _names_of(server)
    missing = [name for name in (host, *LOOPBACK) if name not in names]
    if missing:
        raise KeysError(
            f"{layout.server_cert}: made for {', '.join(sorted(names))}, not for {missing[0]}. "
            "Run `sft-server keys renew`."
        )
    return ServerKeys(
        ca_cert=ca.public_bytes(Encoding.PEM),
        order_key=SigningKey.load(layout.order_key),
    )


def _make_ca(federation: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"fedsft {federation} CA"[:64])])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _dated(x509.CertificateBuilder(), days=CA_DAYS)
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA384())
    )
    return key, certificate


def _issue_server(
    folder: Path, config: ServerConfig, *, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey
) -> None:
    """Write a new server certificate and its key into ``folder``."""
    layout = Layout(config.state)
    key = ec.generate_private_key(ec.SECP256R1())
    host, _ = split_address(config.address)
    names = [_general_name(name) for name in dict.fromkeys((host, *LOOPBACK))]
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _dated(x509.CertificateBuilder(), days=SERVER_DAYS)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA384())
    )
    write_secret(folder / layout.server_key.name, _private_pem(key))
    (folder / layout.server_cert.name).write_bytes(certificate.public_bytes(Encoding.PEM))


def _dated(builder: x509.CertificateBuilder, *, days: int) -> x509.CertificateBuilder:
    # An hour back: a node whose clock is a little slow may connect at once.
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names_of(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    return {*names.get_values_for_type(x509.DNSName), *addresses}


def _load_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise KeysError(f"{path}: cannot be read: {error.strerror}. Restore the keys folder.") from None
    except ValueError:
        raise KeysError(f"{path}: not a PEM certificate. Restore the keys folder.") from None


def _load_private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise KeysError(f"{path}: cannot be read: {error.strerror}. Restore the keys folder.") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeysError(
            f"{path}: not a private key in PEM without a password. Restore the keys folder."
        ) from None
    if mode & stat.S_IRWXO:
        raise KeysError(f"{path}: mode {mode:04o} lets others at the key. Run `chmod 600 {path}`.")
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeysError(f"{path}: not an elliptic-curve key. Restore the keys folder.")
    return key


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_bytes(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
