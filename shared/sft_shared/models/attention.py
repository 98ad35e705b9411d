"""Causal attention over documents laid end to end, in transformers' attention interface.

The flat row is ``[prefix][rest of 1]...[rest of n]``; each rest attends to the prefix and to itself. Learned
keys and values (prefix tuning) come before all of it and are seen by every token.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from sft_shared.errors import ModelError
from sft_shared.models.autograd import apply

IMPLEMENTATION = "fedsft_packed"
MAX_PLAIN_TOKENS = 1024  # of a document; above, kept attention weights cost too much memory
BLOCK = 192  # queries computed at a time: what comes after them is not computed, only masked within


def packed_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    document_lengths: Sequence[int] | None = None,
    shared_prefix: int = 0,
    learned_prefix: torch.Tensor | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within documents: query [1, H, T, D], key and value [1, K, T, D] -> [1, T, H, D].

    H is a multiple of K (grouped-query attention). ``learned_prefix`` [layers, 2, 1, K, P, D] holds keys and
    values of every layer that come before the documents'. Raises ModelError for a variant of attention that
    this does not compute, rather than computing another one.
    """
    if document_lengths is None:
        raise ModelError(f"{type(module).__name__} does not pass the documents' lengths on to its attention.")
    lengths = (shared_prefix, *document_lengths) if shared_prefix else tuple(document_lengths)
    longest = shared_prefix + max(document_lengths)
    if learned_prefix is not None:
        learned = learned_prefix[module.layer_idx].to(key.dtype)
        key, value = torch.cat([learned[0], key], 2), torch.cat([learned[1], value], 2)
        longest += learned.shape[3]
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
    layout = _layout(lengths, prefix=shared_prefix, learned=key.shape[2] - query.shape[2])
    limit = MAX_PLAIN_TOKENS if query.device.type == "cpu" else 0
    plain = tuple(document for document in layout if document.visible + document.length <= limit)
    if not plain:
        return _by_kernel(query, key, value, scale, layout), None
    output = apply(_PlainAttention, query, key, value, scale, plain)
    if len(plain) < len(layout):
        output = torch.cat(
            [
                output[:, document.start : document.stop]
                if document in plain
                else _by_kernel(query, key, value, scale, (document,))
                for document in layout
            ],
            1,
        )
    return output, None


@dataclass(frozen=True)
class _Document:
    """Where a document's own tokens are, and how many first keys (learned, prefix) it sees besides."""

    start: int
    length: int
    visible: int
    learned: int

    @property
    def stop(self) -> int:
        return self.start + self.length

    def keys(self, key: torch.Tensor, upto: int) -> torch.Tensor:
        """[1, K, n, D] of what its token ``upto`` - 1 sees."""
        own = key[:, :, self.learned + self.start : self.learned + upto]
        return torch.cat([key[:, :, : self.visible], own], 2) if self.visible else own


def _layout(lengths: tuple[int, ...], *, prefix: int, learned: int) -> tuple[_Document, ...]:
    starts = accumulate(lengths, initial=0)
    return tuple(
        _Document(start, length, learned + (prefix if start else 0), learned)
        for start, length in zip(starts, lengths, strict=False)
    )


def _by_kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scale: float,
    documents: tuple[_Document, ...],
) -> torch.Tensor:
    """torch's own kernel, one call a document: [1, sum of lengths, H, D]."""
    outputs = []
    for document in documents:
        mask = None
        if document.visible:
            size = (document.length, document.visible + document.length)
            mask = torch.ones(size, dtype=torch.bool, device=query.device).tril(document.visible)
        outputs.append(
            F.scaled_dot_product_attention(
                query[:, :, document.start : document.stop],
                document.keys(key, document.stop),
                document.keys(value, document.stop),
                attn_mask=mask,
                is_causal=mask is None,
                scale=scale,
                enable_gqa=query.shape[1] != key.shape[1],
            )
        )
    return torch.cat(outputs, 2).transpose(1, 2).contiguous()


