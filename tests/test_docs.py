"""The settings shown in the documents are ones that load."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from sft_client.generation import GenerateSettings
from sft_server.config import EvaluationPlan
from sft_shared.config import Settings
from sft_shared.data.prepare.kinds import MakerSettings
from sft_shared.data.prepare.settings import PrepareSettings
from sft_shared.data.toolcalls.scenarios import ScenarioFile
from sft_shared.data.toolcalls.structured import IntentSchemas
from sft_shared.evaluation.gates import Gate
from sft_shared.evaluation.metrics.kinds import Metric
from sft_shared.evaluation.report.facts import RunFacts
from sft_shared.evaluation.suites import GenerationSettings, LatencySettings, SuiteSettings, TaskSettings

DOCS = Path(__file__).parent.parent / "docs"
NEEDED: dict[str, Any] = {
    "makers": [{"kind": "dataset", "path": "a.jsonl"}],
    "out": "out",
    "desensitise": None,
}
EVALUATION = DOCS / "evaluation.md"


def _blocks(*paths: Path) -> list[Any]:
    return [
        pytest.param(block, id=f"{path.name}-{number}")
        for path in paths
        for number, block in enumerate(
            re.findall(r"^```yaml\n(.*?)^```", path.read_text("utf-8"), re.M | re.S)
        )
    ]


@pytest.mark.parametrize("block", _blocks(*sorted(DOCS.glob("data*.md")), DOCS / "desensitisation.md"))
def test_a_shown_snippet_loads(block: str) -> None:
    """A whole prepare.yaml, a piece of one, a single maker or step, or a file that one of them names."""
    shown = yaml.safe_load(block)
    form = _form(shown)
    if form is not PrepareSettings:
        form.model_validate(shown)
        return
    if "kind" in shown:
        shown = {"makers" if shown["kind"] in _kinds(MakerSettings) else "steps": [shown]}
    form.model_validate(
        {**NEEDED, **{name: value for name, value in shown.items() if value not in (None, [])}}
    )


def _form(shown: dict[str, Any]) -> type[Settings]:
    if "scenarios" in shown:
        return ScenarioFile
    if "seeds" in shown:
        return GenerateSettings
    return IntentSchemas if set(shown) == {"intents"} else PrepareSettings


def test_every_maker_and_step_of_the_practice_page_is_shown_in_settings() -> None:
    """A kind in its table without a snippet is one that nobody can switch on."""
    page = (DOCS / "data-practice.md").read_text("utf-8")
    assert {"operations_log", "incidents", "no_calls", "compliance", "check_tools", "finance_terms"} <= set(
        re.findall(r"kind: (\w+)", page)
    )


MEASURED = {
    "tools": [{"kind": "tool_calls"}],
    "chat": [{"kind": "rouge_l"}],
    "safety": [{"kind": "compliance", "words": ["words.txt"]}],
    "must-refuse": [{"kind": "not_refused"}],
    "canaries": [{"kind": "rouge_l"}],
}
ROLES = {"chat": "general", "canaries": "old", "safety": "safety"}


@pytest.mark.parametrize("block", _blocks(EVALUATION))
def test_a_shown_piece_of_evaluation_loads(block: str) -> None:
    """A suite, its gates over tasks that have what they name, a metric, a server's plan, facts."""
    shown = yaml.safe_load(block)
    if "kind" in shown:
        TypeAdapter(Metric).validate_python(shown)
    elif set(shown) == {"gates"}:
        tasks = [
            {"name": name, "data": "a.jsonl", "metrics": metrics, "role": ROLES.get(name, "new")}
            | {"slices": ["language"]}
            for name, metrics in MEASURED.items()
        ]
        SuiteSettings.model_validate({"name": "shop", "tasks": tasks, **shown})
    elif set(shown) == {"evaluation"}:
        EvaluationPlan.model_validate(shown["evaluation"])
    else:
        (RunFacts if "base_model" in shown else SuiteSettings).model_validate(shown)


def test_every_metric_gate_and_field_of_a_suite_is_on_its_page() -> None:
    """What is not written down, nobody uses."""
    page = EVALUATION.read_text("utf-8")
    assert {kind for kind in _kinds(Metric) if f"`{kind}`" not in page} == set()
    assert {kind for kind in _kinds(Gate) if f"kind: {kind}" not in page} == set()
    suite = next(block for (block,) in (each.values for each in _blocks(EVALUATION)))
    shown = yaml.safe_load(suite)
    for form, values in (
        (SuiteSettings, shown),
        (TaskSettings, shown["tasks"][0]),
        (GenerationSettings, shown["generation"]),
        (LatencySettings, shown["latency"]),
    ):
        assert set(form.model_fields) == set(values)


def _kinds(union: Any) -> set[str]:
    return {form.model_fields["kind"].default for form in union.__origin__.__args__}
