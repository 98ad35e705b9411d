"""Adapters come through the wire as they were, small and fast; what must not be sent is refused."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sft_shared.errors import WireError
from sft_shared.wire import adapter_pb2
from sft_shared.wire.codec import (
    ENCODINGS,
    EncodingName,
    decode_tensors,
    encode_tensors,
    encoding_name,
    max_raw_bytes,
    parse,
)

ALL: list[EncodingName] = ["fp32", "bf16", "int8"]
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
tensor_arrays = st.one_of(
    arrays(np.float32, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9), elements=finite),
    arrays(np.float32, st.integers(100, 300), elements=finite),
)
adapters = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=12), tensor_arrays, max_size=4)


def shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def round_trip(
    tensors: Mapping[str, torch.Tensor], encoding: EncodingName, block: int = 64
) -> dict[str, torch.Tensor]:
    data, raw_bytes = encode_tensors(tensors, encoding=encoding, block=block)
    assert raw_bytes <= max_raw_bytes(shapes(tensors))
    decoded = decode_tensors(data, raw_bytes=raw_bytes, expected=shapes(tensors))
    assert list(decoded) == sorted(tensors)
    assert shapes(decoded) == {name: shapes(tensors)[name] for name in sorted(tensors)}
    assert all(tensor.dtype == torch.float32 for tensor in decoded.values())
    return decoded


def lora_deltas(*, seed: int, delta: float, layers: int) -> dict[str, torch.Tensor]:
    """Return new - parent, subtracted in fp32, for factors as LoRA starts and trains them (rank 16)."""
    generator = torch.Generator().manual_seed(seed)
    deltas = {}
    for layer in range(layers):
        for module, d_out, d_in in (("q_proj", 576, 576), ("k_proj", 192, 576), ("down_proj", 576, 1536)):
            prefix = f"base_model.model.model.layers.{layer}.{module}"
            A = (2 * torch.rand(16, d_in, generator=generator) - 1) / math.sqrt(d_in)
            B = torch.randn(d_out, 16, generator=generator) * delta * layer / layers
            deltas[f"{prefix}.lora_A.weight"] = (A + delta * torch.randn(A.shape, generator=generator)) - A
            deltas[f"{prefix}.lora_B.weight"] = (B + delta * torch.randn(B.shape, generator=generator)) - B
    return deltas


@given(adapters)
def test_fp32_comes_back_bit_for_bit(values: dict[str, np.ndarray]) -> None:
    """Every bit, of zero-size and 0-d tensors, denormals and minus zero too."""
    decoded = round_trip({name: torch.from_numpy(array) for name, array in values.items()}, "fp32")
    for name, array in values.items():
        assert decoded[name].numpy().tobytes() == array.tobytes()


@given(adapters, st.sampled_from([8, 64, 65536]))
def test_int8_comes_back_within_its_bound(values: dict[str, np.ndarray], block: int) -> None:
    """Off by at most the tensor's largest magnitude / 252, or 2^-126; any shape, denormals, huge values."""
    decoded = round_trip({name: torch.from_numpy(array) for name, array in values.items()}, "int8", block)
    for name, array in values.items():
        exact = array.astype(np.float64)
        bound = max(np.abs(exact).max(initial=0) / 252, 2.0**-126)
        assert np.abs(decoded[name].double().numpy() - exact).max(initial=0) <= bound


@given(adapters)
def test_bf16_comes_back_within_its_bound(values: dict[str, np.ndarray]) -> None:
    """Each value off by at most itself / 256, or 2^-134."""
    decoded = round_trip({name: torch.from_numpy(array) for name, array in values.items()}, "bf16")
    for name, array in values.items():
        exact = array.astype(np.float64)
        bound = np.maximum(np.abs(exact) / 256, 2.0**-134)
        assert (np.abs(decoded[name].double().numpy() - exact) <= bound).all()


@pytest.mark.parametrize("encoding", ALL)
def test_the_same_tensors_give_the_same_bytes(encoding: EncodingName) -> None:
    """In any order of insertion and any memory layout."""
    tensors = lora_deltas(seed=0, delta=1e-3, layers=1)
    shuffled = {name: tensors[name].t().contiguous().t() for name in reversed(tensors)}
    assert encode_tensors(tensors, encoding=encoding) == encode_tensors(shuffled, encoding=encoding)


