"""What a hostile node can send, what it does to a decoder that trusts it, and the code ours answers with."""

from __future__ import annotations

import contextlib
import copy
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import torch
import zstandard
from google.protobuf.message import Message
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sft_shared.errors import FedsftError, UpdateRejected, WireError
from sft_shared.wire import adapter_pb2
from sft_shared.wire.codec import EncodingName, decode_tensors, encode_tensors, max_raw_bytes, parse

EXPECTED = {"a": (4, 20), "b": (20, 4)}
MIB = 1 << 20
REASONS = {
    "undecodable",
    "too-large",
    "wrong-names",
    "wrong-shape",
    "not-finite",
    "unknown-field",
    "wrong-encoding",
}


def honest(encoding: EncodingName = "fp32") -> adapter_pb2.TensorList:
    tensors = {name: torch.full(shape, 0.5) for name, shape in EXPECTED.items()}
    data, _ = encode_tensors(tensors, encoding=encoding)
    return adapter_pb2.TensorList.FromString(zstandard.decompress(data))


def compress(raw: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(raw)


def decode_raw(raw: bytes) -> dict[str, torch.Tensor]:
    return decode_tensors(compress(raw), raw_bytes=len(raw), expected=EXPECTED)


def reason_of(raw: bytes) -> str:
    with pytest.raises(UpdateRejected) as caught:
        decode_raw(raw)
    assert caught.value.reason
    assert str(caught.value)
    return caught.value.reason


def naive_decode(raw: bytes) -> dict[str, np.ndarray]:
    """Decode as one does who trusts the sender: no check at all."""
    tensors = {}
    for tensor in adapter_pb2.TensorList.FromString(raw).tensors:
        if tensor.encoding == adapter_pb2.INT8:
            codes = np.frombuffer(tensor.payload, np.int8).astype(np.float32)
            scales = (np.frombuffer(tensor.scales, "<u2").astype(np.uint32) << 16).view(np.float32)
            values = codes * np.repeat(scales, tensor.block)[: codes.size]
        else:
            values = np.frombuffer(tensor.payload, "<f4")
        tensors[tensor.name] = values.reshape(tuple(tensor.shape)) if values.size > 1 else values
    return tensors


def peak_bytes(action: Callable[[], object]) -> int:
    """Return the most memory that ``action`` held at once; what it raises is dropped."""
    tracemalloc.start()
    try:
        action()
    except FedsftError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def test_the_honest_update_passes_both_decoders() -> None:
    """The attacks below start from bytes that are accepted."""
    for encoding in ("fp32", "int8"):
        raw = honest(encoding).SerializeToString()
        ours, naive = decode_raw(raw), naive_decode(raw)
        for name in EXPECTED:
            np.testing.assert_array_equal(ours[name].numpy(), naive[name])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_nan_poisons_the_mean(bad: float) -> None:
    """Naively decoded, one such value makes the average of any number of updates NaN or infinite."""
    attack = honest()
    attack.tensors[0].payload = struct.pack("<f", bad) + attack.tensors[0].payload[4:]
    raw = attack.SerializeToString()
    mean = (naive_decode(raw)["a"] + 999 * np.ones((4, 20))) / 1000
    assert not np.isfinite(mean).all()
    assert reason_of(raw) == "not-finite"


def test_a_bf16_nan_is_found() -> None:
    """The same in the other encoding of floats."""
    attack = honest("bf16")
    attack.tensors[1].payload = b"\xc0\x7f" + attack.tensors[1].payload[2:]
    assert reason_of(attack.SerializeToString()) == "not-finite"


@pytest.mark.parametrize("scale", [0x7FC0, 0x7F80, 0xFF80, 0x7F7F, 0xBF80], ids=hex)
def test_a_scale_poisons_a_block(scale: int) -> None:
    """NaN, infinite, so large that the product overflows, and negative: the payload itself looks harmless."""
    attack = honest("int8")
    attack.tensors[0].scales = struct.pack("<H", scale) + attack.tensors[0].scales[2:]
    raw = attack.SerializeToString()
    with np.errstate(over="ignore", invalid="ignore"):
        values = naive_decode(raw)["a"]
    assert not np.isfinite(values).all() or values.min() < 0
    assert reason_of(raw) == "not-finite"


def test_a_payload_of_one_value_broadcasts() -> None:
    """Naively added, a tensor of shape (1,) shifts every weight of the layer."""
    attack = honest()
    attack.tensors[0].payload = struct.pack("<f", 9.0)
    raw = attack.SerializeToString()
    assert (np.zeros((4, 20)) + naive_decode(raw)["a"] == 9).all()
    assert reason_of(raw) == "wrong-shape"
    attack.tensors[0].shape[:] = [1]
    assert reason_of(attack.SerializeToString()) == "wrong-shape"


@pytest.mark.parametrize("shape", [[20, 4], [80], [4, 20, 1], [], [4, 2**32 - 1], [0]], ids=str)
def test_another_shape_is_refused(shape: list[int]) -> None:
    """Transposed, flat, with a further dimension, huge and empty ones."""
    attack = honest()
    attack.tensors[0].shape[:] = shape
    assert reason_of(attack.SerializeToString()) == "wrong-shape"


@pytest.mark.parametrize("encoding", ["fp32", "bf16", "int8"])
@pytest.mark.parametrize("part", ["payload", "scales"])
def test_a_part_of_another_length_is_refused(encoding: EncodingName, part: str) -> None:
    """One byte more, one byte less, nothing: numpy alone would answer with a ValueError or read on."""
    whole = getattr(honest(encoding).tensors[0], part)
    for content in {whole + b"\0", whole[:-1], b""} - {whole}:
        attack = honest(encoding)
        setattr(attack.tensors[0], part, content)
        assert reason_of(attack.SerializeToString()) == "wrong-shape"


def test_names_must_be_exact() -> None:
    """Missing, added, renamed; and given twice, where the naive decoder lets the last one win."""
    twice = honest()
    twice.tensors.append(copy.deepcopy(twice.tensors[0]))
    twice.tensors[2].payload = struct.pack("<f", 7.0) * 80
    assert (naive_decode(twice.SerializeToString())["a"] == 7).all()
    missing, renamed, replaced = honest(), honest(), honest()
    del missing.tensors[0]
    renamed.tensors[0].name = "A"
    replaced.tensors[1].CopyFrom(replaced.tensors[0])
    for attack in (twice, missing, renamed, replaced, adapter_pb2.TensorList()):
        assert reason_of(attack.SerializeToString()) == "wrong-names"


@pytest.mark.parametrize("number", [0, 4, -1, 2**31 - 1])
def test_an_encoding_that_is_none_is_refused(number: adapter_pb2.Encoding) -> None:
    """proto3 enums are open: the parser takes any number, and the naive decoder calls it fp32."""
    attack = honest()
    attack.tensors[0].encoding = number
    assert "a" in naive_decode(attack.SerializeToString())
    assert reason_of(attack.SerializeToString()) == "wrong-encoding"


@pytest.mark.parametrize("block", [0, 7, 65537, 2**32 - 1])
def test_a_block_out_of_range_is_refused(block: int) -> None:
    """Naively repeated, a scale for 2^32 values is 16 GiB; a block of 0 divides by zero."""
    attack = honest("int8")
    attack.tensors[0].block = block
    assert reason_of(attack.SerializeToString()) == "wrong-encoding"


def test_a_large_block_allocates_what_it_says_in_a_naive_decoder() -> None:
    """24 MiB of float32 from a message of a few hundred bytes; ours holds less than one MiB."""
    attack = honest("int8")
    attack.tensors[0].block = 6 * MIB
    attack.tensors[0].scales = attack.tensors[0].scales[:2]
    raw = attack.SerializeToString()
    assert peak_bytes(lambda: naive_decode(raw)) > 20 * MIB
    assert peak_bytes(lambda: decode_raw(raw)) < MIB
    with_block = honest("fp32")
    with_block.tensors[0].block = 64
    assert reason_of(with_block.SerializeToString()) == "wrong-encoding"


def test_an_unknown_field_is_refused_at_every_depth() -> None:
    """The parser keeps what it does not know: a cargo that is signed, stored and sent on unseen."""
    cargo = b"\xfa\x01\x05cargo"  # field 31, five bytes
    inner = honest().tensors[0].SerializeToString() + cargo
    nested = b"\x0a" + bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7]) + inner
    rest = honest().tensors[1:]
    for raw in (
        honest().SerializeToString() + cargo,
        nested + adapter_pb2.TensorList(tensors=rest).SerializeToString(),
    ):
        assert b"cargo" in adapter_pb2.TensorList.FromString(raw).SerializeToString()
        assert reason_of(raw) == "unknown-field"


