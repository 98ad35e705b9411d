"""What the gate says of a hit."""

from __future__ import annotations

from dataclasses import dataclass

from sft_shared.data.desensitise.spans import Kind


@dataclass(frozen=True)
class Leak:
    """A hit in an example. ``where`` says the place, counted from 1, and holds nothing of the text."""

    where: str
    kind: Kind
    certain: bool