def test_what_comes_back_may_be_written_to() -> None:
    """The tensors own their memory; adding to one does not touch the message or another tensor."""
    tensors = {"a": torch.ones(70), "b": torch.ones(3)}
    for encoding in ALL:
        decoded = round_trip(tensors, encoding)
        decoded["a"] += 1
        assert decoded["b"].tolist() == pytest.approx([1, 1, 1], rel=1e-2)


@pytest.mark.parametrize("delta", [3e-3, 1e-3, 3e-4])
def test_int8_is_3_5_times_smaller_than_fp32_as_sent(delta: float) -> None:
    """On differences of LoRA factors, whose fp32 mantissas zstd shortens; both sizes are after zstd."""
    deltas = lora_deltas(seed=1, delta=delta, layers=12)
    fp32, _ = encode_tensors(deltas, encoding="fp32")
    int8, _ = encode_tensors(deltas, encoding="int8")
    bf16, _ = encode_tensors(deltas, encoding="bf16")
    assert len(fp32) / len(int8) >= 3.5
    assert len(fp32) / len(bf16) >= 1.9


@pytest.mark.parametrize("encoding", ALL)
def test_five_million_values_take_less_than_half_a_second(encoding: EncodingName) -> None:
    """Each way, on one thread; the best of five counts, as others use the machine."""
    generator = torch.Generator().manual_seed(0)
    tensors = {f"layer.{i}.weight": torch.randn(16, 1000, generator=generator) for i in range(313)}
    there, back = [], []
    for _ in range(5):
        started = time.perf_counter()
        data, raw_bytes = encode_tensors(tensors, encoding=encoding)
        encoded = time.perf_counter()
        decode_tensors(data, raw_bytes=raw_bytes, expected=shapes(tensors))
        there.append(encoded - started)
        back.append(time.perf_counter() - encoded)
    assert min(there) < 0.5
    assert min(back) < 0.5


@pytest.mark.parametrize("encoding", ALL)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_tensor_that_is_not_finite_is_not_sent(encoding: EncodingName, value: float) -> None:
    """The sender says which tensor it is and how many of its values are wrong."""
    tensors = {"good": torch.ones(4), "bad": torch.tensor([1.0, value, 2.0])}
    with pytest.raises(WireError, match="bad: 1 of 3 values are NaN or infinite"):
        encode_tensors(tensors, encoding=encoding)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.int64])
def test_only_float32_is_sent(dtype: torch.dtype) -> None:
    """A silent cast would make fp32 inexact."""
    with pytest.raises(WireError, match=r"w: found .*, expected torch.float32"):
        encode_tensors({"w": torch.ones(2, dtype=dtype)}, encoding="fp32")


@pytest.mark.parametrize("block", [-1, 0, 7, 65537])
def test_a_block_out_of_range_is_refused(block: int) -> None:
    """A block of 0 divides by zero; a tiny one makes the message larger than fp32."""
    with pytest.raises(WireError, match="allowed are 8 to 65536"):
        encode_tensors({"w": torch.ones(2)}, encoding="int8", block=block)


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=300),
        st.lists(st.integers(0, 40), max_size=3),
        max_size=3,
    ),
    st.sampled_from(ALL),
)
@settings(max_examples=60)
def test_the_size_bound_holds_for_every_encoding(sizes: dict[str, list[int]], encoding: EncodingName) -> None:
    """max_raw_bytes is never below what an honest sender needs, with the smallest block too."""
    tensors = {name: torch.ones(shape) for name, shape in sizes.items()}
    _, raw_bytes = encode_tensors(tensors, encoding=encoding, block=8)
    assert raw_bytes <= max_raw_bytes(shapes(tensors))


def test_encodings_have_names_both_ways() -> None:
    """An order's enum becomes a name; one that is not an encoding is refused."""
    assert [encoding_name(number) for number in ENCODINGS.values()] == ALL
    for value in (adapter_pb2.ENCODING_UNSPECIFIED, 4):
        with pytest.raises(WireError, match="allowed are fp32, bf16, int8"):
            encoding_name(value)


def test_parse_gives_the_message_back() -> None:
    """All fields of an update, metrics included."""
    update = adapter_pb2.AdapterUpdate(
        protocol=1, node="n1", num_examples=7, metrics={"loss": 0.5, "steps": 3}, tensors_zstd=b"x"
    )
    assert parse(adapter_pb2.AdapterUpdate, update.SerializeToString(), max_bytes=1000) == update