def test_an_unknown_field_fails_every_message() -> None:
    """In an order, an update, a map entry inside it, and in a signed envelope; groups and odd types too."""
    update = adapter_pb2.AdapterUpdate(node="n").SerializeToString()
    metric = b"\x3a\x0d\x0a\x01k\x11" + bytes(8)  # metrics: key, value, and room for field 3
    assert parse(adapter_pb2.AdapterUpdate, b"\x3a\x0c" + metric[2:], max_bytes=100).metrics["k"] == 0
    attacks: list[tuple[type[Message], bytes]] = [
        (adapter_pb2.CycleOrder, b"\xf8\x01\x05"),
        (adapter_pb2.Signed, b"\xf8\x01\x05"),
        (adapter_pb2.AdapterUpdate, update + b"\xf8\x01\x05"),
        (adapter_pb2.AdapterUpdate, b"\x3a\x0e" + metric[2:] + b"\x18\x01"),
        (adapter_pb2.AdapterUpdate, update + b"\xfb\x01\xfc\x01"),
        (adapter_pb2.AdapterUpdate, b"\x19" + bytes(8)),
    ]
    for message_class, data in attacks:
        message_class.FromString(data)
        with pytest.raises(WireError, match="not in the schema"):
            parse(message_class, data, max_bytes=100)


