"""Measure models on the held-out examples, in as many processes as there are cores to spare.

Each process is ``python -m sft_server.demo.measure PLAN.json``. Several may work on one plan: a job belongs
to the process that makes its claim file first.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

from sft_server.demo.result import MATCH, RIGHT_FUNCTION, VALID
from sft_shared.config import Settings, load_yaml
from sft_shared.errors import FedsftError
from sft_shared.evaluation.answering import EvaluationSettings
from sft_shared.evaluation.running import run_suite
from sft_shared.evaluation.suites import SuiteSettings
from sft_shared.models.adapters import load_adapter
from sft_shared.models.load import load_base
from sft_shared.recipe import Recipe
from sft_shared.runlog import RunLog

PROGRESS = "progress.jsonl"


class Job(Settings):
    """One model to measure: the base, with an adapter or with solved examples in its prompt."""

    name: str
    adapter: Path | None = None
    with_shots: bool = False


class Plan(Settings):
    """What to measure, and where the results go: ``folder/<name>``."""

    recipe: Path
    held_out: Path
    shots: Path | None  # JSONL of the solved examples
    folder: Path
    jobs: tuple[Job, ...]

    def result(self, name: str) -> Path:
        """The folder of a job's result."""
        return self.folder / name

    def suite(self, job: Job, evaluation: EvaluationSettings) -> SuiteSettings:
        """The held-out questions as a suite."""
        return SuiteSettings.model_validate(
            {
                "name": "demo",
                "tasks": [
                    {
                        "name": "held-out",
                        "data": self.held_out,
                        "format": "example",
                        "shots": self.shots if job.with_shots else None,
                        "metrics": [{"kind": MATCH}, {"kind": VALID}, {"kind": RIGHT_FUNCTION}],
                    }
                ],
                "generation": evaluation.model_dump(),
                "latency": None,
                "gates": [],
            }
        )

    def write(self, path: Path) -> Path:
        """Write the plan for the processes to read."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=2), encoding="utf-8")
        return path


def work_on(plan: Plan) -> None:
    """Do every job of the plan that nobody else has claimed. Raises FedsftError."""
    recipe = load_yaml(plan.recipe, Recipe)
    log = RunLog(plan.folder / PROGRESS)
    for job in plan.jobs:
        if not _claim(plan.folder / f"{job.name}.claim"):
            continue
        folder = plan.result(job.name)
        started = time.monotonic()
        result = run_suite(
            plan.suite(job, recipe.evaluation),
            load_base(recipe.model),
            None if job.adapter is None else load_adapter(job.adapter),
            tuning=recipe.tuning,
            data=recipe.data,
            cache=folder / "cache",
            out=folder,
            label=job.name,
            report=partial(_note, log, job.name),
        )
        accuracy = result.tasks[0].metrics[MATCH].value
        log.write("measured", name=job.name, accuracy=accuracy, seconds=time.monotonic() - started)


def _note(log: RunLog, name: str, _task: str, done: int, total: int) -> None:
    log.write("measuring", name=name, done=done, total=total)


def _claim(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def main() -> int:
    """Work on the plan named on the command line; one line and the exit code on an error."""
    try:
        work_on(Plan.model_validate_json(Path(sys.argv[1]).read_bytes()))
    except FedsftError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
