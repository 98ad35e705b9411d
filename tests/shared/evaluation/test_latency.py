"""What the suite says of a request's time is what a stopwatch beside it says."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch

from sft_shared.data.chat import DataSettings, render_prompt
from sft_shared.dialogue import Example
from sft_shared.evaluation.latency import Request, Timing, measure_latency, pace_of, time_request
from sft_shared.evaluation.suites import LatencySettings
from sft_shared.models.constrain import ANY_JSON
from sft_shared.models.generate import continuations
from sft_shared.models.load import Base

STEP_S = 0.03
NUM_TOKENS = 10


@pytest.fixture
def slow(tiny: Base) -> Iterator[Base]:
    """The tiny model with 30 ms in its first layer, so that the machine's own noise is small beside it."""
    hook = tiny.model.model.layers[0].register_forward_hook(lambda *_: time.sleep(STEP_S))
    yield tiny
    hook.remove()


@pytest.fixture
def request_(tiny: Base, examples: list[Example]) -> Request:
    """One whose answer does not end early."""
    prompt = render_prompt(examples[0], tiny.tokenizer, DataSettings())
    (answer,) = continuations(tiny, [prompt], max_new_tokens=NUM_TOKENS, batch_size=1)
    assert answer.num_tokens == NUM_TOKENS
    return Request(prompt)


def by_stopwatch(base: Base, request: Request, *, max_new_tokens: int) -> float:
    """Seconds of a whole request, the median of five."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        continuations(base, [request.prompt], max_new_tokens=max_new_tokens, batch_size=1)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def test_latency_agrees_with_a_stopwatch_within_a_tenth(slow: Base, request_: Request) -> None:
    """The first token against requests of one token, the speed behind it against whole ones."""
    settings = LatencySettings(num_warm=5, num_cold=2, max_new_tokens=NUM_TOKENS)
    found = measure_latency(slow, [request_], put_on=lambda: nullcontext(), settings=settings, seed=0)
    first_s = by_stopwatch(slow, request_, max_new_tokens=1)
    whole_s = by_stopwatch(slow, request_, max_new_tokens=NUM_TOKENS)
    assert found.warm.tokens_per_s is not None
    assert found.warm.first_token_s.p50 == pytest.approx(first_s, rel=0.1)
    speed = (NUM_TOKENS - 1) / (whole_s - first_s)
    assert found.warm.tokens_per_s.p50 == pytest.approx(speed, rel=0.1)
    sum_s = found.warm.first_token_s.p50 + (NUM_TOKENS - 1) / found.warm.tokens_per_s.p50
    assert sum_s == pytest.approx(whole_s, rel=0.1)
    assert (found.warm.first_token_s.n, found.cold.first_token_s.n) == (5, 2)


def test_a_slower_model_is_seen_to_be_slower(
    tiny: Base, request_: Request, request: pytest.FixtureRequest
) -> None:
    """By what it was slowed, in the first token and in each one behind it."""
    fast = time_request(tiny, request_, prefix=None, max_new_tokens=NUM_TOKENS)
    request.getfixturevalue("slow")
    slowed = time_request(tiny, request_, prefix=None, max_new_tokens=NUM_TOKENS)
    assert slowed.first_token_s > fast.first_token_s
    assert slowed.first_token_s > STEP_S
    assert fast.tokens_per_s is not None
    assert slowed.tokens_per_s is not None
    assert slowed.tokens_per_s < 1 / STEP_S < fast.tokens_per_s


def test_a_cold_request_pays_for_putting_the_adapter_on(tiny: Base, request_: Request) -> None:
    """Each cold one anew; the warm ones share one, which no clock sees."""
    puts = 0

    @contextmanager
    def put_on() -> Iterator[torch.Tensor | None]:
        nonlocal puts
        puts += 1
        time.sleep(0.3)
        yield None

    settings = LatencySettings(num_warm=4, num_cold=3, max_new_tokens=2)
    found = measure_latency(tiny, [request_], put_on=put_on, settings=settings, seed=0)
    assert puts == 4
    assert found.cold.first_token_s.p50 > 0.3 > found.warm.first_token_s.p95


def test_constrained_requests_are_timed_constrained(tiny: Base, request_: Request) -> None:
    """A request's schema holds while it is timed."""
    timing = time_request(tiny, Request(request_.prompt, ANY_JSON), prefix=None, max_new_tokens=4)
    assert timing.first_token_s > 0
    assert timing.tokens_per_s is not None


@pytest.fixture
def ending(tiny: Base, request_: Request) -> Iterator[Callable[[], Timing]]:
    """A function: the timing of an answer that ends at once."""
    (answer,) = continuations(tiny, [request_.prompt], max_new_tokens=1, batch_size=1)
    first = tiny.tokenizer(answer.text, add_special_tokens=False)["input_ids"][0]
    before = tiny.model.generation_config.eos_token_id
    tiny.model.generation_config.eos_token_id = [before, first]
    yield lambda: time_request(tiny, request_, prefix=None, max_new_tokens=NUM_TOKENS)
    tiny.model.generation_config.eos_token_id = before


def test_an_answer_of_one_token_has_no_speed(ending: Callable[[], Timing]) -> None:
    """It has a first token; a pace of such answers alone says None."""
    timing = ending()
    assert timing.tokens_per_s is None
    assert pace_of([timing]).tokens_per_s is None
    assert pace_of([timing, Timing(0.1, 20.0)]).tokens_per_s is not None


def test_percentiles_are_of_the_timings() -> None:
    """p50 is the middle, p95 near the largest."""
    pace = pace_of([Timing(number / 100, float(number)) for number in range(1, 102)])
    assert pace.tokens_per_s is not None
    assert (pace.first_token_s.p50, pace.first_token_s.p95) == (0.51, 0.96)
    assert (pace.tokens_per_s.p50, pace.tokens_per_s.p95, pace.tokens_per_s.n) == (51, 96, 101)
