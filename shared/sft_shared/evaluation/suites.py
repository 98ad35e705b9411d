"""A suite: which examples, which metrics, and how answers are generated; as YAML."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Sequence
from typing import Annotated, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from sft_shared.config import LocalPath, Settings, refuse_twins
from sft_shared.data.chat import DataSettings
from sft_shared.data.hygiene.dataset import DatasetSettings
from sft_shared.data.hygiene.formats import FormatName
from sft_shared.data.steps import Rejected
from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError, DataError
from sft_shared.evaluation.answering import EvaluationSettings
from sft_shared.evaluation.canaries import Canaries
from sft_shared.evaluation.gates import DEFAULT_GATES, Gate, NoWorse
from sft_shared.evaluation.metrics.kinds import Metric
from sft_shared.evaluation.metrics.metric import whole_reference
from sft_shared.evaluation.results import PERPLEXITY, Role, SliceName
from sft_shared.models.constrain import ANY_JSON, calls_schema

TaskName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Also a part of file names."""


class GenerationSettings(EvaluationSettings):
    """How answers are generated, and whether they are held to a form while they are.

    ``json``: any JSON object or array, or the task's ``answer_schema``. ``calls``: a JSON list of calls of
    the example's tools with arguments of their schemas, empty where nothing is to be called; examples
    without tools are answered freely.
    """

    constrained: Literal["off", "json", "calls"] = "off"

    @field_validator("constrained", mode="before")
    @classmethod
    def _off_is_no_boolean(cls, value: object) -> object:
        return "off" if value is False else value  # YAML reads a bare `off` as false

    def schema_of(self, example: Example, *, answer_schema: str) -> str | None:
        """The JSON Schema that the answer to ``example`` is held to; None for a free answer."""
        if self.constrained == "json":
            return answer_schema
        if self.constrained == "calls" and example.tools:
            return calls_schema(example.tools)
        return None


class LatencySettings(Settings):
    """Single requests that are timed before a task's answers are generated."""

    num_warm: PositiveInt = 12  # one after another; a p95 of few is close to their largest
    num_cold: PositiveInt = 3  # each with the adapter newly put on
    max_new_tokens: PositiveInt = 32  # of a timed answer


