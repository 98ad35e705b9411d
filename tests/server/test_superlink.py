"""A real SuperLink on free ports: up, spoken to, gone, also when its server is killed with -9."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from sft_server.collect import GridFleet
from sft_server.config import ServerConfig
from sft_server.keys import init_keys, load_keys
from sft_server.superlink import SuperLink
from sft_server.supervisor import SuperLinkProcess, require_free_port
from sft_shared.errors import TransportError

SECRET = b"s" * 32


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _config(state: Path) -> ServerConfig:
    fleet, control = _free_ports(2)
    return ServerConfig(
        federation="f", state=state, recipe=state / "r", listen=f"127.0.0.1:{fleet}", control_port=control
    )


def _wait(condition: Any, *, seconds: float = 40.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").split(") ")[1][0] == "Z"
    except OSError:
        return True


def _answers(link: SuperLink) -> bool:
    try:
        link.ping()
    except TransportError:
        return False
    return True


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One SuperLink for all tests that leave it running."""
    config = _config(tmp_path_factory.mktemp("superlink"))
    init_keys(config)
    secret_file = config.state / "secret"
    secret_file.write_bytes(SECRET)
    process = SuperLinkProcess(config, secret_file=secret_file)
    process.start()
    link = SuperLink(f"127.0.0.1:{config.control_port}", ca_cert=load_keys(config).ca_cert, secret=SECRET)
    _wait(lambda: _answers(link))
    yield config, process, link
    link.close()
    pid = process.pid
    started = time.monotonic()
    process.stop()
    assert time.monotonic() - started < 8
    assert pid is not None
    assert _is_gone(pid)


def test_runs_our_server_app_in_this_process(server: Any) -> None:
    """The app's code is a closure of this test: nothing was bundled or imported."""
    _, _, link = server
    seen = []

    def main(grid: Grid, context: Context) -> None:
        fleet = GridFleet(grid, members=dict)
        seen.append((os.getpid(), dict(fleet.online()), context.run_id))
        fleet.close()

    for _ in range(2):
        app = ServerApp()
        app.main()(main)
        link.run(app)
    assert [pid for pid, _, _ in seen] == [os.getpid()] * 2
    assert seen[0][2] != seen[1][2]


def test_an_error_of_the_app_comes_through(server: Any) -> None:
    """And the next run starts as if nothing had been."""
    _, _, link = server

    def main(grid: Grid, context: Context) -> None:
        raise KeyError("mine")

    app = ServerApp()
    app.main()(main)
    for _ in range(2):
        with pytest.raises(KeyError, match="mine"):
            link.run(app)


def test_nodes_are_let_in_and_shut_out(server: Any, make_node: Any) -> None:
    """Also one that never was online, where flwr 1.39 answers 500 after doing it."""
    _, _, link = server
    node_id = link.register(make_node("a").auth_key, name="a")
    assert {node.node_id: node.status for node in link.nodes()}[node_id] == "registered"
    link.unregister(node_id)
    assert {node.node_id: node.status for node in link.nodes()}[node_id] == "unregistered"


def test_tasks_are_for_those_who_know_the_secret(server: Any) -> None:
    """Another process on this machine cannot take our ServerApp's place; with the secret it could."""
    config, _, link = server
    stranger = SuperLink(
        f"127.0.0.1:{config.control_port}", ca_cert=load_keys(config).ca_cert, secret=b"x" * 32
    )
    app = ServerApp()
    app.main()(lambda grid, context: None)
    with pytest.raises(TransportError, match="401"):
        stranger.run(app)
    stranger.close()
    link.run(app)


def test_another_ca_is_not_trusted(server: Any, tmp_path: Path) -> None:
    """Our own HTTP checks the certificate as nodes do."""
    config, _, _ = server
    other = _config(tmp_path / "other")
    init_keys(other)
    link = SuperLink(f"127.0.0.1:{config.control_port}", ca_cert=load_keys(other).ca_cert, secret=SECRET)
    with pytest.raises(TransportError, match="certificate"):
        link.ping()
    link.close()


def test_control_is_on_loopback_only(server: Any) -> None:
    """It has no authentication, so no other address of this machine answers."""
    config, _, _ = server
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no other address")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((address, config.control_port), timeout=2)


def test_a_port_in_use_is_named(server: Any) -> None:
    """Before anything is started; gRPC would share the port silently."""
    config, _, _ = server
    port = config.listen.rpartition(":")[2]
    with pytest.raises(TransportError, match=rf"port {port} on .*: Address already in use.*`listen`"):
        require_free_port(config.listen, setting="listen")


def test_a_host_that_is_not_ours_is_named() -> None:
    """A mistyped address."""
    with pytest.raises(TransportError, match="port 9092 on 192"):
        require_free_port("192.0.2.1:9092", setting="listen")


def test_a_dead_superlink_is_an_error_at_once(tmp_path: Path) -> None:
    """Flower's own client would try for ever."""
    config = _config(tmp_path)
    init_keys(config)
    link = SuperLink(f"127.0.0.1:{config.control_port}", ca_cert=load_keys(config).ca_cert, secret=SECRET)
    with pytest.raises(TransportError, match="does not answer"):
        link.ping()
    link.close()


def test_dies_with_a_server_killed_with_9(tmp_path: Path) -> None:
    """No SuperLink is left behind, whatever thread started it."""
    config = _config(tmp_path)
    init_keys(config)
    (tmp_path / "secret").write_bytes(SECRET)
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from sft_server.config import ServerConfig\n"
        "from sft_server.supervisor import SuperLinkProcess\n"
        "config = ServerConfig.model_validate_json(sys.argv[1])\n"
        "process = SuperLinkProcess(config, secret_file=config.state / 'secret')\n"
        "process.start()\n"
        "print(process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, config.model_dump_json()], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    assert not _is_gone(pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _wait(lambda: _is_gone(pid), seconds=15)


def test_pulls_of_a_slow_upload_do_not_hold_up_others() -> None:
    """One pull blocks as while a node uploads; the reply of the other node comes through meanwhile."""
    release = threading.Event()

    class SlowGrid:
        def pull_messages(self, message_ids: list[str]) -> list[Any]:
            if message_ids == ["slow"]:
                release.wait(10)
            return []

    fleet = GridFleet(SlowGrid())
    started = time.monotonic()
    for _ in range(5):
        fleet.replies(["slow", "quick"])
        time.sleep(0.02)
    assert time.monotonic() - started < 5
    assert "quick" not in fleet._pulls or fleet._pulls["quick"].done()
    release.set()
    fleet.close()
