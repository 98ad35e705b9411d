"""Our judge of tool calls against BFCL's own checker: they differ where we say, and nowhere else."""

from __future__ import annotations

import doctest
import json
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from bench import judge_agreement, judge_theirs
from bench.judge_agreement import REASONS, accepts, agreement, main, reason_of
from bench.judge_cases import MUTATIONS, Case, cases_of
from bench.judge_theirs import TheirChecker
from sft_shared.data.bfcl import BfclCategory, read_bfcl
from sft_shared.dialogue import Example
from sft_shared.errors import DataError


def example(identity: str, category: BfclCategory) -> Example:
    return next(each for each in read_bfcl([category]) if each.id == identity)


def test_the_worked_examples_hold() -> None:
    """Every example in the docstrings is run."""
    assert doctest.testmod(judge_agreement).failed == 0


def test_the_judges_differ_on_purpose_only() -> None:
    """Over every Python question of BFCL, right answers and each mutation: 37 thousand predictions."""
    found = agreement([0])
    assert found["n"] > 37_000
    assert found["differ_unexplained"] == []
    assert found["agreement"] > 0.998
    assert found["accepted"] > 10_000 < found["refused"]
    assert all(found["reasons"].values())
    assert set(MUTATIONS) < set(found["kinds"])


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


LOW = {"company": "Apple", "days": 30, "data_type": "Low"}
PURPOSES: dict[str, tuple[BfclCategory, str, list[dict[str, Any]], bool]] = {
    "number inside": (
        "simple_python",
        "simple_python_82",
        [call("calculate_average", numbers=[12, 15.0, 18.0, 20.0, 21.0, 26.0, 30.0])],
        True,
    ),
    "truth inside": (
        "live_simple",
        "live_simple_44-18-0",
        [call("ThinQ_Connect", body={"airConOperationMode": "POWER_ON", "monitoringEnabled": 0})],
        False,
    ),
    "other type": (
        "live_multiple",
        "live_multiple_352-133-16",
        [call("Music_3_LookupMusic", artist="Pitbull", year="DONT,CARE")],
        True,
    ),
    "pairing": (
        "parallel",
        "parallel_96",
        [
            call("electromagnetic_force", charge1=5, charge2=10, distance=2),
            call("electromagnetic_force", charge1=5, charge2=10, distance=2, medium_permittivity=8.854e-12),
        ],
        True,
    ),
}


@pytest.mark.parametrize("reason", PURPOSES)
def test_where_they_differ_the_verdicts_are_these(reason: str) -> None:
    """One prediction of each reason: ours against theirs, and the reason is found."""
    category, identity, calls, ours = PURPOSES[reason]
    question, theirs = example(identity, category), TheirChecker(category)
    assert accepts(question, calls) is ours
    assert theirs.accepts(identity, calls) is not ours
    assert reason_of(question, Case(identity, "by hand", tuple(calls)), theirs) == reason
    assert reason in REASONS


def test_a_judge_that_is_wrong_is_found_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that takes everything differs without a reason, and the command says so by its exit code."""
    monkeypatch.setattr(judge_agreement, "accepts", lambda example, calls: True)
    found = agreement([0], categories=["live_parallel"])
    assert len(found["differ_unexplained"]) == found["differ"] > 100
    monkeypatch.setattr(judge_agreement, "agreement", lambda seeds: found)
    assert main(["--out", str(tmp_path / "agreement.json")]) == 1


def test_the_command_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table, and the numbers as stdout's last line and in the file."""
    monkeypatch.setattr(judge_agreement, "get_args", lambda union: ("live_parallel",))
    assert main(["--seeds", "0", "--out", str(tmp_path / "agreement.json")]) == 0
    said = capsys.readouterr().out
    assert "verdicts agree" in said
    written = json.loads((tmp_path / "agreement.json").read_text())
    assert json.loads(said.splitlines()[-1]) == written
    assert written["n"] == sum(written[word] for word in ("accepted", "refused", "differ"))


def test_cases_are_the_same_for_the_same_seed_and_leave_the_example_alone() -> None:
    """And others for another."""
    question = example("parallel_96", "parallel")
    before = question.model_dump_json()
    assert cases_of(question, seed=0) == cases_of(question, seed=0) != cases_of(question, seed=1)
    assert question.model_dump_json() == before
    assert {"simple_python", "live_parallel_multiple"} < set(get_args(BfclCategory))


def test_no_stand_in_stays_behind() -> None:
    """Their table of models is replaced while their checker is imported, and not longer."""
    TheirChecker("live_parallel")
    assert "bfcl_eval.constants.model_config" not in sys.modules


def test_a_checker_that_cannot_be_imported_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bfcl_eval.eval_checker.ast_eval.ast_checker", None)
    with pytest.raises(DataError, match=r"cannot be imported.*pip install --no-deps bfcl-eval"):
        TheirChecker("live_parallel")
    monkeypatch.setattr(judge_theirs, "PACKAGE", "no-such-package")
    with pytest.raises(DataError, match="no-such-package"):
        judge_theirs._records("BFCL_v4_parallel.json")
