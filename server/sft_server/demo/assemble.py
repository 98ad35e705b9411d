"""Collect what a finished run left on disk into one result, and into the table that ends the demo."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich.table import Table

from sft_server.demo.config import DemoConfig
from sft_server.demo.plots import label
from sft_server.demo.prepare import DemoData
from sft_server.demo.result import (
    BASE,
    FEDERATED,
    FEW_SHOT,
    ClientResult,
    CycleResult,
    DemoResult,
    compare_all,
    local_name,
    score_of,
    share,
)
from sft_server.layout import Layout as ServerLayout
from sft_server.records import Update
from sft_server.store import Store
from sft_shared.data.page_numbers import percent, size
from sft_shared.evaluation.results import System
from sft_shared.models.adapters import load_adapter, subtract
from sft_shared.models.load import load_base
from sft_shared.models.precision import processor_name
from sft_shared.models.tuned import AdapterState
from sft_shared.recipe import Recipe
from sft_shared.runlog import read_run_log
from sft_shared.wire.adapter_pb2 import AdapterUpdate, Signed
from sft_shared.wire.codec import EncodingName, encode_tensors

PACKAGES = ("fedsft", "torch", "transformers", "peft", "flwr", "grpcio", "bfcl-eval")


@dataclass(frozen=True)
class WireSizes:
    """Bytes of one signed update."""

    as_received: float  # mean over the federation's updates
    fp32: float  # mean over the changes trained alone, in the same envelope
    ratio: float  # fp32 over the federation's encoding, for the same changes


def assemble(
    config: DemoConfig,
    *,
    recipe: Recipe,
    data: DemoData,
    systems: Mapping[str, System],
    transport: str,
    phases_s: Mapping[str, float],
    started: float,
) -> DemoResult:
    """Join the measurements with what server and clients recorded. ``started`` is of ``time.monotonic``."""
    layout = ServerLayout(config.layout.server)
    store = Store(layout.database)
    cycles = store.cycles()
    updates = {cycle.cycle: store.updates(cycle.cycle) for cycle in cycles}
    initial = load_adapter(layout.adapter(str(store.fact("initial adapter"))))
    store.close()
    every_update = [update for of_cycle in updates.values() for update in of_cycle]
    alone = [subtract(load_adapter(config.layout.alone(client)), initial) for client in data.train]
    wire = measure_wire(
        [layout.update(update.sha256).read_bytes() for update in every_update],
        alone,
        encoding=config.encoding,
    )
    base = load_base(recipe.model)
    scores = {
        name: score_of(system, data.held_out, unseen_functions=data.unseen_functions)
        for name, system in systems.items()
    }
    return DemoResult(
        model=base.name,
        base_fingerprint=base.fingerprint,
        num_clients=len(data.train),
        num_cycles=len(cycles),
        transport=transport,
        encoding=config.encoding,
        held_out_examples=len(data.held_out),
        unseen_function_examples=len(data.unseen_functions),
        train_examples=sum(len(examples) for examples in data.train.values()),
        examples_too_long=data.num_too_long,
        base_accuracy=scores[BASE].accuracy,
        base_few_shot_accuracy=scores[FEW_SHOT].accuracy,
        num_shots=len(data.shots),
        local_accuracies={client: scores[local_name(client)].accuracy for client in data.train},
        federated_accuracy=scores[FEDERATED].accuracy,
        federated_ci95=scores[FEDERATED].ci95,
        federated_accuracy_unseen_functions=share(scores[FEDERATED].on_unseen_functions),
        update_bytes=round(wire.as_received),
        update_bytes_fp32=round(wire.fp32),
        update_bytes_ratio=wire.ratio,
        num_updates=len(every_update),
        scores=scores,
        comparisons=compare_all(systems, ours=FEDERATED),
        cycles=tuple(
            CycleResult(
                cycle=cycle.cycle,
                seconds=(cycle.closed_unix_s or cycle.opened_unix_s) - cycle.opened_unix_s,
                num_updates=len(updates[cycle.cycle]),
                num_examples=cycle.num_examples or 0,
                mean_first_loss=_mean_metric(updates[cycle.cycle], "first_loss"),
                mean_final_loss=_mean_metric(updates[cycle.cycle], "final_loss"),
                accuracy=None if cycle.evaluation is None else cycle.evaluation["value"],
                ci95=None if cycle.evaluation is None else cycle.evaluation["ci95"],
            )
            for cycle in cycles
        ),
        clients={
            client: _client_result(config, client, num_examples=len(examples), updates=every_update)
            for client, examples in data.train.items()
        },
        split_seed=config.held_out.seed,
        training_seed=recipe.training.seed,
        trainable_parameters=sum(tensor.numel() for tensor in initial.values()),
        recipe_sha256=recipe.sha256(),
        versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        machine=f"{os.cpu_count()} cores, {processor_name()}",
        dtype=str(base.dtype).removeprefix("torch."),
        phases_s={name: round(seconds, 1) for name, seconds in phases_s.items()},
        wall_s=round(time.monotonic() - started, 1),
    )


def num_updates_of(client: str, *, database: Path) -> int:
    """In how many cycles the server took an update of the client."""
    store = Store(database)
    taken = sum(update.node == client for cycle in store.cycles() for update in store.updates(cycle.cycle))
    store.close()
    return taken


def measure_wire(
    received: Sequence[bytes], deltas: Sequence[AdapterState], *, encoding: EncodingName
) -> WireSizes:
    """Sizes of the updates as received, and of ``deltas`` (never rounded) in ``encoding`` and in fp32.

    A received int8 delta must not be the one that is encoded in fp32 again: its values have so few bits
    that zstd would shrink them to two thirds of what a real fp32 delta takes.
    """
    envelopes = []
    for signed in received:
        update = AdapterUpdate.FromString(Signed.FromString(signed).body)
        envelopes.append(len(signed) - len(update.tensors_zstd))
    envelope = statistics.mean(envelopes)
    encoded = statistics.mean(len(encode_tensors(delta, encoding=encoding)[0]) for delta in deltas) + envelope
    fp32 = statistics.mean(len(encode_tensors(delta, encoding="fp32")[0]) for delta in deltas) + envelope
    return WireSizes(as_received=statistics.mean(map(len, received)), fp32=fp32, ratio=fp32 / encoded)


def final_table(result: DemoResult) -> Table:
    """The models side by side, the federated one last."""
    table = Table(
        title=f"Right tool calls on {result.held_out_examples} held-out questions",
        caption=(
            f"updates of {size(result.update_bytes)} over {result.transport}, "
            f"{result.update_bytes_ratio:.2f} times smaller than fp32; {result.wall_s / 60:.1f} min in all"
        ),
    )
    for column in ("model", "right", "share", "95 %", "valid JSON", "right function"):
        table.add_column(column, justify="left" if column == "model" else "right")
    others = [name for name in result.scores if name not in (BASE, FEW_SHOT, FEDERATED)]
    for name in (BASE, FEW_SHOT, *others, FEDERATED):
        score = result.scores[name]
        table.add_row(
            label(name, num_shots=result.num_shots),
            f"{score.correct}/{score.n}",
            percent(score.accuracy),
            f"{percent(score.ci95[0], 0)} - {percent(score.ci95[1], 0)}",
            percent(score.valid_json, 0),
            percent(score.right_function, 0),
            style="bold" if name == FEDERATED else None,
        )
    return table


def _client_result(
    config: DemoConfig, client: str, *, num_examples: int, updates: Sequence[Update]
) -> ClientResult:
    federated = _losses(config.layout.client(client) / "run.jsonl")
    local = _losses(config.layout.alone(client) / "run.jsonl")
    return ClientResult(
        categories=config.clients[client],
        num_examples=num_examples,
        federated_steps=len(federated),
        local_steps=len(local),
        federated_losses=tuple(federated),
        local_losses=tuple(local),
        mean_update_bytes=round(
            statistics.mean(update.num_bytes for update in updates if update.node == client)
        ),
    )


def _losses(run_log: Path) -> list[float]:
    return [float(event["loss"]) for event in read_run_log(run_log) if event["event"] == "step"]


def _mean_metric(updates: Sequence[Update], name: str) -> float:
    return statistics.mean(update.metrics[name] for update in updates)
