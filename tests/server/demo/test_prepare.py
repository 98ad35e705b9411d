"""The demo's data never leaks, its folder is its own, its settings are read by the real readers."""

import json
import socket
from pathlib import Path

import pytest
import yaml

from sft_server.config import ServerConfig
from sft_server.demo.config import DemoConfig
from sft_server.demo.prepare import free_ports, own_folder, prepare_data, write_settings
from sft_shared.config import load_yaml
from sft_shared.data.chat import DataSettings
from sft_shared.dialogue import read_examples
from sft_shared.errors import ConfigError, DataError
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.models.tiny import make_tiny_model
from sft_shared.models.tuning import LoraSettings
from sft_shared.recipe import Recipe
from sft_shared.training.settings import TrainingSettings

LONG = DataSettings(max_tokens=600)


@pytest.fixture
def config(tmp_path: Path, small_bfcl: Path) -> DemoConfig:
    return DemoConfig.model_validate(
        {
            "out": tmp_path / "out",
            "recipe": tmp_path / "recipe.yaml",
            "clients": {"edge-1": ["simple_python"], "edge-2": ["multiple", "live_simple"]},
            "held_out": {"num_examples": 9, "seed": 3},
            "shots": ["simple_python_0"],
        }
    )


@pytest.fixture
def tokenizer(tmp_path: Path) -> object:
    return load_base(ModelSettings(name=str(make_tiny_model(tmp_path / "model")), dtype="fp32")).tokenizer


def test_no_client_has_a_held_out_question(config: DemoConfig, tokenizer: object) -> None:
    """On disk: disjoint ids, disjoint families, disjoint called functions, marked by their split."""
    data = prepare_data(config, tokenizer=tokenizer, settings=LONG)
    held_out = list(read_examples(config.layout.held_out))
    assert len(held_out) == len(data.held_out) == 9
    assert {example.provenance.split for example in held_out} == {"held_out"}
    seen = []
    for client in config.clients:
        share = list(read_examples(config.layout.train(client)))
        assert {example.category for example in share} == set(config.clients[client])
        seen += share
    assert len(seen) + len(held_out) == 36
    for part in (
        lambda example: example.id,
        lambda example: example.provenance.session,
        lambda example: example.answer.tool_calls[0].name,
    ):
        assert {part(example) for example in seen}.isdisjoint({part(example) for example in held_out})


def test_what_is_too_long_is_counted_and_left_out_on_all_sides(config: DemoConfig, tokenizer: object) -> None:
    """The limit is the recipe's; nothing is cut."""
    whole = prepare_data(config, tokenizer=tokenizer, settings=LONG)
    assert whole.num_too_long == 0
    with pytest.raises(DataError, match="found 0 examples"):
        prepare_data(config, tokenizer=tokenizer, settings=DataSettings(max_tokens=50))


def test_a_shot_must_be_a_training_example(config: DemoConfig, tokenizer: object) -> None:
    """A held-out question in the prompt would be a leak."""
    held_out = prepare_data(config, tokenizer=tokenizer, settings=LONG).held_out[0].id
    leaking = config.model_copy(update={"shots": (held_out,)})
    with pytest.raises(DataError, match=f"shots: '{held_out}' is not among the 27 training examples"):
        prepare_data(leaking, tokenizer=tokenizer, settings=LONG)


def test_the_written_settings_are_the_server_s_and_the_clients(config: DemoConfig) -> None:
    """Loopback only, all clients make the quorum; every client names the server's own federation card."""
    recipe = Recipe(
        model=ModelSettings(),
        tuning=LoraSettings(),
        training=TrainingSettings(steps=1, batch_size=1, learning_rate=0.1),
    )
    write_settings(config, recipe=recipe, ports=(19092, 18000))
    server = load_yaml(config.layout.server_config, ServerConfig)
    assert (server.listen, server.control_port) == ("127.0.0.1:19092", 18000)
    assert (server.cycle.num_cycles, server.cycle.quorum) == (3, 2)
    assert load_yaml(server.recipe, Recipe) == recipe
    for client in config.clients:
        settings = yaml.safe_load(config.layout.client_config(client).read_text())
        assert settings["name"] == client
        assert settings["leak_gate"] == "off"  # BFCL's e-mails are made up
        assert Path(settings["federation"]) == server.state / "federation.json"
        assert Path(settings["train"]) == config.layout.train(client).resolve()


def test_a_folder_of_somebody_else_is_not_emptied(config: DemoConfig) -> None:
    """Only a folder that a demo made is made anew; another one's files stay."""
    config.out.mkdir()
    precious = config.out / "thesis.txt"
    precious.write_text("years of work")
    with pytest.raises(ConfigError, match="not written by a demo"), own_folder(config.layout):
        pass
    assert precious.read_text() == "years of work"


def test_the_last_run_is_replaced_and_a_running_one_is_not(config: DemoConfig) -> None:
    """A second run starts from nothing; two at once would mix their files."""
    with own_folder(config.layout):
        (config.out / "server").mkdir()
        config.layout.result.write_text("{}")
        with pytest.raises(ConfigError, match="another demo is running"), own_folder(config.layout):
            pass
    with own_folder(config.layout):
        assert [path.name for path in config.out.iterdir()] == [".demo"]


def test_ports_are_free_and_different() -> None:
    """Nobody listens on them."""
    ports = free_ports(3)
    assert len(set(ports)) == 3
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"clients": {"edge-1": ["simple_python"]}}, "clients"),
        ({"clients": {"edge-1": [], "edge-2": ["multiple"]}}, "'edge-1' has no category"),
        ({"clients": {"edge-1": ["multiple", "multiple"], "edge-2": ["multiple"]}}, "twice"),
        ({"clients": {"edge-1": ["poetry"], "edge-2": ["multiple"]}}, "clients.edge-1.0"),
        ({"shots": []}, "shots"),
        ({"surprise": 1}, "surprise: unknown field"),
    ],
)
def test_wrong_settings_are_answered_with_file_and_line(
    tmp_path: Path, changes: dict[str, object], complaint: str
) -> None:
    """One line that names the field."""
    values = {
        "out": "out",
        "recipe": "recipe.yaml",
        "clients": {"edge-1": ["simple_python"], "edge-2": ["multiple"]},
        "shots": ["simple_python_0"],
    }
    path = tmp_path / "demo.yaml"
    path.write_text(json.dumps({**values, **changes}))
    with pytest.raises(ConfigError) as failure:
        load_yaml(path, DemoConfig)
    assert str(failure.value).startswith(f"{path}:1: ")
    assert complaint in str(failure.value)


def test_the_shipped_settings_are_valid() -> None:
    """configs/demo.yaml and its recipe load; the recipe's schedule spans the demo's cycles."""
    configs = Path(__file__).parents[3] / "configs"
    config = load_yaml(configs / "demo.yaml", DemoConfig)
    recipe = load_yaml(config.recipe, Recipe)
    assert recipe.training.schedule.span_cycles == config.num_cycles
    assert config.held_out.num_examples >= 100
    assert len(config.shots) == 2
