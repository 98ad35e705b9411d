"""The objective of some rows: losses by row, factors by class."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.chat import Row
from sft_shared.errors import TrainingError
from sft_shared.models.load import Base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.packed import packed
from sft_shared.models.tuning import attached
from sft_shared.training.losses import CrossEntropyLoss, FocalLoss
from sft_shared.training.step import Objective, class_factors


def rows_of(*categories: str | None) -> list[Row]:
    return [
        Row(input_ids=(1, 2), labels=(-100, 2), example_id=str(number), category=category)
        for number, category in enumerate(categories)
    ]


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=50))
def test_balanced_factors_are_inverse_shares_with_mean_1(categories: list[str]) -> None:
    """Over the examples the mean is 1, and every class weighs the same in all."""
    factors = class_factors(FocalLoss(alpha="balanced"), rows_of(*categories))
    assert factors is not None
    assert sum(factors[category] for category in categories) / len(categories) == pytest.approx(1)
    sums = {name: factors[name] * categories.count(name) for name in set(categories)}
    assert max(sums.values()) == pytest.approx(min(sums.values()))


def test_factors_come_from_the_settings() -> None:
    """None where all weigh 1; one for all, also without categories; or by name, more names than needed."""
    assert class_factors(CrossEntropyLoss(), rows_of(None)) is None
    assert class_factors(FocalLoss(alpha=1.0), rows_of(None)) is None
    assert class_factors(FocalLoss(alpha=0.25), rows_of("a", None)) == {"a": 0.25, None: 0.25}
    named = FocalLoss(alpha={"a": 2.0, "b": 0.5, "unused": 9.0})
    assert class_factors(named, rows_of("b", "a", "b")) == {"a": 2.0, "b": 0.5}


def test_factors_by_class_need_a_class_for_every_row() -> None:
    """How many lack one is said, and what to do."""
    for alpha in ("balanced", {"a": 1.0}):
        with pytest.raises(
            TrainingError,
            match=r"training.loss.alpha is by class, but 2 of 3 examples have no category. Give every "
            "example a category, or one alpha for all.",
        ):
            class_factors(FocalLoss(alpha=alpha), rows_of("a", None, None))


def test_a_class_without_a_factor_is_named() -> None:
    """All of them, in order."""
    with pytest.raises(
        TrainingError, match=r"training.loss.alpha names no factor for b, c. Add it, or write balanced."
    ):
        class_factors(FocalLoss(alpha={"a": 1.0}), rows_of("c", "a", "b"))


def test_a_batch_is_the_sum_of_its_rows(tiny: Base, rows: list[Row]) -> None:
    """Loss with factors, losses by row and their mean agree with each row alone."""
    with attached(tiny, LoraSettings(rank=2), seed=1), packed(tiny.model) as network, torch.no_grad():
        plain = Objective(network, CrossEntropyLoss(), None, tiny.device)
        alone = [plain([row]).item() for row in rows]
        assert plain.sums(rows) == pytest.approx(alone, rel=1e-5)
        assert plain(rows).item() == pytest.approx(sum(alone), rel=1e-5)
        mean = sum(alone) / sum(row.num_supervised for row in rows)
        assert plain.mean_cross_entropy(rows, batch_size=5) == pytest.approx(mean, rel=1e-5)
        weighted = replace(plain, loss=FocalLoss(gamma=0), factors={"even": 2.0, "odd": 0.5})
        expected = sum(
            (2.0 if row.category == "even" else 0.5) * one for row, one in zip(rows, alone, strict=True)
        )
        assert weighted(rows).item() == pytest.approx(expected, rel=1e-5)
        assert weighted.sums(rows) == plain.sums(rows), (
            "what is measured is cross-entropy, whatever is trained"
        )
