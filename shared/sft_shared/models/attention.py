"""Causal attention over documents laid end to end, in transformers' attention interface.

The flat row is ``[prefix][rest of 1]...[rest of n]``; each rest attends to the prefix and to itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from sft_shared.errors import ModelError

IMPLEMENTATION = "fedsft_packed"
MAX_PLAIN_TOKENS = 640  # above, products of n x n cost more memory than a blocked kernel costs time


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    document_lengths: Sequence[int] | None = None,
    shared_prefix: int = 0,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within documents: query [1, H, T, D], key and value [1, K, T, D] -> [1, T, H, D].

    H is a multiple of K (grouped-query attention). Raises ModelError for a variant of attention that
    this does not compute, rather than computing another one.
    """
    if document_lengths is None:
        raise ModelError(f"{type(module).__name__} does not pass the documents' lengths on to its attention.")
    lengths = (shared_prefix, *document_lengths) if shared_prefix else tuple(document_lengths)
    longest = shared_prefix + max(document_lengths)
    window = options.get("sliding_window")
    if window is not None and longest > window:
        raise ModelError(
            f"a document of {longest} tokens is longer than the model's attention window of {window}. "
            "Lower data.max_tokens."
        )
    for option in ("softcap", "s_aux"):
        if options.get(option) is not None:
            raise ModelError(f"{type(module).__name__} uses {option}, which cannot be trained packed.")
    if options.get("dropout"):
        raise ModelError(f"{type(module).__name__} drops attention weights, which cannot be trained packed.")
    scale = 1 / math.sqrt(query.shape[-1]) if scaling is None else scaling
    if query.device.type == "cpu" and longest <= MAX_PLAIN_TOKENS:
        output = _PlainAttention.apply(  # type: ignore[no-untyped-call]
            query, key, value, scale, lengths, shared_prefix
        )
    else:
        output = _blocked_attention(query, key, value, scale, lengths, shared_prefix)
    return output, None


def _blocked_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scale: float,
    lengths: tuple[int, ...],
    prefix: int,
) -> torch.Tensor:
    """torch's own kernel, one call a document."""
    outputs, start = [], 0
    for length in lengths:
        span, shared = slice(start, start + length), prefix if start else 0
        queries, keys, values = query[:, :, span], key[:, :, span], value[:, :, span]
        mask = None
        if shared:
            keys = torch.cat([key[:, :, :shared], keys], 2)
            values = torch.cat([value[:, :, :shared], values], 2)
            mask = torch.ones(length, shared + length, dtype=torch.bool, device=query.device).tril(shared)
        outputs.append(
            F.scaled_dot_product_attention(
                queries,
                keys,
                values,
                attn_mask=mask,
                is_causal=mask is None,
                scale=scale,
                enable_gqa=query.shape[1] != key.shape[1],
            )
        )
        start += length
    return torch.cat(outputs, 2).transpose(1, 2).contiguous()


class _PlainAttention(torch.autograd.Function):
    """The same as plain matrix products, which beat the blocked kernel on short documents on a CPU.

    The query heads of a group are stacked, so a key-value head is read once for all of them. Keeps the
    attention weights for the backward pass: sum of H * n * (prefix + n) numbers over the documents.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        lengths: tuple[int, ...],
        prefix: int,
    ) -> torch.Tensor:
        heads, tokens, _ = query.shape[1:]
        groups, width = key.shape[1], value.shape[-1]
        per_group = heads // groups
        output = query.new_empty(1, tokens, heads, width)
        weights, start = [], 0
        for length in lengths:
            shared = prefix if start else 0
            queries, keys, values = _document(query, key, value, start, length, shared)
            bias = _causal_bias(per_group, length, shared, query.dtype, query.device)
            scores = torch.baddbmm(bias, queries, keys.transpose(1, 2), alpha=scale)
            attended = torch.softmax(scores, -1)
            mixed = torch.bmm(attended, values).view(heads, length, width)
            output[0, start : start + length] = mixed.transpose(0, 1)
            weights.append(attended)
            start += length
        ctx.save_for_backward(query, key, value, *weights)
        ctx.scale, ctx.lengths, ctx.prefix = scale, lengths, prefix
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, *weights = ctx.saved_tensors
        grad_output = gradients[0][0].transpose(0, 1)
        heads = query.shape[1]
        grad_query = torch.empty_like(query)
        grad_key, grad_value = torch.empty_like(key), torch.empty_like(value)
        # what the documents send back to the shared prefix adds up: in fp32
        prefix_key = torch.zeros_like(key[0, :, : ctx.prefix], dtype=torch.float32)
        prefix_value = torch.zeros_like(value[0, :, : ctx.prefix], dtype=torch.float32)
        start = 0
        for length, attended in zip(ctx.lengths, weights, strict=True):
            span, shared = slice(start, start + length), ctx.prefix if start else 0
            queries, keys, values = _document(query, key, value, start, length, shared)
            grad_mixed = grad_output[:, span].reshape(key.shape[1], -1, value.shape[-1])
            from_values = torch.bmm(attended.transpose(1, 2), grad_mixed)
            grad_attended = torch.bmm(grad_mixed, values.transpose(1, 2))
            grad_scores = torch._softmax_backward_data(grad_attended, attended, -1, attended.dtype)
            from_keys = torch.bmm(grad_scores.transpose(1, 2), queries)
            grad_query[0, :, span] = torch.bmm(grad_scores, keys).view(heads, length, -1)
            grad_key[0, :, span] = from_keys[:, shared:]
            grad_value[0, :, span] = from_values[:, shared:]
            if shared:
                prefix_key += from_keys[:, :shared]
                prefix_value += from_values[:, :shared]
            start += length
        grad_key[0, :, : ctx.prefix] += prefix_key
        grad_value[0, :, : ctx.prefix] += prefix_value
        return grad_query.mul_(ctx.scale), grad_key.mul_(ctx.scale), grad_value, None, None, None


def _document(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, start: int, length: int, shared: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One document's queries [K, H/K * n, D], keys and values [K, shared + n, D]."""
    span = slice(start, start + length)
    queries = query[0, :, span].reshape(key.shape[1], -1, query.shape[-1])
    keys, values = key[0, :, span], value[0, :, span]
    if shared:
        keys = torch.cat([key[0, :, :shared], keys], 1)
        values = torch.cat([value[0, :, :shared], values], 1)
    return queries, keys, values


@lru_cache(maxsize=512)
def _causal_bias(
    per_group: int, length: int, shared: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """[H/K * n, shared + n]: 0 where a query may look, minus infinity at what comes after it."""
    bias = torch.full((length, shared + length), -math.inf, dtype=dtype, device=device).triu_(shared + 1)
    return bias.repeat(per_group, 1)