class _PlainAttention(torch.autograd.Function):
    """The same as plain matrix products, which beat the kernel on documents of this length on a CPU.

    The query heads of a group are stacked, so a key-value head is read once for all of them. BLOCK queries
    at a time, each block with the keys up to its last token. Keeps the attention weights for the backward
    pass: about H * n * (visible + n / 2) numbers a document. Other places than the documents' stay zero.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        documents: tuple[_Document, ...],
    ) -> torch.Tensor:
        _, heads, tokens, _ = query.shape
        complete = sum(document.length for document in documents) == tokens
        output = (query.new_empty if complete else query.new_zeros)(1, tokens, heads, value.shape[-1])
        weights = []
        for document, start, stop in _blocks(documents):
            keys, values = document.keys(key, stop)[0], document.keys(value, stop)[0]
            queries = _stacked(query[0, :, start:stop], groups=len(keys))
            bias = _causal_bias(heads // len(keys), stop - start, keys.shape[1], query.dtype, query.device)
            scores = torch.baddbmm(bias, queries, keys.transpose(1, 2), alpha=scale)
            attended = torch.softmax(scores, -1)
            mixed = torch.bmm(attended, values).view(heads, stop - start, -1)
            output[0, start:stop] = mixed.transpose(0, 1)
            weights.append(attended)
        ctx.save_for_backward(query, key, value, *weights)
        ctx.scale, ctx.documents, ctx.complete = scale, documents, complete
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, *weights = ctx.saved_tensors
        grad_output = gradients[0][0].transpose(0, 1)
        groups = key.shape[1]
        grad_query = torch.empty_like(query) if ctx.complete else torch.zeros_like(query)
        # several blocks send back to one key, and many documents to one prefix: that adds up in fp32
        grad_key, grad_value = (torch.zeros(part.shape[1:], device=part.device) for part in (key, value))
        for (document, start, stop), attended in zip(_blocks(ctx.documents), weights, strict=True):
            keys, values = document.keys(key, stop)[0], document.keys(value, stop)[0]
            queries = _stacked(query[0, :, start:stop], groups=groups)
            grad_mixed = _stacked(grad_output[:, start:stop], groups=groups)
            from_values = torch.bmm(attended.transpose(1, 2), grad_mixed)
            grad_attended = torch.bmm(grad_mixed, values.transpose(1, 2))
            grad_scores = torch._softmax_backward_data(grad_attended, attended, -1, attended.dtype)
            from_keys = torch.bmm(grad_scores.transpose(1, 2), queries)
            grad_query[0, :, start:stop] = torch.bmm(grad_scores, keys).view(-1, stop - start, keys.shape[2])
            own = slice(document.learned + document.start, document.learned + stop)
            for total, part in ((grad_key, from_keys), (grad_value, from_values)):
                total[:, : document.visible] += part[:, : document.visible]
                total[:, own] += part[:, document.visible :]
        grad_key = grad_key.mul_(ctx.scale).to(key.dtype)
        return grad_query.mul_(ctx.scale), grad_key[None], grad_value.to(value.dtype)[None], None, None


def _blocks(documents: tuple[_Document, ...]) -> Iterator[tuple[_Document, int, int]]:
    """(document, first token, token after the last) of each block of queries."""
    for document in documents:
        for start in range(document.start, document.stop, BLOCK):
            yield document, start, min(start + BLOCK, document.stop)


def _stacked(heads: torch.Tensor, *, groups: int) -> torch.Tensor:
    """[H, n, D] -> [K, H/K * n, D]: the heads of a group one below the other."""
    return heads.reshape(groups, -1, heads.shape[-1])


@lru_cache(maxsize=512)
def _causal_bias(
    per_group: int, length: int, columns: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """[H/K * n, columns]: 0 where the last n tokens may look, minus infinity at what comes after them."""
    bias = torch.full((length, columns), -math.inf, dtype=dtype, device=device)
    return bias.triu_(columns - length + 1).repeat(per_group, 1)
