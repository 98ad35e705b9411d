"""What a node does with an order: check it, train on its own data, answer with a signed delta.

Nothing here knows how orders arrive. The raw examples stay in this process.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from sft_client.config import ClientConfig, Layout
from sft_client.dataset import Library
from sft_client.ewc_history import EwcHistory
from sft_client.keys import load_keys
from sft_client.orders import Order, open_order
from sft_client.outbox import Outbox
from sft_shared.errors import (
    DataError,
    FedsftError,
    LeakError,
    ModelError,
    OrderRefused,
    TrainingError,
    WireError,
)
from sft_shared.files import write_atomic
from sft_shared.models.adapters import from_bytes, sha256_of, subtract
from sft_shared.models.load import Base, load_base
from sft_shared.recipe import Recipe
from sft_shared.runlog import RunLog
from sft_shared.training.loop import TrainingResult, train
from sft_shared.training.plan import Plan
from sft_shared.training.records import StepRecord
from sft_shared.wire import adapter_pb2
from sft_shared.wire.cards import FederationCard, read_card
from sft_shared.wire.codec import PROTOCOL, encode_tensors
from sft_shared.wire.sign import SigningKey, open_signed, sign

OnStep = Callable[[Order, StepRecord], None]
Say = Callable[[str], None]


class Stopped(Exception):
    """Raised by an `OnStep` to leave training at once; the order stays unanswered."""


@dataclass(frozen=True)
class Refusal:
    """Why an order is not followed. Both texts go to the server, so neither holds private data."""

    reason: str
    message: str

    def to_json(self) -> bytes:
        """``{"reason": ..., "message": ...}`` in UTF-8."""
        return json.dumps({"reason": self.reason, "message": self.message}, ensure_ascii=False).encode()


def open_node(config: ClientConfig, *, say: Say = lambda text: None, on_step: OnStep | None = None) -> Node:
    """The node of ``config``, ready for orders: keys, federation card and dataset are read and checked.

    Raises KeysError, DataError, LeakError or StoreError. The base model is not loaded yet.
    """
    node = Node(
        config,
        federation=read_card(config.federation, FederationCard),
        sign_key=load_keys(config),
        say=say,
        on_step=on_step,
    )
    node.library.own.read()
    return node


class Node:
    """A node of one federation. It trains at most once for an order."""

    def __init__(
        self,
        config: ClientConfig,
        *,
        federation: FederationCard,
        sign_key: SigningKey,
        say: Say,
        on_step: OnStep | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = config.name
        self.layout: Layout = config.layout
        self.federation = federation
        self.library = Library(config)
        self.outbox = Outbox(self.layout.outbox)
        self._ewc = EwcHistory(self.layout.ewc)
        self.log = RunLog(self.layout.run_log)
        self._sign_key = sign_key
        self._say = say
        self._on_step = on_step
        self._clock = clock

    def handle(self, signed_order: bytes, adapter: bytes) -> bytes | Refusal:
        """Return the signed update for an order, or why there is none.

        ``adapter`` is the parent's safetensors bytes. The update is in the outbox before it is returned; for
        an order answered before, the same bytes come from there. Whatever the order holds, this does not
        raise, but for `Stopped` and for faults of our own.
        """
        try:
            order = open_order(signed_order, adapter, federation=self.federation, now_unix_s=self._clock())
            kept = self._kept(order)
            if kept is not None:
                self.log.write("resent", cycle=order.cycle, order=order.sha256, bytes=len(kept))
                self._say(f"cycle {order.cycle}: asked again, sending the finished update once more")
                return kept
            return self._answer(order, adapter)
        except OrderRefused as error:
            return self._refuse(error.reason, shown=str(error), sent=str(error))
        except FedsftError as error:
            # A dataset's path or an example's id may be private: the server gets the kind of fault only.
            reason = _REASONS.get(type(error), "failed")
            return self._refuse(
                reason,
                shown=str(error),
                sent=f"the node cannot follow the order ({reason}); its own log says why.",
            )

    def prepare(self, recipe: Recipe) -> Base:
        """Load the base model and tokenise the examples ahead of an order. Raises ModelError or DataError."""
        start = time.perf_counter()
        base = load_base(recipe.model)
        rows = self.library.material(base, recipe, cycle=1).own.train
        seconds = time.perf_counter() - start
        self.log.write("prepared", model=base.name, examples=len(rows), seconds=seconds)
        self._say(
            f"base model {base.name} is in memory (as {str(base.dtype).removeprefix('torch.')} on "
            f"{base.device.type}), {len(rows)} examples tokenised, {seconds:.1f} s"
        )
        return base

    def last_recipe(self) -> Recipe | None:
        """The recipe of the last order that was trained for, if it can still be read."""
        try:
            return Recipe.from_canonical(self.layout.last_recipe.read_bytes())
        except (OSError, WireError):
            return None

    def _kept(self, order: Order) -> bytes | None:
        kept = self.outbox.get(order.sha256)
        if kept is None:
            return None
        try:
            open_signed(
                kept,
                context="update",
                key=self._sign_key.public,
                signer=self.name,
                max_bytes=len(kept),
            )
        except WireError as error:
            self.outbox.remove(order.sha256)
            self._say(f"cycle {order.cycle}: the update in the outbox is damaged ({error}); training again")
            return None
        return kept

    def _answer(self, order: Order, adapter: bytes) -> bytes:
        recipe = order.recipe
        base = load_base(recipe.model)
        if base.fingerprint != order.base_fingerprint:
            raise OrderRefused(
                "wrong-base",
                f"the order is for a base model with fingerprint {order.base_fingerprint[:80]}, this node's "
                f"{recipe.model.name} has {base.fingerprint}. "
                "Install the same model files on server and node.",
            )
        parent = from_bytes(adapter, expected=recipe.tuning.shapes(base))
        material = self.library.material(base, recipe, cycle=order.cycle)
        rows = material.own
        self.log.write("order", cycle=order.cycle, order=order.sha256, examples=len(rows.train))
        result = train(
            base,
            parent,
            rows.train,
            tuning=recipe.tuning,
            settings=recipe.training,
            cycle=order.cycle,
            general=material.general,
            held_out=rows.held_out,
            ewc=None
            if recipe.training.ewc is None
            else self._ewc.before(order.cycle, parent=sha256_of(adapter)),
            checkpoint=self.layout.checkpoint,
            on_plan=lambda plan: self._plan(order, plan, num_dropped=material.num_dropped),
            on_step=lambda record: self._step(order, record),
        )
        if result.ewc is not None:
            self._ewc.put(order.cycle, result.ewc, parent=sha256_of(adapter))
        tensors, tensors_bytes = encode_tensors(subtract(result.state, parent), encoding=order.encoding)
        update = adapter_pb2.AdapterUpdate(
            protocol=PROTOCOL,
            order_sha256=bytes.fromhex(order.sha256),
            node=self.name,
            base_fingerprint=base.fingerprint,
            tuning=_canonical(recipe.tuning.model_dump(mode="json")),
            num_examples=result.num_examples,
            metrics=_metrics(result),
            tensors_bytes=tensors_bytes,
            tensors_zstd=tensors,
            trained_unix_s=self._clock(),
        )
        body = update.SerializeToString(deterministic=True)
        signed = sign(body, context="update", signer=self.name, key=self._sign_key)
        self.outbox.put(order.sha256, signed)
        self.layout.checkpoint.unlink(missing_ok=True)
        write_atomic(self.layout.last_recipe, recipe.canonical())
        self.log.write(
            "trained", cycle=order.cycle, order=order.sha256, bytes=len(signed), **_metrics(result)
        )
        self._say(
            f"cycle {order.cycle}: trained {result.steps} steps on {result.num_examples} examples in "
            f"{result.seconds:.1f} s ({result.tokens / result.seconds:.0f} tokens/s), "
            f"loss {result.first_loss:.3f} -> {result.final_loss:.3f}; update of {len(signed)} bytes"
        )
        return signed

    def _plan(self, order: Order, plan: Plan, *, num_dropped: int) -> None:
        self.log.write("plan", cycle=order.cycle, num_dropped=num_dropped, **asdict(plan))
        resumed = f", going on after step {plan.resumed_at}" if plan.resumed_at else ""
        dropped = f", {num_dropped} too long and left out" if num_dropped else ""
        self._say(
            f"cycle {order.cycle}: training {plan.num_trained:,} numbers ({plan.share:.2%} of the model, "
            f"{plan.method}) on {plan.num_examples} examples{dropped}, {plan.steps} steps{resumed}; "
            f"update of {plan.update_bytes / 1e6:.1f} MB before encoding"
        )

    def _step(self, order: Order, record: StepRecord) -> None:
        self.log.write(
            "step",
            cycle=order.cycle,
            step=record.step,
            steps=record.steps,
            loss=record.loss,
            learning_rate=record.learning_rate,
            gradient_norm=record.gradient_norm,
            tokens_per_s=record.tokens / record.seconds,
            penalty=record.penalty,
            held_out_loss=record.held_out_loss,
            skipped=record.skipped,
        )
        if self._on_step is not None:
            self._on_step(order, record)
        if record.step < record.steps and self._clock() > order.deadline_unix_s:
            raise OrderRefused(
                "late", f"the deadline passed at step {record.step} of {record.steps}; training was given up."
            )

    def _refuse(self, reason: str, *, shown: str, sent: str) -> Refusal:
        self.log.write("refused", reason=reason, message=shown)
        self._say(f"order refused ({reason}): {shown}")
        return Refusal(reason, sent)


_REASONS: dict[type[FedsftError], str] = {
    ModelError: "model",
    DataError: "data",
    LeakError: "leak",
    TrainingError: "training",
}


def _metrics(result: TrainingResult) -> dict[str, float]:
    values = {
        "first_loss": result.first_loss,
        "final_loss": result.final_loss,
        "steps": result.steps,
        "tokens": result.tokens,
        "supervised_tokens": result.supervised_tokens,
        "seconds": result.seconds,
        "skipped_steps": result.num_skipped,
    }
    if result.held_out_loss is not None:
        values["held_out_loss"] = result.held_out_loss
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def _canonical(values: object) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
