"""What a suite found out about one model: ``result.json``, and one line an answer beside it.

Shares are from 0 to 1, times in seconds. No figure is ever NaN or infinite: what could not be measured is
not there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, ValidationError, model_validator

from sft_shared.config import Settings
from sft_shared.errors import DataError
from sft_shared.evaluation.conditions import Conditions
from sft_shared.evaluation.pooling import Pooling
from sft_shared.files import make_private_folder, write_atomic, writing_atomic

Interval = tuple[float, float]
Role = Literal["new", "old", "general", "safety"]
"""What a task guards: what is to be learned, what was learned before, conversation at large, safety."""
SliceName = Literal["category", "client", "language", "length"]
TaskName = Annotated[str, Field(pattern=r"^\w[\w.-]{0,63}$")]
"""Also a part of file names."""

RESULT = "result.json"
PERPLEXITY = "perplexity"
MAX_LABEL = 80  # characters


class Measured(Settings):
    """A metric over ``n`` examples; those about which it says nothing do not count.

    ``ci95``: Wilson's interval of a share of right answers (``binary``), else a bootstrap's. ``pooling`` says
    how the value comes from those of single answers, or from the ``parts`` of their rows.
    """

    value: float
    ci95: Interval
    n: PositiveInt
    binary: bool
    higher_is_better: bool
    pooling: Pooling = "mean"


class Spread(Settings):
    """Percentiles of ``n`` measurements."""

    p50: NonNegativeFloat
    p95: NonNegativeFloat
    n: PositiveInt


class Pace(Settings):
    """Single requests: seconds from the prompt to the first token, and tokens a second behind it.

    ``tokens_per_s`` is None if every answer ended with its first token.
    """

    first_token_s: Spread
    tokens_per_s: Spread | None


class Latency(Settings):
    """``warm``: one request after another; ``cold``: each with the adapter newly put on and memory freed."""

    warm: Pace
    cold: Pace


class TaskResult(Settings):
    """One task: metric -> value, and the same by slice: slice -> its values -> metric."""

    name: TaskName
    role: Role
    n: NonNegativeInt
    metrics: dict[str, Measured]
    slices: dict[SliceName, dict[str, dict[str, Measured]]]
    num_cut: NonNegativeInt  # answers that reached max_new_tokens without an end
    seconds: NonNegativeFloat  # of generation, as long as it took when it was done; latency apart
    latency: Latency | None = None
    perplexity: Measured | None = None  # of the reference answers, whole ones drawn anew for its interval

    @property
    def measured(self) -> dict[str, Measured]:
        """All that was measured of the task: its metrics, and the perplexity if it was asked for."""
        return self.metrics if self.perplexity is None else {**self.metrics, PERPLEXITY: self.perplexity}


class MeasuredModel(Settings):
    """Which model answered: the base by its fingerprint, the adapter by its bytes (None: the base alone)."""

    base_sha256: str
    adapter_sha256: str | None
    label: str = Field(min_length=1, max_length=MAX_LABEL)  # what a report calls it


class SuiteResult(Settings):
    """All tasks of a suite for one model. ``constrained``: answers were held to JSON while generated."""

    suite: str
    model: MeasuredModel
    tasks: tuple[TaskResult, ...]
    constrained: bool
    conditions: dict[TaskName, Conditions]  # of every task

    @model_validator(mode="after")
    def _conditions_are_known(self) -> SuiteResult:
        if self.conditions.keys() != {task.name for task in self.tasks}:
            raise ValueError("conditions: not of the same tasks as the results")
        return self

    @property
    def label(self) -> str:
        """The model, and whether its answers were held to a form: that is another system."""
        return f"{self.model.label}, constrained" if self.constrained else self.model.label

    def task(self, name: str) -> TaskResult | None:
        """The task of that name, if there is one."""
        return next((task for task in self.tasks if task.name == name), None)


class AnswerRow(Settings):
    """One answer, what it belongs to, and metric -> its value (None: the metric says nothing about it)."""

    id: str = Field(min_length=1)
    category: str
    client: str
    language: str
    length: str
    prediction: str
    values: dict[str, float | None]
    seconds: NonNegativeFloat  # its share of its batch
    cut: bool = False
    parts: dict[str, dict[str, int]] = Field(default={})  # what totals that are no means are computed from


class _Written(SuiteResult):
    sha256: str  # of the result and of its answers, so that neither is changed without the other


@dataclass(frozen=True)
class System:
    """A measured model with its answers, by task."""

    result: SuiteResult
    rows: Mapping[str, Sequence[AnswerRow]]

    @property
    def label(self) -> str:
        """What a report calls it."""
        return self.result.label


def answers_path(folder: Path, task: str) -> Path:
    """Where the rows of a task lie beside the result."""
    return folder / f"answers-{task}.jsonl"


def write_result(folder: Path, result: SuiteResult, rows: Sequence[Sequence[AnswerRow]]) -> None:
    """Write ``result.json`` last, with a hash of it and its answers: it is theirs alone. All are private."""
    make_private_folder(folder, setting="out")
    for task, lines in zip(result.tasks, rows, strict=True):
        with writing_atomic(answers_path(folder, task.name), private=True) as file:
            for row in lines:
                file.write(row.model_dump_json().encode() + b"\n")
    written = _Written(**dict(result), sha256=_digest(folder, result))
    write_atomic(folder / RESULT, (written.model_dump_json(indent=2) + "\n").encode(), private=True)


def _digest(folder: Path, result: SuiteResult) -> str:
    """Hex SHA-256 of all but the hash in ``result.json``, and of the answers' files as they lie there."""
    found = hashlib.sha256(result.model_dump_json().encode())
    for task in result.tasks:
        found.update(hashlib.sha256(answers_path(folder, task.name).read_bytes()).digest())
    return found.hexdigest()


