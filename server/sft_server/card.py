"""The facts of a federation for the model card of an adapter: counts and settings, no text and no node."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from sft_server.config import ServerConfig
from sft_server.records import Cycle, Update
from sft_shared.evaluation.report.contents import Report
from sft_shared.evaluation.report.facts import CycleFacts, RunFacts
from sft_shared.evaluation.results import MeasuredModel, SuiteResult, System
from sft_shared.models.bottleneck import BottleneckSettings
from sft_shared.models.lora import LoraSettings
from sft_shared.models.prefix import PrefixSettings
from sft_shared.models.tuning import TuningSettings
from sft_shared.recipe import Recipe


def facts_of(
    config: ServerConfig,
    recipe: Recipe,
    *,
    shapes: Mapping[str, tuple[int, ...]],
    cycles: Sequence[tuple[Cycle, Sequence[Update]]],
) -> RunFacts:
    """What made an adapter: ``cycles`` with their updates, those promoted before it and its own, in order.

    Examples are the most that each node trained on in one cycle. What a node says of itself is a number.
    """
    most: dict[str, int] = {}
    for _, updates in cycles:
        for update in updates:
            most[update.node] = max(most.get(update.node, 0), update.num_examples)
    name = recipe.model.name
    training = recipe.training
    return RunFacts(
        base_model=Path(name).name if Path(name).expanduser().exists() else name,
        method=_method(recipe.tuning),
        num_examples=sum(most.values()),
        num_clients=max(1, len(most)),
        sources={"nodes of the federation, as they say": sum(most.values())} if most else {},
        num_parameters=sum(math.prod(shape) for shape in shapes.values()),
        settings={
            "steps a cycle": str(training.steps),
            "batch size": str(training.batch_size),
            "learning rate": f"{training.learning_rate:g}, {training.schedule.kind}",
            "loss": training.loss.kind,
            "aggregation": config.aggregation.kind,
            "updates sent as": config.encoding,
            "recipe": recipe.sha256()[:16],
        },
        cycles=tuple(_facts_of_cycle(cycle, updates) for cycle, updates in cycles),
    )


def unmeasured(label: str, *, base_sha256: str, adapter_sha256: str) -> Report:
    """A report for the card of an adapter that nothing measured."""
    model = MeasuredModel(base_sha256=base_sha256, adapter_sha256=adapter_sha256, label=label)
    result = SuiteResult(suite="none", model=model, tasks=(), constrained=False, conditions={})
    return Report(System(result, {}), (), (), (), facts=None, command="")


def _facts_of_cycle(cycle: Cycle, updates: Sequence[Update]) -> CycleFacts:
    losses = [loss for update in updates if (loss := update.metrics.get("final_loss")) is not None]
    return CycleFacts(
        cycle=cycle.cycle,
        loss=mean(losses) if losses else None,
        bytes_up=sum(update.num_bytes for update in updates),
        seconds=max(0.0, (cycle.closed_unix_s or time.time()) - cycle.opened_unix_s),
    )


def _method(tuning: TuningSettings) -> str:
    if isinstance(tuning, LoraSettings):
        targets = tuning.targets if isinstance(tuning.targets, str) else ", ".join(tuning.targets)
        return f"LoRA, rank {tuning.rank}, alpha {tuning.alpha:g}, on {targets}"
    if isinstance(tuning, BottleneckSettings):
        return f"Adapter, width {tuning.width}"
    if isinstance(tuning, PrefixSettings):
        return f"Prefix, {tuning.num_virtual_tokens} virtual tokens"
    return "Full fine-tuning"
