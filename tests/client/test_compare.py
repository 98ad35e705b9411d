"""``sft-client compare``: folders in, a report out, and an exit code that a script can act on."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from sft_client.cli import app
from sft_shared.evaluation.compare import wilson_interval
from sft_shared.evaluation.conditions import Conditions
from sft_shared.evaluation.results import (
    AnswerRow,
    Measured,
    MeasuredModel,
    SuiteResult,
    TaskResult,
    write_result,
)


def run(*arguments: object) -> Result:
    """Run ``sft-client compare`` in this process, on a wide screen."""
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, ["compare", *map(str, arguments)])


CONDITIONS = Conditions(examples="ab", metrics={"exact_match": "cd"}, prompts="ef", max_new_tokens=96)


def measure(
    folder: Path,
    label: str,
    num_right: int,
    *,
    suite: str = "shop",
    first_id: int = 0,
    conditions: Conditions = CONDITIONS,
) -> Path:
    """A result on 100 orders."""
    rows = [
        AnswerRow(
            id=f"q{first_id + place}",
            category="订单" if place % 2 else "returns",
            client="",
            language="zh" if place % 2 else "en",
            length="",
            prediction=f"{label} 说 {place}",
            values={"exact_match": float(place < num_right)},
            seconds=0.1,
        )
        for place in range(100)
    ]
    measured = Measured(
        value=num_right / 100,
        ci95=wilson_interval(num_right, num_total=100),
        n=100,
        binary=True,
        higher_is_better=True,
    )
    task = TaskResult(
        name="orders", role="old", n=100, metrics={"exact_match": measured}, slices={}, num_cut=0, seconds=1
    )
    model = MeasuredModel(base_sha256="ab" * 32, adapter_sha256="cd" * 32, label=label)
    result = SuiteResult(
        suite=suite, model=model, tasks=(task,), constrained=False, conditions={"orders": conditions}
    )
    write_result(folder / label, result, [rows])
    return folder / label


FACTS = {"base_model": "tiny", "method": "LoRA, rank 8", "num_examples": 12, "languages": {"zh": 12}}


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    path = tmp_path / "facts.yaml"
    path.write_text(yaml.safe_dump(FACTS), encoding="utf-8")
    return path


def test_a_good_candidate_passes_with_all_files(tmp_path: Path, facts: Path) -> None:
    """Exit code 0, a table, the verdict, the page, the numbers, the pictures and the card; private."""
    ours, base, other = (measure(tmp_path, *each) for each in (("ours", 80), ("base", 50), ("中心", 79)))
    out = tmp_path / "out"
    result = run(
        "--ours", ours, "--against", base, "--against", other, "--out", out, "--facts", facts, "--card"
    )
    assert result.exit_code == 0, result.output
    assert "+30.0" in result.output
    assert "ours passes its gate: it is better than base in 1 of 1 measures" in result.output
    assert {path.name for path in out.iterdir()} == {
        "report.html",
        "comparison.json",
        "values.png",
        "differences.png",
        "card.md",
    }
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    for name in ("report.html", "comparison.json"):
        assert stat.S_IMODE((out / name).stat().st_mode) == 0o600
    numbers = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    assert [each["theirs"] for each in numbers["comparisons"]] == ["base", "中心"]
    assert numbers["command"].startswith("sft-client compare --ours")
    assert "base_model: tiny" in (out / "card.md").read_text(encoding="utf-8")


def test_a_candidate_that_loses_three_points_is_held(tmp_path: Path) -> None:
    """Exit code 1 with the reason, without any gates being given; the report is there all the same."""
    ours, base = measure(tmp_path, "ours", 47), measure(tmp_path, "base", 50)
    result = run("--ours", ours, "--against", base, "--out", tmp_path / "out")
    assert result.exit_code == 1, result.output
    assert "ours is held: exact_match on orders lost 3.0 points (50.0 % to 47.0 %, n=100)" in result.output
    assert (tmp_path / "out" / "report.html").exists()


ORDERS = {"name": "orders", "data": "orders.jsonl", "role": "old", "metrics": [{"kind": "exact_match"}]}
SUITE = {"name": "shop", "tasks": [ORDERS]}


def test_gates_come_from_the_suite(tmp_path: Path) -> None:
    """Other gates, another verdict; a suite without any judges nothing and says so."""
    ours, base = measure(tmp_path, "ours", 47), measure(tmp_path, "base", 50)
    suite = tmp_path / "suite.yaml"

    def compare(*gates: dict[str, object]) -> Result:
        suite.write_text(yaml.safe_dump({**SUITE, "gates": list(gates)}), encoding="utf-8")
        return run("--ours", ours, "--against", base, "--gates", suite, "--out", tmp_path / "out")

    loose = {"kind": "no_worse", "max_loss": 0.05}
    assert compare(loose).exit_code == 0
    result = compare(loose, {"kind": "at_least", "task": "orders", "metric": "exact_match", "bar": 0.9})
    assert result.exit_code == 1
    assert "at least 90.0 % is asked of the value" in result.output
    result = compare()
    assert result.exit_code == 0
    assert "ours was judged by no gate" in result.output


def test_other_prompts_are_compared_and_told(tmp_path: Path) -> None:
    """As the base with solved examples against a trained model without: on the screen and on the page."""
    ours = measure(tmp_path, "ours", 80)
    shown = measure(tmp_path, "shots", 50, conditions=CONDITIONS.model_copy(update={"prompts": "shots"}))
    told = "ours and shots were not asked in the same way on orders"
    result = run("--ours", ours, "--against", shown, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert told in result.output
    assert told in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    plain = run("--ours", ours, "--against", measure(tmp_path, "base", 50), "--out", tmp_path / "out")
    assert "were not asked" not in plain.output


def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path, facts: Path) -> None:
    """Missing files, other suites, other examples, one name twice, broken YAML, a card without facts."""
    ours, base = measure(tmp_path, "ours", 47), measure(tmp_path, "base", 50)
    out = ("--out", tmp_path / "out")

    def complaint(*arguments: object) -> str:
        result = run(*arguments, *out)
        assert result.exit_code == 2, result.output
        assert result.output.count("error: ") == 1
        assert not (tmp_path / "out").exists()
        return result.output

    assert "No such file" in complaint("--ours", tmp_path / "nowhere", "--against", base)
    strange = measure(tmp_path, "strange", 50, suite="another")
    assert "Compare results of one suite" in complaint("--ours", ours, "--against", strange)
    elsewhere = measure(tmp_path, "elsewhere", 50, first_id=1)
    assert "have other examples: 2 are in one only" in complaint("--ours", ours, "--against", elsewhere)
    assert "called 'ours'" in complaint("--ours", ours, "--against", ours)
    assert "Give a YAML file with --facts" in complaint("--ours", ours, "--against", base, "--card")
    facts.write_text("base_model: tiny\nmethod: LoRA\nnum_examples: -1\n", encoding="utf-8")
    assert "facts.yaml:3" in complaint("--ours", ours, "--against", base, "--facts", facts)
    gates = tmp_path / "suite.yaml"
    for changes, words in (
        ({"gates": [{"kind": "no_worse", "max_los": 1}]}, "max_los: unknown field"),
        ({"gates": [{"kind": "no_worse", "tasks": ["order"]}]}, "suite.yaml:3: gates.0.tasks: 'order' is no"),
        ({"name": "another"}, "'another', ours was measured with 'shop'"),
    ):
        gates.write_text(yaml.safe_dump({**SUITE, **changes}), encoding="utf-8")
        assert words in complaint("--ours", ours, "--against", base, "--gates", gates)
    shutil.copy(base / "result.json", ours / "result.json")
    (ours / "answers-orders.jsonl").write_text("{}\n", encoding="utf-8")
    assert "answers-orders.jsonl:1" in complaint("--ours", ours, "--against", base)
