"""Settings of ``prepare``, and what docs/data.md says of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from sft_shared.data.logs.fields import FieldNames
from sft_shared.data.logs.turns import FIXES
from sft_shared.data.prepare.making import REASONS
from sft_shared.data.prepare.settings import PrepareSettings

DOCS = (Path(__file__).parents[4] / "docs" / "data.md").read_text(encoding="utf-8")


def test_the_documented_settings_are_all_there_is_with_their_defaults() -> None:
    (block,) = re.findall(r"```yaml\n(sources: \[\].*?)```", DOCS, flags=re.DOTALL)
    documented: dict[str, Any] = yaml.safe_load(block)
    assert set(documented) == set(PrepareSettings.model_fields)
    least = {
        "sources": [{"kind": "jsonl", "path": "log"}],
        "out": "out",
        "desensitise": {"key": documented["desensitise"]["key"]},
    }
    given = {name: value for name, value in documented.items() if value is not None} | {
        name: least[name] for name in ("sources", "out")
    }
    settings = PrepareSettings.model_validate(least)
    assert PrepareSettings.model_validate(given) == settings
    for section in ("sessions", "intents", "outcomes", "desensitise", "dedup"):
        assert set(documented[section]) == set(getattr(settings, section).model_dump()), section


def test_every_rule_is_documented() -> None:
    for rule in {*FIXES, *REASONS}:
        assert f"| `{rule}` |" in DOCS


def test_every_field_is_documented_with_the_names_it_is_looked_for_under() -> None:
    for name, names in FieldNames():
        assert re.search(rf"^\| `{name}` \| .* \| {', '.join(names)} \|$", DOCS, flags=re.MULTILINE), name


def test_settings_come_back_from_json_as_they_were() -> None:
    """So the workers have those of the command."""
    source = {"kind": "text", "path": "log", "pattern": "(?P<role>a)(?P<text>b)"}
    values = {"sources": [source], "out": "out", "desensitise": None}
    settings = PrepareSettings.model_validate(values)
    assert PrepareSettings.model_validate_json(settings.model_dump_json()) == settings
