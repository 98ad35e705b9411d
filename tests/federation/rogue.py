"""A registered node whose program was tampered with: each order gets the next attack for an answer.

    python rogue.py start --config client.yaml

Everything else is the product's own client: keys, SuperNode, TLS, executor.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

import sft_client.node
from sft_client.cli import main
from sft_client.node import Node, Refusal
from sft_shared.wire.adapter_pb2 import AdapterUpdate, Signed, TensorList
from sft_shared.wire.codec import encode_tensors
from sft_shared.wire.sign import SigningKey, sign

Attack = Callable[[AdapterUpdate], None]


def _tensors(update: AdapterUpdate, change: Callable[[TensorList], None]) -> None:
    import zstandard

    message = TensorList.FromString(zstandard.ZstdDecompressor().decompress(update.tensors_zstd))
    change(message)
    raw = message.SerializeToString(deterministic=True)
    update.tensors_bytes = len(raw)
    update.tensors_zstd = zstandard.ZstdCompressor().compress(raw)


def not_a_number(update: AdapterUpdate) -> None:
    """One NaN among all values."""

    def change(message: TensorList) -> None:
        values = np.frombuffer(message.tensors[0].payload, dtype="<f4").copy()
        values[7] = np.nan
        message.tensors[0].payload = values.tobytes()

    _tensors(update, change)


def wrong_shape(update: AdapterUpdate) -> None:
    """A shape that would broadcast over the whole layer."""

    def change(message: TensorList) -> None:
        message.tensors[0].shape[:] = [1]
        message.tensors[0].payload = np.float32([1e6]).tobytes()

    _tensors(update, change)


def negative_count(update: AdapterUpdate) -> None:
    """-1 examples, as protobuf writes it into an unsigned field."""
    update.num_examples = (1 << 64) - 1


def absurd_count(update: AdapterUpdate) -> None:
    """So many examples that nobody else counts."""
    update.num_examples = 10**12


def no_examples(update: AdapterUpdate) -> None:
    """A division by zero, if it were alone."""
    update.num_examples = 0


def other_layers(update: AdapterUpdate) -> None:
    """A layer that the adapter does not have."""
    tensors, raw_bytes = encode_tensors({"evil.weight": torch.ones(2)}, encoding="fp32")
    update.tensors_zstd, update.tensors_bytes = tensors, raw_bytes


ATTACKS: list[Attack] = [
    not_a_number,
    wrong_shape,
    negative_count,
    absurd_count,
    no_examples,
    other_layers,
]


JUNK = [b"[" * 8000, b'{"reason": "\\ud800", "message": "x"}', b'{"reason": [[[]]], "message": 1}', b"\xff"]


class _Junk(Refusal):
    """A refusal that is none."""

    def __init__(self, body: bytes) -> None:
        super().__init__("junk", "junk")
        object.__setattr__(self, "_body", body)

    def to_json(self) -> bytes:
        return bytes(self.__dict__["_body"])


class Rogue(Node):
    """Trains as it should, and then does not send that."""

    num_orders = 0
    first = b""

    def handle(self, signed_order: bytes, adapter: bytes) -> bytes | Refusal:
        honest = super().handle(signed_order, adapter)
        assert isinstance(honest, bytes), honest
        self.num_orders += 1
        self.first = self.first or honest
        number = self.num_orders - 1
        if number < len(ATTACKS):
            update = AdapterUpdate.FromString(Signed.FromString(honest).body)
            ATTACKS[number](update)
            return self._signed(update.SerializeToString(deterministic=True), self._sign_key)
        if number == len(ATTACKS):  # an honest update under a key that is not the node's
            return self._signed(Signed.FromString(honest).body, SigningKey.generate())
        if number == len(ATTACKS) + 1:
            return self.first  # the update of an order long gone
        return _Junk(JUNK[number % len(JUNK)])

    def _signed(self, body: bytes, key: SigningKey) -> bytes:
        return sign(body, context="update", signer=self.name, key=key)


if __name__ == "__main__":
    sft_client.node.Node = Rogue
    main()
