"""What a port speaks is found out, not assumed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from sft_server.config import ServerConfig
from sft_server.demo.transport import probe_transport
from sft_server.keys import init_keys
from sft_server.layout import Layout
from sft_shared.errors import TransportError


@contextmanager
def grpc_server(credentials: grpc.ServerCredentials | None) -> Iterator[str]:
    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(ThreadPoolExecutor(1))
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@pytest.fixture
def keys(tmp_path: Path) -> Layout:
    config = ServerConfig(federation="test", state=tmp_path / "server", recipe=tmp_path / "recipe.yaml")
    init_keys(config)
    return Layout(config.state)


def test_a_tls_server_of_the_federation_is_grpc_tls(keys: Layout) -> None:
    """A real gRPC server with the federation's certificate."""
    credentials = grpc.ssl_server_credentials([(keys.server_key.read_bytes(), keys.server_cert.read_bytes())])
    with grpc_server(credentials) as address:
        assert probe_transport(address, ca_cert=keys.ca_cert.read_text()) == "grpc+tls"


def test_a_plaintext_server_is_never_called_tls(keys: Layout) -> None:
    """The same server without credentials."""
    with grpc_server(None) as address:
        assert probe_transport(address, ca_cert=keys.ca_cert.read_text()) == "grpc"


def test_a_certificate_of_another_ca_does_not_count(keys: Layout, tmp_path: Path) -> None:
    """An impostor with a certificate of its own CA is refused."""
    other = ServerConfig(federation="test", state=tmp_path / "other", recipe=tmp_path / "recipe.yaml")
    init_keys(other)
    theirs = Layout(other.state)
    credentials = grpc.ssl_server_credentials(
        [(theirs.server_key.read_bytes(), theirs.server_cert.read_bytes())]
    )
    with grpc_server(credentials) as address, pytest.raises(TransportError, match="neither gRPC"):
        probe_transport(address, ca_cert=keys.ca_cert.read_text())


def test_a_port_that_speaks_something_else_is_refused(keys: Layout) -> None:
    """A listener that answers with HTTP/1 is no gRPC server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(64)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(TransportError, match="neither gRPC"):
            probe_transport(address, ca_cert=keys.ca_cert.read_text())
        thread.join()
