"""Slots: what each kind draws, and sets of them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sft_shared.data.templating.slots import Day, Pattern, Range, Slots, draw
from sft_shared.errors import ConfigError

ADAPTER: TypeAdapter[Any] = TypeAdapter(Slots)


def test_patterns_ranges_and_days_draw_what_they_say() -> None:
    """Every value there is, and None once all are taken."""
    rng = random.Random(0)
    code = Pattern(kind="pattern", pattern="SF[0-9]{3}-[A-C]")
    assert code.size("zh") == 3000
    drawn = code.draw(rng, language="zh", taken=())
    assert drawn is not None
    assert drawn[:2] == "SF"
    assert drawn[-1] in "ABC"
    half = Range.model_validate({"kind": "range", "start": 0, "stop": 1, "step": 0.5})
    assert {half.draw(rng, language="en", taken=()) for _ in range(50)} == {0, 0.5, 1}
    assert half.draw(rng, language="en", taken=(0, 0.5, 1)) is None
    days = Day.model_validate({"start": "2026-02-28", "stop": "2026-03-01"})
    assert {days.draw(rng, language="en", taken=()) for _ in range(50)} == {"2026-02-28", "2026-03-01"}
    assert days.size("zh") == 2
    assert days.draw(rng, language="en", taken=("2026-02-28", "2026-03-01")) is None


def test_a_set_is_drawn_alike_in_both_languages_and_likes_differ() -> None:
    """The n-th Chinese value goes with the n-th English one; 0 stays a number; a like is another value."""
    slots = ADAPTER.validate_python(
        {
            "place": {
                "kind": "values",
                "zh": ["上海", "北京", "广州"],
                "en": ["Shanghai", "Beijing", "Canton"],
            },
            "other": {"kind": "like", "slot": "place"},
            "fee": {"kind": "values", "values": [{"value": 0, "weight": 3}, 2.5]},
        }
    )
    zh, en = (draw(slots, slots, random.Random(5), language=language) for language in ("zh", "en"))
    pairs = {"上海": "Shanghai", "北京": "Beijing", "广州": "Canton"}
    assert (pairs[str(zh["place"])], pairs[str(zh["other"])]) == (en["place"], en["other"])
    assert zh["place"] != zh["other"]
    assert zh["fee"] == en["fee"]
    assert isinstance(zh["fee"], int | float)
    only = ADAPTER.validate_python({"only": {"kind": "values", "zh": ["一"]}})
    with pytest.raises(ConfigError, match="slot 'only' has no value in en"):
        draw(only, only, random.Random(1), language="en")


@pytest.mark.parametrize(
    ("slot", "problem"),
    [
        ({"kind": "day", "start": "2026-03-02", "stop": "2026-03-01"}, "is before start"),
        ({"kind": "values", "values": [True]}, "Put it in quotes"),
        ({"kind": "values"}, "missing"),
        ({"kind": "like", "slot": "x"}, "has no values of its own"),
    ],
)
def test_a_slot_that_cannot_be_drawn_is_refused(slot: dict[str, object], problem: str) -> None:
    """When it is read, not when it is drawn."""
    with pytest.raises(ValidationError, match=problem):
        ADAPTER.validate_python({"x": slot})
