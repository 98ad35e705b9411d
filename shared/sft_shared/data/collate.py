"""Rows become one flat row without padding; what all of them begin with is kept once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sft_shared.data.chat import IGNORED, Row


@dataclass(frozen=True)
class FlatBatch:
    """Documents end to end: ``[prefix][rest of 1]...[rest of n]``, T tokens in all.

    ``input_ids`` and ``position_ids`` are [1, T]; ``targets`` [T] holds at each place the *next* token
    of the same document where it is supervised, else IGNORED. ``lengths`` are those of the rests;
    each rest may attend to itself and to the ``prefix`` first tokens, which all documents share.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    targets: torch.Tensor
    lengths: tuple[int, ...]
    prefix: int
    example_ids: tuple[str, ...]

    def per_token(self, values: Sequence[float]) -> torch.Tensor:
        """[T]: the value of each place's document, fp32; of the first document in the common prefix."""
        each = torch.tensor(values, dtype=torch.float32)
        spread = each.repeat_interleave(torch.tensor(self.lengths))
        return torch.cat([each[:1].expand(self.prefix), spread]).to(self.targets.device)

    def to(self, device: torch.device) -> FlatBatch:
        """The same batch with its tensors on ``device``."""
        return FlatBatch(
            input_ids=self.input_ids.to(device),
            position_ids=self.position_ids.to(device),
            targets=self.targets.to(device),
            lengths=self.lengths,
            prefix=self.prefix,
            example_ids=self.example_ids,
        )


def collate(rows: Sequence[Row]) -> FlatBatch:
    """Lay ``rows`` end to end. Their common beginning is computed once, which is exact.

    In a causal model the states of a common prefix are the same in every document, so sharing them
    changes no loss and no gradient.
    """
    prefix = common_prefix(rows)
    ids = list(rows[0].input_ids[:prefix])
    targets = [IGNORED] * prefix
    positions = list(range(prefix))
    for row in rows:
        ids += row.input_ids[prefix:]
        targets += [*row.labels[prefix + 1 :], IGNORED]
        positions += range(prefix, len(row.input_ids))
    return FlatBatch(
        input_ids=torch.tensor([ids]),
        position_ids=torch.tensor([positions]),
        targets=torch.tensor(targets),
        lengths=tuple(len(row.input_ids) - prefix for row in rows),
        prefix=prefix,
        example_ids=tuple(row.example_id for row in rows),
    )


def common_prefix(rows: Sequence[Row]) -> int:
    """Number of first tokens that all rows share and that predict nothing supervised; 0 for one row.

    Every row keeps at least one token of its own.
    """
    if len(rows) < 2:
        return 0
    first = rows[0].input_ids
    limit = min(len(row.input_ids) for row in rows) - 1
    for place in range(limit):
        if any(row.input_ids[place] != first[place] or row.labels[place + 1] != IGNORED for row in rows):
            return place
    return limit
