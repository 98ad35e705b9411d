"""Greedy generation for many prompts: batched by length, with a key-value cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from sft_shared.models.load import Base
from sft_shared.models.packed import attention, fused, packed, require_packable

MAX_LIVE_SHARE = 0.85  # finished rows are dropped from the cache once fewer than this share is left


def generate(
    base: Base,
    prompts: Sequence[Sequence[int]],
    *,
    prefix: torch.Tensor | None = None,
    max_new_tokens: int,
    batch_size: int,
    on_batch: Callable[[int], None] | None = None,
) -> list[str]:
    """Return the most likely continuation of each prompt, up to its end token, as text without specials.

    What is attached to ``base`` takes part; ``prefix`` is `Tuned.prefix`. Prompts of like length share a
    batch, are read without padding, and leave it when finished. ``on_batch`` is told how many prompts are
    done. Raises ModelError if the model's attention is one that this cannot compute.
    """
    if not prompts:
        return []
    causal_lm = base.model
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    ends = end_token_ids(base)
    texts = [""] * len(prompts)
    require_packable(base)
    with torch.no_grad(), _evaluating(causal_lm):
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            answers = _generate_batch(
                causal_lm,
                [prompts[index] for index in batch],
                prefix_embeddings=prefix,
                ends=ends,
                max_new_tokens=max_new_tokens,
                device=base.device,
            )
            for index, answer in zip(batch, answers, strict=True):
                texts[index] = base.tokenizer.decode(answer, skip_special_tokens=True)
            if on_batch is not None:
                on_batch(start + len(batch))
    return texts


def end_token_ids(base: Base) -> frozenset[int]:
    """The tokens that end an answer: the tokenizer's, and those the model's generation settings add."""
    configured = base.model.generation_config.eos_token_id
    more = configured if isinstance(configured, list) else [] if configured is None else [configured]
    return frozenset({base.tokenizer.eos_token_id, *more})


@contextmanager
def _evaluating(causal_lm: Any) -> Iterator[None]:
    """Without dropout; afterwards every layer's mode is its own again."""
    modes = [(module, module.training) for module in causal_lm.modules()]
    causal_lm.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _common_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Number of first tokens that all prompts share; each keeps at least one of its own."""
    if len(prompts) < 2:
        return 0
    limit = min(len(prompt) for prompt in prompts) - 1
    for place in range(limit):
        if any(prompt[place] != prompts[0][place] for prompt in prompts):
            return place
    return limit


def _generate_batch(
    causal_lm: Any,
    prompts: Sequence[Sequence[int]],
    *,
    prefix_embeddings: torch.Tensor | None,
    ends: frozenset[int],
    max_new_tokens: int,
    device: torch.device,
) -> list[list[int]]:
    """Read the prompts packed, without padding; then add a token to all unfinished rows at a time."""
    from transformers import DynamicCache

    from sft_shared.models.decoding import IMPLEMENTATION, decode_attention, decoding_cache

    prefix = _common_prefix(prompts)
    lengths = [len(prompt) - prefix for prompt in prompts]
    flat = DynamicCache()
    with packed(causal_lm, prefix=prefix_embeddings) as network:
        hidden = network.hidden(
            torch.tensor(
                [[*prompts[0][:prefix], *(t for prompt in prompts for t in prompt[prefix:])]], device=device
            ),
            position_ids=torch.tensor(
                [[*range(prefix), *(p for n in lengths for p in range(prefix, prefix + n))]], device=device
            ),
            lengths=lengths,
            prefix=prefix,
            cache=flat,
        )
    last = torch.tensor(lengths, device=device).cumsum(0) + (prefix - 1)
    cache, bias = decoding_cache(
        flat, learned=network.learned(), prefix=prefix, lengths=lengths, max_new_tokens=max_new_tokens
    )
    del flat
    columns = network.offset + prefix + max(lengths)
    places = torch.tensor([network.offset + len(prompt) for prompt in prompts], device=device)
    answers: list[list[int]] = [[] for _ in prompts]
    rows = list(range(len(prompts)))  # the prompt that each row of the cache continues; -1: finished
    chosen = network.logits(hidden[last]).argmax(-1)
    del hidden
    with attention(causal_lm, IMPLEMENTATION, decode_attention), fused(causal_lm):
        while True:
            for row, token in enumerate(chosen.tolist()):
                if rows[row] < 0:
                    continue
                if token in ends:
                    rows[row] = -1
                else:
                    answers[rows[row]].append(token)
                    if len(answers[rows[row]]) == max_new_tokens:
                        rows[row] = -1
            live = [row for row, prompt in enumerate(rows) if prompt >= 0]
            if not live:
                return answers
            if len(live) <= MAX_LIVE_SHARE * len(rows):
                keep = torch.tensor(live, device=device)
                cache.batch_select_indices(keep)
                bias, places, chosen = bias[keep], places[keep], chosen[keep]
                rows = [rows[row] for row in live]
            columns += 1
            hidden = network.body(
                input_ids=chosen[:, None],
                position_ids=places[:, None],
                past_key_values=cache,
                use_cache=True,
                column_bias=bias[:, :columns],
            ).last_hidden_state
            chosen = network.logits(hidden[:, 0]).argmax(-1)
            places = places + 1
