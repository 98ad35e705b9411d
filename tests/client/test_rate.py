"""``sft-client rate``: answers out as a blinded sheet, ratings back as means and agreement."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from sft_client.cli import app
from sft_shared.evaluation.conditions import Conditions
from sft_shared.evaluation.results import (
    AnswerRow,
    MeasuredModel,
    SuiteResult,
    TaskResult,
    write_result,
)

CONDITIONS = Conditions(examples="ab", metrics={}, prompts="cd", max_new_tokens=96)
QUESTIONS = ("Where is my parcel?", "我的包裹到哪里了？", "Cancel my order.")


def run(*arguments: object) -> Result:
    """Run ``sft-client rate`` in this process, on a wide screen."""
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, ["rate", *map(str, arguments)])


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    lines = [{"id": f"q{n}", "prompt": text, "completion": "x"} for n, text in enumerate(QUESTIONS)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    task = {"name": "chat", "data": "pairs.jsonl", "metrics": [{"kind": "rouge_l"}]}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump({"name": "shop", "tasks": [task]}))
    return tmp_path / "suite.yaml"


@pytest.fixture
def results(suite: Path, tmp_path: Path) -> list[Path]:
    """Two models; each says its name in every answer."""
    from sft_shared.config import load_yaml
    from sft_shared.evaluation.suites import SuiteSettings

    examples = load_yaml(suite, SuiteSettings).tasks[0].examples()
    folders = []
    for label in ("federated", "base"):
        rows = [
            AnswerRow(
                id=example.id,
                category="",
                client="",
                language="",
                length="",
                prediction=f"{label} says {place}",
                values={},
                seconds=0.0,
            )
            for place, example in enumerate(examples)
        ]
        task = TaskResult(name="chat", role="new", n=3, metrics={}, slices={}, num_cut=0, seconds=0.0)
        model = MeasuredModel(base_sha256="ab", adapter_sha256=None, label=label)
        result = SuiteResult(
            suite="shop", model=model, tasks=(task,), constrained=False, conditions={"chat": CONDITIONS}
        )
        write_result(tmp_path / label, result, [rows])
        folders.append(tmp_path / label)
    return folders


def fill(sheet: Path, copy: Path, *, good: str) -> Path:
    """Rate the answers of one model 5 and the others 2, as a rater who knows them by their words."""
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = list(csv.reader(file))
    for row in rows:
        for letter in "AB":
            text = row[header.index(f"answer_{letter}")]
            row[header.index(f"rating_{letter}")] = "5" if text.startswith(good) else "2"
    with copy.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return copy


def test_a_sheet_goes_out_and_comes_back(suite: Path, results: list[Path], tmp_path: Path) -> None:
    """No model's name is in it; two raters who agree give the means they had in mind."""
    sheet = tmp_path / "sheet.csv"
    arguments = [part for folder in results for part in ("--result", folder)]
    done = run("export", "--suite", suite, "--task", "chat", *arguments, "--out", sheet)
    assert done.exit_code == 0, done.output
    assert "3 questions are in" in done.output
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file))
    assert [name for name in header if "federated" in name or "base" in name] == []
    raters = [fill(sheet, tmp_path / f"{name}.csv", good="federated") for name in ("anna", "李")]
    key, out = tmp_path / "sheet.key.json", tmp_path / "ratings.json"
    done = run("read", *raters, "--key", key, "--out", out)
    assert done.exit_code == 0, done.output
    assert "5.00 to 5.00" in done.output
    assert "cohen" in done.output.lower()
    means = {each["system"]: each["mean"] for each in json.loads(out.read_text())["means"]}
    assert means == {"federated": 5.0, "base": 2.0}


def test_a_limit_draws_the_same_questions_by_the_seed(
    suite: Path, results: list[Path], tmp_path: Path
) -> None:
    """Another seed may draw others; the number is the limit."""
    texts = []
    for name in ("one", "two"):
        out = tmp_path / f"{name}.csv"
        arguments = ("--task", "chat", "--result", results[0], "--out", out, "--limit", 2, "--seed", 3)
        assert run("export", "--suite", suite, *arguments).exit_code == 0
        texts.append(out.read_bytes())
        assert len(json.loads((tmp_path / f"{name}.key.json").read_text())["systems"]) == 2
    assert texts[0] == texts[1]


def test_a_filled_sheet_is_not_overwritten_and_not_read_by_another_key(
    suite: Path, results: list[Path], tmp_path: Path
) -> None:
    """Ratings would be gone; and by the key of another export they would be those of the wrong models."""
    models = [part for folder in results for part in ("--result", folder)]
    sheet, other = tmp_path / "sheet.csv", tmp_path / "other.csv"
    export = ("export", "--suite", suite, "--task", "chat", *models)
    assert run(*export, "--out", sheet).exit_code == 0
    filled = fill(sheet, sheet, good="federated").read_bytes()
    again = run(*export, "--out", sheet, "--seed", 1)
    assert again.exit_code == 2
    assert "is there already" in again.output
    assert sheet.read_bytes() == filled
    sheet.rename(tmp_path / "anna.csv")
    assert run(*export, "--out", sheet, "--seed", 1).exit_code == 2  # its key is still there
    assert run(*export, "--out", other, "--seed", 1).exit_code == 0
    wrong = run("read", tmp_path / "anna.csv", "--key", tmp_path / "other.key.json")
    assert wrong.exit_code == 2
    assert "is not of the key's sheet" in wrong.output


def test_bad_input_is_one_line_and_exit_code_2(suite: Path, results: list[Path], tmp_path: Path) -> None:
    """An unknown task, a model twice, answers to other questions, two sheets of a name, no key."""

    def complaint(*arguments: object) -> str:
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert result.output.count("error: ") == 1
        return result.output

    sheet = tmp_path / "sheet.csv"
    export = ("export", "--suite", suite, "--out", sheet, "--result", results[0])
    assert "'chta' is no task of" in complaint(*export, "--task", "chta")
    assert "two of the results are called" in complaint(*export, "--task", "chat", "--result", results[0])
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(pairs.read_text() + '{"id": "q9", "prompt": "New?", "completion": "x"}\n')
    assert "no answer to" in complaint(*export, "--task", "chat")
    assert "cannot be read" in complaint("read", sheet, "--key", tmp_path / "none.json")
    twins = (tmp_path / "a" / "x.csv", tmp_path / "b" / "x.csv")
    assert "two sheets are called 'x'" in complaint("read", *twins, "--key", tmp_path / "none.json")
