"""``sft-client evaluate``: a suite in, a table and files out; a mistake is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from sft_client.cli import app
from sft_client.evaluate import EvaluationProgress, latency_line
from sft_shared.evaluation.results import Latency, Pace, Spread
from sft_shared.models.adapters import save_adapter
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.models.tuning import LoraSettings


def run(*arguments: object) -> Result:
    """Run ``sft-client evaluate`` in this process, on a wide screen."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["evaluate", *map(str, arguments)])


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Two tasks over four questions, one of them in Chinese only."""
    lines = [
        {"prompt": "Where is my order?", "completion": '{"intent": "track"}', "id": 1},
        {"prompt": "我的包裹到哪里了？", "completion": '{"intent": "track"}', "id": 2},
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    task = {"data": "pairs.jsonl", "metrics": [{"kind": "json_valid"}], "slices": ["language"]}
    settings = {
        "name": "shop",
        "tasks": [
            {"name": "all", **task},
            {"name": "one", "limit": 1, "role": "safety", "perplexity": True, **task},
        ],
        "generation": {"max_new_tokens": 4, "threads": 1},
        "latency": {"num_warm": 2, "num_cold": 1, "max_new_tokens": 2},
    }
    path = tmp_path / "suite.yaml"
    path.write_text(json.dumps(settings, indent=1))  # JSON is YAML
    return path


@pytest.fixture
def adapter(tiny_model: Path, tmp_path: Path) -> Path:
    """A fresh one, saved."""
    base = load_base(ModelSettings(name=str(tiny_model)))
    tuning = LoraSettings(rank=2)
    save_adapter(tmp_path / "mine", tuning.initial(base, seed=0), settings=tuning, base=base)
    return tmp_path / "mine"


def test_a_table_and_files(suite: Path, tiny_model: Path, tmp_path: Path) -> None:
    """Tasks, metrics, intervals and latency on the screen; the result and the answers on disk."""
    out = tmp_path / "out"
    result = run("--suite", suite, "--model", tiny_model, "--label", "before", "--out", out)
    assert result.exit_code == 0, result.output
    assert "shop: before" in result.output
    assert result.output.count("perplexity") == 1
    assert "one" in result.output
    assert "safety" in result.output
    assert "0.0% to 65.8%" in result.output
    assert "all: warm: first token " in result.output
    assert "all: 2/2 answered" in result.output
    assert "all: 2 of 2 answers were cut off at max_new_tokens" in result.output
    assert {path.name for path in out.iterdir()} == {
        "answers-all.jsonl",
        "answers-one.jsonl",
        "cache",
        "result.json",
    }
    value = json.loads((out / "result.json").read_text())
    assert value["model"]["label"] == "before"
    assert value["model"]["adapter_sha256"] is None
    assert value["tasks"][0]["latency"]["warm"]["first_token_s"]["n"] == 2
    assert set(value["tasks"][0]["slices"]["language"]) == {"en", "zh"}
    assert run("--suite", suite, "--model", tiny_model, "--out", out).exit_code == 0


def test_an_adapter_brings_its_base(suite: Path, adapter: Path, tmp_path: Path) -> None:
    """Its own settings name the model; the label is its folder's name. A shared cache is used."""
    cache = tmp_path / "shared"
    result = run("--suite", suite, "--adapter", adapter, "--cache", cache, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    value = json.loads((tmp_path / "out" / "result.json").read_text())
    assert value["model"]["label"] == "mine"
    assert value["model"]["adapter_sha256"]
    assert (cache / "answers.jsonl").exists()
    assert not (tmp_path / "out" / "cache").exists()


def test_a_recipe_names_model_and_prompts(suite: Path, tiny_model: Path, tmp_path: Path) -> None:
    """As training uses them."""
    recipe = tmp_path / "recipe.yaml"
    settings = {
        "model": {"name": str(tiny_model), "dtype": "fp32"},
        "tuning": {"kind": "lora"},
        "training": {"steps": 1, "batch_size": 1, "learning_rate": 0.1},
    }
    recipe.write_text(yaml.safe_dump(settings))
    result = run("--suite", suite, "--recipe", recipe, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert f"loading {tiny_model}" in result.output


def test_mistakes_are_one_line_and_exit_code_2(
    suite: Path, adapter: Path, other_model: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """No suite, a wrong setting with its line, no data, no model, no adapter, another base."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(suite.read_text().replace("json_valid", "json_vlid", 1))
    missing = tmp_path / "missing.yaml"
    missing.write_text(suite.read_text().replace("pairs.jsonl", "none.jsonl", 1))
    for arguments, message in (
        (["--suite", tmp_path / "no.yaml"], "no such file"),
        (["--suite", wrong], "wrong.yaml:"),
        (["--suite", missing, "--model", tiny_model], "none.jsonl"),
        (["--suite", suite, "--model", tmp_path / "nowhere"], "no such folder"),
        (["--suite", suite, "--adapter", tmp_path / "nowhere"], "fedsft.json"),
        (["--suite", suite, "--adapter", adapter, "--model", other_model], "another base|fingerprint"),
    ):
        result = run(*arguments, "--out", tmp_path / "out")
        assert result.exit_code == 2, result.output
        errors = [line for line in result.output.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert any(part in errors[0] for part in message.split("|"))
        assert "Traceback" not in result.output
    assert not (tmp_path / "out" / "result.json").exists()


def test_a_label_is_checked_first_and_a_long_name_is_cut(
    suite: Path, adapter: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """Not behind all answers, as a traceback."""
    out = tmp_path / "out"
    result = run("--suite", suite, "--model", tiny_model, "--label", "x" * 81, "--out", out)
    assert result.exit_code == 2, result.output
    assert "--label: 81 characters" in result.output
    assert not out.exists()
    long = adapter.rename(tmp_path / ("a" * 90))
    result = run("--suite", suite, "--adapter", long, "--out", out)
    assert result.exit_code == 0, result.output
    assert json.loads((out / "result.json").read_text())["model"]["label"] == "a" * 80


def test_results_of_other_questions_are_not_compared(
    suite: Path, adapter: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """Ids are places in a file, so they stay the same if other questions are written to it."""

    def evaluate(name: str, *, ours: bool = False) -> Path:
        model = ("--adapter", adapter) if ours else ("--model", tiny_model)
        result = run("--suite", suite, *model, "--label", name, "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
        return tmp_path / name

    def compare(folder: Path) -> Result:
        arguments = [
            "--ours",
            tmp_path / "ours",
            "--against",
            folder,
            "--gates",
            suite,
            "--out",
            tmp_path / "r",
        ]
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["compare", *map(str, arguments)])

    base, _ = evaluate("base"), evaluate("ours", ours=True)
    assert compare(base).exit_code == 0
    pairs, written = tmp_path / "pairs.jsonl", suite.read_text()
    suite.write_text(written.replace('"max_new_tokens": 4', '"max_new_tokens": 2'))
    refused = compare(evaluate("short"))
    assert refused.exit_code == 2
    assert "task 'all': ours and short had 4 and 2 tokens for an answer" in refused.output
    suite.write_text(written)
    pairs.write_text(pairs.read_text().replace("my order", "your order"))
    refused = compare(evaluate("rewritten"))
    assert refused.exit_code == 2
    assert "task 'all': ours and rewritten were asked other questions" in refused.output


def test_latency_in_one_line() -> None:
    """Milliseconds, the speed where there is one, and how many were timed."""
    first = Spread(p50=0.05, p95=0.0712, n=12)
    warm = Pace(first_token_s=first, tokens_per_s=Spread(p50=41.7, p95=50, n=12))
    cold = Pace(first_token_s=Spread(p50=0.5, p95=0.9, n=3), tokens_per_s=None)
    assert latency_line(Latency(warm=warm, cold=cold)) == (
        "warm: first token 50 ms (p95 71), 42 tokens/s, n=12; cold: first token 500 ms (p95 900), n=3"
    )


def test_progress_on_a_terminal_is_one_bar_a_task() -> None:
    """It goes when it is done."""
    import io

    from rich.console import Console

    text = io.StringIO()
    progress = EvaluationProgress(Console(file=text, force_terminal=True, width=100))
    for task in ("a", "b"):
        for done in range(3):
            progress(task, done, 2)
    progress.clear()
    assert "2/2" in text.getvalue()
