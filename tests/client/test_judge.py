"""``sft-client judge``: lm_eval's command line in a process of its own; a mistake is one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sft_client import judge as module
from sft_client.cli import app

needs_lm_eval = pytest.mark.skipif(
    find_spec("lm_eval") is None,
    reason="the extra judge is not installed (lm-evaluation-harness). Run: pip install 'fedsft[judge]'",
)
EXAMPLE = Path(__file__).parents[2] / "configs" / "judge"


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, exit code 2; the rest of sft-client does not need it."""
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    result = CliRunner().invoke(app, ["judge", "run", "--model", "fedsft"])
    assert result.exit_code == 2
    assert "error: lm-evaluation-harness is not installed. Run: pip install 'fedsft[judge]'" in result.output


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where the paths in the example's task count from."""
    return subprocess.run(
        [sys.executable, "-m", "sft_client", "judge", *arguments],
        cwd=EXAMPLE.parents[1],
        env={**os.environ, "HF_HOME": str(folder / "hf"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@needs_lm_eval
def test_the_example_task_is_judged(tiny_model: Path, tmp_path: Path) -> None:
    """As in the document: a table on the screen, results and every answer on disk, nothing fetched."""
    tasks = ["--tasks", "shop_intents,shop_intents_written", "--include_path", str(EXAMPLE)]
    model = ["--model", "fedsft", "--model_args", f"base={tiny_model},dtype=fp32,device=cpu"]
    outputs = ["--output_path", str(tmp_path / "out"), "--log_samples"]
    done = run(tmp_path, *model, *tasks, "--apply_chat_template", *outputs)
    assert done.returncode == 0, done.stderr
    assert "shop_intents" in done.stdout
    (file,) = (tmp_path / "out").rglob("results_*.json")
    results = json.loads(file.read_text(encoding="utf-8"))
    assert 0 <= results["results"]["shop_intents"]["acc,none"] <= 1
    assert results["n-samples"]["shop_intents"]["effective"] == 20
    assert len(results["config"]["base_sha256"]) == 64
    assert len(list((tmp_path / "out").rglob("samples_*.jsonl"))) == 2


@needs_lm_eval
@pytest.mark.parametrize(
    ("model", "task", "complaint"),
    [
        ("adapter=nowhere", "shop_intents", "error: nowhere/fedsft.json: No such file"),
        ("base=nowhere,parallelize=True", "shop_intents", "error: model_args: parallelize:"),
        ("base=nowhere", "nonsense", "error: lm_eval: Tasks not found: nonsense. LMEVAL_LOG_LEVEL=DEBUG"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, model: str, task: str, complaint: str) -> None:
    """Also from inside lm_eval."""
    tasks = ["--tasks", task, "--include_path", str(EXAMPLE)]
    done = run(tmp_path, "run", "--model", "fedsft", "--model_args", model, *tasks)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
