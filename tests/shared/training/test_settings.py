"""Settings that contradict each other are refused."""

from __future__ import annotations

import pytest

from sft_shared.training.schedules import CosineSchedule
from sft_shared.training.settings import TrainingSettings


def test_a_batch_cannot_be_parted_into_more_parts_than_examples() -> None:
    """As many as examples is the most."""
    assert TrainingSettings(steps=1, batch_size=4, accumulation=4, learning_rate=0.5).accumulation == 4
    with pytest.raises(ValueError, match="accumulation is 5, but a batch has 4 examples to part"):
        TrainingSettings(steps=1, batch_size=4, accumulation=5, learning_rate=0.5)


def test_a_warm_up_longer_than_the_span_is_refused() -> None:
    """The peak would never be reached."""
    with pytest.raises(ValueError, match="warmup_steps is 8, but the span has 8 steps"):
        TrainingSettings(
            steps=4, batch_size=1, learning_rate=0.5, schedule=CosineSchedule(warmup_steps=8, span_cycles=2)
        )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0.0),
        ("clip_norm", 0.0),
        ("steps", 0),
        ("loss", {"kind": "cross_entropy", "label_smoothing": 1.0}),
        ("loss", {"kind": "focal", "gamma": -0.1}),
        ("loss", {"kind": "focal", "alpha": {"a": 0.0}}),
        ("loss", {"kind": "focal", "label_smoothing": 0.1}),
        ("ewc", {"strength": -1.0}),
        ("ewc", {"decay": 1.1}),
        ("validation", {"patience": 0}),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: object) -> None:
    """Each of them alone."""
    good = {"steps": 1, "batch_size": 1, "learning_rate": 0.5}
    TrainingSettings.model_validate(good)
    with pytest.raises(ValueError, match=name):
        TrainingSettings.model_validate(good | {name: value})
