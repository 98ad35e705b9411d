"""Key-value cache and attention for decoding one token a row; imported only where transformers is in use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

from sft_shared.errors import ModelError

IMPLEMENTATION = "fedsft_decode"


def decode_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    column_bias: torch.Tensor | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attend from the last token: query [n, H, 1, D], key and value [n, K, L, D] -> [n, 1, H, D].

    ``column_bias`` [n, L] is 0 where a row has a token and minus infinity where it has none. The heads
    of a group share one product with their keys. Raises ModelError for attention that is not this.
    """
    if column_bias is None or options.get("softcap") is not None or options.get("s_aux") is not None:
        raise ModelError(f"{type(module).__name__} has an attention that this generation does not compute.")
    window = options.get("sliding_window")
    if window is not None and key.shape[2] > window:
        raise ModelError(
            f"{key.shape[2]} tokens are more than the model's attention window of {window}. "
            "Use shorter prompts."
        )
    rows, heads, _, width = query.shape
    groups, columns = key.shape[1:3]
    scale = 1 / math.sqrt(width) if scaling is None else scaling
    queries = query.reshape(rows, groups, heads // groups, width)
    scores = torch.matmul(queries, key.transpose(2, 3)).mul_(scale) + column_bias.view(rows, 1, 1, columns)
    mixed = torch.matmul(torch.softmax(scores, -1), value)
    return mixed.reshape(rows, 1, heads, value.shape[-1]), None


class _Buffer(DynamicLayer):  # type: ignore[misc]  # transformers ships no types
    """One layer's keys and values [n, K, capacity, D], written in place; the first ``used`` columns count."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, *, used: int) -> None:
        super().__init__()
        self.keys, self.values, self.used = keys, values, used
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.keys[:, :, self.used] = key_states[:, :, 0]
        self.values[:, :, self.used] = value_states[:, :, 0]
        self.used += 1
        return self.keys[:, :, : self.used], self.values[:, :, : self.used]

    def get_seq_length(self) -> int:
        return self.used


def decoding_cache(
    flat: Any,
    *,
    learned: torch.Tensor | None,
    prefix: int,
    lengths: Sequence[int],
    max_new_tokens: int,
) -> tuple[Any, torch.Tensor]:
    """Spread the cache of a packed forward over rows, each ending in the same column.

    ``flat`` holds ``[prefix][rest of 1]...[rest of n]`` in one row; a ``learned`` prefix
    [layers, 2, 1, K, P, D] comes before it in every row. Returns the cache of n rows, with room for
    ``max_new_tokens``, and its column bias [n, capacity].
    """
    if learned is not None:
        prefix += learned.shape[4]
    used = prefix + max(lengths)
    starts = [prefix + sum(lengths[:row]) for row in range(len(lengths))]
    layers = []
    for number, layer in enumerate(flat.layers):
        both = layer.keys, layer.values
        if learned is not None:
            first = learned[number].to(layer.keys.dtype)
            both = torch.cat([first[0], both[0]], 2), torch.cat([first[1], both[1]], 2)
        keys, values = (_spread(part, prefix, starts, lengths, used, max_new_tokens) for part in both)
        layers.append(_Buffer(keys, values, used=used))
    bias = layers[0].keys.new_zeros(len(lengths), used + max_new_tokens)
    for row, length in enumerate(lengths):
        bias[row, prefix : used - length] = -math.inf
    return Cache(layers=layers), bias


def _spread(
    flat: torch.Tensor, prefix: int, starts: Sequence[int], lengths: Sequence[int], used: int, more: int
) -> torch.Tensor:
    _, groups, _, width = flat.shape
    rows = flat.new_zeros(len(lengths), groups, used + more, width)
    rows[:, :, :prefix] = flat[:, :, :prefix]
    for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        rows[row, :, used - length : used] = flat[0, :, start : start + length]
    return rows
