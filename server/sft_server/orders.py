"""Orders: what a cycle asks of the nodes, signed by the server."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from sft_shared.errors import StoreError, WireError
from sft_shared.recipe import Recipe
from sft_shared.wire.adapter_pb2 import CycleOrder
from sft_shared.wire.codec import ENCODINGS, PROTOCOL, EncodingName, parse
from sft_shared.wire.sign import SigningKey, open_signed, sign

NONCE_BYTES = 16
MAX_ORDER_BYTES = 1 << 20


@dataclass(frozen=True)
class Order:
    """A signed order and what it says."""

    signed: bytes
    sha256: str  # of the body; updates name their order by it
    cycle: int
    parent_sha256: str
    recipe: Recipe
    base_fingerprint: str
    deadline_unix_s: float


def sign_order(
    *,
    federation: str,
    cycle: int,
    parent_sha256: str,
    recipe: Recipe,
    base_fingerprint: str,
    encoding: EncodingName,
    issued_unix_s: float,
    deadline_unix_s: float,
    key: SigningKey,
) -> Order:
    """Make an order with a fresh nonce; no two are the same bytes."""
    body = CycleOrder(
        protocol=PROTOCOL,
        federation=federation,
        cycle=cycle,
        parent_sha256=bytes.fromhex(parent_sha256),
        recipe=recipe.canonical(),
        base_fingerprint=base_fingerprint,
        encoding=ENCODINGS[encoding],
        nonce=secrets.token_bytes(NONCE_BYTES),
        issued_unix_s=issued_unix_s,
        deadline_unix_s=deadline_unix_s,
    ).SerializeToString(deterministic=True)
    return read_order(sign(body, context="order", signer=federation, key=key), federation=federation, key=key)


def read_order(signed: bytes, *, federation: str, key: SigningKey) -> Order:
    """Read back an order of ours. Raises StoreError if it is not of this federation and key."""
    try:
        body = open_signed(
            signed, context="order", key=key.public, signer=federation, max_bytes=MAX_ORDER_BYTES
        )
        order = parse(CycleOrder, body, max_bytes=MAX_ORDER_BYTES)
        recipe = Recipe.from_canonical(order.recipe)
    except WireError as error:
        raise StoreError(
            f"the stored order cannot be used: {error} Restore keys and store of one time, or set another "
            "`state` folder."
        ) from None
    return Order(
        signed=signed,
        sha256=hashlib.sha256(body).hexdigest(),
        cycle=order.cycle,
        parent_sha256=order.parent_sha256.hex(),
        recipe=recipe,
        base_fingerprint=order.base_fingerprint,
        deadline_unix_s=order.deadline_unix_s,
    )
