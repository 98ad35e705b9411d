"""Inputs cut into units that are known by their content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sft_shared.data.prepare.plan import Plan, make_plan
from sft_shared.data.prepare.settings import PrepareSettings


def plan_of(folder: Path, **fields: Any) -> Plan:
    values = {
        "sources": [{"kind": "jsonl", "path": str(folder / "log.jsonl")}],
        "out": str(folder / "out"),
        "desensitise": None,
        "unit_bytes": 2000,
        **fields,
    }
    return make_plan(PrepareSettings.model_validate(values))


def write_log(folder: Path, lines: list[str]) -> None:
    (folder / "log.jsonl").write_text("".join(line + "\n" for line in lines))


LINES = [f'{{"line": {number}, "text": "{number * 7919 % 1000}"}}' for number in range(2000)]


def test_units_cover_the_file_without_a_gap(tmp_path: Path) -> None:
    """And know how many lines stand before them."""
    write_log(tmp_path, LINES)
    plan = plan_of(tmp_path)
    data = (tmp_path / "log.jsonl").read_bytes()
    at = 0
    for unit in plan.units:
        assert unit.start == at
        assert unit.num_lines_before == data[:at].count(b"\n")
        assert data[at + unit.length - 1 : at + unit.length] == b"\n"
        at += unit.length
    assert at == len(data)
    assert len(plan.units) > 10


def test_a_mended_line_changes_its_own_unit_and_hardly_another(tmp_path: Path) -> None:
    """A line more or less moves all that follows; its units are known again by their content."""
    write_log(tmp_path, LINES)
    before = plan_of(tmp_path)
    write_log(tmp_path, [*LINES[:1000], "one line more", *LINES[1000:]])
    after = plan_of(tmp_path)
    fresh = {unit.key for unit in after.units} - {unit.key for unit in before.units}
    assert 1 <= len(fresh) <= 3
    assert after.key != before.key


def test_a_unit_is_another_if_it_is_read_in_another_way(tmp_path: Path) -> None:
    write_log(tmp_path, LINES[:20])
    plain = plan_of(tmp_path)
    source = {"kind": "jsonl", "path": str(tmp_path / "log.jsonl"), "fields": {"text": "said"}}
    assert plan_of(tmp_path, sources=[source]).units[0].key != plain.units[0].key
    assert plan_of(tmp_path, max_line_bytes=77).units[0].key != plain.units[0].key


def test_the_plan_is_another_if_anything_that_counts_is(tmp_path: Path) -> None:
    """Settings count, and the content of files they name; the number of workers does not."""
    write_log(tmp_path, LINES[:20])
    confirmed = tmp_path / "confirmed.jsonl"
    confirmed.write_text("{}")
    intents = {"confirmed": str(confirmed)}
    plain = plan_of(tmp_path, intents=intents).key
    assert plan_of(tmp_path, intents=intents, workers=7).key == plain
    assert plan_of(tmp_path, intents=intents, seed=7).key != plain
    confirmed.write_text("{ }")
    assert plan_of(tmp_path, intents=intents).key != plain


def test_a_plan_is_read_as_it_was_saved(tmp_path: Path) -> None:
    write_log(tmp_path, LINES)
    plan = plan_of(tmp_path)
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == plan
