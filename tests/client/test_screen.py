"""Progress for people at a terminal and for people who read a log later."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from sft_client.screen import Screen
from sft_shared.training.plan import Plan
from sft_shared.training.records import StepRecord


def record(step: int, *, steps: int = 3) -> StepRecord:
    """One step of a training."""
    return StepRecord(
        step=step,
        steps=steps,
        loss=1.5,
        learning_rate=0.1,
        gradient_norm=1.0,
        tokens=100,
        supervised_tokens=10,
        seconds=0.5,
    )


def shown(*, terminal: bool, num_steps: int = 3) -> str:
    """What a whole training prints."""
    file = io.StringIO()
    screen = Screen(Console(file=file, force_terminal=terminal, width=100, highlight=False))
    for step in range(1, num_steps + 1):
        screen.step("cycle 4", record(step, steps=num_steps))
    screen.say("[done] and [/done]")
    screen.clear()
    return file.getvalue()


def test_a_log_gets_few_whole_lines() -> None:
    """Without a terminal: a line every five seconds at most, and no control characters."""
    lines = shown(terminal=False, num_steps=200).splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("cycle 4: step 1/200, loss 1.500, 200 tokens/s")
    assert lines[1].endswith("[done] and [/done]")
    assert all("\x1b" not in line for line in lines)


def test_a_terminal_gets_one_line_that_moves() -> None:
    """The bar shows step and loss, and is gone when something is said afterwards."""
    text = shown(terminal=True)
    assert "step 3/3, loss 1.500, 200 tokens/s" in text
    assert text.rstrip().splitlines()[-1].endswith("[done] and [/done]")


def planned(*, num_dropped: int = 0, **changes: Any) -> list[str]:
    """The lines of a plan."""
    plan = Plan(
        method="lora",
        num_trained=1_250,
        num_base=100_000,
        num_examples=40,
        num_held_out=5,
        mean_tokens=99.6,
        max_tokens=300,
        steps=7,
        resumed_at=0,
        tokens_per_step=398.4,
        weights_bytes=405_000_000,
        optimizer_bytes=15_000_000,
        update_bytes=2_500_000_000,
    )
    file = io.StringIO()
    screen = Screen(Console(file=file, width=120, highlight=False))
    screen.plan(replace(plan, **changes), num_dropped=num_dropped)
    return file.getvalue().splitlines()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", "lora"),
        ("trained", "1,250 of 100,000 numbers (1.25%)"),
        ("examples", "40 to train on, 5 held out"),
        ("left out", "3 too long, 0 truncated"),
        ("tokens", "100 an example, 300 at most"),
        ("steps", "7 of about 398 tokens"),
        ("memory", "405.00 MB weights, 15.00 MB optimizer"),
        ("update", "2.50 GB in fp32"),
    ],
)
def test_a_plan_says_what_is_about_to_happen(name: str, value: str) -> None:
    """One row each."""
    rows = [line for line in planned(num_dropped=3) if name in line]
    assert any(value in row for row in rows), rows


def test_a_plan_has_a_note_only_if_there_is_something_to_note() -> None:
    """Such as a tied head that gets a copy of its own."""
    assert not any("note" in line for line in planned())
    assert any("note" in line and "a copy of its own" in line for line in planned(note="a copy of its own"))


def test_a_plan_says_where_a_training_goes_on() -> None:
    """After a checkpoint's step; a new training has no such line."""
    assert planned(resumed_at=4)[-1].endswith("going on after step 4, from a checkpoint")
    assert not any("going on" in line for line in planned())