class TaskSettings(Settings):
    """Examples and what is measured on them.

    ``role`` says what the task guards: what is to be learned (``new``), what was learned before (``old``),
    conversation at large, or safety. Of more than ``limit`` examples some are drawn by ``seed``, in order.
    ``data_settings`` says how prompts are written, None as the model was trained.
    """

    name: TaskName
    data: LocalPath  # .jsonl, .json, .csv or .tsv in any format that `DatasetSettings` reads
    format: FormatName | Literal["auto"] = "auto"
    category_field: str | None = Field(default=None, min_length=1)
    limit: PositiveInt | None = None
    seed: int = 0
    role: Role = "new"
    metrics: tuple[Metric, ...]
    slices: tuple[SliceName, ...] = ()
    data_settings: DataSettings | None = None
    answer_schema: LocalPath | None = None  # JSON Schema of an answer, for ``constrained: json``
    shots: LocalPath | None = None  # solved examples that stand before every question
    perplexity: bool = False  # also how surprised the model is by the reference answers

    @field_validator("metrics")
    @classmethod
    def _each_metric_once(cls, metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
        if not metrics:
            raise ValueError("give at least one metric")
        refuse_twins("metrics", (metric.name for metric in metrics))
        if any(metric.name == PERPLEXITY for metric in metrics):
            raise ValueError("perplexity is no metric of answers: set `perplexity: true` of the task instead")
        return metrics

    @field_validator("slices")
    @classmethod
    def _each_slice_once(cls, slices: tuple[SliceName, ...]) -> tuple[SliceName, ...]:
        refuse_twins("slices", slices)
        return slices

    def examples(self) -> list[Example]:
        """The examples to answer.

        Raises DataError with ``file:line`` for the first record that is none: a set that shrinks by
        itself measures something else. Also for a file without any, and for two of the same id.
        """
        reader = DatasetSettings(
            path=self.data, format=self.format, category_field=self.category_field, split="held_out"
        )
        found: list[Example] = []
        ids: set[str] = set()
        for example in reader.examples():
            if isinstance(example, Rejected):
                raise DataError(f"{example.where}: {example.detail} ({example.rule}). Mend the record.")
            if example.id in ids:
                raise DataError(f"{self.data}: two examples have the id {example.id!r}. Give each its own.")
            ids.add(example.id)
            found.append(example)
        if not found:
            raise DataError(f"{self.data}: no examples in it. Give at least one to evaluate on.")
        if self.limit is None or self.limit >= len(found):
            return found
        chance = random.Random(self.seed)  # noqa: S311 (a sample that can be drawn again, no secret)
        return [found[place] for place in sorted(chance.sample(range(len(found)), self.limit))]

    def solved(self, asked: Sequence[Example]) -> tuple[Example, ...]:
        """The examples of ``shots``, read as strictly. Raises DataError, also for one that is ``asked``."""
        if self.shots is None:
            return ()
        found = tuple(self.model_copy(update={"data": self.shots, "limit": None}).examples())
        ids = {example.id for example in asked}
        shown = next((example.id for example in found if example.id in ids), None)
        if shown is not None:
            raise DataError(
                f"{self.shots}: the example {shown!r} is one of the questions, so its answer would be shown. "
                "Give solved examples that are not asked."
            )
        return found

    def read_schema(self) -> str:
        """The text of ``answer_schema``; without one that of any JSON. Raises ConfigError."""
        if self.answer_schema is None:
            return ANY_JSON
        try:
            schema = json.loads(self.answer_schema.read_text(encoding="utf-8"))
            Draft202012Validator.check_schema(schema)
        except OSError as error:
            raise ConfigError(f"{self.answer_schema}: {error.strerror}. Give a JSON Schema file.") from None
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{self.answer_schema}: not JSON: {error}.") from None
        except SchemaError as error:
            raise ConfigError(f"{self.answer_schema}: not a JSON Schema: {error.message}.") from None
        return json.dumps(schema, ensure_ascii=False)


class SuiteSettings(Settings):
    """A named set of tasks. Every model that it measures gets the same examples and prompts.

    ``gates`` judge a candidate against what it would replace; an empty list lets every candidate pass.
    """

    name: TaskName
    tasks: tuple[TaskSettings, ...]
    generation: GenerationSettings = GenerationSettings()
    latency: LatencySettings | None = LatencySettings()  # None: it is not measured
    gates: tuple[Gate, ...] = DEFAULT_GATES
    seed: NonNegativeInt = 0  # of the bootstrap intervals and of which requests are timed

    @field_validator("tasks")
    @classmethod
    def _each_task_once(cls, tasks: tuple[TaskSettings, ...]) -> tuple[TaskSettings, ...]:
        if not tasks:
            raise ValueError("give at least one task")
        refuse_twins("tasks", (task.name for task in tasks))
        return tasks

    @model_validator(mode="after")
    def _schemas_are_used(self) -> SuiteSettings:
        for task in self.tasks:
            if task.answer_schema is not None and self.generation.constrained != "json":
                raise ValueError(
                    f"tasks: the answer_schema of {task.name!r} is used with generation.constrained: json "
                    "only; set that, or take it out"
                )
        return self

    @model_validator(mode="after")
    def _gates_can_be_judged(self) -> SuiteSettings:
        require_measured(self.gates, self.tasks)
        return self

    def load(self) -> list[Task]:
        """Every task with its examples.

        Raises DataError or ConfigError before anything is generated, also for a metric that cannot judge them
        and for canaries that are no examples.
        """
        tasks = [
            Task(
                settings=task,
                examples=(asked := tuple(task.examples())),
                shots=task.solved(asked),
                answer_schema=task.read_schema(),
            )
            for task in self.tasks
        ]
        for task in tasks:
            task.require_metrics()
        ids = {task.settings.name: {example.id for example in task.examples} for task in tasks}
        for gate in (each for each in self.gates if isinstance(each, Canaries)):
            unknown = next((key for key in gate.ids if key not in ids[gate.task]), None)
            if unknown is not None:
                raise ConfigError(
                    f"suite {self.name!r}: gates: the task {gate.task!r} has no example {unknown!r}. "
                    "Name the ids of canaries as its data has them."
                )
        return tasks


def require_measured(gates: Sequence[Gate], tasks: Sequence[TaskSettings]) -> None:
    """Raises ValueError for a name that nothing is measured under: such a gate would hold every candidate."""
    by_name = {task.name: task for task in tasks}
    roles = {task.role for task in tasks}
    for place, gate in enumerate(gates):
        where = f"gates.{place}"
        if isinstance(gate, NoWorse):
            for name in gate.tasks:
                _require(name, by_name, f"{where}.tasks", "task of the suite")
            for role in gate.roles:
                _require(role, roles, f"{where}.roles", "role of a task")
            named = [task for task in tasks if task.name in gate.tasks or task.role in gate.roles]
            for task in named if gate.slice else ():
                _require(str(gate.slice), task.slices, f"{where}.slice", f"slice of the task {task.name!r}")
            if gate.is_everywhere and gate.slice:
                known = [each for task in tasks for each in task.slices]
                _require(gate.slice, known, f"{where}.slice", "slice of a task")
        else:
            _require(gate.task, by_name, f"{where}.task", "task of the suite")
            named = [by_name[gate.task]]
        if isinstance(gate, Canaries) or gate.metric is None:
            continue
        for task in named:
            _require(gate.metric, _metrics([task]), f"{where}.metric", f"metric of the task {task.name!r}")
        _require(gate.metric, _metrics(named or tasks), f"{where}.metric", "metric of a task")


def _metrics(tasks: Sequence[TaskSettings]) -> list[str]:
    return [metric.name for task in tasks for metric in task.metrics]


def _require(name: str, known: Collection[str], where: str, what: str) -> None:
    if name not in known:
        allowed = ", ".join(dict.fromkeys(sorted(known))) or "none"
        raise ValueError(f"{where}: {name!r} is no {what}. Allowed: {allowed}")


class Task(Settings):
    """A task whose examples are in memory."""

    settings: TaskSettings
    examples: tuple[Example, ...]
    shots: tuple[Example, ...] = ()
    answer_schema: str = ANY_JSON

    def require_metrics(self) -> None:
        """Read the metrics' files.

        Raises DataError or ConfigError for one that is of no use, DataError for a metric silent everywhere.
        """
        for metric in self.settings.metrics:
            metric.load()
            if all(metric(whole_reference(example), example) is None for example in self.examples):
                raise silence(self.settings, metric, num_examples=len(self.examples))


def silence(task: TaskSettings, metric: Metric, *, num_examples: int) -> DataError:
    """What is told of a metric that has no value for any example of a task."""
    return DataError(
        f"task {task.name!r}: the metric {metric.name!r} says nothing about any of its {num_examples} "
        "examples: none has what it compares with. Drop the metric, or add references to the data."
    )
