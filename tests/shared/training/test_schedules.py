"""A schedule rises, decays and spans cycles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sft_shared.training.loop import TrainingSettings, learning_rate_at
from sft_shared.training.schedules import ConstantSchedule, CosineSchedule, LinearSchedule, ScheduleSettings


@given(
    st.sampled_from(["cosine", "linear", "constant"]),
    st.integers(1, 40),
    st.integers(0, 39),
    st.floats(0, 1),
)
def test_factors_rise_through_the_warm_up_then_never_rise(
    kind: str, total: int, warmup: int, min_ratio: float
) -> None:
    """In [0, 1] throughout, above zero at the first step, monotone on both sides of the warm-up."""
    warmup = min(warmup, total - 1)
    values = {"kind": kind, "warmup_steps": warmup}
    if kind != "constant":
        values["min_ratio"] = min_ratio
    schedule: ScheduleSettings = TypeAdapter(ScheduleSettings).validate_python(values)
    factors = [schedule.factor(step, total_steps=total) for step in range(total)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert factors[0] > 0
    assert factors[: warmup + 1] == sorted(factors[: warmup + 1])
    assert factors[warmup] == 1
    assert factors[warmup:] == sorted(factors[warmup:], reverse=True)


def test_the_curves_are_those_of_their_names() -> None:
    """Half-way a cosine and a line are at the mean of 1 and the floor; a constant stays."""
    assert CosineSchedule(min_ratio=0.2).factor(5, total_steps=10) == pytest.approx(0.6)
    assert LinearSchedule(min_ratio=0.2).factor(5, total_steps=10) == pytest.approx(0.6)
    assert ConstantSchedule().factor(5, total_steps=10) == 1
    assert CosineSchedule(warmup_steps=3).factor(0, total_steps=10) == 0.25


def test_the_schedule_spans_cycles() -> None:
    """Three cycles of four steps follow the curve of one run of twelve, and the fourth begins anew."""
    spanning = TrainingSettings(
        steps=4, batch_size=1, learning_rate=0.5, schedule=CosineSchedule(warmup_steps=2, span_cycles=3)
    )
    whole = TrainingSettings(
        steps=12, batch_size=1, learning_rate=0.5, schedule=CosineSchedule(warmup_steps=2)
    )
    rates = [
        learning_rate_at(step, settings=spanning, cycle=cycle) for cycle in (1, 2, 3) for step in range(4)
    ]
    assert rates == [learning_rate_at(step, settings=whole, cycle=1) for step in range(12)]
    assert learning_rate_at(0, settings=spanning, cycle=4) == rates[0]


def test_a_warm_up_longer_than_the_span_is_refused() -> None:
    """The peak would never be reached."""
    with pytest.raises(ValueError, match="warmup_steps is 8, but the span has 8 steps"):
        TrainingSettings(
            steps=4, batch_size=1, learning_rate=0.5, schedule=CosineSchedule(warmup_steps=8, span_cycles=2)
        )
