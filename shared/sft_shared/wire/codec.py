"""Adapter tensors to bytes and back. The encoder refuses what is not finite; the decoder trusts nothing.

The bytes are one zstd frame around a protobuf TensorList (proto/sft_shared/wire/adapter.proto), the same
bytes for the same tensors.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Literal, TypeVar

import numpy as np
import torch
import zstandard
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray

from sft_shared.errors import MalformedMessage, UpdateRejected, WireError
from sft_shared.wire import adapter_pb2
from sft_shared.wire.quantise import dequantise_int8, quantise_int8, round_bf16, widen_bf16
from sft_shared.wire.scan import scan

PROTOCOL = 1
"""Version of what the messages mean; a peer with another one is refused."""

EncodingName = Literal["fp32", "bf16", "int8"]
ENCODINGS: Mapping[EncodingName, adapter_pb2.Encoding] = {
    "fp32": adapter_pb2.FP32,
    "bf16": adapter_pb2.BF16,
    "int8": adapter_pb2.INT8,
}
MIN_BLOCK, MAX_BLOCK = 8, 65536

_ZSTD_LEVEL = 3
_MAX_WINDOW_BYTES = 1 << 23  # what zstd may keep to look back into; our level asks for 2 MiB
_MAX_MESSAGE_BYTES = (1 << 31) - 1  # protobuf's own limit
_MAX_FIELDS = 10_000
_FIELDS_PER_TENSOR = 7
_SLACK_BYTES = 1 << 16  # a little too large is let through to be told what exactly is wrong with it

MessageT = TypeVar("MessageT", bound=Message)


def encode_tensors(
    tensors: Mapping[str, torch.Tensor], *, encoding: EncodingName, block: int = 64
) -> tuple[bytes, int]:
    """Return the compressed bytes of ``tensors`` and their size in bytes before compression.

    ``fp32`` is bit-exact; for the errors of ``bf16`` and ``int8`` see `sft_shared.wire.quantise`. ``block``
    is the number of values that share a scale in int8, within [8, 65536]: fewer are finer and larger.
    Five million Gaussian values in 312 tensors take 3.70 (fp32), 1.56 (bf16) and 0.99 (int8) bytes each.

    Raises WireError for a tensor that is not float32 or not finite, a block out of range, and more than
    2 GiB of tensors.
    """
    if not MIN_BLOCK <= block <= MAX_BLOCK:
        raise WireError(f"block: found {block}, allowed are {MIN_BLOCK} to {MAX_BLOCK} values to a scale.")
    message = adapter_pb2.TensorList()
    for name in sorted(tensors):
        message.tensors.append(_encode_tensor(name, tensors[name], encoding, block))
    raw_bytes = message.ByteSize()
    if raw_bytes > _MAX_MESSAGE_BYTES:
        raise WireError(
            f"the adapter takes {raw_bytes} bytes as {encoding}, a message holds {_MAX_MESSAGE_BYTES}. "
            "Choose int8, a lower rank or fewer target modules."
        )
    compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_content_size=True)
    compressed: bytes = compressor.compress(message.SerializeToString(deterministic=True))
    return compressed, raw_bytes


def decode_tensors(
    data: bytes, *, raw_bytes: int, expected: Mapping[str, tuple[int, ...]], max_bytes: int | None = None
) -> dict[str, torch.Tensor]:
    """Return float32 tensors, sorted by name, of exactly the names and shapes in ``expected``.

    ``raw_bytes`` is the size before compression that the sender declares. Before anything of that size is
    allocated it is held against the most that ``expected`` can take (`max_raw_bytes` and 64 KiB), and
    against ``max_bytes`` if given.
    Memory stays within a small multiple of that limit whatever ``data`` says.

    Raises UpdateRejected with the reason

    - ``too-large``: more bytes, declared or hidden, than the limit, or more fields than the tensors have;
    - ``undecodable``: not one whole zstd frame that states ``raw_bytes`` as its size, or no TensorList in it;
    - ``unknown-field``: a protobuf field the schema lacks;
    - ``wrong-names``: a name missing, added or given twice;
    - ``wrong-shape``: another shape, or a payload or scales of another length than the shape needs;
    - ``wrong-encoding``: an encoding or block that the schema does not allow;
    - ``not-finite``: a value or a scale that is NaN, infinite or, for a scale, negative.
    """
    limit = max_raw_bytes(expected) + _SLACK_BYTES
    raw = _decompress(data, raw_bytes, limit if max_bytes is None else min(limit, max_bytes))
    try:
        # One tensor too many passes here, to be named below; a flood of them does not.
        scan(raw, adapter_pb2.TensorList, max_fields=_FIELDS_PER_TENSOR * (len(expected) + 1))
        message = adapter_pb2.TensorList.FromString(raw)
    except MalformedMessage as error:
        raise UpdateRejected(error.reason, f"tensors: {error}") from None
    except DecodeError:
        raise UpdateRejected("undecodable", "tensors: the protobuf parser refuses the bytes") from None
    _check_names([tensor.name for tensor in message.tensors], expected)
    by_name = {tensor.name: tensor for tensor in message.tensors}
    return {name: torch.from_numpy(_decode_tensor(by_name[name], expected[name])) for name in sorted(by_name)}


def max_raw_bytes(expected: Mapping[str, tuple[int, ...]]) -> int:
    """Return the most bytes that tensors of these names and shapes take before compression, in any encoding.

    A tensor takes at most 4 bytes a value (int8 with the smallest block takes 1.25), its name, 5 bytes a
    dimension, and less than 64 bytes of tags, lengths and a last scale.
    """
    return sum(
        64 + len(name.encode()) + 5 * len(shape) + 4 * math.prod(shape) for name, shape in expected.items()
    )


def parse(message_class: type[MessageT], data: bytes, *, max_bytes: int) -> MessageT:
    """Return ``data`` as a message, every field of it known and nothing given twice.

    Raises WireError for more than ``max_bytes`` bytes, more than 10,000 fields, unknown fields and junk.
    """
    name = message_class.DESCRIPTOR.name
    if len(data) > max_bytes:
        raise WireError(f"{name}: found {len(data)} bytes, allowed are {max_bytes}.")
    try:
        scan(data, message_class, max_fields=_MAX_FIELDS)
        return message_class.FromString(data)
    except MalformedMessage as error:
        raise WireError(
            f"{name}: {error}. The peer runs another version, or the bytes are damaged."
        ) from None
    except DecodeError:
        raise WireError(f"{name}: the protobuf parser refuses the bytes. They are damaged.") from None


def encoding_name(value: int) -> EncodingName:
    """Return the name of the enum's ``value``; raise WireError for one that is not an encoding."""
    for name, number in ENCODINGS.items():
        if number == value:
            return name
    raise WireError(f"encoding: found {value}, allowed are {', '.join(ENCODINGS)}.")


