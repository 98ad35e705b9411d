"""Generation gives what transformers' greedy search gives, whatever the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from sft_shared.data.chat import DataSettings, render_prompt
from sft_shared.dialogue import Example
from sft_shared.models.generate import end_token_ids, generate
from sft_shared.models.load import Base
from sft_shared.models.tuned import AdapterState, Tuned
from sft_shared.models.tuning import LoraSettings, TuningSettings, attached

TUNING = LoraSettings(rank=4, alpha=64)


@pytest.fixture
def prompts(tiny: Base, examples: list[Example]) -> list[list[int]]:
    """Prompts of five lengths with a common beginning, and one that has nothing in common."""
    made = [render_prompt(example, tiny.tokenizer, DataSettings()) for example in examples[:9]]
    return [*made, tiny.tokenizer("unlike the others")["input_ids"]]


def reference(base: Base, model: Any, prompts: list[list[int]], *, max_new_tokens: int) -> list[list[int]]:
    """One prompt at a time by argmax over a full forward without a cache."""
    ends, answers = end_token_ids(base), []
    with torch.no_grad():
        for prompt in prompts:
            tokens = list(prompt)
            while len(tokens) < len(prompt) + max_new_tokens:
                token = int(model(input_ids=torch.tensor([tokens])).logits[0, -1].argmax())
                if token in ends:
                    break
                tokens.append(token)
            answers.append(tokens[len(prompt) :])
    return answers


def texts_of(base: Base, answers: list[list[int]]) -> list[str]:
    return [base.tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]


@pytest.fixture
def adapted(tiny: Base) -> Iterator[Any]:
    """The tiny model under an adapter large enough to give it varied answers."""
    generator = torch.Generator().manual_seed(4)
    shapes = TUNING.shapes(tiny)
    state = {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in shapes.items()}
    with attached(tiny, TUNING, state) as tuned:
        yield tuned.model


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_an_adapted_model_continues_as_a_plain_forward_does(
    tiny: Base, adapted: Any, prompts: list[list[int]], batch_size: int
) -> None:
    """Token for token, in batches of any size."""
    texts = generate(tiny, prompts, max_new_tokens=12, batch_size=batch_size)
    assert texts == texts_of(tiny, reference(tiny, adapted, prompts, max_new_tokens=12))
    assert len(set(texts)) > 5


def test_every_method_continues_as_the_slow_model_does(
    base: Base,
    tuning: TuningSettings,
    state: AdapterState,
    prompts: list[list[int]],
    slow_model: Callable[[Tuned, TuningSettings], Any],
) -> None:
    """Token for token by a full forward each step; a prefix by PEFT's own. The base answers otherwise."""
    generator = torch.Generator().manual_seed(2)
    scale = 10.0 if tuning.kind == "prefix" else 0.3  # of a prefix the tiny models see little
    strong = {
        name: tensor + scale * torch.randn(tensor.shape, generator=generator)
        for name, tensor in state.items()
    }
    few = [*prompts[:3], prompts[-1]]
    with attached(base, tuning, strong) as tuned:
        expected = texts_of(base, reference(base, slow_model(tuned, tuning), few, max_new_tokens=8))
        for batch_size in (1, 4):
            found = generate(base, few, prefix=tuned.prefix, max_new_tokens=8, batch_size=batch_size)
            assert found == expected
    assert generate(base, few, max_new_tokens=8, batch_size=4) != expected


def test_the_base_continues_as_a_plain_forward_does(tiny: Base, prompts: list[list[int]]) -> None:
    """Without an adapter too."""
    texts = generate(tiny, prompts, max_new_tokens=12, batch_size=4)
    assert texts == texts_of(tiny, reference(tiny, tiny.model, prompts, max_new_tokens=12))


def test_rows_end_at_their_end_token_while_others_go_on(
    tiny: Base, adapted: Any, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an end token that comes early in some answers and late in others, every answer is right."""
    answers = reference(tiny, adapted, prompts, max_new_tokens=30)

    def lengths(token: int) -> set[int]:
        return {answer.index(token) if token in answer else 30 for answer in answers}

    token = max({token for answer in answers for token in answer}, key=lambda token: len(lengths(token)))
    monkeypatch.setattr(tiny.model.generation_config, "eos_token_id", [token])
    expected = reference(tiny, adapted, prompts, max_new_tokens=30)
    assert len({len(answer) for answer in expected}) > 2
    for batch_size in (3, 10):
        texts = generate(tiny, prompts, max_new_tokens=30, batch_size=batch_size)
        assert texts == texts_of(tiny, expected)


def test_progress_counts_finished_prompts(tiny: Base, prompts: list[list[int]]) -> None:
    """After each batch the number of prompts done so far is told."""
    done: list[int] = []
    generate(tiny, prompts, max_new_tokens=2, batch_size=4, on_batch=done.append)
    assert done == [4, 8, 10]


def test_the_model_is_left_as_it_was(tiny: Base, prompts: list[list[int]]) -> None:
    """Attention and layers are their own again; no prompts give no texts."""
    generate(tiny, prompts, max_new_tokens=2, batch_size=4)
    assert tiny.model.config._attn_implementation == "sdpa"
    assert not any("forward" in vars(module) for module in tiny.model.modules())
    assert generate(tiny, [], max_new_tokens=2, batch_size=4) == []


def test_end_tokens_are_the_tokenizers_and_the_models(tiny: Base) -> None:
    """Models that close a turn with one token and a text with another stop at both."""
    assert end_token_ids(tiny) == {tiny.tokenizer.eos_token_id}
    before = tiny.model.generation_config.eos_token_id
    tiny.model.generation_config.eos_token_id = [before, 0]
    try:
        assert end_token_ids(tiny) == {tiny.tokenizer.eos_token_id, 0}
    finally:
        tiny.model.generation_config.eos_token_id = before
