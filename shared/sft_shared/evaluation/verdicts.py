"""What a gate is shown, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sft_shared.config import Settings
from sft_shared.evaluation.comparison import Comparison
from sft_shared.evaluation.results import System


@dataclass(frozen=True)
class Evidence:
    """A candidate, and the system that it is to replace with their comparison; None: there is none."""

    ours: System
    against: System | None = None
    comparison: Comparison | None = None


class Verdict(Settings):
    """What a gate says, with the numbers in one sentence."""

    gate: str
    held: bool
    reason: str


@dataclass(frozen=True)
class Check:
    """One look at the numbers. ``margin``: the smaller, the worse; what could not be judged is the worst."""

    text: str
    held: bool
    margin: float = -math.inf


def verdict(gate: str, checks: Sequence[Check], rule: str) -> Verdict:
    """Hold if one check does; the worst of them gives the reason, ``rule`` says what was asked for."""
    bad = [check for check in checks if check.held]
    worst = min(bad or checks, key=lambda check: -math.inf if math.isnan(check.margin) else check.margin)
    first = f"the worst of {len(checks)} checks: " if len(checks) > 1 and not bad else ""
    more = f", and {len(bad) - 1} more of {len(checks)} checks hold it" if len(bad) > 1 else ""
    limit = f"; {rule} is allowed" if rule and bad else ""
    return Verdict(gate=gate, held=bool(bad), reason=f"{first}{worst.text}{more}{limit}.")
