"""A report's pictures: the values of all systems, our differences, and the training cycle by cycle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from sft_shared.data.pictures import ACCENT, FAINT, INK, MUTED, Labels, figure, labels, style
from sft_shared.evaluation.comparison import Comparison
from sft_shared.evaluation.report.facts import CycleFacts
from sft_shared.evaluation.results import System

WIDTH = 4.9  # inches: legible on a phone
MAX_ROWS = 24
"""Metrics in one picture; the tables hold all."""
MARKS = (("o", "white"), ("s", MUTED), ("^", MUTED), ("D", MUTED), ("v", "white"), ("P", MUTED))


def draw_values(ours: System, others: Sequence[System]) -> Figure | None:
    """Every share by task and metric, a mark for each system; ours in the accent colour. None without any."""
    rows = [
        (task, metric)
        for task in ours.result.tasks
        for metric in task.metrics
        if all(is_share(each, task.name, metric) for each in (ours, *others))
    ][:MAX_ROWS]
    if not rows:
        return None
    names = writable([system.label for system in (ours, *others)])
    num_lines = len(others) + 1
    step = 0.17 if num_lines < 4 else 0.135
    picture = figure(
        width=WIDTH, height=1.1 + 0.3 * ((num_lines + 1) // 2) + len(rows) * (0.16 + step * num_lines)
    )
    axes = picture.add_subplot()
    for place, (task, metric) in enumerate(rows):
        for line, system in enumerate((*others, ours)):
            found = system.result.task(task.name)
            measured = found.metrics.get(metric) if found else None
            if measured is None:
                continue
            height = place + (line - (num_lines - 1) / 2) * 0.72 / num_lines
            is_ours = line == num_lines - 1
            colour = ACCENT if is_ours else INK if line == 0 else MUTED
            shape, fill = ("o", ACCENT) if is_ours else MARKS[line % len(MARKS)]
            axes.plot(measured.ci95, [height, height], color=colour, linewidth=1.6 if is_ours else 1.1)
            axes.plot(
                [measured.value],
                [height],
                marker=shape,
                markersize=7 if is_ours else 6,
                markerfacecolor=fill,
                markeredgecolor=colour,
                linestyle="none",
                label=names.texts[0 if is_ours else line + 1] if place == 0 else None,
            )
        if place:
            axes.axhline(place - 0.5, color=FAINT, linewidth=0.8)
    _name_rows(axes, [task.name for task in ours.result.tasks], rows)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    picture.legend(
        loc="outside upper left",
        ncols=2,
        frameon=False,
        prop=names.font,
        handletextpad=0.3,
        columnspacing=1.2,
    )
    return picture


def draw_differences(ours: System, comparison: Comparison) -> Figure | None:
    """Our gain on every share, in points with its interval; right of the rule is better. None without any."""
    rows = [
        (task, metric)
        for task in comparison.tasks
        for metric in task.metrics
        if is_share(ours, task.name, metric)
    ][:MAX_ROWS]
    if not rows:
        return None
    picture = figure(width=WIDTH, height=0.9 + 0.36 * len(rows))
    axes = picture.add_subplot()
    axes.axvline(0, color=INK, linewidth=1)
    for place, (task, metric) in enumerate(rows):
        compared = task.metrics[metric]
        sure = compared.p_holm < 0.05
        colour = ACCENT if sure and compared.gain > 0 else INK if sure else MUTED
        low, high = (100 * end for end in compared.gain_ci95)
        axes.plot([low, high], [place, place], color=colour, linewidth=1.8)
        axes.plot(
            [100 * compared.gain],
            [place],
            marker="o" if compared.gain >= 0 else "X",
            markersize=7,
            markerfacecolor=colour if sure else "white",
            markeredgecolor=colour,
        )
    _name_rows(axes, [task.name for task in comparison.tasks], rows)
    axes.set_xlabel("points gained; filled: p < 0.05 after Holm")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:+.0f}" if value else "0")
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    return picture


def draw_cycles(cycles: Sequence[CycleFacts]) -> Figure | None:
    """Loss, bytes, time and epsilon by cycle, each if it is known. None without any."""
    panels: list[tuple[str, Callable[[Any], None]]] = []
    if any(cycle.loss is not None for cycle in cycles):
        panels.append(("loss (nats per token)", lambda axes: _line(axes, cycles, "loss")))
    if any(cycle.bytes_up is not None or cycle.bytes_down is not None for cycle in cycles):
        panels.append(("sent (MB)", lambda axes: _bytes(axes, cycles)))
    if any(cycle.seconds is not None for cycle in cycles):
        panels.append(("time (s)", lambda axes: _line(axes, cycles, "seconds")))
    if any(cycle.epsilon is not None for cycle in cycles):
        panels.append(("epsilon spent", lambda axes: _line(axes, cycles, "epsilon")))
    if not panels:
        return None
    picture = figure(width=WIDTH, height=0.5 + 1.7 * len(panels))
    for place, (title, draw) in enumerate(panels, start=1):
        axes = picture.add_subplot(len(panels), 1, place)
        draw(axes)
        style(axes)
        axes.set_title(title, loc="left", fontsize=11, color=INK)
        axes.set_ylim(0, 1.08 * axes.get_ylim()[1])
        axes.set_xlim(0.5, max(cycle.cycle for cycle in cycles) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.locator_params(axis="y", nbins=4)
        axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_xlabel("cycle")
    return picture


def writable(names: Sequence[str]) -> Labels:
    """`labels`, but where a font is missing only names that need it become numbers, by their place."""
    found = labels(names)
    if not found.numbered:
        return found
    each = [labels([name]) for name in names]
    texts = [
        one.texts[0] if one.font.get_name() == found.font.get_name() and not one.numbered else number
        for one, number in zip(each, found.texts, strict=True)
    ]
    return Labels(tuple(texts), found.font, numbered=True)


def is_share(system: System, task: str, metric: str) -> bool:
    """Whether a metric's value and interval lie from 0 to 1, or are not there."""
    found = system.result.task(task)
    measured = found.metrics.get(metric) if found else None
    return measured is None or (min(measured.ci95) >= 0 and max(measured.value, *measured.ci95) <= 1)


def _name_rows(axes: Any, tasks: Sequence[str], rows: Sequence[tuple[Any, str]]) -> None:
    """Each row's task and metric, in two lines; a task that no font can write by its place."""
    names = writable(tasks)
    metrics = writable([metric for _, metric in rows])
    texts = [
        f"{names.texts[tasks.index(task.name)]}\n{metric}"
        for (task, _), metric in zip(rows, metrics.texts, strict=True)
    ]
    axes.set_yticks(range(len(rows)), texts)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    style(axes)
    for tick in axes.get_yticklabels():
        tick.set_fontproperties(names.font)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _line(axes: Any, cycles: Sequence[CycleFacts], field: str) -> None:
    known = [(cycle.cycle, getattr(cycle, field)) for cycle in cycles if getattr(cycle, field) is not None]
    axes.plot(*zip(*known, strict=True), color=ACCENT, linewidth=2, marker="o", markersize=5)


def _bytes(axes: Any, cycles: Sequence[CycleFacts]) -> None:
    places = [cycle.cycle for cycle in cycles]
    for shift, field, colour in ((-0.2, "bytes_up", ACCENT), (0.2, "bytes_down", MUTED)):
        heights = [(getattr(cycle, field) or 0) / 1e6 for cycle in cycles]
        name = field.removeprefix("bytes_")
        axes.bar([place + shift for place in places], heights, width=0.38, color=colour, label=name)
    axes.legend(frameon=False, fontsize=9, ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)
