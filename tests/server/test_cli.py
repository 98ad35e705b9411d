"""The command line: what a user gets wrong is one line and exit code 2."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sft_server.cli import main
from sft_shared.config import load_yaml
from sft_shared.files import held_folder
from sft_shared.wire.cards import card_text

EXAMPLE = {
    "id": "e1",
    "messages": [
        {"role": "user", "content": "What is the weather in Paris?"},
        {"role": "assistant", "content": "Rain."},
    ],
    "provenance": {"source": "test", "session": "s1"},
}


@pytest.fixture
def server_yaml(tmp_path: Path, recipe_file: Path) -> Path:
    """A good server.yaml."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        fleet, control = one.getsockname()[1], two.getsockname()[1]
    path = tmp_path / "server.yaml"
    path.write_text(
        f"federation: testers\nstate: server\nlisten: 127.0.0.1:{fleet}\ncontrol_port: {control}\n"
        f"recipe: {recipe_file}\n",
        encoding="utf-8",
    )
    return path


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["sft-server", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


def _fails(monkeypatch: Any, capsys: Any, *arguments: object) -> str:
    """Run, expect exit code 2, and return the one line on stderr."""
    assert _run(monkeypatch, *arguments) == 2
    complaint: str = capsys.readouterr().err
    assert complaint.startswith("error: ")
    assert complaint.count("\n") == 1
    assert "Traceback" not in complaint
    return complaint


def test_four_commands_make_a_federation(
    monkeypatch: Any, capsys: Any, server_yaml: Path, make_node: Any
) -> None:
    """keys init, nodes add, nodes list, nodes revoke."""
    card = server_yaml.with_name("node.json")
    card.write_text(card_text(make_node("shop-1").card), encoding="utf-8")
    assert _run(monkeypatch, "keys", "init", "--config", server_yaml) == 0
    assert "federation.json" in capsys.readouterr().out
    assert _run(monkeypatch, "nodes", "add", card, "--config", server_yaml) == 0
    assert _run(monkeypatch, "nodes", "add", card, "--config", server_yaml) == 0
    capsys.readouterr()
    assert _run(monkeypatch, "nodes", "list", "--config", server_yaml) == 0
    assert "shop-1" in (listing := capsys.readouterr().out)
    assert "registered" in listing
    assert _run(monkeypatch, "nodes", "revoke", "shop-1", "--config", server_yaml) == 0
    again = _fails(monkeypatch, capsys, "nodes", "revoke", "shop-1", "--config", server_yaml)
    assert "'shop-1': not registered" in again


def test_start_without_keys(monkeypatch: Any, capsys: Any, server_yaml: Path) -> None:
    """The message has the command that helps."""
    assert "sft-server keys init" in _fails(monkeypatch, capsys, "start", "--config", server_yaml)


def test_a_missing_config(monkeypatch: Any, capsys: Any, tmp_path: Path) -> None:
    """Its path is in the message."""
    missing = tmp_path / "none.yaml"
    assert f"{missing}: no such file" in _fails(monkeypatch, capsys, "start", "--config", missing)


def test_a_wrong_config(monkeypatch: Any, capsys: Any, server_yaml: Path) -> None:
    """With file and line."""
    with server_yaml.open("a", encoding="utf-8") as file:
        file.write("quorum: 3\n")
    assert "server.yaml:6: quorum: unknown field" in _fails(
        monkeypatch, capsys, "start", "--config", server_yaml
    )


def test_a_wrong_recipe(monkeypatch: Any, capsys: Any, server_yaml: Path, tmp_path: Path) -> None:
    """The recipe is read before anything starts."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("model: {}\ntuning: {kind: lora, rank: -1}\n", encoding="utf-8")
    _run(monkeypatch, "keys", "init", "--config", server_yaml)
    text = server_yaml.read_text(encoding="utf-8")
    server_yaml.write_text(text.replace(text.split("recipe: ")[1], "recipe.yaml\n"), encoding="utf-8")
    capsys.readouterr()
    assert _run(monkeypatch, "start", "--config", server_yaml) == 2
    complaint = capsys.readouterr().err
    assert "recipe.yaml:2: tuning.rank: found -1" in complaint
    assert "training: missing" in complaint


def test_a_missing_model(monkeypatch: Any, capsys: Any, server_yaml: Path, tmp_path: Path) -> None:
    """A folder that is not there."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "model: {name: ./no-such-model}\ntuning: {kind: lora}\n"
        "training: {steps: 1, batch_size: 1, learning_rate: 0.1}\n",
        encoding="utf-8",
    )
    _run(monkeypatch, "keys", "init", "--config", server_yaml)
    text = server_yaml.read_text(encoding="utf-8")
    server_yaml.write_text(text.replace(text.split("recipe: ")[1], "recipe.yaml\n"), encoding="utf-8")
    capsys.readouterr()
    assert "no-such-model" in _fails(monkeypatch, capsys, "start", "--config", server_yaml)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "no examples in it"),
        ("{]\n", "held_out.jsonl:1: not JSON"),
        (json.dumps(EXAMPLE) + "\n", "example 'e1' has no expected_calls"),
    ],
)
def test_held_out_examples_that_cannot_measure(
    monkeypatch: Any, capsys: Any, server_yaml: Path, content: str, expected: str
) -> None:
    """Found at the start, not after the first cycle."""
    server_yaml.with_name("held_out.jsonl").write_text(content, encoding="utf-8")
    with server_yaml.open("a", encoding="utf-8") as file:
        file.write("held_out: held_out.jsonl\n")
    _run(monkeypatch, "keys", "init", "--config", server_yaml)
    capsys.readouterr()
    assert expected in _fails(monkeypatch, capsys, "start", "--config", server_yaml)


