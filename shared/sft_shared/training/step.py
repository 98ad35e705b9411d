"""What one step computes: losses and gradients of some rows on the packed network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch

from sft_shared.data.chat import Row
from sft_shared.data.collate import collate
from sft_shared.errors import TrainingError
from sft_shared.models.packed import PackedModel
from sft_shared.training.losses import (
    CrossEntropyLoss,
    FocalLoss,
    LossSettings,
    supervised_loss,
    token_losses,
)


@dataclass(frozen=True)
class Objective:
    """The loss of rows, with the factor of each class that focal loss may ask for."""

    network: PackedModel
    loss: LossSettings
    factors: Mapping[str | None, float] | None  # by category, others (of replay) weigh 1; None: all do
    device: torch.device

    def __call__(self, rows: Sequence[Row]) -> torch.Tensor:
        """Sum of the loss over the rows' supervised tokens, a scalar with a graph."""
        batch = collate(rows).to(self.device)
        hidden = self.network.hidden(
            batch.input_ids, position_ids=batch.position_ids, lengths=batch.lengths, prefix=batch.prefix
        )
        weights = None
        if self.factors is not None:
            weights = batch.per_token([self.factors.get(row.category, 1.0) for row in rows])
        return supervised_loss(
            hidden,
            batch.targets,
            head=self.network.head,
            bias=self.network.head_bias,
            loss=self.loss,
            weights=weights,
        )

    @torch.no_grad()
    def mean_cross_entropy(self, rows: Sequence[Row], *, batch_size: int) -> float:
        """Cross-entropy in nats, a mean over all supervised tokens of ``rows``, whatever the loss is."""
        total = 0.0
        for start in range(0, len(rows), batch_size):
            total += sum(self.sums(rows[start : start + batch_size]))
        return total / sum(row.num_supervised for row in rows)

    @torch.no_grad()
    def sums(self, rows: Sequence[Row]) -> list[float]:
        """Cross-entropy in nats of each row, summed over its supervised tokens."""
        batch = collate(rows).to(self.device)
        hidden = self.network.hidden(
            batch.input_ids, position_ids=batch.position_ids, lengths=batch.lengths, prefix=batch.prefix
        )
        losses = token_losses(
            hidden,
            batch.targets,
            head=self.network.head,
            bias=self.network.head_bias,
            loss=CrossEntropyLoss(),
        )
        ends = list(accumulate(batch.lengths, initial=batch.prefix))
        return [float(losses[start:end].sum()) for start, end in pairwise(ends)]


def class_factors(loss: LossSettings, rows: Sequence[Row]) -> dict[str | None, float] | None:
    """Category -> factor on its tokens' loss, None if there is one weight for all and it is 1.

    Raises TrainingError for factors by class if a row has no category, or one that is not named.
    """
    if not isinstance(loss, FocalLoss) or loss.alpha == 1.0:
        return None
    counts = Counter(row.category for row in rows)
    if isinstance(loss.alpha, float | int):
        return dict.fromkeys(counts, float(loss.alpha))
    if None in counts:
        raise TrainingError(
            f"training.loss.alpha is by class, but {counts[None]} of {len(rows)} examples have no category. "
            "Give every example a category, or one alpha for all."
        )
    if loss.alpha == "balanced":
        return {name: len(rows) / (len(counts) * count) for name, count in counts.items()}
    unnamed = sorted(str(name) for name in counts.keys() - loss.alpha.keys())
    if unnamed:
        raise TrainingError(
            f"training.loss.alpha names no factor for {', '.join(unnamed)}. Add it, or write balanced."
        )
    return {name: loss.alpha[str(name)] for name in counts}
