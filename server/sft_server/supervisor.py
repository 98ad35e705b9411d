"""The SuperLink as a child process: started, watched, logged, and never left behind."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path

from sft_server.config import ServerConfig
from sft_server.layout import Layout
from sft_shared.errors import TransportError
from sft_shared.wire.cards import split_address

CONTROL_HOST = "127.0.0.1"
"""Flower's Control API has no authentication: whoever reaches it owns the SuperLink."""

FLWR_ENVIRONMENT = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
}
_STOP_S = 8.0
_LOG_BYTES, _LOG_FILES = 10 << 20, 3


def require_free_port(address: str, *, setting: str) -> None:
    """Raise TransportError, naming the port and the setting, if ``address`` cannot be listened on."""
    host, port = split_address(address)
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
            probe.listen(1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise TransportError(
            f"port {port} on {host}: {reason}. Stop the program that uses it, or change `{setting}`."
        ) from None


class SuperLinkProcess:
    """One ``flower-superlink``. Start it from the thread that outlives it."""

    def __init__(self, config: ServerConfig, *, secret_file: Path) -> None:
        layout = Layout(config.state)
        self._log_file = layout.logs / "superlink.log"
        self._environment = flwr_environment(layout.flwr_home)
        self._arguments = [
            "--isolation", "process",
            "--enable-supernode-auth",
            "--ssl-ca-certfile", str(layout.ca_cert),
            "--ssl-certfile", str(layout.server_cert),
            "--ssl-keyfile", str(layout.server_key),
            "--fleet-api-address", config.listen,
            "--host", CONTROL_HOST,
            "--port", str(config.control_port),
            "--superexec-auth-secret-file", str(secret_file),
            "--disable-runtime-dependency-installation",
        ]  # fmt: skip
        self._process: subprocess.Popen[str] | None = None
        self._pump: threading.Thread | None = None
        self._tail: deque[str] = deque(maxlen=20)

    def start(self) -> None:
        """Start it; returns before it listens."""
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        self._tail.clear()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "sft_server.superlink_child", str(os.getpid()), *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **self._environment},
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop it in order
        )
        self._pump = threading.Thread(target=self._log_output, args=(self._process,), daemon=True)
        self._pump.start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def how_it_ended(self) -> str:
        """Exit code and last line, for a message."""
        if self._process is None or self._process.poll() is None:
            return "it still runs"
        last = next((line for line in reversed(self._tail) if line.strip()), "nothing")
        return f"it ended with code {self._process.returncode}, its last line was: {last}"

    def stop(self) -> None:
        """Stop it and everything it started."""
        process = self._process
        if process is None:
            return
        for sent in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                _signal_group(process.pid, sent)
            try:
                process.wait(timeout=_STOP_S)
                break
            except subprocess.TimeoutExpired:
                continue
        _signal_group(process.pid, signal.SIGKILL)
        if self._pump is not None:
            self._pump.join(timeout=1.0)
        self._process = None

    def _log_output(self, process: subprocess.Popen[str]) -> None:
        handler = RotatingFileHandler(
            self._log_file, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8"
        )
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._tail.append(line.rstrip())
                handler.emit(logging.makeLogRecord({"msg": line.rstrip()}))
        handler.close()


def flwr_environment(home: Path) -> Mapping[str, str]:
    """What keeps Flower offline, quiet and inside the state folder."""
    return {**FLWR_ENVIRONMENT, "FLWR_HOME": str(home)}


def _signal_group(pid: int, sent: signal.Signals) -> None:
    try:
        os.killpg(pid, sent)
    except ProcessLookupError:
        return