def read_result(folder: Path) -> SuiteResult:
    """Read back `write_result`. Raises DataError if it is missing or not a result."""
    return _read(folder)[0]


def _read(folder: Path) -> tuple[SuiteResult, str]:
    """A result, and the hash that it was written with."""
    path = folder / RESULT
    try:
        written = _Written.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}. Give the folder of an evaluation.") from None
    except ValidationError as error:
        raise DataError(f"{path}: {_problem(error)}. Evaluate again.") from None
    names = [task.name for task in written.tasks]
    twin = next((name for name in names if names.count(name) > 1), None)
    if twin is not None:
        raise DataError(f"{path}: the task {twin!r} is there twice. Evaluate again.")
    found = dict(written)
    sha256 = found.pop("sha256")
    return SuiteResult(**found), sha256


def read_answers(folder: Path, task: str) -> Iterator[AnswerRow]:
    """The rows of a task, in the order of its examples. Raises DataError with ``file:line``."""
    path = answers_path(folder, task)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield AnswerRow.model_validate_json(line)
                except ValidationError as error:
                    raise DataError(f"{path}:{number}: {_problem(error)}. Evaluate again.") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}. Give the folder of an evaluation.") from None


def read_system(folder: Path) -> System:
    """A result with all its answers.

    Raises DataError as `read_result` and `read_answers`, and if result and answers are not those that were
    written together: two evaluations of one folder were mixed by a kill, or a file was changed.
    """
    result, sha256 = _read(folder)
    rows: dict[str, tuple[AnswerRow, ...]] = {}
    for task in result.tasks:
        path = answers_path(folder, task.name)
        lines: dict[str, int] = {}
        rows[task.name] = tuple(read_answers(folder, task.name))
        for number, row in enumerate(rows[task.name], start=1):
            if row.id in lines:
                raise DataError(
                    f"{path}:{number}: id {row.id!r} was answered on line {lines[row.id]}. Evaluate again."
                )
            lines[row.id] = number
        if len(lines) != task.n:
            raise DataError(f"{path}: {len(lines)} answers, {RESULT} counts {task.n}. Evaluate again.")
    if _digest(folder, result) != sha256:
        raise DataError(
            f"{folder}: {RESULT} and the answers beside it were not written together, or one was changed. "
            "Evaluate again."
        )
    return System(result, rows)


def _problem(error: ValidationError) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, problem['loc'])) or 'line'}: {problem['msg']}"
