"""One cycle, from the signed order to the promoted adapter. It goes on from any committed state.

    OPENED -> COLLECTING -> AGGREGATED -> EVALUATED -> PROMOTED | REJECTED
                        \\-> ABANDONED          (EVALUATED is left out where no evaluation is due)

Aggregation is a pure function of the committed rows, so doing it again after a crash gives the same bits.
What the gates say is committed with EVALUATED; whether to promote follows from that row alone.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import torch

from sft_server.card import facts_of, unmeasured
from sft_server.config import ServerConfig
from sft_server.evaluation import Measuring, measuring, read_back
from sft_server.fleet import Fleet, Reply
from sft_server.gather import Call, Closed, Gathering
from sft_server.judging import judge, record_of, why_held
from sft_server.layout import Layout, read_checked
from sft_server.orders import Order, read_order, sign_order
from sft_server.records import ENDS, Cycle, State, Update
from sft_server.refusals import refusal_in_words
from sft_server.store import Store
from sft_server.verify import Terms, read_delta, verify_update
from sft_shared.dialogue import Example
from sft_shared.errors import AggregationError, StoreError, UpdateRejected
from sft_shared.evaluation.card import write_card
from sft_shared.evaluation.report.contents import Report
from sft_shared.evaluation.results import System
from sft_shared.files import sync_folder, write_lasting
from sft_shared.models import adapters
from sft_shared.models.load import Base
from sft_shared.models.tuned import AdapterState
from sft_shared.recipe import Recipe
from sft_shared.wire.sign import SigningKey

POLL_S = 0.5
CARD = "card.md"
"""Beside the weights of every promoted adapter."""


class _StoppedWhileEvaluating(Exception):
    pass


class CycleRunner:
    """Runs cycles of one federation, each over a fleet that the caller brings."""

    def __init__(
        self,
        config: ServerConfig,
        *,
        store: Store,
        base: Base,
        recipe: Recipe,
        key: SigningKey,
        held_out: Sequence[Example],
        emit: Callable[..., None],
        stop: threading.Event,
        poll_s: float = POLL_S,
    ) -> None:
        """``emit(event, **fields)`` is told of every step; ``stop`` ends a cycle between two of them.

        Raises StoreError if the store was begun with another model, tuning or federation, ConfigError or
        DataError for the evaluation suite.
        """
        self.config, self.store, self.base, self.recipe = config, store, base, recipe
        self.layout = Layout(config.state)
        self._key, self._emit, self._stop, self._poll_s = key, emit, stop, poll_s
        self._measuring = measuring(config.evaluation.suite, recipe=recipe, held_out=held_out)
        if self._measuring is not None:
            self._measuring.require_answerable(base)
        store.pin(
            {
                "federation": config.federation,
                "base model": base.fingerprint,
                "tuning": recipe.tuning.model_dump_json(),
            },
            what_to_do="Go back to the old setting, or set another `state` folder.",
        )
        if store.fact("initial adapter") is None:
            initial = recipe.tuning.initial(base, seed=recipe.training.seed)
            store.pin({"initial adapter": self._save(initial)}, what_to_do="")

    @property
    def finished(self) -> bool:
        """Whether all of ``num_cycles`` are closed."""
        last, wanted = self.store.last_cycle(), self.config.cycle.num_cycles
        return last is not None and wanted is not None and last.cycle >= wanted and last.state in ENDS

    @property
    def num_cycles_left(self) -> int:
        """How many cycles of ``num_cycles`` are not closed; needs ``num_cycles``."""
        assert self.config.cycle.num_cycles is not None
        last = self.store.last_cycle()
        closed = 0 if last is None else last.cycle - (last.state not in ENDS)
        return max(0, self.config.cycle.num_cycles - closed)

    def starts_in_s(self) -> float:
        """Seconds until the next cycle is due; 0 if one is open, was never opened, or is late."""
        last = self.store.last_cycle()
        if last is None or last.state not in ENDS:
            return 0.0
        return max(0.0, last.opened_unix_s + self.config.cycle.interval_s - time.time())

    def run(self, fleet: Fleet) -> Cycle | None:
        """Open a cycle, or go on with the open one, to its end; None if ``stop`` came first.

        Raises TransportError when the fleet is lost; the cycle stays open.
        """
        cycle = self.store.last_cycle()
        if cycle is None or cycle.state in ENDS:
            cycle = self._open(1 if cycle is None else cycle.cycle + 1)
        else:
            self._emit("cycle-resumed", cycle=cycle.cycle, state=cycle.state)
        while cycle.state not in ENDS:
            if self._stop.is_set():
                return None
            match cycle.state:
                case State.OPENED:
                    self.store.advance(cycle.cycle, State.COLLECTING)
                case State.COLLECTING:
                    if self._collect(cycle, fleet) is Closed.STOPPED:
                        return None
                    self._aggregate(cycle)
                case State.AGGREGATED:
                    try:
                        self._evaluate(cycle)
                    except _StoppedWhileEvaluating:
                        return None
                case State.EVALUATED:
                    self._decide(cycle)
            cycle = self._reload()
        return cycle

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Name -> shape of the federation's adapter."""
        return self.recipe.tuning.shapes(self.base)

    def _reload(self) -> Cycle:
        cycle = self.store.last_cycle()
        assert cycle is not None
        return cycle

    def _open(self, number: int) -> Cycle:
        parent = self.store.promoted_adapter() or self.store.fact("initial adapter")
        assert parent is not None
        now = time.time()
        order = sign_order(
            federation=self.config.federation,
            cycle=number,
            parent_sha256=parent,
            recipe=self.recipe,
            base_fingerprint=self.base.fingerprint,
            encoding=self.config.encoding,
            issued_unix_s=now,
            deadline_unix_s=now + self.config.cycle.deadline_s,
            key=self._key,
        )
        self.store.open_cycle(number, signed_order=order.signed, parent_sha256=parent)
        self._emit("cycle-opened", cycle=number, order=order.sha256, parent=parent)
        return self._reload()

    def _collect(self, cycle: Cycle, fleet: Fleet) -> Closed:
        order = read_order(cycle.signed_order, federation=self.config.federation, key=self._key)
        terms = Terms(
            order_sha256=order.sha256,
            base_fingerprint=order.base_fingerprint,
            tuning=order.recipe.tuning,
            shapes=self.shapes,
            limits=self.config.limits,
        )
        gathering = Gathering(
            fleet=fleet,
            call=Call(
                cycle=cycle.cycle,
                order=order.signed,
                adapter=self._adapter_bytes(order.parent_sha256),
                deadline_unix_s=order.deadline_unix_s,
            ),
            quorum=self.config.cycle.quorum,
            answered={update.node for update in self.store.updates(cycle.cycle)},
            num_accepted=lambda: len(self.store.updates(cycle.cycle)),
            take=lambda sender, reply: self._take(order, terms, sender, reply),
            emit=self._emit,
            stop=self._stop,
            poll_s=self._poll_s,
        )
        closed = gathering.run()
        if closed is not Closed.STOPPED:
            self._emit("cycle-collected", cycle=cycle.cycle, closed=str(closed))
        return closed

    def _take(self, order: Order, terms: Terms, sender: str | None, reply: Reply) -> None:
        """Verify, store and commit one update, or put in writing why not."""
        cycle = order.cycle
        if reply.kind == "refusal":
            self._emit("node-refused", cycle=cycle, node=sender, **refusal_in_words(reply.body))
            return
        try:
            keys = {name: node.sign_key for name, node in self.store.registered().items()}
            verified = verify_update(reply.body, terms=terms, keys=keys, sender=sender)
            sha256 = hashlib.sha256(reply.body).hexdigest()
            write_lasting(self.layout.update(sha256), reply.body)
            update = Update(
                node=verified.node,
                sha256=sha256,
                num_examples=verified.num_examples,
                num_bytes=len(reply.body),
                norm=verified.norm,
                metrics=verified.metrics,
                received_unix_s=time.time(),
            )
            new = self.store.add_update(cycle, update, sign_key=verified.sign_key)
        except UpdateRejected as rejected:
            node = sender or "?"
            self.store.add_rejection(cycle, node=node, reason=rejected.reason, message=str(rejected))
            self._emit(
                "update-rejected", cycle=cycle, node=node, reason=rejected.reason, message=str(rejected)
            )
            return
        if new:
            fields = {key: value for key, value in asdict(update).items() if key != "received_unix_s"}
            self._emit("update-accepted", cycle=cycle, **fields)

    def _aggregate(self, cycle: Cycle) -> None:
        number = cycle.cycle
        for node in self.store.drop_updates_of_revoked(number):
            self._emit("update-rejected", cycle=number, node=node, reason="revoked-node", message="")
        updates = self.store.updates(number)
        if len(updates) < self.config.cycle.quorum:
            self._abandon(
                number, f"{len(updates)} of the {self.config.cycle.quorum} updates that the quorum needs"
            )
            return
        try:
            state = self._new_adapter(cycle, updates)
        except AggregationError as error:
            self._abandon(number, str(error))
            return
        sha256 = self._save(state)
        num_examples = sum(update.num_examples for update in updates)
        self.store.advance(
            number,
            State.AGGREGATED,
            adapter_sha256=sha256,
            num_updates=len(updates),
            num_examples=num_examples,
        )
        self._emit(
            "cycle-aggregated",
            cycle=number,
            adapter=sha256,
            num_updates=len(updates),
            num_examples=num_examples,
        )

    def _new_adapter(self, cycle: Cycle, updates: Sequence[Update]) -> AdapterState:
        def deltas() -> Iterator[tuple[int, Mapping[str, torch.Tensor]]]:
            for update in updates:
                data = read_checked(self.layout.update(update.sha256), sha256=update.sha256)
                yield update.num_examples, read_delta(data, shapes=self.shapes)

        parent = adapters.from_bytes(self._adapter_bytes(cycle.parent_sha256), expected=self.shapes)
        state = adapters.add(parent, self.config.aggregation(deltas()))
        if not all(bool(torch.isfinite(tensor).all()) for tensor in state.values()):
            raise AggregationError("the new adapter is not finite; set limits.max_update_norm")
        return state

    def _abandon(self, number: int, reason: str) -> None:
        self.store.advance(number, State.ABANDONED, reason=reason)
        self._emit("cycle-abandoned", cycle=number, reason=reason)

    def _evaluate(self, cycle: Cycle) -> None:
        assert cycle.adapter_sha256 is not None
        plan, wanted = self.config.evaluation, self.config.cycle.num_cycles
        due = cycle.cycle % plan.every == 0 or cycle.cycle == wanted
        if self._measuring is None or not due:
            self._write_card(
                cycle,
                unmeasured(
                    f"cycle {cycle.cycle}",
                    base_sha256=self.base.fingerprint,
                    adapter_sha256=cycle.adapter_sha256,
                ),
            )
            self._promote(cycle)
            return
        report = self._judged(cycle, self._measuring)
        if not report.held:
            self._write_card(cycle, report)
        evaluation = record_of(report)
        self.store.advance(cycle.cycle, State.EVALUATED, evaluation=evaluation)
        self._emit("cycle-evaluated", cycle=cycle.cycle, adapter=cycle.adapter_sha256, **evaluation)

    def _judged(self, cycle: Cycle, measuring: Measuring) -> Report:
        """The cycle's adapter against the promoted one, which is measured too if a gate needs it."""

        def measured(sha256: str, label: str) -> System:
            def tell(task: str, done: int, total: int) -> None:
                if self._stop.is_set():
                    raise _StoppedWhileEvaluating
                self._emit("evaluating", cycle=cycle.cycle, model=label, task=task, done=done, total=total)

            state = adapters.from_bytes(self._adapter_bytes(sha256), expected=self.shapes)
            out = self.layout.evaluation(measuring.sha256, sha256)
            return measuring(self.base, state, out=out, label=label, report=tell)

        assert cycle.adapter_sha256 is not None
        parent = cycle.parent_sha256
        label = next(
            (f"cycle {each.cycle}" for each in self._promoted() if each.adapter_sha256 == parent),
            "initial adapter",
        )
        ours = measured(cycle.adapter_sha256, f"cycle {cycle.cycle}")
        if measuring.gates:
            against: System | None = measured(parent, label)
        else:
            against = read_back(self.layout.evaluation(measuring.sha256, parent), label=label)
        return judge(ours, against, gates=measuring.gates)

    def _promoted(self) -> list[Cycle]:
        return [cycle for cycle in self.store.cycles() if cycle.state is State.PROMOTED]

    def _write_card(self, cycle: Cycle, report: Report) -> None:
        assert cycle.adapter_sha256 is not None
        facts = facts_of(
            self.config,
            self.recipe,
            shapes=self.shapes,
            cycles=[(each, self.store.updates(each.cycle)) for each in (*self._promoted(), cycle)],
        )
        write_card(self.layout.adapter(cycle.adapter_sha256) / CARD, report, facts)

    def _decide(self, cycle: Cycle) -> None:
        assert cycle.evaluation is not None
        reason = why_held(cycle.evaluation)
        if reason is None:
            self._promote(cycle)
            return
        self.store.advance(cycle.cycle, State.REJECTED, reason=reason)
        self._emit(
            "cycle-rejected",
            cycle=cycle.cycle,
            adapter=cycle.adapter_sha256,
            parent=cycle.parent_sha256,
            reason=reason,
        )

    def _promote(self, cycle: Cycle) -> None:
        self.store.advance(cycle.cycle, State.PROMOTED)
        self._emit(
            "cycle-promoted",
            cycle=cycle.cycle,
            adapter=cycle.adapter_sha256,
            seconds=time.time() - cycle.opened_unix_s,
        )

    def _adapter_bytes(self, sha256: str) -> bytes:
        return read_checked(self.layout.adapter(sha256) / adapters.WEIGHTS, sha256=sha256)

    def _save(self, state: AdapterState) -> str:
        """Store an adapter as a folder named by its bytes, whole or not at all."""
        sha256 = adapters.sha256_of(adapters.to_bytes(state))
        folder = self.layout.adapter(sha256)
        if folder.exists():
            return sha256
        self.layout.adapters.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".adapter-", dir=self.layout.adapters))
        try:
            adapters.save_adapter(staging, state, settings=self.recipe.tuning, base=self.base)
            sync_folder(staging)
            staging.rename(folder)
            sync_folder(self.layout.adapters)
        except OSError as error:
            raise StoreError(f"{folder}: cannot be written: {error.strerror}. Look at the disk.") from None
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return sha256
