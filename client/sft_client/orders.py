"""Is this order ours to follow? Pure checks of the signed bytes; nothing is trained or loaded here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from sft_shared.errors import OrderRefused, SignatureError, WireError
from sft_shared.recipe import Recipe
from sft_shared.wire import adapter_pb2
from sft_shared.wire.cards import FederationCard
from sft_shared.wire.codec import PROTOCOL, EncodingName, encoding_name, parse
from sft_shared.wire.sign import VerifyKey, open_signed

MAX_ORDER_BYTES = 1 << 20


@dataclass(frozen=True)
class Order:
    """A verified order. ``sha256`` (hex) is that of its body, the bytes under the server's signature."""

    sha256: str
    cycle: int
    recipe: Recipe
    base_fingerprint: str
    encoding: EncodingName
    deadline_unix_s: float


def open_order(signed: bytes, adapter: bytes, *, federation: FederationCard, now_unix_s: float) -> Order:
    """Return the order in ``signed`` if this federation's server made it, it is in time, and the parent
    adapter that came along is the one it names.

    Raises OrderRefused with the reason

    - ``undecodable``: no order, or one with unknown fields, encoding or an unreadable recipe;
    - ``forged``: not signed by the federation's order key;
    - ``protocol``: another version of the protocol;
    - ``federation``: meant for another federation;
    - ``late``: its deadline has passed by this node's clock;
    - ``wrong-parent``: the adapter's bytes are not those that the order names.
    """
    try:
        body = open_signed(
            signed,
            context="order",
            key=VerifyKey.from_text(federation.order_key),
            signer=federation.name,
            max_bytes=MAX_ORDER_BYTES,
        )
        message = parse(adapter_pb2.CycleOrder, body, max_bytes=MAX_ORDER_BYTES)
    except SignatureError as error:
        raise OrderRefused("forged", f"the order is not by this federation's server: {error}") from None
    except WireError as error:
        raise OrderRefused("undecodable", str(error)) from None
    if message.protocol != PROTOCOL:
        raise OrderRefused(
            "protocol",
            f"the order speaks protocol {message.protocol}, this node {PROTOCOL}. "
            "Run the same fedsft version on server and node.",
        )
    if message.federation != federation.name:
        raise OrderRefused(
            "federation",
            f"the order is for federation {message.federation[:60]!r}, "
            f"this node belongs to {federation.name!r}.",
        )
    if not now_unix_s <= message.deadline_unix_s:
        raise OrderRefused(
            "late",
            f"the order ended at {_utc(message.deadline_unix_s)}, this node's clock says {_utc(now_unix_s)}. "
            "If the order is new, set the clocks of server and node.",
        )
    parent = hashlib.sha256(adapter).digest()
    if parent != message.parent_sha256:
        raise OrderRefused(
            "wrong-parent",
            f"the adapter that came along has sha256 {parent.hex()}, "
            f"the order names {message.parent_sha256.hex()}.",
        )
    try:
        recipe = Recipe.from_canonical(message.recipe)
        encoding = encoding_name(message.encoding)
    except WireError as error:
        raise OrderRefused("undecodable", str(error)) from None
    return Order(
        sha256=hashlib.sha256(body).hexdigest(),
        cycle=message.cycle,
        recipe=recipe,
        base_fingerprint=message.base_fingerprint,
        encoding=encoding,
        deadline_unix_s=message.deadline_unix_s,
    )


def _utc(unix_s: float) -> str:
    try:
        return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{unix_s} (unix seconds)"
