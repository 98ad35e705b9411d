"""Templates: a sandbox, places of values to the character, and JSON filled in with its types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.templating.rendering import fill, render
from sft_shared.errors import ConfigError


@pytest.mark.parametrize("says", [fill, render])
@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{{ a.__class__.__mro__ }}", "unsafe"),
        ("{% for c in a.__class__.__mro__ %}{{ c }}{% endfor %}", "unsafe"),
        ("so {{ b }}", "undefined"),
        ("{{ b }}", "declared|undefined"),
        ("so {{ a / 0 }}", "TypeError"),
        ("{% if %}", "Expected an expression"),
    ],
)
def test_a_template_cannot_reach_out_of_its_sandbox(says: object, source: str, problem: str) -> None:
    """Neither by a sentence nor by JSON; an unknown name and a sum of words are named, too."""
    with pytest.raises(ConfigError, match=problem):
        says(source, {"a": "x"})


@given(st.dictionaries(st.sampled_from("abc"), st.text(alphabet="xy中{}%1", min_size=1), min_size=3))
def test_offsets_hold_whatever_the_values_are(values: dict[str, str]) -> None:
    """Values that look like templates are values."""
    text, places = render("1 {{ a }}{{ b }}。{{ a | upper }} {{ c[:1] }}", values)
    assert [slot for slot, _, _ in places] == ["a", "b", "a"]  # part of a value is no value
    first, second, third = (text[start:end] for _, start, end in places)
    assert (first, second) == (values["a"], values["b"])
    assert third == values["a"].upper()


def test_filters_keep_the_label_and_change_the_text() -> None:
    """Each of ours."""
    for name, value, expected in [
        ("thousands", 12500.5, "12,500.5"),
        ("spaced", "62220200", "6222 0200"),
        ("hanzi", "301", "三零一"),
        ("full_width", "a1", "ａ１"),
        ("capitalize", "it is", "It is"),
    ]:
        text, places = render("{{ v | " + name + " }}!", {"v": value})
        assert text == f"{expected}!"
        assert places == [("v", 0, len(expected))]


def test_json_is_filled_with_the_types_of_its_values() -> None:
    """One expression alone gives its value; text around it makes text; what is no template stays."""
    template = {
        "n": "{{ n + 1 }}",
        "said": "{{ n }} days",
        "list": ["{{ row.price | round(1) }}", 7, None, "{"],
    }
    filled = fill(template, {"n": 2, "row": {"price": 3.14}})
    assert filled == {"n": 3, "said": "2 days", "list": [3.1, 7, None, "{"]}
    assert fill("{{ a }}和{{ b | thousands }}", {"a": "x", "b": 12500}) == "x和12,500"
