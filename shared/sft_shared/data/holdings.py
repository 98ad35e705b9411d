"""Who holds what after a partition: counts by client and class, how far each is from the whole, a picture."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sft_shared.data.pictures import ACCENT, FAINT, INK, MUTED, figure, labels, style
from sft_shared.data.skew import Key, key_of
from sft_shared.dialogue import Example
from sft_shared.files import write_atomic

MAX_CLASSES, MAX_CLIENTS = 32, 40
"""Rows and columns of the picture; further classes are one row of sums, further clients are left out."""


@dataclass(frozen=True)
class Holding:
    """What one client holds."""

    name: str
    num_examples: int
    num_sessions: int
    classes: dict[str, int]  # by count, largest first
    distance: float  # total variation from the mix of all clients: 0 is the same mix, 1 nothing in common


@dataclass(frozen=True)
class Holdings:
    """What all clients hold."""

    key: Key  # what the classes are values of
    clients: tuple[Holding, ...]
    classes: dict[str, int]  # of all clients together
    mean_distance: float


def holdings(shares: Mapping[str, Sequence[Example]], *, key: Key) -> Holdings:
    """Count the examples that each client trains on by the values of ``key``."""
    shares = {
        name: [example for example in share if example.provenance.split == "train"]
        for name, share in shares.items()
    }
    counts = {name: Counter(key_of(example, key) for example in share) for name, share in shares.items()}
    total = Counter[str]()
    for count in counts.values():
        total.update(count)
    clients = tuple(
        Holding(
            name=name,
            num_examples=len(share),
            num_sessions=len({(each.provenance.source, each.provenance.session) for each in share}),
            classes=_by_size(counts[name]),
            distance=round(total_variation(counts[name], total), 4),
        )
        for name, share in shares.items()
    )
    mean = sum(client.distance for client in clients) / max(len(clients), 1)
    return Holdings(key=key, clients=clients, classes=_by_size(total), mean_distance=round(mean, 4))


def total_variation(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    """Half the sum of the differences between two mixes: the share that would have to change its class.

    >>> total_variation({"a": 1}, {"a": 1, "b": 3})
    0.75
    """
    sums = max(sum(first.values()), 1), max(sum(second.values()), 1)
    names = {*first, *second}
    return 0.5 * sum(abs(first.get(name, 0) / sums[0] - second.get(name, 0) / sums[1]) for name in names)


def write_holdings(found: Holdings, *, folder: Path) -> tuple[Path, Path]:
    """Write partition.json and partition.png into ``folder``; return their paths."""
    data, picture = folder / "partition.json", folder / "partition.png"
    write_atomic(data, (json.dumps(asdict(found), ensure_ascii=False, indent=1) + "\n").encode())
    draw(found).savefig(picture, dpi=150)
    return data, picture


def draw(found: Holdings) -> Figure:
    """A bubble for each client and class, its area the number of examples; the clients' sizes above."""
    clients = found.clients[:MAX_CLIENTS]
    names = list(found.classes)[:MAX_CLASSES]
    rest = list(found.classes)[MAX_CLASSES:]
    shown = labels([name or "(none)" for name in names])
    num_rows = len(names) + bool(rest)
    height = 0.25 * max(num_rows, 3)
    picture = figure(width=3.4 + 0.42 * max(len(clients), 6), height=2.2 + height)
    above, below = picture.subplots(2, 1, sharex=True, height_ratios=[1.1, height])
    _draw_sizes(above, [client.num_examples for client in clients])
    largest = max((client.classes.get(name, 0) for client in clients for name in names), default=0)
    for column, client in enumerate(clients):
        sizes = [220 * client.classes.get(name, 0) / max(largest, 1) for name in names]
        below.scatter([column] * len(names), range(len(names)), s=sizes, color=ACCENT, linewidths=0)
        if rest:
            others = sum(client.classes.get(name, 0) for name in rest)
            below.text(column, len(names), f"{others}", ha="center", va="center", color=MUTED, fontsize=8)
    below.set_xticks(range(len(clients)), [client.name.removeprefix("client-") for client in clients])
    texts = [*shown.texts, *([f"{len(rest)} others"] if rest else [])]
    below.set_yticks(range(num_rows), texts, fontproperties=shown.font)
    below.set_xlim(-0.6, len(clients) - 0.4)
    below.set_ylim(num_rows - 0.4, -0.6)
    below.grid(color=FAINT, linewidth=0.6)
    below.set_ylabel(f"{found.key}, in the order of partition.json" if shown.numbered else found.key)
    cut = f", the first {MAX_CLIENTS} of {len(found.clients)}" if len(found.clients) > MAX_CLIENTS else ""
    below.set_xlabel(f"client{cut} (largest bubble: {largest} examples)")
    style(below)
    below.tick_params(length=0)
    return picture


def _draw_sizes(axes: Any, sizes: Sequence[int]) -> None:
    axes.bar(range(len(sizes)), sizes, width=0.62, color=INK)
    axes.set_ylabel("examples")
    axes.locator_params(axis="y", nbins=3)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    style(axes)
    axes.tick_params(axis="x", length=0)


def _by_size(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
