"""The settings shown in the documents are ones that load."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sft_client.generation import GenerateSettings
from sft_shared.config import Settings
from sft_shared.data.prepare.kinds import MakerSettings
from sft_shared.data.prepare.settings import PrepareSettings
from sft_shared.data.toolcalls.scenarios import ScenarioFile
from sft_shared.data.toolcalls.structured import IntentSchemas

DOCS = Path(__file__).parent.parent / "docs"
NEEDED: dict[str, Any] = {
    "makers": [{"kind": "dataset", "path": "a.jsonl"}],
    "out": "out",
    "desensitise": None,
}
BLOCKS = [
    pytest.param(block, id=f"{path.name}-{number}")
    for path in sorted([*DOCS.glob("data*.md"), DOCS / "desensitisation.md"])
    for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", path.read_text("utf-8"), re.M | re.S))
]


@pytest.mark.parametrize("block", BLOCKS)
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


def _kinds(union: Any) -> set[str]:
    return {form.model_fields["kind"].default for form in union.__origin__.__args__}
