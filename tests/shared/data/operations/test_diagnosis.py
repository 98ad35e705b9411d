"""A line and its diagnosis: the first pattern decides, its groups are said, floods stay small."""

from __future__ import annotations

from pathlib import Path

import pytest

from sft_shared.config import load_yaml
from sft_shared.data.operations.diagnosis import OperationsLog, PatternTable
from sft_shared.data.steps import Rejected
from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError, DataError

PATTERNS = Path(__file__).parents[4] / "configs" / "synthesis" / "log_patterns.yaml"
LOG = (
    "Failed password for root from 10.0.0.7 port 22 ssh2\n"
    "\n"
    "something nobody knows\n"
    "设备SW-A07离线，最后心跳时间2026-03-05\n"
    "Interface Gi0/1, changed state to down\n"
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "x.log"
    path.write_bytes(LOG.encode() + b"\xff\n" + LOG.encode() * 20)
    return path


def test_lines_become_pairs_in_both_languages(log: Path) -> None:
    """The answer names what the line names; unknown and broken lines are rejected by line."""
    found = list(OperationsLog(file=log, patterns=PATTERNS, seed=1).examples())
    examples = [each for each in found if isinstance(each, Example)]
    rejected = [(each.where.rpartition(":")[2], each.rule) for each in found if isinstance(each, Rejected)]
    assert rejected == [("3", "no-pattern"), ("6", "not-utf-8")]
    first = [each for each in examples if each.provenance.session == "operations_log-1"]
    assert [each.id for each in first] == ["operations_log-1-zh", "operations_log-1-en"]
    assert all(
        "10.0.0.7" in (each.answer.content or "") and "root" in (each.answer.content or "") for each in first
    )
    assert {each.category for each in examples} == {"ssh_bad_password", "device_offline", "link_down"}
    assert any("SW-A07" in (each.answer.content or "") for each in examples)
    assert list(OperationsLog(file=log, patterns=PATTERNS, seed=1).examples()) == found


def test_a_flood_of_one_line_makes_no_flood_of_examples(log: Path) -> None:
    """Twenty-one lines of a kind, five of them used; with the limit off all of them."""
    few = list(OperationsLog(file=log, patterns=PATTERNS, seed=1, languages=("zh",)).examples())
    assert sum(isinstance(each, Example) for each in few) == 3 * 5
    many = OperationsLog(file=log, patterns=PATTERNS, seed=1, languages=("zh",), per_template=1000)
    assert sum(isinstance(each, Example) for each in many.examples()) == 3 * 21


def test_text_in_a_line_is_never_a_template(tmp_path: Path) -> None:
    """A line that looks like Jinja2 is said as it is."""
    path = tmp_path / "x.log"
    path.write_text("Failed password for {{7*7}} from 1.2.3.4 port 22 ssh2\n")
    found = list(OperationsLog(file=path, patterns=PATTERNS, seed=1).examples())
    assert all(isinstance(each, Example) and "{{7*7}}" in (each.answer.content or "") for each in found)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    """A broken pattern by its line, a missing log by its name, an unknown group by its template."""
    text = PATTERNS.read_text(encoding="utf-8")
    broken = tmp_path / "p.yaml"
    broken.write_text(text.replace("(?P<user>\\S+) from", "(?P<user>\\S+ from", 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"p.yaml:\d+: patterns.0: pattern"):
        load_yaml(broken, PatternTable)
    with pytest.raises(DataError, match=r"none.log: cannot be read"):
        list(OperationsLog(file=tmp_path / "none.log", patterns=PATTERNS, seed=1).examples())
    unknown = tmp_path / "u.yaml"
    unknown.write_text(text.replace("从{{ ip }}", "从{{ address }}"), encoding="utf-8")
    log = tmp_path / "x.log"
    log.write_text(LOG, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"u.yaml: the template .* cannot be filled"):
        list(OperationsLog(file=log, patterns=unknown, seed=1).examples())
