"""A schedule rises, decays and spans cycles."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sft_shared.training.schedules import (
    ConstantSchedule,
    CosineRestartsSchedule,
    CosineSchedule,
    LinearSchedule,
    ScheduleSettings,
)
from sft_shared.training.settings import TrainingSettings


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
    rates = [spanning.learning_rate_at(step, cycle=cycle) for cycle in (1, 2, 3) for step in range(4)]
    assert rates == [whole.learning_rate_at(step, cycle=1) for step in range(12)]
    assert spanning.learning_rate_at(0, cycle=4) == rates[0]


def factors_with(schedule: ScheduleSettings, *, total: int) -> list[float]:
    return [schedule.factor(step, total_steps=total) for step in range(total)]


@given(st.integers(1, 60), st.integers(1, 7), st.floats(0, 1), st.integers(0, 20))
def test_each_arc_of_cosine_restarts_is_half_a_cosine(
    total: int, num_arcs: int, min_ratio: float, warmup: int
) -> None:
    """min + (1 - min)(1 + cos(pi u)) / 2, u the part of the arc that is done; exact in rational numbers."""
    warmup = min(warmup, total - 1)
    schedule = CosineRestartsSchedule(num_arcs=num_arcs, min_ratio=min_ratio, warmup_steps=warmup)
    steps = total - warmup
    for step, factor in enumerate(factors_with(schedule, total=total)[warmup:]):
        along = (step * num_arcs % steps) / steps
        expected = min_ratio + (1 - min_ratio) * (1 + math.cos(math.pi * along)) / 2
        assert factor == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 60), st.floats(0, 1), st.integers(0, 59))
def test_one_arc_is_the_cosine(total: int, min_ratio: float, warmup: int) -> None:
    """With num_arcs 1 nothing restarts: the same factors as the plain cosine."""
    shape = {"min_ratio": min_ratio, "warmup_steps": min(warmup, total - 1)}
    assert factors_with(CosineRestartsSchedule(num_arcs=1, **shape), total=total) == factors_with(
        CosineSchedule(**shape), total=total
    )


def test_the_rate_returns_to_the_peak_at_each_arc() -> None:
    """After two warm-up steps, three arcs of four steps: the peak at each one's first step and only there."""
    factors = factors_with(CosineRestartsSchedule(num_arcs=3, warmup_steps=2), total=14)
    assert [step for step, factor in enumerate(factors) if factor == 1] == [2, 6, 10]
    assert factors[2:6] == pytest.approx(factors[6:10])
    assert factors[2:6] == pytest.approx(factors[10:])