def test_a_singular_field_given_twice_is_refused() -> None:
    """The last one wins in this parser; another one that takes the first sees another update."""
    data = b"".join(adapter_pb2.AdapterUpdate(num_examples=n).SerializeToString() for n in (1, 10**12))
    assert adapter_pb2.AdapterUpdate.FromString(data).num_examples == 10**12
    with pytest.raises(WireError, match="num_examples is given twice"):
        parse(adapter_pb2.AdapterUpdate, data, max_bytes=100)
    inner = honest().tensors[0].SerializeToString() + b"\x0a\x01b"
    raw = b"\x0a" + bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7]) + inner
    assert reason_of(raw) == "undecodable"


def test_a_zstd_bomb_does_not_go_off() -> None:
    """256 MiB of zeros from 8 KiB: held by a naive decoder, refused by ours before anything is made."""
    bomb = compress(bytes(256 * MIB))
    assert len(bomb) < 32 * 1024
    assert peak_bytes(lambda: zstandard.ZstdDecompressor().decompress(bomb)) > 250 * MIB
    for raw_bytes in (10, 256 * MIB, 2**63):
        with pytest.raises(UpdateRejected) as caught:
            decode_tensors(bomb, raw_bytes=raw_bytes, expected=EXPECTED)
        assert caught.value.reason == "too-large"
        attack = lambda size=raw_bytes: decode_tensors(bomb, raw_bytes=size, expected=EXPECTED)  # noqa: E731
        assert peak_bytes(attack) < MIB


def test_a_zstd_frame_that_lies_about_its_size_does_not_go_off() -> None:
    """The header states 500 bytes, 16 MiB follow; or it states no size at all."""
    bomb = compress(bytes(16 * MIB))
    size_at = 6  # magic, descriptor, window; then the size, four bytes of it in this frame
    assert struct.unpack_from("<I", bomb, size_at)[0] == 16 * MIB
    lying = bomb[:size_at] + struct.pack("<I", 500) + bomb[size_at + 4 :]
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(16 * MIB))
    assert zstandard.get_frame_parameters(lying).content_size == 500
    for data in (lying, silent):
        with pytest.raises(UpdateRejected) as caught:
            decode_tensors(data, raw_bytes=500, expected=EXPECTED)
        assert caught.value.reason == "undecodable"
        attack = lambda data=data: decode_tensors(data, raw_bytes=500, expected=EXPECTED)  # noqa: E731
        assert peak_bytes(attack) < MIB


