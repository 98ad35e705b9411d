"""A dataset's profile in one picture: classes, lengths, turns, languages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from sft_shared.data.hygiene.language import UNKNOWN
from sft_shared.data.hygiene.profile import RARE, Profile, Spread
from sft_shared.data.pictures import ACCENT, FAINT, INK, MUTED, figure, labels, style

TITLE: dict[str, Any] = {"loc": "left", "fontsize": 11, "color": INK}
MAX_CLASSES = 30
"""Bars of classes; of more, the largest and the smallest are drawn."""


def draw(found: Profile) -> Figure:
    """Classes on the left; on the right lengths, turns and languages."""
    classes = classes_of(found)
    rows = max(min(len(classes), MAX_CLASSES + 1), 17)
    picture = figure(width=10.5, height=1.6 + 0.23 * rows)
    grid = picture.add_gridspec(3, 2, width_ratios=[1.15, 1])
    _draw_classes(picture.add_subplot(grid[:, 0]), classes)
    _draw_lengths(picture.add_subplot(grid[0, 1]), found)
    _draw_turns(picture.add_subplot(grid[1, 1]), found.turns)
    _draw_languages(picture.add_subplot(grid[2, 1]), found.languages)
    return picture


def classes_of(found: Profile) -> dict[str, int]:
    """Categories, or intents where there are no categories."""
    return found.categories if set(found.categories) - {""} else found.intents


def are_numbered(found: Profile) -> bool:
    """Whether the picture shows numbers in place of names, for want of a font."""
    return labels(list(_drawn(classes_of(found)))).numbered


def _drawn(classes: Mapping[str, int]) -> dict[str, int]:
    if len(classes) <= MAX_CLASSES:
        return dict(classes)
    items = list(classes.items())
    return dict([*items[: MAX_CLASSES - 8], *items[-8:]])


def _draw_classes(axes: Any, classes: Mapping[str, int]) -> None:
    drawn = _drawn(classes)
    shown = labels([name or "(no class)" for name in drawn])
    numbers = {name: f"#{place}" for place, name in enumerate(classes, start=1)}
    texts = [numbers[name] for name in drawn] if shown.numbered else list(shown.texts)
    places = list(range(len(drawn)))
    if len(drawn) < len(classes):
        gap = MAX_CLASSES - 8
        places = [place if place < gap else place + 1 for place in places]
        axes.text(
            0, gap, f"  {len(classes) - len(drawn)} classes between", va="center", color=MUTED, fontsize=9
        )
    colours = [ACCENT if count >= RARE else INK for count in drawn.values()]
    axes.barh(places, list(drawn.values()), height=0.66, color=colours)
    for place, count in zip(places, drawn.values(), strict=True):
        axes.annotate(
            f"{count:,}",
            (count, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=MUTED,
            fontsize=9,
        )
    axes.set_yticks(places, texts, fontproperties=shown.font)
    axes.set_ylim(max([*places, 3]) + 0.6, -0.6)
    axes.set_xlim(0, 1.14 * max([*drawn.values(), 1]))
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    rare = f", black: fewer than {RARE} examples" if INK in colours else ""
    axes.set_title(f"{len(classes)} classes{rare}", **TITLE)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    style(axes)
    axes.tick_params(axis="y", length=0)


def _draw_lengths(axes: Any, found: Profile) -> None:
    lines = [("prompt", found.prompt_chars, ACCENT, "-"), ("answer", found.answer_chars, INK, (0, (4, 2)))]
    if found.tokens is not None:
        lines.append(("tokens in all", found.tokens, MUTED, (0, (1, 1))))
    for name, spread, colour, dashes in lines:
        if spread.histogram:
            edges = [max(low, 0.7) for low, _ in spread.histogram]
            last = max(edges[-1] + 1, edges[-1] * math.sqrt(2), spread.largest + 1)
            heights = [count for _, count in spread.histogram]
            axes.stairs(heights, [*edges, last], color=colour, linestyle=dashes, linewidth=1.7, label=name)
    axes.set_xscale("log")
    axes.set_title("Length (characters)", **TITLE)
    axes.set_ylabel("examples")
    axes.set_ylim(0, 1.35 * max([count for _, spread, _, _ in lines for _, count in spread.histogram] or [1]))
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    if found.num_examples:
        axes.legend(frameon=False, fontsize=9, handlelength=2.2, ncols=3, loc="upper left")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    style(axes)


def _draw_turns(axes: Any, spread: Spread) -> None:
    lows = [low for low, _ in spread.histogram]
    ends = [*(low - 1 for low in lows[1:]), spread.largest]
    names = [f"{low}" if low >= end else f"{low}\u2013{end}" for low, end in zip(lows, ends, strict=False)]
    axes.bar(range(len(names)), [count for _, count in spread.histogram], width=0.6, color=ACCENT)
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.8, max(len(names), 4) - 0.2)
    axes.set_title("Turns of the user", **TITLE)
    axes.set_ylabel("examples")
    axes.locator_params(axis="y", nbins=4)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    style(axes)


def _draw_languages(axes: Any, languages: Mapping[str, int]) -> None:
    shown = list(languages.items())[:6]
    names = ["not told" if name == UNKNOWN else name for name, _ in shown]
    axes.barh(range(len(shown)), [count for _, count in shown], height=0.6, color=ACCENT)
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(max(len(shown), 3) - 0.4, -0.6)
    axes.set_title("Language of the question", **TITLE)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    style(axes)
    axes.tick_params(axis="y", length=0)
