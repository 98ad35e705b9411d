"""A recipe travels as canonical JSON: equal recipes are equal bytes, and a foreign field is an error."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sft_shared.config import load_yaml
from sft_shared.errors import ConfigError, WireError
from sft_shared.recipe import Recipe

VALUES: dict[str, Any] = {
    "model": {"name": "smollm2-135m"},
    "tuning": {"kind": "lora", "rank": 8},
    "training": {"steps": 3, "batch_size": 2, "learning_rate": 0.001},
}


def test_equal_recipes_give_equal_bytes_whatever_the_order_of_their_fields() -> None:
    recipe = Recipe.model_validate(VALUES)
    same = Recipe.model_validate(dict(reversed(VALUES.items())))
    assert recipe.canonical() == same.canonical()
    assert recipe.sha256() == same.sha256()
    assert Recipe.from_canonical(recipe.canonical()) == recipe


def test_another_recipe_has_another_digest() -> None:
    other = Recipe.model_validate({**VALUES, "tuning": {"kind": "lora", "rank": 9}})
    assert other.sha256() != Recipe.model_validate(VALUES).sha256()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"privacy": {"epsilon": 3}}, "privacy"),
        ({"tuning": {"kind": "lora", "rank": 0}}, "tuning.lora.rank"),
        ({"model": 7}, "model"),
    ],
)
def test_a_recipe_of_another_version_is_refused_with_the_field(change: dict[str, Any], field: str) -> None:
    data = json.dumps({**VALUES, **change}).encode()
    with pytest.raises(WireError, match=f"{field}: .*same fedsft version"):
        Recipe.from_canonical(data)


def test_bytes_that_are_not_json_are_refused() -> None:
    with pytest.raises(WireError, match="recipe"):
        Recipe.from_canonical(b"\xff{")


START = "model: {name: tiny}\ntuning: %s\ntraining: {steps: 2, batch_size: 2, learning_rate: 1.0e-3%s}\n%s"


@pytest.mark.parametrize(
    ("tuning", "training", "rest", "complaint"),
    [
        ("{rank: 4}", "", "", ":2: tuning.kind: missing. Allowed: lora, full, adapter, prefix."),
        ("{kind: qlora}", "", "", ":2: tuning.kind: found 'qlora'. Allowed: lora, full, adapter, prefix."),
        ("{kind: full, rank: 4}", "", "", ":2: tuning.rank: unknown field. Allowed here: kind."),
        ("{kind: adapter, width: 0}", "", "", ":2: tuning.width: found 0. Input should be greater than 0."),
        ("{kind: lora, dora: true, init: pissa}", "", "", ":2: tuning: dora: cannot be combined"),
        (
            "{kind: full}",
            ", loss: {kind: x}",
            "",
            ":3: training.loss.kind: found 'x'. Allowed: cross_entropy, ",
        ),
        (
            "{kind: full}",
            ", schedule: {kind: linear, nim: 4}",
            "",
            ":3: training.schedule.nim: unknown field. Allowed here: warmup_steps, span_cycles, ",
        ),
        ("{kind: full}", ", accumulation: 3", "", ":3: training: accumulation is 3, but a batch has 2"),
        (
            "{kind: full}",
            "",
            "stages: [{knd: result}]",
            ":4: stages.0.knd: unknown field. Allowed here: kind,",
        ),
        ("{kind: full}", "", "stages: [{kind: x}]", ":4: stages.0.kind: found 'x'. Input should"),
    ],
)
def test_a_wrong_variant_names_what_is_allowed(
    tuning: str, training: str, rest: str, complaint: str, tmp_path: Path
) -> None:
    """File, line and field as they are written, without the tags that the reader uses inside."""
    path = tmp_path / "recipe.yaml"
    path.write_text(START % (tuning, training, rest))
    with pytest.raises(ConfigError, match=re.escape(f"{path}{complaint}")):
        load_yaml(path, Recipe)


def test_each_cycle_has_its_stage_and_the_last_stage_goes_on() -> None:
    """Stages of 2, 1 and 1 cycles; from the fourth cycle on it is the last one for good."""
    stages = [{"kind": "selection", "cycles": 2}, {"kind": "parameters"}, {"kind": "result"}]
    recipe = Recipe.model_validate({**VALUES, "stages": stages})
    kinds = [stage.kind for cycle in range(1, 7) if (stage := recipe.stage_at(cycle))]
    assert kinds == ["selection", "selection", "parameters", "result", "result", "result"]
    assert Recipe.model_validate(VALUES).stage_at(1) is None
    assert Recipe.from_canonical(recipe.canonical()) == recipe


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("kind: result", "kind: results", "recipe.yaml:9: stages.1.kind: found 'results'"),
        ("cycles: 2", "cycles: 0", "recipe.yaml:8: stages.0.cycles: found 0"),
        ("steps: 3", "steps: 3, accumulation: 4", "accumulation is 4, but a batch has 2 examples"),
        ("steps: 3", "steps: 3, checkpoint_every: 0", "recipe.yaml:3: training.checkpoint_every: found 0"),
        ("steps: 3", "steps: 3, schedule: {kind: linear, warmup_steps: 3}", "schedule.warmup_steps is 3"),
        ("steps: 3", "steps: 3, replay: {fraction: 2}", "recipe.yaml:3: training.replay.fraction: found 2"),
        ("steps: 3", "steps: 3, replay: {ramp_steps: 2}", "a ramp needs both"),
        ("rank: 8", "rank: 8, init: pissa, dora: true", "dora: cannot be combined with init pissa"),
        ("max_tokens: 9", "max_tokens: 9, too_long: cut", "recipe.yaml:4: data.too_long: found 'cut'"),
    ],
)
def test_a_wrong_recipe_is_named_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    """Also where two settings do not go together."""
    text = (
        "model: {name: smollm2-135m}\n"
        "tuning: {kind: lora, rank: 8}\n"
        "training: {steps: 3, batch_size: 2, learning_rate: 0.001}\n"
        "data: {max_tokens: 9}\n"
        "\n"
        "stages:\n"
        "- kind: selection\n"
        "  cycles: 2\n"
        "- kind: result\n"
    )
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    assert len(load_yaml(path, Recipe).stages) == 2
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, Recipe)
    line = 1 + next(number for number, row in enumerate(text.splitlines()) if old in row)
    assert f"recipe.yaml:{line}: " in str(caught.value)
    assert words.casefold() in str(caught.value).casefold()