@pytest.mark.parametrize("setting", ["listen", "control_port"])
def test_a_port_in_use(monkeypatch: Any, capsys: Any, server_yaml: Path, setting: str) -> None:
    """Port and setting are named."""
    from sft_server.config import ServerConfig

    config = load_yaml(server_yaml, ServerConfig)
    port = int(config.listen.rpartition(":")[2]) if setting == "listen" else config.control_port
    _run(monkeypatch, "keys", "init", "--config", server_yaml)
    capsys.readouterr()
    with socket.create_server(("127.0.0.1", port)):
        complaint = _fails(monkeypatch, capsys, "start", "--config", server_yaml)
    assert f"port {port} on 127.0.0.1" in complaint
    assert f"`{setting}`" in complaint


def test_a_damaged_certificate(monkeypatch: Any, capsys: Any, server_yaml: Path) -> None:
    """The file is named."""
    _run(monkeypatch, "keys", "init", "--config", server_yaml)
    (server_yaml.parent / "server" / "keys" / "server.crt").write_text("junk", encoding="utf-8")
    capsys.readouterr()
    assert "server.crt: not a PEM certificate" in _fails(
        monkeypatch, capsys, "start", "--config", server_yaml
    )


def test_a_second_server(monkeypatch: Any, capsys: Any, server_yaml: Path) -> None:
    """On the same state folder."""
    _run(monkeypatch, "keys", "init", "--config", server_yaml)
    capsys.readouterr()
    with held_folder(server_yaml.parent / "server", holder="server"):
        assert "in use by another server" in _fails(monkeypatch, capsys, "start", "--config", server_yaml)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such file"),
        ("junk", "Expected a node's card as JSON"),
        ('{"name": "a"}', "auth_key: Field required"),
        ('{"name": "A b", "auth_key": "", "sign_key": ""}', "name:"),
        ('{"name": "a", "auth_key": "ssh-rsa AAAA", "sign_key": ""}', "auth_key: not an OpenSSH"),
    ],
)
def test_a_bad_card(
    monkeypatch: Any, capsys: Any, server_yaml: Path, content: str | None, expected: str
) -> None:
    """File, field and what is wrong with it."""
    card = server_yaml.with_name("node.json")
    if content is not None:
        card.write_text(content, encoding="utf-8")
    complaint = _fails(monkeypatch, capsys, "nodes", "add", card, "--config", server_yaml)
    assert "node.json" in complaint
    assert expected in complaint


def test_a_state_folder_that_cannot_be_made(monkeypatch: Any, capsys: Any, server_yaml: Path) -> None:
    """A file stands where the folder should be."""
    (server_yaml.parent / "server").write_text("", encoding="utf-8")
    assert "`state`" in _fails(monkeypatch, capsys, "keys", "init", "--config", server_yaml)


def test_simulate_with_too_few_examples(
    monkeypatch: Any, capsys: Any, tmp_path: Path, recipe_file: Path
) -> None:
    """One example cannot be dealt out to two clients."""
    (tmp_path / "train.jsonl").write_text(json.dumps(EXAMPLE) + "\n", encoding="utf-8")
    path = tmp_path / "simulation.yaml"
    path.write_text(
        f"num_clients: 2\nnum_cycles: 1\nrecipe: {recipe_file}\nout: out\ntrain: {{file: train.jsonl}}\n",
        encoding="utf-8",
    )
    said = _fails(monkeypatch, capsys, "simulate", path)
    assert "1 examples to train on cannot be dealt out to 2 clients" in said


def test_the_installed_command_answers_the_same() -> None:
    """As a process of its own: exit code, stderr, and nothing on stdout."""
    run = subprocess.run(
        [sys.executable, "-c", "from sft_server.cli import main; main()", "start", "--config", "none.yaml"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "error: none.yaml: no such file. Give the path of an existing YAML file.\n"
