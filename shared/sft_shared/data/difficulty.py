"""How hard is a row? Scores for a curriculum that need no model; larger is harder."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from sft_shared.data.chat import Row


def length_difficulty(rows: Sequence[Row]) -> tuple[float, ...]:
    """Number of tokens of each row, prompt and answer."""
    return tuple(float(len(row.input_ids)) for row in rows)


def rarity_difficulty(rows: Sequence[Row]) -> tuple[float, ...]:
    """Mean negative log frequency (nats) of each row's tokens, frequencies counted over ``rows``.

    Word rarity of Platanios et al. 2019 (arXiv:1903.09848), but for one change: they take the sum, which
    grows with the length as well. 0 if all tokens of all rows are one and the same.
    """
    counts = Counter(token for row in rows for token in row.input_ids)
    log_total = math.log(counts.total()) if counts else 0.0
    surprise = {token: log_total - math.log(count) for token, count in counts.items()}
    return tuple(math.fsum(surprise[token] for token in row.input_ids) / len(row.input_ids) for row in rows)