def test_bytes_after_the_frame_are_refused() -> None:
    """A second frame or a tail is a cargo that zstd alone steps over."""
    raw = honest().SerializeToString()
    for tail in (b"tail", compress(b"x"), b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip"):
        assert zstandard.decompress(compress(raw) + tail) == raw
        with pytest.raises(UpdateRejected) as caught:
            decode_tensors(compress(raw) + tail, raw_bytes=len(raw), expected=EXPECTED)
        assert caught.value.reason == "undecodable"


def test_a_declared_size_that_is_not_the_frame_s_is_refused() -> None:
    """One more, one less, zero, and negative."""
    raw = honest().SerializeToString()
    for raw_bytes in (len(raw) + 1, len(raw) - 1, 0, -1):
        with pytest.raises(UpdateRejected) as caught:
            decode_tensors(compress(raw), raw_bytes=raw_bytes, expected=EXPECTED)
        assert caught.value.reason == "undecodable"


def test_max_bytes_lowers_the_limit() -> None:
    """What the adapter takes is the limit; a caller can set a lower one, not a higher."""
    raw = honest().SerializeToString()
    decode_tensors(compress(raw), raw_bytes=len(raw), expected=EXPECTED, max_bytes=len(raw))
    too_large = bytes(max_raw_bytes(EXPECTED) + 65537)
    for data, size, max_bytes in ((raw, len(raw), len(raw) - 1), (too_large, len(too_large), 10**9)):
        with pytest.raises(UpdateRejected) as caught:
            decode_tensors(compress(data), raw_bytes=size, expected=EXPECTED, max_bytes=max_bytes)
        assert caught.value.reason == "too-large"


def test_empty_messages_do_not_multiply() -> None:
    """Two bytes make the parser an object: 2 MiB of them take over 20 MiB; ours makes none."""
    expected = {"w": (1024, 512)}
    raw = b"\x0a\x00" * MIB
    data = compress(raw)
    with pytest.raises(UpdateRejected) as caught:
        decode_tensors(data, raw_bytes=len(raw), expected=expected)
    assert caught.value.reason == "too-large"
    assert peak_resident_kib("parsed = TensorList.FromString(raw)") > 20 * 1024
    scanning = "\ntry: scan(raw, TensorList, max_fields=14)\nexcept WireError: pass"
    assert peak_resident_kib(scanning) < 1024


def peak_resident_kib(statement: str) -> int:
    """Return the growth of a fresh process's peak memory from ``statement`` about ``raw``, empty messages."""
    code = (
        "from pathlib import Path\n"
        "from sft_shared.errors import WireError\n"
        "from sft_shared.wire.adapter_pb2 import TensorList\n"
        "from sft_shared.wire.scan import scan\n"
        "peak = lambda: int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
        f"raw = bytes([10, 0]) * {MIB}; before = peak(); {statement}\n"
        "print(peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    return int(done.stdout)


def test_metrics_do_not_multiply() -> None:
    """A map of a hundred thousand metrics is refused before the parser builds it."""
    update = adapter_pb2.AdapterUpdate(metrics={str(i): 0.0 for i in range(100_000)})
    data = update.SerializeToString()
    with pytest.raises(WireError, match="more than 10000 protobuf fields"):
        parse(adapter_pb2.AdapterUpdate, data, max_bytes=len(data))


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x28\xb5\x2f\xfd")
@example(b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip")
@example(b"\x28\xb5\x2f\xfd\x00\xff\x01\x00\x00")
def test_junk_is_rejected(junk: bytes) -> None:
    """Random bytes for the frame, for the message inside it, and for every message type."""
    for data, size in ((junk, 100), (junk, 0), (compress(junk), len(junk))):
        with pytest.raises(UpdateRejected):
            decode_tensors(data, raw_bytes=size, expected=EXPECTED)
    for message_class in (adapter_pb2.CycleOrder, adapter_pb2.AdapterUpdate, adapter_pb2.Signed):
        with contextlib.suppress(WireError):
            parse(message_class, junk, max_bytes=1000)


flips = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4)


@given(flips, st.sampled_from(["fp32", "bf16", "int8"]), st.booleans())
@settings(max_examples=500)
def test_mutated_bytes_decode_or_are_rejected(
    changes: list[tuple[int, int]], encoding: EncodingName, inside: bool
) -> None:
    """Bytes changed in the frame or in the message inside: finite tensors of the right shapes or a reason."""
    raw = honest(encoding).SerializeToString()
    target = bytearray(raw if inside else compress(raw))
    for position, byte in changes:
        target[position % len(target)] = byte
    data = compress(bytes(target)) if inside else bytes(target)
    try:
        decoded = decode_tensors(data, raw_bytes=len(raw), expected=EXPECTED)
    except UpdateRejected as error:
        rejected_for = error.reason
    else:
        assert {name: tuple(tensor.shape) for name, tensor in decoded.items()} == EXPECTED
        assert all(torch.isfinite(tensor).all() for tensor in decoded.values())
        return
    assert rejected_for in REASONS


@given(st.integers(0, 300))
def test_a_message_cut_short_is_rejected(length: int) -> None:
    """At any byte, of the frame and of the message inside it."""
    raw = honest("int8").SerializeToString()
    assert reason_of(raw[: length % len(raw)]) in {
        "undecodable",
        "wrong-names",
        "wrong-shape",
        "wrong-encoding",
    }
    frame = compress(raw)
    with pytest.raises(UpdateRejected):
        decode_tensors(frame[: length % len(frame)], raw_bytes=len(raw), expected=EXPECTED)
