"""What a new adapter is measured on: a suite, the held-out examples as one more task, or both."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from sft_shared.config import load_yaml
from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError, DataError
from sft_shared.evaluation.digests import suite_sha256
from sft_shared.evaluation.gates import Gate
from sft_shared.evaluation.results import System, read_system
from sft_shared.evaluation.running import requests_of, run_suite
from sft_shared.evaluation.suites import (
    GenerationSettings,
    SuiteSettings,
    Task,
    TaskSettings,
    require_measured,
)
from sft_shared.models.load import Base
from sft_shared.recipe import Recipe

HELD_OUT = "held-out"


@dataclass(frozen=True)
class Measuring:
    """A suite with its examples in memory, the same for every cycle, and the gates that judge by it."""

    suite: SuiteSettings
    tasks: Sequence[Task]
    recipe: Recipe
    gates: Sequence[Gate]

    @cached_property
    def sha256(self) -> str:
        """See `suite_sha256`; it names the folder of the results."""
        return suite_sha256(self.suite, self.tasks, data=self.recipe.data)

    def require_answerable(self, base: Base) -> None:
        """Raises DataError for an example that ``base`` cannot be asked, which no cycle is to find out."""
        for task in self.tasks:
            requests_of(task, self.suite, base, tuning=self.recipe.tuning, data=self.recipe.data)

    def __call__(
        self,
        base: Base,
        state: Mapping[str, torch.Tensor],
        *,
        out: Path,
        label: str,
        report: Callable[[str, int, int], None],
    ) -> System:
        """An adapter's result, read back from ``out`` if it is there, else measured and written to it.

        Killed, the next call goes on. The answers found again lie in ``out`` until the end: no later adapter
        gives the same ones.
        """
        system = read_back(out, label=label)
        if system is None:
            run_suite(
                self.suite,
                base,
                state,
                tuning=self.recipe.tuning,
                data=self.recipe.data,
                cache=out / "cache",
                out=out,
                label=label,
                tasks=self.tasks,
                report=report,
            )
            system = read_system(out)
        shutil.rmtree(out / "cache", ignore_errors=True)
        return system


def read_back(folder: Path, *, label: str) -> System | None:
    """What was measured before, called ``label``; None if it is not there whole, to be measured (again)."""
    try:
        system = read_system(folder)
    except DataError:
        return None
    model = system.result.model.model_copy(update={"label": label})
    return System(system.result.model_copy(update={"model": model}), system.rows)


def measuring(suite_file: Path | None, *, recipe: Recipe, held_out: Sequence[Example]) -> Measuring | None:
    """The suite of a file, behind the held-out examples as a task; None if there is neither.

    Held-out examples are judged by their calls. Without a file answers are generated as the recipe says, and
    no gate judges. Raises ConfigError or DataError for the file, its data, a task of it that is named like
    ours, and a gate that cannot be asked of ours.
    """
    if suite_file is None and not held_out:
        return None
    suite = None if suite_file is None else load_yaml(suite_file, SuiteSettings)
    tasks = [] if suite is None else suite.load()
    gates = () if suite is None else suite.gates
    if held_out:
        if any(task.settings.name == HELD_OUT for task in tasks):
            raise ConfigError(
                f"{suite_file}: tasks: {HELD_OUT!r} is the name of the task of the server's own held-out "
                "examples. Rename the suite's."
            )
        own = Task(settings=_HELD_OUT_TASK, examples=tuple(held_out))
        own.require_metrics()
        tasks.insert(0, own)
        try:
            require_measured(gates, [task.settings for task in tasks])
        except ValueError as error:
            raise ConfigError(
                f"{suite_file}: {error}. {HELD_OUT!r} is the task of the server's own held-out examples."
            ) from None
    if suite is None:
        generation = GenerationSettings(**recipe.evaluation.model_dump())
        suite = SuiteSettings(name=HELD_OUT, tasks=(_HELD_OUT_TASK,), generation=generation, latency=None)
    found = Measuring(suite, tuple(tasks), recipe, tuple(gates))
    _ = found.sha256  # of the metrics' files as they were read just now
    return found


_HELD_OUT_TASK = TaskSettings.model_validate(
    {
        "name": HELD_OUT,
        "data": "held-out examples",  # they are in memory
        "metrics": [{"kind": "tool_calls"}, {"kind": "json_valid"}],
    }
)
