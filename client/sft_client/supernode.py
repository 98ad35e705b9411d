"""Flower's SuperNode as a child process: how it is started, and what its output means to the operator."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path

from sft_client.config import ClientConfig
from sft_client.probe import diagnose
from sft_client.supervisor import Supervisor
from sft_shared.errors import TransportError
from sft_shared.files import write_atomic, write_secret
from sft_shared.runlog import RunLog
from sft_shared.wire.cards import FederationCard

HOST = "127.0.0.1"
LEASE_S = 60.0
"""How long a server keeps the session of a SuperNode that vanished; until then a new one is refused."""

_REPEAT_S = 60.0
_LOG_BYTES, _LOG_FILES = 5_000_000, 3
_CONNECTED = re.compile(r"SuperNode ID: (\d+)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Endpoint:
    """``host:port`` of one SuperNode's Runtime API; ``instance`` counts its starts."""

    address: str
    instance: int


class SuperNode:
    """A supervised ``flower-supernode``. `secret` opens its Runtime API, to our executor only."""

    def __init__(
        self, config: ClientConfig, federation: FederationCard, *, say: Callable[[str], None], log: RunLog
    ) -> None:
        """Write what the SuperNode reads from files. Raises TransportError if the runtime port is taken."""
        self._config = config
        self._federation = federation
        self._layout = config.layout
        self._say = say
        self._log = log
        self._endpoint = Endpoint(f"{HOST}:{config.runtime_port}", instance=0)
        self._connected = False
        self._explained = False
        self._refused_since: float | None = None
        self._told: tuple[str, float] = ("", 0.0)
        if config.runtime_port and not _is_free(config.runtime_port):
            raise TransportError(
                f"port {config.runtime_port} on {HOST} is in use. "
                "Set another `runtime_port`, or 0 for a free one."
            )
        self._layout.flwr_home.mkdir(parents=True, exist_ok=True)
        self.secret = secrets.token_bytes(32)
        self._layout.runtime_secret.unlink(missing_ok=True)
        write_secret(self._layout.runtime_secret, self.secret)
        write_atomic(self._layout.ca_cert, federation.ca_cert.encode("ascii"))
        self._output = _rotating_log(self._layout.supernode_log)
        self._supervisor = Supervisor(
            self._command, env=_environment(self._layout.flwr_home), on_line=self._read, on_exit=self._ended
        )

    @property
    def endpoint(self) -> Endpoint:
        """Where the Runtime API of the present instance listens."""
        return self._endpoint

    def run(self, stop: threading.Event) -> None:
        """Keep it running until ``stop`` is set."""
        try:
            self._supervisor.run(stop)
        finally:
            self._output.close()

    def restart(self, endpoint: Endpoint, why: str) -> None:
        """Have the instance behind ``endpoint`` ended and started again, unless that has happened.

        May be called from any thread.
        """
        if endpoint == self._endpoint:
            self._log.write("supernode-restart", why=why)
            self._supervisor.restart()

    def _command(self) -> list[str]:
        port = self._config.runtime_port or _free_port()
        self._endpoint = Endpoint(f"{HOST}:{port}", instance=self._endpoint.instance + 1)
        self._explained = False
        return [
            sys.executable,
            "-P",  # nothing in the working directory stands in for a module
            "-m",
            "sft_client.supernode_child",
            "--isolation=process",
            f"--superlink={self._federation.address}",
            f"--root-certificates={self._layout.ca_cert}",
            f"--auth-supernode-private-key={self._layout.auth_key}",
            f"--host={HOST}",
            f"--port={port}",
            f"--superexec-auth-secret-file={self._layout.runtime_secret}",
        ]

    def _read(self, line: str) -> None:
        line = _COLOURS.sub("", line)
        self._output.emit(logging.makeLogRecord({"msg": line}))
        if match := _CONNECTED.search(line):
            self._refused_since = None
            self._connected = True
            self._log.write("connected", address=self._federation.address, node_id=match[1])
            self._tell(f"connected to {self._federation.address} as {self._config.name}; waiting for orders")
            self._explained = False  # whatever ends this session is still to be explained
        elif "[code: 2004]" in line:
            self._tell(self._about_the_refusal())
        elif "retrying in" in line or "handshake failed" in line.lower():
            fault = diagnose(self._federation.address, ca_cert=self._federation.ca_cert)
            if fault is not None:
                self._tell(f"not connected: {fault} Trying again.")
        elif "Invalid node ID" in line:
            self._tell(
                f"the server at {self._federation.address} has ended this node's session. Trying again."
            )
        elif "address already in use" in line:
            self._tell(f"{self._endpoint.address} is in use by another process. Trying again.")

    def _about_the_refusal(self) -> str:
        now = time.monotonic()
        if self._refused_since is None:
            self._refused_since = now
        server, name = self._federation.address, self._config.name
        if self._connected and now - self._refused_since < LEASE_S:
            return (
                f"{server} does not let node {name!r} in yet (2004): its session before has not ended, which "
                "takes up to a minute, or the operator has revoked this node. Trying again."
            )
        return (
            f"{server} does not let node {name!r} in (2004). If it is not registered, send "
            f"{self._layout.card} to the server's operator, who runs `sft-server nodes add`; "
            "if it is, an old session of it ends within a minute. Trying again."
        )

    def _ended(self, code: int, delay_s: float) -> None:
        self._log.write("supernode-ended", code=code, delay_s=delay_s)
        if not self._explained:
            self._tell(
                f"the SuperNode has ended (exit code {code}; see {self._layout.supernode_log}). "
                "Starting it again."
            )

    def _tell(self, text: str) -> None:
        """Say it, unless it was said within the last minute."""
        self._explained = True
        now = time.monotonic()
        if text != self._told[0] or now - self._told[1] > _REPEAT_S:
            self._told = (text, now)
            self._say(text)


def _environment(flwr_home: Path) -> dict[str, str]:
    quiet = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "FLWR_HOME": str(flwr_home)}
    return {**os.environ, **quiet, "PYTHONUNBUFFERED": "1"}


def _rotating_log(path: Path) -> RotatingFileHandler:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        path, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    return handler


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
