"""Every YAML that we ship can be loaded, and the paths in it lead somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from sft_client.config import ClientConfig
from sft_client.generation import GenerateSettings
from sft_server.config import ServerConfig, SimulationConfig
from sft_server.demo.config import DemoConfig
from sft_shared.config import Settings, load_yaml
from sft_shared.data.chat import answer_text
from sft_shared.data.finance.compliance import ComplianceFile
from sft_shared.data.operations.diagnosis import PatternTable
from sft_shared.data.operations.incidents import IncidentFile
from sft_shared.data.prepare.settings import PrepareSettings
from sft_shared.data.synthesis.rules import Schema
from sft_shared.data.synthesis.template_file import TemplateFile
from sft_shared.data.synthesis.triple_questions import Phrasings
from sft_shared.data.toolcalls.scenarios import ScenarioFile
from sft_shared.dialogue import read_examples
from sft_shared.evaluation.answer_cache import Answer
from sft_shared.evaluation.scoring import score_answers
from sft_shared.evaluation.suites import SuiteSettings
from sft_shared.recipe import Recipe

CONFIGS = Path(__file__).parent.parent / "configs"
KINDS: dict[str, type[Settings]] = {
    "server.yaml": ServerConfig,
    "client.yaml": ClientConfig,
    "simulation.yaml": SimulationConfig,
    "demo.yaml": DemoConfig,
    "tools.yaml": ScenarioFile,
    "prepare.yaml": PrepareSettings,
    "customer_service.yaml": TemplateFile,
    "relations.yaml": Phrasings,
    "generate.yaml": GenerateSettings,
    "compliance.yaml": ComplianceFile,
    "conduct.yaml": ComplianceFile,
    "incidents.yaml": IncidentFile,
    "log_patterns.yaml": PatternTable,
    "suite.yaml": SuiteSettings,
}


OTHERS = {"launch", "judge"}  # read by accelerate and by lm_eval
OURS = sorted(path for path in CONFIGS.rglob("*.yaml") if path.parent.name not in OTHERS)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_a_shipped_config_loads_and_names_a_recipe_that_loads(path: Path) -> None:
    settings = load_yaml(path, Recipe if path.parent.name == "recipes" else KINDS[path.name])
    recipe = getattr(settings, "recipe", None)
    if recipe is not None:
        load_yaml(recipe, Recipe)


def test_the_seeds_of_generation_have_the_intents_that_its_rules_name() -> None:
    settings = load_yaml(CONFIGS / "synthesis" / "generate.yaml", GenerateSettings)
    intents = {example.intent.name for example in read_examples(settings.seeds) if example.intent}
    schemas = [rule.parameters for rule in settings.rules if isinstance(rule, Schema)]
    assert schemas
    assert all(set(each) <= intents for each in schemas)


def test_the_suites_samples_are_answered_right_by_their_own_answers() -> None:
    """Every task has examples that its metrics can judge, and calls as well as no calls."""
    tasks = load_yaml(CONFIGS / "evaluation" / "suite.yaml", SuiteSettings).load()
    for task in tasks:
        right = [Answer(answer_text(example.answer)) for example in task.examples]
        result, _ = score_answers(task.settings, task.examples, right)
        values = {name: found.value for name, found in result.metrics.items()}
        assert values.pop("distinct_2", 1.0) > 0.9
        assert set(values.values()) == {1.0}
    called = [bool(example.expected_calls) for example in tasks[0].examples]
    assert sum(called) == len(called) / 2
    assert sum(len(task.examples) for task in tasks) <= 200


@pytest.mark.parametrize("path", sorted((CONFIGS / "launch").iterdir()), ids=lambda path: path.name)
def test_a_launchers_file_is_one_that_accelerate_reads(path: Path) -> None:
    """Its own reader refuses fields that it does not know; the precision is left to the recipe."""
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    assert config.num_processes == 2
    assert config.mixed_precision == "no"
    assert config.distributed_type == ("MULTI_GPU" if path.name == "two_processes.yaml" else "DEEPSPEED")
