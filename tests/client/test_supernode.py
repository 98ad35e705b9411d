"""The real flower-supernode under our supervision, without a server."""

from __future__ import annotations

import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sft_client.executor import _client
from sft_client.supernode import SuperNode
from sft_shared.errors import TransportError
from sft_shared.runlog import RunLog
from sft_shared.wire.cards import FederationCard, read_card


@contextmanager
def running(home: Any) -> Iterator[SuperNode]:
    """The home's SuperNode; it has ended when the block has."""
    config = home.config
    card = read_card(config.federation, FederationCard)
    supernode = SuperNode(config, card, say=home.said.append, log=RunLog(config.layout.run_log))
    stop = threading.Event()
    thread = threading.Thread(target=supernode.run, args=(stop,))
    thread.start()
    try:
        yield supernode
    finally:
        stop.set()
        thread.join()


def wait_for(look: Callable[[], Any], *, within_s: float = 60) -> Any:
    """Return the first true value of ``look``."""
    give_up = time.monotonic() + within_s
    while not (value := look()):
        assert time.monotonic() < give_up
        time.sleep(0.05)
    return value


def log_of(home: Any) -> str:
    """What the SuperNode has printed."""
    path = home.config.layout.supernode_log
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_without_a_server_one_clear_line_is_said_while_it_goes_on_trying(home: Any) -> None:
    """Flower's own lines go to the log file; the operator reads once what is wrong and what to do."""
    with running(home) as supernode:
        wait_for(lambda: log_of(home).count("retrying in") >= 4)
        assert supernode.endpoint.instance == 1
    assert home.said == [
        "not connected: nothing listens at 127.0.0.1:1. Start the server (`sft-server start`), or check "
        "the address. Trying again."
    ]


def test_the_runtime_api_opens_to_the_secret_alone(home: Any) -> None:
    """It listens on loopback only, and its secret is readable by its owner only."""
    from flwr.proto.runtime_pb2 import AcquireTaskRequest
    from httpx import HTTPStatusError

    with running(home) as supernode:
        wait_for(lambda: "Uvicorn running" in log_of(home))
        endpoint = supernode.endpoint
        assert endpoint.address.startswith("127.0.0.1:")
        stranger = _client(endpoint)
        with pytest.raises(HTTPStatusError, match="401"):
            stranger.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-clientapp"]))
        stranger.close()
    mode = home.config.layout.runtime_secret.stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_port_in_use_is_an_error_before_anything_starts(home: Any) -> None:
    """The port and the setting are named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        home.configure(runtime_port=port)
        words = f"port {port} on 127.0.0.1 is in use. Set another"
        with pytest.raises(TransportError, match=words), running(home):
            pass


def test_a_lost_task_restarts_the_instance_that_lost_it(home: Any) -> None:
    """A fault that names an instance which is gone already restarts nothing."""
    with running(home) as supernode:
        wait_for(lambda: "Uvicorn running" in log_of(home))
        first = supernode.endpoint
        supernode.restart(first, "a test")
        wait_for(lambda: supernode.endpoint.instance == 2)
        supernode.restart(first, "a late report")
        wait_for(lambda: log_of(home).count("Uvicorn running") == 2)
        time.sleep(0.5)
        assert supernode.endpoint.instance == 2
