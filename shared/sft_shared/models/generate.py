"""Greedy generation for many prompts: batched by length, with a key-value cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from sft_shared.models.constrain import Matchers, grammars_of, require_grammar
from sft_shared.models.load import Base
from sft_shared.models.packed import attention, fused, packed, require_packable

MAX_LIVE_SHARE = 0.85  # finished rows are dropped from the cache once fewer than this share is left


@dataclass(frozen=True)
class Continuation:
    """What a model wrote, without special tokens.

    ``num_tokens`` counts what was generated but the end token; ``cut`` says that none came in time.
    """

    text: str
    num_tokens: int
    cut: bool


def generate(
    base: Base,
    prompts: Sequence[Sequence[int]],
    *,
    prefix: torch.Tensor | None = None,
    max_new_tokens: int,
    batch_size: int,
    on_batch: Callable[[int], None] | None = None,
) -> list[str]:
    """The texts of `continuations`; ``on_batch`` is told how many prompts are done."""
    done = 0

    def count(batch: Mapping[int, Continuation]) -> None:
        nonlocal done
        done += len(batch)
        if on_batch is not None:
            on_batch(done)

    written = continuations(
        base, prompts, prefix=prefix, max_new_tokens=max_new_tokens, batch_size=batch_size, on_batch=count
    )
    return [each.text for each in written]


def continuations(
    base: Base,
    prompts: Sequence[Sequence[int]],
    *,
    prefix: torch.Tensor | None = None,
    max_new_tokens: int,
    batch_size: int,
    schemas: Sequence[str | None] | None = None,
    on_batch: Callable[[Mapping[int, Continuation]], None] | None = None,
    on_step: Callable[[], None] | None = None,
) -> list[Continuation]:
    """Return the most likely continuation of each prompt, up to its end token.

    What is attached to ``base`` takes part; ``prefix`` is `Tuned.prefix`. Prompts of like length share a
    batch, are read without padding, and leave it when finished. ``schemas[i]`` is the JSON Schema that
    answer ``i`` is held to, None for a free one. ``on_batch`` is given the finished ones by their place
    among the prompts; ``on_step`` is called each time all rows of a batch have one token more.
    Raises ModelError if the model's attention is one that this cannot compute, DataError for a schema
    that cannot be held to.
    """
    if not prompts:
        return []
    causal_lm = base.model
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    ends = end_token_ids(base)
    require_packable(base)
    for schema in dict.fromkeys(schemas or ()):
        if schema is not None:
            require_grammar(schema)  # what cannot be held to is told before the first answer
    written: dict[int, Continuation] = {}
    with torch.no_grad(), _evaluating(causal_lm):
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            held = [None if schemas is None else schemas[index] for index in batch]
            matchers = grammars_of(base, ends=ends).matchers(held) if any(held) else None
            answers = _generate_batch(
                causal_lm,
                [prompts[index] for index in batch],
                prefix_embeddings=prefix,
                ends=ends,
                max_new_tokens=max_new_tokens,
                device=base.device,
                matchers=matchers,
                on_step=on_step,
            )
            finished = {
                index: Continuation(
                    text=base.tokenizer.decode(tokens, skip_special_tokens=True),
                    num_tokens=len(tokens),
                    cut=not ended,
                )
                for index, (tokens, ended) in zip(batch, answers, strict=True)
            }
            written.update(finished)
            if on_batch is not None:
                on_batch(finished)
    return [written[index] for index in range(len(prompts))]


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
    matchers: Matchers | None,
    on_step: Callable[[], None] | None,
) -> list[tuple[list[int], bool]]:
    """Read the prompts packed, without padding; then add a token to all unfinished rows at a time.

    Returns each answer's tokens and whether its end token came.
    """
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
    ended = [False] * len(prompts)
    rows = list(range(len(prompts)))  # the prompt that each row of the cache continues; -1: finished

    def choose(logits: torch.Tensor) -> torch.Tensor:
        return logits.argmax(-1) if matchers is None else matchers.choose(logits, rows)

    chosen = choose(network.logits(hidden[last]))
    del hidden
    with attention(causal_lm, IMPLEMENTATION, decode_attention), fused(causal_lm):
        while True:
            tokens = chosen.tolist()
            if on_step is not None:
                on_step()
            for row, token in enumerate(tokens):
                answer = rows[row]
                if answer < 0:
                    continue
                if token in ends:
                    ended[answer] = True
                    rows[row] = -1
                elif matchers is not None and answer in matchers.stuck:
                    rows[row] = -1
                else:
                    answers[answer].append(token)
                    if len(answers[answer]) == max_new_tokens:
                        rows[row] = -1
            live = [row for row, prompt in enumerate(rows) if prompt >= 0]
            if not live:
                return list(zip(answers, ended, strict=True))
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
            chosen = choose(network.logits(hidden[:, 0]))
            places = places + 1
