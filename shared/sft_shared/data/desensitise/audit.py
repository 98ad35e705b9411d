"""What was replaced: counts by kind and field, never a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sft_shared.data.desensitise.spans import Kind

FieldName = Literal["content", "arguments", "expected_calls", "tools", "ids", "labels"]


@dataclass(frozen=True)
class Audit:
    """Counts that add up over examples and processes."""

    examples: int = 0
    changed: int = 0  # examples in which something was replaced
    replaced: tuple[tuple[FieldName, Kind, int], ...] = ()  # sorted by field and kind

    @classmethod
    def of(cls, finds: Iterable[tuple[FieldName, Kind]]) -> Audit:
        """The audit of one example."""
        counts = Counter(finds)
        return cls(1, int(bool(counts)), _rows(counts))

    def __add__(self, other: Audit) -> Audit:
        counts: Counter[tuple[FieldName, Kind]] = Counter()
        for field, kind, number in (*self.replaced, *other.replaced):
            counts[field, kind] += number
        return Audit(self.examples + other.examples, self.changed + other.changed, _rows(counts))

    def to_json(self) -> dict[str, object]:
        """``{"examples", "changed", "replaced": {field: {kind: count}}}``."""
        fields: dict[str, dict[str, int]] = {}
        for field, kind, number in self.replaced:
            fields.setdefault(field, {})[kind] = number
        return {"examples": self.examples, "changed": self.changed, "replaced": fields}


def _rows(counts: Counter[tuple[FieldName, Kind]]) -> tuple[tuple[FieldName, Kind, int], ...]:
    return tuple((field, kind, number) for (field, kind), number in sorted(counts.items()))
