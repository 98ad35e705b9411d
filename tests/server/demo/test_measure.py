"""Measuring in several processes: each model once, the same numbers as in one process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from sft_server.demo.measure import PROGRESS, Job, Plan, work_on
from sft_server.demo.result import texts_by_id
from sft_shared.dialogue import Example, write_examples
from sft_shared.evaluation.results import read_system
from sft_shared.models.adapters import save_adapter
from sft_shared.models.load import load_base
from sft_shared.models.tiny import make_tiny_model
from sft_shared.recipe import Recipe
from sft_shared.runlog import read_run_log


@pytest.fixture
def plan(tmp_path: Path, held_out: list[Example]) -> Plan:
    recipe = Recipe.model_validate(
        {
            "model": {"name": str(make_tiny_model(tmp_path / "model")), "dtype": "fp32"},
            "tuning": {"kind": "lora", "rank": 2, "alpha": 4},
            "training": {"steps": 1, "batch_size": 1, "learning_rate": 0.1},
            "evaluation": {"max_new_tokens": 4, "batch_size": 5, "threads": 1},
        }
    )
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    base = load_base(recipe.model)
    draw = torch.Generator().manual_seed(5)  # so strong that the whole prompt matters
    shapes = recipe.tuning.shapes(base)
    state = {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}
    save_adapter(tmp_path / "adapter", state, settings=recipe.tuning, base=base)
    write_examples(tmp_path / "held_out.jsonl", held_out[:12])
    write_examples(tmp_path / "shots.jsonl", held_out[12:14])
    return Plan(
        recipe=tmp_path / "recipe.yaml",
        held_out=tmp_path / "held_out.jsonl",
        shots=tmp_path / "shots.jsonl",
        folder=tmp_path / "measurements",
        jobs=(
            Job(name="base"),
            Job(name="few", adapter=tmp_path / "adapter", with_shots=True),
            Job(name="tuned", adapter=tmp_path / "adapter"),
        ),
    )


def test_two_processes_share_a_plan(plan: Plan, tmp_path: Path) -> None:
    """Every job is measured exactly once, and as one process alone would measure it."""
    path = plan.write(plan.folder / "plan.json")
    command = [sys.executable, "-m", "sft_server.demo.measure", str(path)]
    workers = [subprocess.Popen(command) for _ in range(2)]
    assert [worker.wait(120) for worker in workers] == [0, 0]
    events = list(read_run_log(plan.folder / PROGRESS))
    assert sorted(event["name"] for event in events if event["event"] == "measured") == [
        "base",
        "few",
        "tuned",
    ]
    assert max(event["done"] for event in events if event["event"] == "measuring") == 12
    alone = plan.model_copy(update={"folder": tmp_path / "alone"})
    alone.folder.mkdir()
    work_on(alone)
    for job in plan.jobs:
        ours, theirs = (texts_by_id(read_system(each.result(job.name))) for each in (plan, alone))
        assert ours == theirs
        assert len(ours) == 12


def test_shots_and_adapters_change_what_is_measured(plan: Plan) -> None:
    """Neither is silently dropped: the three models give three sets of answers."""
    plan.folder.mkdir()
    work_on(plan)
    answers = {tuple(texts_by_id(read_system(plan.result(job.name))).values()) for job in plan.jobs}
    assert len(answers) == 3


def test_an_error_is_one_line_and_the_exit_code(plan: Plan) -> None:
    """A missing adapter: no traceback in the log that the demo quotes from."""
    broken = plan.model_copy(update={"jobs": (Job(name="gone", adapter=plan.folder / "nowhere"),)})
    path = broken.write(plan.folder / "plan.json")
    done = subprocess.run(
        [sys.executable, "-m", "sft_server.demo.measure", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "nowhere" in done.stderr
    assert not (plan.result("gone")).exists()
    assert json.loads(path.read_text())["jobs"][0]["name"] == "gone"
