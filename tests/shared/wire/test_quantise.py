"""int8 and bf16 keep the error bounds that they state, against slow references in exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from sft_shared.wire.quantise import (
    LARGEST_SCALE,
    dequantise_int8,
    quantise_int8,
    round_bf16,
    widen_bf16,
)

FP32_MAX = float(np.finfo(np.float32).max)
any_values = arrays(
    np.float32, st.integers(0, 200), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
)
small_values = arrays(np.float32, st.integers(0, 200), elements=st.floats(-0.0625, 0.0625, width=32))
denormal_values = arrays(
    np.float32, st.integers(1, 40), elements=st.floats(-(2.0**-120), 2.0**-120, width=32)
)
blocks = st.sampled_from([8, 16, 64])


def round_trip_int8(values: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    scales, codes = quantise_int8(values, block=block)
    assert scales.dtype == np.float32
    assert codes.dtype == np.int8
    assert len(scales) == math.ceil(len(values) / block)
    assert codes.shape == values.shape
    return dequantise_int8(scales, codes, block=block)


@given(st.one_of(any_values, small_values, denormal_values), blocks)
def test_int8_is_within_its_bound_of_every_value(values: NDArray[np.float32], block: int) -> None:
    """No value is off by more than its block's largest magnitude / 252, or 2^-126."""
    decoded = round_trip_int8(values, block)
    for start in range(0, len(values), block):
        exact = [Fraction(float(v)) for v in values[start : start + block]]
        bound = max(max(abs(v) for v in exact) / 252, Fraction(2) ** -126)
        for v, d in zip(exact, decoded[start : start + block], strict=True):
            assert abs(Fraction(float(d)) - v) <= bound


@given(st.one_of(any_values, small_values), blocks)
def test_int8_codes_are_those_of_the_slow_definition(values: NDArray[np.float32], block: int) -> None:
    """Every code is the integer nearest to value / scale, and every scale a bf16 of at least peak / 127."""
    scales, codes = quantise_int8(values, block=block)
    np.testing.assert_array_equal(widen_bf16(round_bf16(scales)), scales)
    for index, (value, code) in enumerate(zip(values, codes, strict=True)):
        scale = Fraction(float(scales[index // block]))
        if scale == 0:
            assert value == 0
            assert code == 0
            continue
        assert abs(int(code)) <= 127
        assert abs(Fraction(float(value)) / scale - int(code)) <= Fraction(1, 2) + Fraction(1, 2**14)
    for index, scale in enumerate(scales):
        peak = max(abs(float(v)) for v in values[index * block : (index + 1) * block])
        if peak > 2.0**-110 and scale < LARGEST_SCALE:
            assert 1 - 2**-20 <= Fraction(float(scale)) * 127 / Fraction(peak) <= 1 + 2**-6


def test_int8_of_zeros_is_zero_with_scale_zero() -> None:
    """A block of zeros divides by nothing; its neighbour is not touched."""
    values = np.concatenate([np.zeros(64), np.ones(64), -np.zeros(3)]).astype(np.float32)
    scales, codes = quantise_int8(values, block=64)
    assert scales[0] == 0
    assert scales[2] == 0
    np.testing.assert_allclose(dequantise_int8(scales, codes, block=64), values, atol=1 / 252)


def test_int8_of_nothing_is_nothing() -> None:
    """A tensor of size zero has no scale and no code."""
    scales, codes = quantise_int8(np.zeros(0, np.float32), block=64)
    assert scales.size == codes.size == dequantise_int8(scales, codes, block=64).size == 0


@pytest.mark.parametrize(
    "peak", [FP32_MAX, float(np.nextafter(np.float32(FP32_MAX), np.float32(0))), 3.39e38]
)
def test_int8_of_the_largest_floats_stays_finite(peak: float) -> None:
    """A scale of peak / 127 rounded up would overflow on the way back; ours does not."""
    values = np.array([peak, -peak, 1.0, peak / 2] * 2, dtype=np.float32)
    naive_scale = widen_bf16(round_bf16(np.array([peak / 127], np.float32)) + np.uint16(1))
    with np.errstate(over="ignore"):
        assert np.isinf(naive_scale * np.float32(127)).all()
    decoded = round_trip_int8(values, 8)
    assert np.isfinite(decoded).all()
    error = decoded.astype(np.float64) - values.astype(np.float64)
    assert np.abs(error).max() <= peak / 252


def test_int8_of_denormals_does_not_divide_by_zero() -> None:
    """The smallest denormal over 127 is zero in fp32; dividing by it would give codes of nothing."""
    values = np.full(8, 2.0**-149, dtype=np.float32)
    assert values[0] / np.float32(127) == 0
    assert np.abs(round_trip_int8(values, 8) - values).max() <= 2.0**-126


@given(st.one_of(any_values, small_values, denormal_values))
def test_bf16_is_within_its_bound_of_every_value(values: NDArray[np.float32]) -> None:
    """No value v is off by more than |v| 2^-8, or 2^-134 among the denormals; none becomes infinite."""
    decoded = widen_bf16(round_bf16(values))
    for v, d in zip(values, decoded, strict=True):
        exact = Fraction(float(v))
        assert abs(Fraction(float(d)) - exact) <= max(abs(exact) / 2**8, Fraction(2) ** -134)


@given(any_values)
def test_bf16_is_torch_s_bf16(values: NDArray[np.float32]) -> None:
    """The bits are those of torch's cast, but where torch overflows to infinity."""
    import torch

    theirs = torch.from_numpy(values.copy()).to(torch.bfloat16)
    finite = torch.isfinite(theirs).numpy()
    np.testing.assert_array_equal(
        round_bf16(values)[finite], theirs.view(torch.int16).numpy().view(np.uint16)[finite]
    )
    assert np.isfinite(widen_bf16(round_bf16(values))).all()


def test_bf16_ties_go_to_even() -> None:
    """1 + 2^-8 lies between 1 and 1 + 2^-7; the even one is 1. One step further on it is 1 + 2^-6."""
    values = np.array([1 + 2**-8, 1 + 3 * 2**-8, -(1 + 2**-8)], dtype=np.float32)
    np.testing.assert_array_equal(widen_bf16(round_bf16(values)), [1, 1 + 2**-6, -1])
