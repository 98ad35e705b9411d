"""What decides a result besides the model, as hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from sft_shared.data.chat import DataSettings
from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError
from sft_shared.evaluation.conditions import Conditions
from sft_shared.evaluation.suites import SuiteSettings, Task


def conditions_of(task: Task, *, max_new_tokens: int, data: DataSettings) -> Conditions:
    """The conditions of a task whose prompts are written by ``data`` where it does not say itself.

    Files count by their content, so moving one changes nothing. Raises ConfigError if one cannot be read.
    """
    prompts = task.settings.data_settings or data
    return Conditions(
        examples=_digest(sorted(map(_asked, task.examples))),
        metrics={metric.name: _digest(metric.model_dump()) for metric in task.settings.metrics},
        prompts=_digest(
            [
                prompts.model_dump(exclude={"max_tokens", "too_long"}),  # those are of training rows
                [shot.model_dump_json() for shot in task.shots],
                task.answer_schema,
            ]
        ),
        max_new_tokens=max_new_tokens,
    )


def suite_sha256(suite: SuiteSettings, tasks: Sequence[Task], *, data: DataSettings) -> str:
    """Hex SHA-256 of all that decides a result besides the model: two of one hash can stand for each other.

    Gates, latency, batch size and threads are left out. Raises ConfigError as `conditions_of`.
    """
    limit = suite.generation.max_new_tokens
    return _digest(
        {
            "suite": suite.model_dump(include={"name", "seed"}),
            "generation": suite.generation.model_dump(exclude={"batch_size", "threads"}),
            "tasks": [
                [
                    task.settings.model_dump(include={"name", "role", "slices", "perplexity"}),
                    (task.settings.data_settings or data).model_dump(),
                    conditions_of(task, max_new_tokens=limit, data=data).model_dump(),
                ]
                for task in tasks
            ],
        }
    )


def _asked(example: Example) -> str:
    """What is asked and what is right, and its slices; not what was done to it before."""
    kept = example.model_dump(mode="json", exclude={"provenance"})
    return json.dumps([kept, example.provenance.source], sort_keys=True)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=_content).encode()).hexdigest()


def _content(value: object) -> str:
    assert isinstance(value, Path)
    try:
        return hashlib.sha256(value.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{value}: {error.strerror}. A metric of the suite needs it.") from None
