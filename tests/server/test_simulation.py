"""What a simulation prepares before Ray starts; Ray itself runs in tests/federation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sft_server.config import ServerConfig, SimulationConfig
from sft_server.keys import init_keys
from sft_server.layout import Layout
from sft_server.simulation import deal_out, load_client_app, prepare_client
from sft_shared.config import load_yaml
from sft_shared.dialogue import Example, read_examples, write_examples
from sft_shared.errors import ConfigError, DataError
from sft_shared.recipe import Recipe
from sft_shared.wire.cards import FederationCard, read_card
from sft_shared.wire.sign import SigningKey

CONFIGS = Path(__file__).parents[2] / "configs"


def _examples(count: int, *, start: int = 0) -> list[Example]:
    return [
        Example.model_validate(
            {
                "id": f"e{index}",
                "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": f"{index}"}],
                "provenance": {"source": "test", "session": f"s{index}"},
            }
        )
        for index in range(start, start + count)
    ]


def _config(tmp_path: Path, **changes: Any) -> SimulationConfig:
    values = {"num_clients": 3, "num_cycles": 1, "recipe": "r.yaml", "out": tmp_path / "out", **changes}
    return SimulationConfig.model_validate(values)


def test_one_file_is_dealt_out_evenly_and_by_seed(tmp_path: Path) -> None:
    """Every example goes to one client; the seed alone decides to which."""
    write_examples(tmp_path / "a.jsonl", _examples(10))
    shares = [
        deal_out(_config(tmp_path, train={"file": tmp_path / "a.jsonl", "seed": seed}))[0]
        for seed in (1, 1, 2)
    ]
    assert sorted(map(len, shares[0])) == [3, 3, 4]
    assert {example.id for share in shares[0] for example in share} == {f"e{index}" for index in range(10)}
    assert shares[0] == shares[1] != shares[2]


def test_files_go_to_clients_in_their_order(tmp_path: Path) -> None:
    """The first file is client-0's."""
    for index in range(3):
        write_examples(tmp_path / f"{index}.jsonl", _examples(2, start=2 * index))
    shares, held_out = deal_out(_config(tmp_path, train=[tmp_path / f"{index}.jsonl" for index in range(3)]))
    assert [[example.id for example in share] for share in shares] == [
        ["e0", "e1"],
        ["e2", "e3"],
        ["e4", "e5"],
    ]
    assert held_out == []


def test_bfcl_is_dealt_out_and_held_out_by_family(tmp_path: Path) -> None:
    """What measures the adapters is in no client's data."""
    shares, held_out = deal_out(_config(tmp_path, train={"bfcl": ["simple_python"], "num_held_out": 20}))
    assert len(held_out) > 10
    trained = {example.id for share in shares for example in share}
    assert trained.isdisjoint(example.id for example in held_out)
    assert len(trained) == sum(map(len, shares))


def test_too_few_examples(tmp_path: Path) -> None:
    """A client without data is found before Ray starts."""
    write_examples(tmp_path / "a.jsonl", _examples(2))
    with pytest.raises(DataError, match="2 examples cannot be dealt out to 3 clients"):
        deal_out(_config(tmp_path, train={"file": tmp_path / "a.jsonl"}))


def test_a_virtual_client_has_a_whole_home(tmp_path: Path) -> None:
    """Keys, card, data and settings as a real node has them; a second preparation changes nothing."""
    server = ServerConfig(federation="simulation", state=tmp_path, recipe=tmp_path / "r.yaml")
    init_keys(server)
    layout = Layout(tmp_path)
    card = prepare_client(layout, 4, _examples(3))
    home = layout.clients / "client-4"
    assert card.name == "client-4"
    assert SigningKey.load(home / "keys" / "sign_key.pem").public.to_text() == card.sign_key
    assert read_card(home / "federation.json", FederationCard).name == "simulation"
    settings = yaml.safe_load((home / "client.yaml").read_text(encoding="utf-8"))
    assert list(read_examples(home / settings["train"])) == _examples(3)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert prepare_client(layout, 4, _examples(9)) == card
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_the_client_is_found_by_its_entry_point(tmp_path: Path) -> None:
    """The server package does not import the client package."""
    app = load_client_app(tmp_path)
    assert type(app).__name__ == "ClientApp"


def test_without_a_client_installed_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server-only installation cannot simulate."""
    monkeypatch.setattr("sft_server.simulation.entry_points", lambda group: [])
    with pytest.raises(ConfigError, match=r"no package offers the entry point fedsft\.client_app"):
        load_client_app(tmp_path)


def test_two_held_out_sets_are_refused(tmp_path: Path) -> None:
    """Which of the two would measure?"""
    with pytest.raises(ValueError, match="set one of the two"):
        _config(tmp_path, train={"bfcl": ["multiple"], "num_held_out": 5}, held_out="h.jsonl")


def test_the_shipped_configs_load() -> None:
    """configs/server.yaml, configs/simulation.yaml and their recipes."""
    server = load_yaml(CONFIGS / "server.yaml", ServerConfig)
    simulation = load_yaml(CONFIGS / "simulation.yaml", SimulationConfig)
    recipe = load_yaml(simulation.recipe, Recipe)
    load_yaml(server.recipe, Recipe)
    assert recipe.training.schedule.span_cycles == simulation.num_cycles
    assert json.loads(recipe.canonical())["model"]["name"] == "smollm2-135m"
