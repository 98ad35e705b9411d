"""FedAvg: the mean of the clients' deltas, weighted by examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import torch

from sft_shared.config import Settings
from sft_shared.errors import AggregationError


class FedAvg(Settings):
    """``sum_k (n_k / n) delta_k`` over clients k, with n_k examples of n = sum_k n_k.

    McMahan et al., 2017, arXiv:1602.05629, on deltas instead of weights, which is the same mean. LoRA's
    factors A and B are averaged apart: mean(B) @ mean(A) is near mean(B @ A), not equal to it.
    """

    kind: Literal["fedavg"] = "fedavg"

    def __call__(self, updates: Iterable[tuple[int, Mapping[str, torch.Tensor]]]) -> dict[str, torch.Tensor]:
        """Return the mean of ``(num_examples, delta)`` pairs: float32, the names sorted.

        Takes one pair at a time and keeps one float64 sum, so memory does not grow with the number of
        clients. The same pairs in the same order give the same bits.

        Raises AggregationError on no pairs, a count below 1, or pairs of other names or shapes.
        """
        sums: dict[str, torch.Tensor] = {}
        total = 0
        for num_examples, delta in updates:
            if num_examples < 1:
                raise AggregationError(f"an update counts {num_examples} examples, at least 1 is needed")
            if not sums:
                sums = {name: torch.zeros(delta[name].shape, dtype=torch.float64) for name in sorted(delta)}
            if {name: tensor.shape for name, tensor in delta.items()} != {
                name: tensor.shape for name, tensor in sums.items()
            }:
                raise AggregationError("the updates have tensors of different names or shapes")
            total += num_examples
            for name, running in sums.items():
                running.add_(delta[name].to(torch.float64), alpha=num_examples)
        if not sums:
            raise AggregationError("there are no updates to aggregate")
        return {name: (running / total).to(torch.float32) for name, running in sums.items()}
