"""The report's three figures as PNG files: black, grey and one accent colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from sft_server.demo.result import BASE, FEDERATED, FEW_SHOT, ClientResult, CycleResult, DemoResult
from sft_shared.data.pictures import ACCENT, FAINT, INK, MUTED, figure, style

LINES = ((ACCENT, "-"), (INK, "-"), (MUTED, (0, (5, 2))), (INK, (0, (1.5, 1.5))), (MUTED, (0, (6, 2, 1, 2))))
SMOOTHING_STEPS = 5


def draw_all(result: DemoResult, *, folder: Path) -> list[Path]:
    """Write accuracy.png, loss.png and, if two cycles or more were measured, cycles.png; return the paths."""
    figures = {
        "accuracy.png": accuracy_of_models(result),
        "loss.png": loss_of_clients(result.clients, num_cycles=len(result.cycles)),
    }
    if sum(cycle.accuracy is not None for cycle in result.cycles) > 1:
        figures["cycles.png"] = accuracy_of_cycles(
            result.cycles, base=result.base_accuracy, base_few_shot=result.base_few_shot_accuracy
        )
    for name, drawn in figures.items():
        drawn.savefig(folder / name, dpi=200)
    return [folder / name for name in figures]


def accuracy_of_models(result: DemoResult) -> Figure:
    """A bar for each model, with Wilson's 95 % interval; the federated one in the accent colour."""
    names = [
        BASE,
        FEW_SHOT,
        *(name for name in result.scores if name not in (BASE, FEW_SHOT, FEDERATED)),
        FEDERATED,
    ]
    drawn, axes = _figure(height=0.55 + 0.42 * len(names))
    for position, name in enumerate(reversed(names)):
        score = result.scores[name]
        colour = ACCENT if name == FEDERATED else MUTED
        axes.barh(position, score.accuracy, height=0.62, color=colour)
        low, high = score.ci95
        axes.plot([low, high], [position, position], color=INK, linewidth=1.2, solid_capstyle="butt")
        for end in (low, high):
            axes.plot([end, end], [position - 0.12, position + 0.12], color=INK, linewidth=1.2)
        axes.annotate(
            f"{100 * score.accuracy:.1f} %",
            (max(high, score.accuracy), position),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=ACCENT if name == FEDERATED else INK,
            fontweight="bold" if name == FEDERATED else "normal",
        )
    axes.set_yticks(range(len(names)), [label(name, num_shots=result.num_shots) for name in reversed(names)])
    axes.set_xlim(0, min(1.0, 1.2 * max(score.ci95[1] for score in result.scores.values())))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return drawn


def accuracy_of_cycles(cycles: Sequence[CycleResult], *, base: float, base_few_shot: float) -> Figure:
    """The federated adapter after each cycle that was measured; cycle 0 is the base model."""
    drawn, axes = _figure(height=2.9)
    measured = [
        (cycle.cycle, cycle.accuracy, cycle.ci95)
        for cycle in cycles
        if cycle.accuracy is not None and cycle.ci95
    ]
    axes.plot(
        [0, *(number for number, _, _ in measured)],
        [base, *(value for _, value, _ in measured)],
        color=ACCENT,
        linewidth=2,
        marker="o",
        markersize=6,
    )
    for number, value, (low, high) in measured:
        axes.plot([number, number], [low, high], color=ACCENT, linewidth=1.2)
        axes.annotate(
            f"{100 * value:.0f} %",
            (number, value),
            xytext=(-8, 7),
            textcoords="offset points",
            ha="right",
            color=ACCENT,
        )
    axes.axhline(base_few_shot, color=MUTED, linewidth=1, linestyle=(0, (5, 3)))
    axes.annotate(
        "base, examples in the prompt",
        (1, base_few_shot),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right",
        color=MUTED,
    )
    axes.set_xlabel("cycle")
    axes.set_ylabel("right calls")
    axes.set_ylim(bottom=-0.01)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    return drawn


def loss_of_clients(clients: Mapping[str, ClientResult], *, num_cycles: int) -> Figure:
    """Each client's training loss in the federation, smoothed; a rule where a cycle ends."""
    drawn, axes = _figure(height=3.1)
    longest = max(len(client.federated_losses) for client in clients.values())
    for (name, client), (colour, dashes) in zip(clients.items(), _cycle_lines(len(clients)), strict=True):
        losses = client.federated_losses
        steps = range(1, len(losses) + 1)
        axes.plot(steps, losses, color=colour, linewidth=0.7, alpha=0.25)
        axes.plot(steps, smooth(losses), color=colour, linestyle=dashes, linewidth=1.9, label=name)
    for cycle in range(1, num_cycles):
        axes.axvline(cycle * longest / num_cycles + 0.5, color=FAINT, linewidth=1)
    axes.set_xlabel("training step (a rule ends a cycle)")
    axes.set_ylabel("loss (nats per token)")
    axes.set_ylim(bottom=0)
    axes.set_xlim(1, max(longest, 2))
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.legend(frameon=False, loc="upper right", handlelength=2.6)
    return drawn


def smooth(values: Sequence[float]) -> list[float]:
    """Mean of each value with its neighbours, SMOOTHING_STEPS in all, fewer at the ends."""
    reach = SMOOTHING_STEPS // 2
    windows = (values[max(0, place - reach) : place + reach + 1] for place in range(len(values)))
    return [sum(window) / len(window) for window in windows]


def label(name: str, *, num_shots: int) -> str:
    """How a model is called in the report."""
    if name == BASE:
        return "base, no examples"
    if name == FEW_SHOT:
        return f"base, {num_shots} examples"
    return f"{name.removeprefix('local-')} alone" if name.startswith("local-") else name


def _cycle_lines(count: int) -> list[tuple[str, Any]]:
    return [LINES[index % len(LINES)] for index in range(count)]


def _figure(*, height: float) -> tuple[Figure, Any]:
    """A figure that stays legible on a phone: 6 inches wide, 11 point type."""
    drawn = figure(width=6.0, height=height)
    return drawn, style(drawn.add_subplot(), size=11)
