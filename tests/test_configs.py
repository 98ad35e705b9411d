"""Every YAML that we ship can be loaded, and the paths in it lead somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from sft_client.config import ClientConfig
from sft_server.config import ServerConfig, SimulationConfig
from sft_server.demo.config import DemoConfig
from sft_shared.config import Settings, load_yaml
from sft_shared.recipe import Recipe

CONFIGS = Path(__file__).parent.parent / "configs"
KINDS: dict[str, type[Settings]] = {
    "server.yaml": ServerConfig,
    "client.yaml": ClientConfig,
    "simulation.yaml": SimulationConfig,
    "demo.yaml": DemoConfig,
}


OURS = sorted(path for path in CONFIGS.rglob("*.yaml") if path.parent.name != "launch")


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_a_shipped_config_loads_and_names_a_recipe_that_loads(path: Path) -> None:
    settings = load_yaml(path, Recipe if path.parent.name == "recipes" else KINDS[path.name])
    recipe = getattr(settings, "recipe", None)
    if recipe is not None:
        load_yaml(recipe, Recipe)


@pytest.mark.parametrize("path", sorted((CONFIGS / "launch").iterdir()), ids=lambda path: path.name)
def test_a_launchers_file_is_one_that_accelerate_reads(path: Path) -> None:
    """Its own reader refuses fields that it does not know; the precision is left to the recipe."""
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    assert config.num_processes == 2
    assert config.mixed_precision == "no"
    assert config.distributed_type == ("MULTI_GPU" if path.name == "two_processes.yaml" else "DEEPSPEED")
