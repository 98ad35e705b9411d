"""How well mined templates agree with labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """Of found groups with labelled ones. All 0 to 1.

    ``ga``: grouping accuracy (Zhu et al. 2019, arXiv:1811.03509), the share of lines whose group holds
    exactly the lines of their label. ``precision``, ``recall``, ``fga``: the same by groups, not lines, so
    that rare templates weigh as much as frequent ones (Jiang et al. 2023, arXiv:2308.10828).
    """

    num_lines: int
    num_found: int
    num_labelled: int
    ga: float
    precision: float
    recall: float
    fga: float


def agreement(found: Sequence[Hashable], labels: Sequence[Hashable]) -> Agreement:
    """Compare the group of each line with its label. Raises ValueError on other lengths, and on no lines.

    >>> agreement([1, 1, 2, 3], ["a", "a", "b", "b"]).ga
    0.5
    """
    if len(found) != len(labels) or not found:
        raise ValueError("one group and one label for each line, and at least one line")
    groups: dict[Hashable, set[int]] = defaultdict(set)
    truth: dict[Hashable, set[int]] = defaultdict(set)
    for index, (group, label) in enumerate(zip(found, labels, strict=True)):
        groups[group].add(index)
        truth[label].add(index)
    right = [members for members in groups.values() if truth[labels[min(members)]] == members]
    precision, recall = len(right) / len(groups), len(right) / len(truth)
    return Agreement(
        num_lines=len(found),
        num_found=len(groups),
        num_labelled=len(truth),
        ga=sum(map(len, right)) / len(found),
        precision=precision,
        recall=recall,
        fga=2 * precision * recall / (precision + recall) if right else 0.0,
    )
