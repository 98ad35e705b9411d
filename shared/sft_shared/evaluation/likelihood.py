"""How likely a model finds given texts: what perplexity and the external judge are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch

from sft_shared.data.chat import IGNORED, Row
from sft_shared.data.collate import collate
from sft_shared.models.packed import PackedModel

LOGITS_AT_ONCE = 512  # places: [512, V] in fp32 is 100 MB for a vocabulary of 50 thousand


@dataclass(frozen=True)
class Likelihood:
    """Of the supervised tokens of one row, each given all that stands before it.

    ``nll``: the negative log-likelihood in nats, all tokens together. ``greedy``: each is the model's first
    choice, so greedy generation would have written the same.
    """

    nll: float
    greedy: bool


def likelihoods(network: PackedModel, rows: Sequence[Row], device: torch.device) -> list[Likelihood]:
    """One for each row, in one packed forward; in fp32 whatever the model computes in, summed in fp64."""
    batch = collate(rows).to(device)
    hidden = network.hidden(
        batch.input_ids, position_ids=batch.position_ids, lengths=batch.lengths, prefix=batch.prefix
    )
    supervised = (batch.targets != IGNORED).nonzero().squeeze(1)
    costs = torch.zeros(len(batch.targets), dtype=torch.float64)
    others = torch.zeros(len(batch.targets), dtype=torch.bool)  # another token is the first choice
    for start in range(0, len(supervised), LOGITS_AT_ONCE):
        places = supervised[start : start + LOGITS_AT_ONCE]
        logits, targets = network.logits(hidden[places]).float(), batch.targets[places]
        nll = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
        costs[places.cpu()] = nll.double().cpu()
        others[places.cpu()] = (logits.argmax(-1) != targets).cpu()
    ends = list(accumulate(batch.lengths, initial=batch.prefix))
    return [
        Likelihood(nll=float(costs[start:end].sum()), greedy=not others[start:end].any())
        for start, end in pairwise(ends)
    ]
