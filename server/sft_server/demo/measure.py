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

from pydantic import TypeAdapter

from sft_shared.config import Settings, load_yaml
from sft_shared.dialogue import read_examples
from sft_shared.errors import FedsftError
from sft_shared.evaluation.answering import EvaluationResult, answers, judge
from sft_shared.files import write_atomic
from sft_shared.models.adapters import load_adapter
from sft_shared.models.load import load_base
from sft_shared.recipe import Recipe
from sft_shared.runlog import RunLog

PROGRESS = "progress.jsonl"

_RESULT = TypeAdapter(EvaluationResult)


class Job(Settings):
    """One model to measure: the base, with an adapter or with solved examples in its prompt."""

    name: str
    adapter: Path | None = None
    with_shots: bool = False


class Plan(Settings):
    """What to measure, and where the results go: ``folder/<name>.json``."""

    recipe: Path
    held_out: Path
    shots: Path | None  # JSONL of the solved examples
    folder: Path
    jobs: tuple[Job, ...]

    def write(self, path: Path) -> Path:
        """Write the plan for the processes to read."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=2), encoding="utf-8")
        return path


def work_on(plan: Plan) -> None:
    """Do every job of the plan that nobody else has claimed. Raises FedsftError."""
    recipe = load_yaml(plan.recipe, Recipe)
    held_out = list(read_examples(plan.held_out))
    log = RunLog(plan.folder / PROGRESS)
    for job in plan.jobs:
        if not _claim(plan.folder / f"{job.name}.claim"):
            continue
        with_shots = plan.shots if job.with_shots else None
        base = load_base(recipe.model)
        started = time.monotonic()
        texts = answers(
            base,
            None if job.adapter is None else load_adapter(job.adapter),
            held_out,
            tuning=recipe.tuning,
            data=recipe.data,
            settings=recipe.evaluation,
            shots=() if with_shots is None else tuple(read_examples(with_shots)),
            on_batch=partial(_note, log, job.name, len(held_out)),
        )
        result = judge(held_out, texts, seconds=time.monotonic() - started)
        write_atomic(plan.folder / f"{job.name}.json", _RESULT.dump_json(result, indent=1))
        log.write("measured", name=job.name, accuracy=result.accuracy, seconds=result.seconds)


def _note(log: RunLog, name: str, total: int, done: int) -> None:
    log.write("measuring", name=name, done=done, total=total)


def read_measurement(path: Path) -> EvaluationResult:
    """Read back one job's result."""
    return _RESULT.validate_json(path.read_bytes())


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
