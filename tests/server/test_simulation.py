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
from sft_server.simulation import _origin, deal_out, load_client_app, prepare_client, show_holdings
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
        deal_out(_config(tmp_path, train={"file": tmp_path / "a.jsonl", "seed": seed})).shares
        for seed in (1, 1, 2)
    ]
    assert sorted(map(len, shares[0])) == [3, 3, 4]
    assert {example.id for share in shares[0] for example in share} == {f"e{index}" for index in range(10)}
    assert shares[0] == shares[1] != shares[2]


def test_files_go_to_clients_in_their_order(tmp_path: Path) -> None:
    """The first file is client-0's."""
    for index in range(3):
        write_examples(tmp_path / f"{index}.jsonl", _examples(2, start=2 * index))
    deal = deal_out(_config(tmp_path, train=[tmp_path / f"{index}.jsonl" for index in range(3)]))
    assert [[example.id for example in share] for share in deal.shares] == [
        ["e0", "e1"],
        ["e2", "e3"],
        ["e4", "e5"],
    ]
    assert deal.held_out == []


def test_bfcl_is_dealt_out_and_held_out_by_family(tmp_path: Path) -> None:
    """What measures the adapters is in no client's data."""
    deal = deal_out(_config(tmp_path, train={"bfcl": ["simple_python"], "num_held_out": 20}))
    shares, held_out = deal.shares, deal.held_out
    assert len(held_out) > 10
    trained = {example.id for share in shares for example in share}
    assert trained.isdisjoint(example.id for example in held_out)
    assert len(trained) == sum(map(len, shares))


def test_one_file_is_dealt_out_with_a_skew(tmp_path: Path) -> None:
    """`partition` in simulation.yaml: each client its categories, and a picture of who holds what."""
    examples = [
        example.model_copy(update={"category": "订单" if index % 3 else "refund"})
        for index, example in enumerate(_examples(30))
    ]
    write_examples(tmp_path / "a.jsonl", examples)
    (tmp_path / "simulation.yaml").write_text(
        "num_clients: 3\nnum_cycles: 1\nrecipe: r.yaml\nout: out\n"
        "train: {file: a.jsonl, partition: {kind: by_key, min_examples: 5}}\n",
        encoding="utf-8",
    )
    config = load_yaml(tmp_path / "simulation.yaml", SimulationConfig)
    shares = deal_out(config).shares
    assert [len(share) for share in shares] == [10, 10, 10]
    assert all(len({example.category for example in share}) == 1 for share in shares)
    show_holdings(config, shares)
    found = json.loads((tmp_path / "out" / "partition.json").read_text(encoding="utf-8"))
    assert found["classes"] == {"订单": 20, "refund": 10}
    assert [client["name"] for client in found["clients"]] == ["client-0", "client-1", "client-2"]
    assert (tmp_path / "out" / "partition.png").exists()


def test_another_partition_is_another_simulation(tmp_path: Path) -> None:
    """A second run with other settings is refused, since the clients' homes hold the old shares."""
    write_examples(tmp_path / "a.jsonl", _examples(10))
    file = {"file": tmp_path / "a.jsonl"}
    plain, iid, skewed = (
        _origin(_config(tmp_path, train=train))
        for train in (
            file,
            {**file, "partition": {"kind": "iid"}},
            {**file, "partition": {"kind": "quantity", "skew": 2}},
        )
    )
    assert plain == {"file": plain["file"], "seed": 0}
    assert plain != iid != skewed


