"""The benchmark's arithmetic: medians, ratios, which of TRL's settings is best, and the promised keys."""

from typing import Any

import pytest

from bench.train_summary import summarise


def record(
    name: str, *, speed: float, peak: float = 1.0, last: float = 1.0, order: bool = True
) -> dict[str, Any]:
    return {
        "name": name,
        "tokens_per_s": speed,
        "peak_memory_bytes": peak,
        "losses": [2.0, last],
        "same_order": order,
        "settings": {"model_dtype": "torch.bfloat16"},
    }


def test_ratios_are_of_medians_so_one_slow_run_changes_nothing() -> None:
    records = [
        record(name, speed=speed, peak=peak, last=last)
        for name, speeds, peak, last in (
            ("ours", (900.0, 90.0, 1000.0), 2e9, 1.005),
            ("trl-default", (200.0, 190.0, 10.0), 8e9, 1.0),
        )
        for speed in speeds
    ]
    summary = summarise(records)
    assert summary["speedup_vs_trl_default"] == pytest.approx(900 / 190)
    assert summary["peak_memory_vs_trl_default"] == 0.25
    assert summary["final_loss_rel_diff"] == pytest.approx(0.005)
    assert summary["first_loss_rel_diff"] == 0.0
    assert summary["repeats"] == 3
    assert len(summary["contenders"]["ours"]["runs"]) == 3


def test_trls_best_is_the_fastest_of_its_settings_by_median() -> None:
    speeds = {
        "ours": (600, 600, 600),
        "trl-default": (100, 100, 100),
        "trl-padding-free": (150, 900, 150),  # one lucky run does not win
        "trl-length-grouped": (300, 310, 200),
        "trl-length-grouped-bf16-weights": (400, 400, 400),  # another model dtype: apart
    }
    records = [
        record(name, speed=values[turn], order="grouped" not in name)
        for turn in range(3)
        for name, values in speeds.items()
    ]
    summary = summarise(records)
    assert summary["trl_best"] == "trl-length-grouped"
    assert summary["speedup_vs_trl_best"] == 2.0
    assert summary["speedup_vs"] == {
        "trl-default": 6.0,
        "trl-padding-free": 4.0,
        "trl-length-grouped": 2.0,
        "trl-length-grouped-bf16-weights": 1.5,
    }
    assert summary["speedup_vs_trl_bf16_weights"] == 1.5


def test_the_bars_say_what_was_met() -> None:
    summary = summarise(
        [record("ours", speed=500, peak=5, last=1.02), record("trl-default", speed=100, peak=10, last=1.0)]
    )
    assert {key: verdict["met"] for key, verdict in summary["bars"].items()} == {
        "speedup_vs_trl_default": True,
        "speedup_vs_trl_best": True,
        "peak_memory_vs_trl_default": True,
        "final_loss_rel_diff": False,
    }


def test_what_was_not_run_is_none_not_zero() -> None:
    summary = summarise([record("ours", speed=500), record("trl-length-grouped", speed=100, order=False)])
    assert summary["speedup_vs_trl_best"] == 5.0
    assert summary["speedup_vs_trl_default"] is None
    assert summary["peak_memory_vs_trl_default"] is None
    assert summary["final_loss_rel_diff"] is None
    assert summary["bars"]["speedup_vs_trl_default"]["met"] is None


def test_losses_on_other_batches_are_not_compared() -> None:
    summary = summarise([record("ours", speed=500), record("trl-default", speed=100, last=3.0, order=False)])
    assert summary["final_loss_rel_diff"] is None