def _encode_tensor(name: str, tensor: torch.Tensor, encoding: EncodingName, block: int) -> adapter_pb2.Tensor:
    if tensor.dtype != torch.float32:
        raise WireError(f"{name}: found {tensor.dtype}, expected torch.float32. Convert it with .float().")
    values: NDArray[np.float32] = tensor.detach().cpu().contiguous().numpy().reshape(-1)
    num_wrong = values.size - int(np.count_nonzero(np.isfinite(values)))
    if num_wrong:
        raise WireError(f"{name}: {num_wrong} of {values.size} values are NaN or infinite. Do not send it.")
    message = adapter_pb2.Tensor(name=name, shape=tensor.shape, encoding=ENCODINGS[encoding])
    match encoding:
        case "fp32":
            message.payload = values.astype("<f4", copy=False).tobytes()
        case "bf16":
            message.payload = round_bf16(values).astype("<u2", copy=False).tobytes()
        case "int8":
            scales, codes = quantise_int8(values, block=block)
            message.block = block
            message.scales = round_bf16(scales).astype("<u2", copy=False).tobytes()
            message.payload = codes.tobytes()
    return message


def _decompress(data: bytes, raw_bytes: int, limit: int) -> bytes:
    if raw_bytes > limit:
        raise UpdateRejected(
            "too-large", f"tensors: {raw_bytes} bytes are declared, the adapter takes {limit} at most"
        )
    try:
        stated = zstandard.get_frame_parameters(data).content_size
        if stated != raw_bytes:
            reason = "too-large" if limit < stated < zstandard.CONTENTSIZE_UNKNOWN else "undecodable"
            raise UpdateRejected(
                reason, f"tensors: the zstd frame states {stated} bytes, {raw_bytes} are declared"
            )
        decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
        raw: bytes = decompressor.decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise UpdateRejected("undecodable", f"tensors: zstd: {error}") from None
    if len(raw) != raw_bytes:
        raise UpdateRejected(
            "undecodable", f"tensors: the zstd frame holds {len(raw)} bytes, {raw_bytes} are declared"
        )
    return raw


