"""Two results can be compared if the same was asked, judged and allowed; how it was put may differ."""

from __future__ import annotations

from typing import Any

import pytest

from sft_shared.errors import DataError
from sft_shared.evaluation.conditions import Conditions, asked_otherwise, require_same

OURS = Conditions(examples="a", metrics={"json_valid": "b", "intent": "c"}, prompts="d", max_new_tokens=96)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"examples": "x"}, "task 't' were asked other questions"),
        ({"max_new_tokens": 2}, "had 96 and 2 tokens for an answer.*same generation.max_new_tokens"),
        ({"metrics": {"json_valid": "b", "intent": "x"}}, "of the metric 'intent'"),
    ],
)
def test_what_was_measured_otherwise_is_refused(changes: dict[str, Any], complaint: str) -> None:
    """With what differs, and what to do."""
    with pytest.raises(DataError, match=complaint):
        require_same(OURS, OURS.model_copy(update=changes), "task 't'")


def test_other_prompts_and_metrics_that_one_lacks_are_no_obstacle() -> None:
    """The base with solved examples against a trained model without; a metric that was added later."""
    shown = OURS.model_copy(update={"prompts": "shots", "metrics": {"json_valid": "b", "new": "n"}})
    require_same(OURS, shown, "task 't'")
    assert asked_otherwise({"t": OURS, "u": OURS}, {"t": shown, "u": OURS}) == ["t"]
