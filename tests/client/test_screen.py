"""Progress for people at a terminal and for people who read a log later."""

from __future__ import annotations

import io

from rich.console import Console

from sft_client.screen import Screen
from sft_shared.training.loop import StepRecord


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
