"""Counts that add up."""

from __future__ import annotations

from sft_shared.data.desensitise.audit import Audit


def test_audits_add_up() -> None:
    """By field and kind, in any order; an example without finds is counted as looked at."""
    one = Audit.of([("content", "card"), ("content", "card"), ("arguments", "phone")])
    two = Audit.of([("content", "card")])
    total = one + two + Audit.of([])
    assert total == Audit.of([]) + two + one
    assert total.to_json() == {
        "examples": 3,
        "changed": 2,
        "replaced": {"arguments": {"phone": 1}, "content": {"card": 3}},
    }
    assert sum([one, two], Audit()) == one + two
