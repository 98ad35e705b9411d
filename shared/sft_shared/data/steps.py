"""What all steps of the data road have in common: an example goes in, an example or a reason comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sft_shared.dialogue import Example
from sft_shared.lines import FIXES, BadLine


@dataclass(frozen=True)
class Dropped:
    """Why an example goes no further.

    ``rule`` is a short stable code that the manifest counts, such as ``too-short``; ``detail`` says it in
    words and holds no text of the example.
    """

    rule: str
    detail: str


Step = Callable[[Example], Example | Dropped]


@dataclass(frozen=True)
class Rejected:
    """A piece of input that became no example: ``where`` is ``file:line``, or the id of what was refused."""

    where: str
    rule: str
    detail: str


def rejected(where: str, bad: BadLine) -> Rejected:
    """What cannot be read, with what to do about it."""
    return Rejected(where, bad.rule, f"{bad.reason}. {FIXES[bad.rule]}")
