"""A recipe travels as canonical JSON: equal recipes are equal bytes, and a foreign field is an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sft_shared.errors import WireError
from sft_shared.recipe import Recipe

VALUES: dict[str, Any] = {
    "model": {"name": "smollm2-135m"},
    "tuning": {"rank": 8},
    "training": {"steps": 3, "batch_size": 2, "learning_rate": 0.001},
}


def test_equal_recipes_give_equal_bytes_whatever_the_order_of_their_fields() -> None:
    recipe = Recipe.model_validate(VALUES)
    same = Recipe.model_validate(dict(reversed(VALUES.items())))
    assert recipe.canonical() == same.canonical()
    assert recipe.sha256() == same.sha256()
    assert Recipe.from_canonical(recipe.canonical()) == recipe


def test_another_recipe_has_another_digest() -> None:
    other = Recipe.model_validate({**VALUES, "tuning": {"rank": 9}})
    assert other.sha256() != Recipe.model_validate(VALUES).sha256()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"privacy": {"epsilon": 3}}, "privacy"),
        ({"tuning": {"rank": 0}}, "tuning.rank"),
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
