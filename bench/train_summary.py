"""Medians and ratios over the runs of `bench/train.py`; pure, knows no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

OURS = "ours"
TRL_DEFAULT = "trl-default"
TRL_BF16_WEIGHTS = "trl-length-grouped-bf16-weights"

Record = Mapping[str, Any]  # what bench.train_child.run returns

MIN_SPEEDUP_VS_DEFAULT = 4.5
MIN_SPEEDUP_VS_BEST = 3.0
MAX_MEMORY_VS_DEFAULT = 0.5
MAX_LOSS_DIFF = 0.01


def summarise(records: Sequence[Record]) -> dict[str, Any]:
    """Return the ratios, the bars and one entry a contender, from one record a run.

    Ratios are of medians over a contender's runs; what needs a contender that was not run is None.
    TRL's best is the fastest of its training settings, the defaults included. With its weights loaded in bf16
    it is a model of another dtype than TRL's own, so that one has a key to itself. Losses are compared step
    by step with TRL's defaults, which saw the same batches; ``final_loss_rel_diff`` is that of the last step.
    """
    names = list(dict.fromkeys(record["name"] for record in records))
    contenders = {name: contender([record for record in records if record["name"] == name]) for name in names}
    ours, default = contenders.get(OURS), contenders.get(TRL_DEFAULT)
    rivals = [name for name in names if name != OURS]
    settings = [name for name in rivals if name != TRL_BF16_WEIGHTS]
    best = max(settings, key=lambda name: float(contenders[name]["tokens_per_s"]), default=None)
    speedups = {name: ratio(ours, contenders[name], "tokens_per_s") for name in rivals}
    diffs = loss_differences(ours, default)
    summary: dict[str, Any] = {
        "speedup_vs_trl_default": speedups.get(TRL_DEFAULT),
        "speedup_vs_trl_best": None if best is None else speedups[best],
        "trl_best": best,
        "speedup_vs_trl_bf16_weights": speedups.get(TRL_BF16_WEIGHTS),
        "peak_memory_vs_trl_default": ratio(ours, default, "peak_memory_bytes"),
        "final_loss_rel_diff": diffs[-1] if diffs else None,
        "first_loss_rel_diff": diffs[0] if diffs else None,
        "largest_loss_rel_diff": max(diffs, default=None),
        "repeats": min((len(entry["runs"]) for entry in contenders.values()), default=0),
        "speedup_vs": speedups,
        "peak_memory_vs": {name: ratio(ours, contenders[name], "peak_memory_bytes") for name in rivals},
    }
    return {**summary, "bars": bars(summary), "contenders": contenders}


def contender(records: Sequence[Record]) -> dict[str, Any]:
    """The medians of one contender's runs; each step's loss is a median as well."""
    return {
        "tokens_per_s": median(record["tokens_per_s"] for record in records),
        "peak_memory_bytes": median(record["peak_memory_bytes"] for record in records),
        "losses": [median(losses) for losses in zip(*(record["losses"] for record in records), strict=True)],
        "same_order": records[0]["same_order"],
        "settings": records[0]["settings"],
        "runs": [
            {key: value for key, value in record.items() if key not in ("name", "settings", "same_order")}
            for record in records
        ],
    }


def ratio(ours: Record | None, other: Record | None, key: str) -> float | None:
    """Ours / other; None if one of them was not run."""
    return None if ours is None or other is None else float(ours[key]) / float(other[key])


def loss_differences(ours: Record | None, other: Record | None) -> list[float]:
    """|ours - other| / other for each step; empty if one was not run or saw the rows in another order."""
    if ours is None or other is None or not (ours["same_order"] and other["same_order"]):
        return []
    pairs = zip(ours["losses"], other["losses"], strict=True)
    return [abs(mine - theirs) / abs(theirs) for mine, theirs in pairs]


def bars(summary: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What was asked for, and whether it was met (None: not measured)."""
    limits = (
        ("speedup_vs_trl_default", ">=", MIN_SPEEDUP_VS_DEFAULT),
        ("speedup_vs_trl_best", ">=", MIN_SPEEDUP_VS_BEST),
        ("peak_memory_vs_trl_default", "<=", MAX_MEMORY_VS_DEFAULT),
        ("final_loss_rel_diff", "<=", MAX_LOSS_DIFF),
    )
    verdicts: dict[str, dict[str, Any]] = {}
    for key, sign, limit in limits:
        value = summary[key]
        met = None if value is None else value >= limit if sign == ">=" else value <= limit
        verdicts[key] = {"bar": f"{sign} {limit}", "met": met}
    return verdicts
