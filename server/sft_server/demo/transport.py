"""What a running server speaks on its Fleet port, found out by talking to it."""

from __future__ import annotations

import socket
import ssl

from sft_shared.errors import TransportError
from sft_shared.wire.cards import split_address

TIMEOUT_S = 10.0
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(
    (0, 0, 0, 4, 0, 0, 0, 0, 0)
)  # and empty SETTINGS
_SETTINGS = 4


def probe_transport(address: str, *, ca_cert: str) -> str:
    """Return "grpc+tls", or "grpc" if the port answers in plaintext.

    TLS counts only if the certificate is of ``ca_cert`` (PEM) and names the address; gRPC is known by
    HTTP/2's SETTINGS frame, the first thing that its server sends. Raises TransportError for anything else.
    """
    if _answers(address, tls=_context(ca_cert)):
        return "grpc+tls"
    if _answers(address, tls=None):
        return "grpc"
    raise TransportError(f"{address}: neither gRPC with the federation's certificate nor plain gRPC answers.")


def _context(ca_cert: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca_cert)
    context.set_alpn_protocols(["h2"])
    return context


def _answers(address: str, *, tls: ssl.SSLContext | None) -> bool:
    host, port = split_address(address)
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S) as plain:
            if tls is None:
                return _speaks_http2(plain)
            with tls.wrap_socket(plain, server_hostname=host) as secured:
                return _speaks_http2(secured)
    except OSError:  # ssl.SSLError is one
        return False


def _speaks_http2(connection: socket.socket) -> bool:
    connection.sendall(_HTTP2_PREFACE)
    header = b""
    while len(header) < 9:
        received = connection.recv(9 - len(header))
        if not received:
            return False
        header += received
    return header[3] == _SETTINGS
