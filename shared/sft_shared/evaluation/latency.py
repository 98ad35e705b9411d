"""How long one request takes: seconds to the first token, and tokens a second behind it."""

from __future__ import annotations

import ctypes
import gc
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch

from sft_shared.evaluation.results import Latency, Pace, Spread
from sft_shared.evaluation.suites import LatencySettings
from sft_shared.models.generate import continuations
from sft_shared.models.load import Base

PutOn = Callable[[], AbstractContextManager[torch.Tensor | None]]
"""Puts the adapter on the base for the length of a block, and gives its learned prefix, if it has one."""


@dataclass(frozen=True)
class Request:
    """A prompt, and the JSON Schema that its answer is held to, if any."""

    prompt: Sequence[int]
    schema: str | None = None


@dataclass(frozen=True)
class Timing:
    """One request. ``tokens_per_s`` counts from the first token on; None if no other came."""

    first_token_s: float
    tokens_per_s: float | None


def measure_latency(
    base: Base, requests: Sequence[Request], *, put_on: PutOn, settings: LatencySettings, seed: int
) -> Latency:
    """Time requests drawn from ``requests``, one at a time.

    Cold ones come first: memory is given back, then the clock runs while the adapter is put on and the answer
    begins. The very first also pays what a process pays once, if it has not generated before. Warm ones
    follow each other, after one that is not timed.
    """
    chance = random.Random(seed)  # noqa: S311 (which requests are timed is no secret)

    def next_request() -> Request:
        return requests[chance.randrange(len(requests))]

    limit = settings.max_new_tokens
    cold = []
    for _ in range(settings.num_cold):
        request = next_request()
        _give_memory_back(base)
        started = time.perf_counter()
        with put_on() as prefix:
            cold.append(time_request(base, request, prefix=prefix, max_new_tokens=limit, started=started))
    with put_on() as prefix:
        warm = []
        for _ in range(settings.num_warm + 1):
            warm.append(time_request(base, next_request(), prefix=prefix, max_new_tokens=limit))
    return Latency(warm=pace_of(warm[1:]), cold=pace_of(cold))


def time_request(
    base: Base,
    request: Request,
    *,
    prefix: torch.Tensor | None,
    max_new_tokens: int,
    started: float | None = None,
) -> Timing:
    """Time one request to what is on ``base`` now. An end token counts: it takes a step like any other.

    The clock runs from ``started``, a time of `time.perf_counter`; None: from now.
    """
    began = time.perf_counter() if started is None else started
    moments: list[float] = []
    continuations(
        base,
        [request.prompt],
        prefix=prefix,
        max_new_tokens=max_new_tokens,
        batch_size=1,
        schemas=[request.schema],
        on_step=lambda: moments.append(time.perf_counter()),
    )
    decoding_s = moments[-1] - moments[0]
    return Timing(
        first_token_s=moments[0] - began,
        tokens_per_s=(len(moments) - 1) / decoding_s if decoding_s > 0 else None,
    )


def pace_of(timings: Sequence[Timing]) -> Pace:
    """Percentiles of one or more timings. The 95th of a speed is the fast end."""
    speeds = [timing.tokens_per_s for timing in timings if timing.tokens_per_s is not None]
    return Pace(
        first_token_s=_spread([timing.first_token_s for timing in timings]),
        tokens_per_s=_spread(speeds) if speeds else None,
    )


def _spread(values: Sequence[float]) -> Spread:
    p50, p95 = np.quantile(values, [0.5, 0.95])
    return Spread(p50=float(p50), p95=float(p95), n=len(values))


def _give_memory_back(base: Base) -> None:
    gc.collect()
    if base.device.type == "cuda":
        torch.cuda.empty_cache()
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; other C libraries keep nothing back
    if trim is not None:
        trim(0)
