"""The look of all pictures: black, grey, one accent colour; labels in any script, or numbers for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font

ACCENT, INK, MUTED, FAINT = "#0b6e75", "#1d2528", "#6b777c", "#d9dfe1"
MAX_LABEL = 34

CJK_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "SimHei",
    "Noto Sans CJK JP",
    "Droid Sans Fallback",
    "Arial Unicode MS",
)
"""Fonts with Chinese glyphs that a machine may have, in the order in which they are taken."""


@dataclass(frozen=True)
class Labels:
    """Names as a picture can show them: ``font`` draws every one of ``texts``.

    Where no font on this machine can, ``texts`` are ``#1``, ``#2`` and so on, and ``numbered`` is true: the
    names must stand beside the picture then.
    """

    texts: tuple[str, ...]
    font: FontProperties
    numbered: bool


def labels(names: Sequence[str]) -> Labels:
    """Make names drawable: cut to MAX_LABEL characters, control characters out, dollars no formulas."""
    for family in ("DejaVu Sans", *CJK_FONTS):
        font = FontProperties(family=family, size=10)
        path = _path(family)
        if path is not None and all(_has_glyphs(path, name) for name in names):
            return Labels(tuple(map(_short, names)), font, numbered=False)
    numbers = tuple(f"#{place}" for place in range(1, len(names) + 1))
    return Labels(numbers, FontProperties(family="DejaVu Sans", size=10), numbered=True)


def style(axes: Any, *, size: int = 10) -> Any:
    """Axes without a frame on the right and above, in ink and grey; type of ``size`` points."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.tick_params(colors=INK, labelsize=size)
    axes.xaxis.label.set(color=MUTED, fontsize=size)
    axes.yaxis.label.set(color=MUTED, fontsize=size)
    axes.title.set(color=INK, fontsize=11)
    axes.set_axisbelow(True)
    return axes


def figure(*, width: float, height: float) -> Figure:
    """An empty white figure; sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _short(name: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in name) or "(none)"
    cut = printable if len(printable) <= MAX_LABEL else printable[: MAX_LABEL - 1] + "…"
    return cut.replace("$", r"\$")


@lru_cache(maxsize=len(CJK_FONTS) + 1)
def _path(family: str) -> str | None:
    return next((entry.fname for entry in fontManager.ttflist if entry.name == family), None)


def _has_glyphs(path: str, text: str) -> bool:
    font = get_font(path)
    return all(font.get_char_index(ord(char)) for char in text if char.isprintable() and not char.isspace())
