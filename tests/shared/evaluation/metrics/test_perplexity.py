"""Perplexity: on a real (tiny) model, against a plain forward of each example alone."""

from __future__ import annotations

import doctest
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.chat import IGNORED, DataSettings, tokenize
from sft_shared.dialogue import Example
from sft_shared.errors import DataError
from sft_shared.evaluation.answering import EvaluationSettings
from sft_shared.evaluation.metrics import perplexity
from sft_shared.evaluation.metrics.perplexity import (
    Surprise,
    perplexity_interval,
    perplexity_of,
    surprises_of,
)
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.prefix import PrefixSettings
from sft_shared.models.tiny import make_tiny_model
from sft_shared.models.tuning import attached

Make = Callable[..., Example]
LORA = LoraSettings(rank=2, alpha=4)
SETTINGS = EvaluationSettings(batch_size=3)
ANSWERS = (
    "Yes, it is open.",
    "No.",
    "订单已取消。",
    "The weather in Paris is fine, 20 degrees.",
    "It is in London now.",
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    torch.set_num_threads(1)
    return load_base(ModelSettings(name=str(make_tiny_model(tmp_path_factory.mktemp("model"))), dtype="fp32"))


@pytest.fixture
def examples(make: Make) -> list[Example]:
    return [
        make(answer, id=f"e{place}", question=f"Question {place}?") for place, answer in enumerate(ANSWERS)
    ]


def state_of(base: Base) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    return {
        name: 0.3 * torch.randn(tensor.shape, generator=draw)
        for name, tensor in LORA.initial(base, seed=0).items()
    }


def slowly(base: Base, example: Example) -> tuple[float, int]:
    """One example at a time through transformers' own forward and loss."""
    row = tokenize(example, base.tokenizer, DataSettings())
    ids, labels = torch.tensor([row.input_ids]), torch.tensor([row.labels])
    with torch.no_grad():
        mean = base.model(input_ids=ids, labels=labels).loss
    num = int((labels != IGNORED).sum())
    return float(mean) * num, num


def test_the_worked_examples_hold() -> None:
    """Doctests."""
    assert doctest.testmod(perplexity).failed == 0


def test_each_answer_costs_what_a_plain_forward_says(base: Base, examples: list[Example]) -> None:
    """Alone and with an adapter, batched and packed; in the order of the examples."""
    state = state_of(base)
    arguments = {"tuning": LORA, "data": DataSettings(), "settings": SETTINGS}
    bare = surprises_of(base, None, examples, **arguments)
    tuned = surprises_of(base, state, examples, **arguments)
    expected = [slowly(base, example) for example in examples]
    with attached(base, LORA, state):
        with_adapter = [slowly(base, example) for example in examples]
    for found, wanted in ((bare, expected), (tuned, with_adapter)):
        assert [each.example_id for each in found] == [example.id for example in examples]
        assert [each.num_tokens for each in found] == [num for _, num in wanted]
        assert [each.nll for each in found] == pytest.approx([nll for nll, _ in wanted], rel=1e-4)
        total = math.exp(sum(nll for nll, _ in wanted) / sum(num for _, num in wanted))
        assert perplexity_of(found) == pytest.approx(total, rel=1e-4)
    assert perplexity_of(bare) != pytest.approx(perplexity_of(tuned), rel=1e-3)


def test_the_batch_changes_nothing_and_the_base_is_left_alone(base: Base, examples: list[Example]) -> None:
    """One at a time gives the same as all together; prefix tuning takes part."""
    one = surprises_of(
        base, None, examples, tuning=LORA, data=DataSettings(), settings=EvaluationSettings(batch_size=1)
    )
    all_at_once = surprises_of(
        base, None, examples, tuning=LORA, data=DataSettings(), settings=EvaluationSettings(batch_size=9)
    )
    assert [each.nll for each in one] == pytest.approx([each.nll for each in all_at_once], rel=1e-4)
    prefix = PrefixSettings(num_virtual_tokens=4)
    with_prefix = surprises_of(
        base,
        prefix.initial(base, seed=0),
        examples,
        tuning=prefix,
        data=DataSettings(),
        settings=SETTINGS,
    )
    assert perplexity_of(with_prefix) != pytest.approx(perplexity_of(one), rel=1e-4)
    again = surprises_of(base, None, examples, tuning=LORA, data=DataSettings(), settings=SETTINGS)
    assert [each.nll for each in again] == pytest.approx([each.nll for each in one], rel=1e-4)


def test_the_prompt_does_not_count(base: Base, make: Make) -> None:
    """Only as what the answer follows: tokens are the answer's and its end."""
    (found,) = surprises_of(base, None, [make("No.")], tuning=LORA, data=DataSettings(), settings=SETTINGS)
    assert found.num_tokens == len(base.tokenizer("No.")["input_ids"]) + 1
    with pytest.raises(DataError, match="no examples"):
        surprises_of(base, None, [], tuning=LORA, data=DataSettings(), settings=SETTINGS)


surprises = st.lists(
    st.builds(Surprise, st.just("e"), st.floats(0, 500), st.integers(1, 50)), min_size=1, max_size=20
)


@given(surprises)
def test_the_interval_lies_within_the_best_and_worst_answer(found: list[Surprise]) -> None:
    """And is the same for the same seed; equal answers leave no doubt."""
    low, high = perplexity_interval(found, seed=0, num_resamples=50)
    each = [perplexity_of([one]) for one in found]
    assert min(each) * (1 - 1e-9) <= low <= high <= max(each) * (1 + 1e-9)
    assert (low, high) == perplexity_interval(found, seed=0, num_resamples=50)


def test_a_hopeless_model_is_infinitely_surprised() -> None:
    """Not an overflow."""
    assert perplexity_of([Surprise("e", 1e6, 1)]) == math.inf
