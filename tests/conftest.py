"""What all tests share, so that a slow machine changes no result: how hypothesis runs, how time grows."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

# the deadline of an example would be one of wall time, on whatever machine this is
settings.register_profile("fedsft", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fedsft")

FLOOR = 0.01  # CPU seconds; less is noise
TOLERATED = 40  # times as long for ten times as much; what grows with the square takes a hundred


@pytest.fixture(scope="session")
def grows_linearly() -> Callable[[Callable[[int], object], int], None]:
    """``grows_linearly(work, size)`` fails if a tenth of ``size`` takes far less than a tenth.

    CPU seconds of this process. ``work`` is called once before, small, so that what it sets up is no part.
    """

    def check(work: Callable[[int], object], size: int) -> None:
        def seconds(count: int) -> float:
            start = time.process_time()
            work(count)
            return time.process_time() - start

        work(1)
        short = seconds(size // 10)
        assert seconds(size) < TOLERATED * max(short, FLOOR)

    return check
