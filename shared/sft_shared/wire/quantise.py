"""Fewer bits a value: block-wise int8 and bf16, with their error bounds. Pure numpy.

Every function takes finite values only; the caller checks (`sft_shared.wire.codec` does).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LARGEST_CODE = 127
SMALLEST_SCALE = np.float32(2.0**-126)  # fp32's smallest normal number; below it a scale has few bits
LARGEST_SCALE = np.float32(2.0**121 * (1 + 2.0**-7))  # the last bf16 whose product with 127 is finite
_LARGEST_BF16 = 0x7F7F


def quantise_int8(values: NDArray[np.float32], *, block: int) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Return ``scales[ceil(n / block)]`` and ``codes[n]`` of ``values[n]``; a value is scale times code.

    ``block`` values in a row share a scale (the last block may be shorter). A scale is the block's largest
    magnitude over 127, rounded up to a bf16, so `round_bf16` loses nothing of it; zeros have scale 0.
    Codes are within [-127, 127], rounded to nearest, ties to even.

    With m the block's largest magnitude, no value is off by more than m / 252, or by 2^-126 where m is
    smaller than that scale can tell.
    """
    num_blocks = -(-values.size // block)
    blocks = np.zeros((num_blocks, block), dtype=np.float32)
    blocks.reshape(-1)[: values.size] = values
    peaks = np.maximum(blocks.max(axis=1, initial=0), -blocks.min(axis=1, initial=0))
    scales = _round_up_to_bf16(np.maximum(peaks / np.float32(LARGEST_CODE), SMALLEST_SCALE))
    np.minimum(scales, LARGEST_SCALE, out=scales)
    blocks /= scales[:, None]
    codes = np.rint(blocks, out=blocks).astype(np.int8).reshape(-1)[: values.size]
    scales[peaks == 0] = 0
    return scales, codes


def dequantise_int8(
    scales: NDArray[np.float32], codes: NDArray[np.int8], *, block: int
) -> NDArray[np.float32]:
    """Return ``values[n]`` from ``scales[ceil(n / block)]`` and ``codes[n]``.

    Scales that `quantise_int8` did not make may give infinities or NaN, without a warning.
    """
    values = codes.astype(np.float32)
    whole = codes.size // block
    cut = whole * block
    with np.errstate(over="ignore", invalid="ignore"):
        values[:cut].reshape(whole, block)[...] *= scales[:whole, None]
        values[cut:] *= scales[whole:]
    return values


def round_bf16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return the bf16 bits of ``values[n]``, rounded to nearest, ties to even.

    No value v is off by more than |v| 2^-8, or by 2^-134 below fp32's normal range. What would round to
    infinity becomes the largest bf16, which keeps that bound.
    """
    bits = values.view(np.uint32)
    rounded = ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    magnitudes = np.minimum(rounded & np.uint16(0x7FFF), np.uint16(_LARGEST_BF16))
    signed: NDArray[np.uint16] = magnitudes | (rounded & np.uint16(0x8000))
    return signed


def widen_bf16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return ``bits[n]`` of bf16 as float32; nothing is lost."""
    wide = bits.astype(np.uint32) << np.uint32(16)
    return wide.view(np.float32)


def _round_up_to_bf16(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the smallest bf16 not below each of the positive ``values[n]``, as float32."""
    return ((values.view(np.uint32) + np.uint32(0xFFFF)) & np.uint32(0xFFFF0000)).view(np.float32)
