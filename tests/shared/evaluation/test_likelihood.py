"""Likelihoods of the packed forward are those of transformers' own, text by text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from sft_shared.data.chat import IGNORED, Row
from sft_shared.evaluation import likelihood
from sft_shared.evaluation.likelihood import likelihoods
from sft_shared.models.load import Base
from sft_shared.models.packed import packed

ROWS = [((1, 5, 9, 13), (20, 21)), ((1, 5, 9, 13), (30,)), ((7,), (8, 9, 10)), ((1, 5), (9, 13, 20, 21))]


def row(context: tuple[int, ...], wanted: tuple[int, ...]) -> Row:
    return Row((*context, *wanted), (*[IGNORED] * len(context), *wanted), "x")


def greedy(base: Base, context: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The model's first choices after ``context``, by transformers' forward."""
    ids = list(context)
    for _ in range(count):
        ids.append(int(base.model(torch.tensor([ids])).logits[0, -1].argmax()))
    return tuple(ids[len(context) :])


def plain(base: Base, context: tuple[int, ...], wanted: tuple[int, ...]) -> float:
    """Nats, by transformers' forward and log_softmax."""
    logits = base.model(torch.tensor([[*context, *wanted]])).logits[0].double()
    chances = torch.log_softmax(logits[len(context) - 1 : -1], -1)
    return -float(sum(chances[place, token] for place, token in enumerate(wanted)))


@pytest.mark.parametrize("at_once", [512, 2])
def test_likelihoods_are_those_of_a_plain_forward(
    tiny: Base, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Batched, with a common beginning or none, and with the logits in pieces."""
    monkeypatch.setattr(likelihood, "LOGITS_AT_ONCE", at_once)
    with torch.no_grad(), packed(tiny.model) as network:
        together = likelihoods(network, [row(*each) for each in ROWS], tiny.device)
        first_two = likelihoods(network, [row(*each) for each in ROWS[:2]], tiny.device)
    with torch.no_grad():
        expected = [plain(tiny, *each) for each in ROWS]
    assert [each.nll for each in together] == pytest.approx(expected, abs=1e-4)
    assert [each.nll for each in first_two] == pytest.approx(expected[:2], abs=1e-4)


def test_greedy_is_what_greedy_generation_writes(tiny: Base) -> None:
    """One other token anywhere, and it is not."""
    change: Callable[[int], int] = lambda token: (token + 1) % len(tiny.tokenizer)  # noqa: E731
    with torch.no_grad():
        own = greedy(tiny, (1, 5, 9), 3)
    variants = [own, (change(own[0]), *own[1:]), (*own[:2], change(own[2]))]
    with torch.no_grad(), packed(tiny.model) as network:
        found = [likelihoods(network, [row((1, 5, 9), wanted)], tiny.device)[0] for wanted in variants]
        batched = likelihoods(network, [row((1, 5, 9), wanted) for wanted in variants], tiny.device)
    assert [each.greedy for each in found] == [each.greedy for each in batched] == [True, False, False]