def _check_names(names: list[str], expected: Mapping[str, tuple[int, ...]]) -> None:
    if len(names) == len(expected) and set(names) == expected.keys():
        return
    missing = sorted(expected.keys() - set(names))
    extra = sorted(set(names) - expected.keys())
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    found = [f"{len(some)} {what} ({some[0]!r})" for some, what in
             ((missing, "missing"), (extra, "not expected"), (twice, "given twice")) if some]  # fmt: skip
    raise UpdateRejected("wrong-names", f"tensors: {', '.join(found)}")


def _decode_tensor(message: adapter_pb2.Tensor, shape: tuple[int, ...]) -> NDArray[np.float32]:
    name = message.name
    if tuple(message.shape) != shape:
        raise UpdateRejected("wrong-shape", f"{name}: found {list(message.shape)}, expected {list(shape)}")
    values = _decode_values(message, math.prod(shape))
    if not np.isfinite(values).all():
        raise UpdateRejected("not-finite", f"{name}: holds NaN or infinite values")
    return values.reshape(shape)


def _decode_values(message: adapter_pb2.Tensor, size: int) -> NDArray[np.float32]:
    """Return ``values[size]`` in memory of their own."""
    int8 = message.encoding == adapter_pb2.INT8
    if message.encoding not in ENCODINGS.values():
        raise UpdateRejected("wrong-encoding", f"{message.name}: there is no encoding {message.encoding}")
    if not (MIN_BLOCK <= message.block <= MAX_BLOCK if int8 else message.block == 0):
        raise UpdateRejected(
            "wrong-encoding", f"{message.name}: found blocks of {message.block} values, "
            f"allowed are {MIN_BLOCK} to {MAX_BLOCK} with int8 and 0 without"
        )  # fmt: skip
    num_scales = -(-size // message.block) if int8 else 0
    width = {adapter_pb2.FP32: 4, adapter_pb2.BF16: 2, adapter_pb2.INT8: 1}[message.encoding]
    for part, found, wanted in (
        ("payload", len(message.payload), width * size),
        ("scales", len(message.scales), 2 * num_scales),
    ):
        if found != wanted:
            raise UpdateRejected(
                "wrong-shape", f"{message.name}: {part} of {found} bytes, its shape needs {wanted}"
            )
    match message.encoding:
        case adapter_pb2.FP32:
            return np.frombuffer(message.payload, dtype="<f4").astype(np.float32)
        case adapter_pb2.BF16:
            return widen_bf16(np.frombuffer(message.payload, dtype="<u2"))
        case _:
            scales = widen_bf16(np.frombuffer(message.scales, dtype="<u2"))
            if not (np.isfinite(scales) & (scales >= 0)).all():
                raise UpdateRejected("not-finite", f"{message.name}: a scale is negative, NaN or infinite")
            codes = np.frombuffer(message.payload, dtype=np.int8)
            return dequantise_int8(scales, codes, block=message.block)