@pytest.mark.parametrize(
    ("partition", "message"),
    [
        (
            "{kind: dirichlet, alpha: -1}",
            r":1: train.partition.alpha: found -1. Input should be greater than 0.$",
        ),
        ("{kind: diri}", r"train.partition.kind: found 'diri'. Allowed: iid, by_key, dirichlet, quantity.$"),
        (
            "{kind: iid, alpha: 1}",
            r"train.partition.alpha: unknown field. Allowed here: seed, min_examples, kind.$",
        ),
    ],
)
def test_a_wrong_partition_is_one_line(tmp_path: Path, partition: str, message: str) -> None:
    """Not one complaint for every form that `train` can have."""
    (tmp_path / "s.yaml").write_text(
        f"train: {{file: a.jsonl, partition: {partition}}}\n"
        "num_clients: 3\nnum_cycles: 1\nrecipe: r.yaml\nout: out\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match=message) as error:
        load_yaml(tmp_path / "s.yaml", SimulationConfig)
    assert len(str(error.value).splitlines()) == 1


def test_too_few_examples(tmp_path: Path) -> None:
    """A client without data is found before Ray starts."""
    write_examples(tmp_path / "a.jsonl", _examples(2))
    with pytest.raises(DataError, match="2 examples to train on cannot be dealt out to 3 clients"):
        deal_out(_config(tmp_path, train={"file": tmp_path / "a.jsonl"}))


def _held_out(examples: list[Example], *, judged: bool = True) -> list[Example]:
    calls = ({"name": "f", "arguments": {"x": [1]}},) if judged else ()
    return [
        Example.model_validate(
            {
                **example.model_dump(),
                "expected_calls": calls,
                "provenance": {**example.provenance.model_dump(), "split": "held_out"},
            }
        )
        for example in examples
    ]


@pytest.mark.parametrize("partition", [None, {"kind": "iid", "min_examples": 3}])
def test_what_a_file_holds_out_measures_and_trains_nobody(tmp_path: Path, partition: object) -> None:
    """Those without calls to judge by are left out and counted; all are if the config names others."""
    held_out = _held_out(_examples(4, start=9))
    unjudged = _held_out(_examples(2, start=20), judged=False)
    write_examples(tmp_path / "a.jsonl", [*held_out, *_examples(9), *unjudged])
    train = {"file": tmp_path / "a.jsonl", "partition": partition}
    deal = deal_out(_config(tmp_path, train=train))
    assert sorted(map(len, deal.shares)) == [3, 3, 3]
    assert {each.provenance.split for share in deal.shares for each in share} == {"train"}
    assert (deal.held_out, deal.num_left_out) == (held_out, 2)
    write_examples(tmp_path / "h.jsonl", _held_out(_examples(1, start=30)))
    named = deal_out(_config(tmp_path, train=train, held_out=tmp_path / "h.jsonl"))
    assert ([each.id for each in named.held_out], named.num_left_out) == (["e30"], 6)


def test_what_one_file_a_client_holds_out_is_brought_together(tmp_path: Path) -> None:
    """A file with nothing else is an error that names it."""
    paths = [tmp_path / f"{index}.jsonl" for index in range(3)]
    for index, path in enumerate(paths):
        write_examples(path, [*_examples(2, start=9 * index), *_held_out(_examples(1, start=9 * index + 5))])
    deal = deal_out(_config(tmp_path, train=paths))
    assert [len(share) for share in deal.shares] == [2, 2, 2]
    assert [each.id for each in deal.held_out] == ["e5", "e14", "e23"]
    write_examples(paths[1], _held_out(_examples(3)))
    with pytest.raises(DataError, match=r"1\.jsonl: all 3 examples are of the split 'held_out'"):
        deal_out(_config(tmp_path, train=paths))


def test_a_client_without_anything_to_train_on_is_an_error(tmp_path: Path) -> None:
    """Also where the settings say that no example is enough."""
    session = {"source": "test", "session": "big"}
    big = [
        Example.model_validate({**example.model_dump(), "provenance": session}) for example in _examples(99)
    ]
    write_examples(tmp_path / "a.jsonl", [*big, *_examples(2, start=200)])
    partition = {"kind": "quantity", "law": "dirichlet", "skew": 1e-6, "min_examples": 0}
    with pytest.raises(DataError, match=r"client \d gets none of the 101 examples to train on"):
        deal_out(_config(tmp_path, train={"file": tmp_path / "a.jsonl", "partition": partition}))


def test_a_virtual_client_has_a_whole_home(tmp_path: Path) -> None:
    """Keys, card, data and settings as a real node has them; a second preparation changes nothing."""
    server = ServerConfig(federation="simulation", state=tmp_path, recipe=tmp_path / "r.yaml")
    init_keys(server)
    layout = Layout(tmp_path)
    card = prepare_client(layout, 4, _examples(3), public=False)
    home = layout.clients / "client-4"
    assert card.name == "client-4"
    assert SigningKey.load(home / "keys" / "sign_key.pem").public.to_text() == card.sign_key
    assert read_card(home / "federation.json", FederationCard).name == "simulation"
    settings = yaml.safe_load((home / "client.yaml").read_text(encoding="utf-8"))
    assert list(read_examples(home / settings["train"])) == _examples(3)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert prepare_client(layout, 4, _examples(9), public=False) == card
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
