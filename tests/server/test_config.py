"""A wrong server.yaml or simulation.yaml is answered with file, line, field and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sft_server.config import ServerConfig, SimulationConfig
from sft_shared.config import load_yaml
from sft_shared.errors import ConfigError
from sft_shared.wire.cards import split_address

GOOD = "federation: f\nstate: s\nrecipe: r.yaml\n"


def _complaint(tmp_path: Path, text: str, model: type[ServerConfig] | type[SimulationConfig]) -> str:
    path = tmp_path / "some.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, model)
    return str(caught.value).replace(f"{path}", "some.yaml")


def test_three_lines_are_enough(tmp_path: Path) -> None:
    """Everything else has a default, and paths count from the file's folder."""
    path = tmp_path / "server.yaml"
    path.write_text(GOOD, encoding="utf-8")
    config = load_yaml(path, ServerConfig)
    assert config.state == tmp_path / "s"
    assert config.cycle.interval_s == 600
    assert config.address == "127.0.0.1:9092"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("listen: 9092", "some.yaml:4: listen: found 9092."),
        ("listen: localhost", "some.yaml:4: listen: found 'localhost'. Expected host:port"),
        ("listen: '::1:9092'", "An IPv6 address needs brackets"),
        ("listen: 127.0.0.1:70000", "a port from 1 to 65535"),
        ("control_port: 0", "some.yaml:4: control_port: found 0."),
        ("encoding: int4", "some.yaml:4: encoding: found 'int4'."),
        ("cycle: {quorum: 0}", "some.yaml:4: cycle.quorum: found 0."),
        ("cycle: {interval_s: -1}", "some.yaml:4: cycle.interval_s: found -1."),
        ("limits: {max_update_norm: 0}", "some.yaml:4: limits.max_update_norm: found 0."),
        ("quorum: 3", "some.yaml:4: quorum: unknown field."),
        ("aggregation: {kind: median}", "some.yaml:4: aggregation.kind: found 'median'."),
        ("federation2: x", "unknown field"),
    ],
)
def test_wrong_server_yaml(tmp_path: Path, line: str, expected: str) -> None:
    """Every wrong line is named with its number."""
    assert expected in _complaint(tmp_path, f"{GOOD}{line}\n", ServerConfig)


def test_an_address_nobody_can_dial_is_refused(tmp_path: Path) -> None:
    """0.0.0.0 is for listening; nodes need a name."""
    assert "nodes cannot dial 0.0.0.0" in _complaint(tmp_path, f"{GOOD}listen: 0.0.0.0:9092\n", ServerConfig)


def test_one_port_for_two_things_is_refused(tmp_path: Path) -> None:
    """Fleet and control need two ports."""
    assert "both 8000" in _complaint(tmp_path, f"{GOOD}listen: 127.0.0.1:8000\n", ServerConfig)


@pytest.mark.parametrize(
    ("address", "expected"), [("localhost:1", ("localhost", 1)), ("[::1]:9092", ("::1", 9092))]
)
def test_addresses_are_split(address: str, expected: tuple[str, int]) -> None:
    """IPv6 loses its brackets."""
    assert split_address(address) == expected


def test_simulation_needs_one_file_a_client(tmp_path: Path) -> None:
    """Two files for three clients would leave one without data."""
    text = "num_clients: 3\nnum_cycles: 1\nrecipe: r\nout: o\ntrain: [a.jsonl, b.jsonl]\n"
    assert "found 2 files for 3 clients" in _complaint(tmp_path, text, SimulationConfig)


def test_simulation_is_a_federation_where_all_must_answer(tmp_path: Path) -> None:
    """Back to back, and the quorum is everybody."""
    path = tmp_path / "simulation.yaml"
    path.write_text(
        "num_clients: 8\nnum_cycles: 2\nrecipe: r\nout: o\ntrain: {file: a.jsonl}\n", encoding="utf-8"
    )
    server = load_yaml(path, SimulationConfig).server()
    assert (server.cycle.quorum, server.cycle.interval_s, server.state) == (8, 0, tmp_path / "o")
