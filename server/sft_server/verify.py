"""Nothing that a node sends is looked at before it has passed here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from pydantic import TypeAdapter, ValidationError

from sft_server.config import LimitSettings
from sft_shared.errors import SignatureError, UpdateRejected, WireError
from sft_shared.models.tuning import TuningSettings
from sft_shared.wire.adapter_pb2 import AdapterUpdate, Signed
from sft_shared.wire.codec import PROTOCOL, decode_tensors, max_raw_bytes, parse
from sft_shared.wire.sign import VerifyKey, open_signed, peek_signer

MAX_METRICS = 64
_TUNING: TypeAdapter[TuningSettings] = TypeAdapter(TuningSettings)
_REST_BYTES = 64 * 1024  # room for everything in an update but its tensors


@dataclass(frozen=True)
class Terms:
    """What an order, the model and the site's limits demand of an update."""

    order_sha256: str
    base_fingerprint: str
    tuning: TuningSettings
    shapes: Mapping[str, tuple[int, ...]]
    limits: LimitSettings

    @property
    def max_bytes(self) -> int:
        """Size in bytes of the largest signed update that can be right."""
        tensors = max_raw_bytes(self.shapes)
        return tensors + tensors // 255 + _REST_BYTES  # zstd may grow what it cannot shrink


@dataclass(frozen=True)
class VerifiedUpdate:
    """An update that keeps all terms. ``delta`` is float32, its names sorted."""

    node: str
    sign_key: VerifyKey
    num_examples: int
    metrics: Mapping[str, float]
    delta: Mapping[str, torch.Tensor]
    norm: float  # L2 over the whole delta


def verify_update(
    data: bytes, *, terms: Terms, keys: Mapping[str, VerifyKey], sender: str | None
) -> VerifiedUpdate:
    """Open a signed update and hold it against ``terms``.

    ``keys`` are the signing keys of the nodes registered now. ``sender`` is the node that the transport
    says it came from; None where the transport does not authenticate (simulation), so that the signature
    alone decides.

    Raises UpdateRejected with the reason ``undecodable``, ``too-large``, ``unknown-node``, ``wrong-node``,
    ``bad-signature``, ``wrong-protocol``, ``wrong-order``, ``wrong-base``, ``wrong-tuning``,
    ``wrong-examples``, ``wrong-metrics``, ``norm-too-large``, or one of `decode_tensors`.
    """
    node, update = _open(data, keys=keys, sender=sender, max_bytes=terms.max_bytes)
    _check_claims(update, node=node, terms=terms)
    delta = decode_tensors(update.tensors_zstd, raw_bytes=update.tensors_bytes, expected=terms.shapes)
    norm = _norm(delta)
    limit = terms.limits.max_update_norm
    if limit is not None and norm > limit:
        raise UpdateRejected("norm-too-large", f"the delta's norm is {norm:.4g}, allowed is {limit:.4g}")
    return VerifiedUpdate(
        node=node,
        sign_key=keys[node],
        num_examples=update.num_examples,
        metrics=dict(sorted(update.metrics.items())),
        delta=delta,
        norm=norm,
    )


def read_delta(data: bytes, *, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """The delta of a signed update that ``verify_update`` passed before it was stored."""
    update = AdapterUpdate.FromString(Signed.FromString(data).body)
    return decode_tensors(update.tensors_zstd, raw_bytes=update.tensors_bytes, expected=shapes)


def _open(
    data: bytes, *, keys: Mapping[str, VerifyKey], sender: str | None, max_bytes: int
) -> tuple[str, AdapterUpdate]:
    if len(data) > max_bytes:
        raise UpdateRejected("too-large", f"{len(data)} bytes, an update has {max_bytes} at most")
    try:
        signer = peek_signer(data)
        if signer not in keys:
            raise UpdateRejected("unknown-node", f"signed as {signer[:60]!r}, which is not registered")
        if sender is not None and signer != sender:
            raise UpdateRejected("wrong-node", f"signed as {signer!r}, but node {sender!r} sent it")
        body = open_signed(data, context="update", key=keys[signer], signer=signer, max_bytes=max_bytes)
        update = parse(AdapterUpdate, body, max_bytes=max_bytes)
    except SignatureError as error:
        raise UpdateRejected("bad-signature", str(error)) from None
    except WireError as error:
        raise UpdateRejected("undecodable", str(error)) from None
    return signer, update


def _check_claims(update: AdapterUpdate, *, node: str, terms: Terms) -> None:
    if update.protocol != PROTOCOL:
        raise UpdateRejected(
            "wrong-protocol", f"speaks version {update.protocol}, this server speaks {PROTOCOL}"
        )
    if update.node != node:
        raise UpdateRejected("wrong-node", f"names node {update.node[:60]!r}, but {node!r} signed it")
    if update.order_sha256.hex() != terms.order_sha256:
        raise UpdateRejected("wrong-order", "answers another order than the one that is open")
    if update.base_fingerprint != terms.base_fingerprint:
        raise UpdateRejected(
            "wrong-base",
            f"trained on {update.base_fingerprint[:16]!r}, the order names {terms.base_fingerprint[:16]!r}",
        )
    try:
        tuning = _TUNING.validate_json(update.tuning)
    except ValidationError:
        raise UpdateRejected("wrong-tuning", "its tuning settings cannot be read") from None
    if tuning != terms.tuning:
        raise UpdateRejected("wrong-tuning", f"trained with {tuning}, the order asks for {terms.tuning}")
    if not 1 <= update.num_examples <= terms.limits.max_examples:
        raise UpdateRejected(
            "wrong-examples",
            f"claims {update.num_examples} examples, allowed are 1 to {terms.limits.max_examples}",
        )
    if len(update.metrics) > MAX_METRICS or not all(map(math.isfinite, update.metrics.values())):
        raise UpdateRejected(
            "wrong-metrics", f"has more than {MAX_METRICS} metrics, or one that is not finite"
        )


def _norm(delta: Mapping[str, torch.Tensor]) -> float:
    squares = (tensor.to(torch.float64).square().sum() for tensor in delta.values())
    return math.sqrt(sum(float(square) for square in squares))
