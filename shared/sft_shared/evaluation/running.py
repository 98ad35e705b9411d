"""Run a suite: answer what was not answered before, judge, and write it down."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from sft_shared.data.chat import DataSettings, render_prompt, tokenize_all
from sft_shared.errors import DataError
from sft_shared.evaluation.answer_cache import Answer, AnswerCache, answer_key, open_cache
from sft_shared.evaluation.answering import answering
from sft_shared.evaluation.digests import conditions_of
from sft_shared.evaluation.latency import Request, measure_latency
from sft_shared.evaluation.metrics.perplexity import measured_perplexity, surprises_of
from sft_shared.evaluation.results import AnswerRow, MeasuredModel, SuiteResult, TaskResult, write_result
from sft_shared.evaluation.scoring import score_answers
from sft_shared.evaluation.suites import SuiteSettings, Task
from sft_shared.models.adapters import sha256_of, to_bytes
from sft_shared.models.constrain import require_grammar
from sft_shared.models.generate import Continuation, continuations, end_token_ids
from sft_shared.models.load import Base
from sft_shared.models.threads import cpu_threads
from sft_shared.models.tuning import TuningSettings

Report = Callable[[str, int, int], None]
"""Told of a task's name, how many of its answers are there, and of how many."""


def run_suite(
    suite: SuiteSettings,
    base: Base,
    state: Mapping[str, torch.Tensor] | None,
    *,
    tuning: TuningSettings | None,
    data: DataSettings,
    cache: Path,
    out: Path | None,
    label: str,
    tasks: Sequence[Task] | None = None,
    report: Report | None = None,
) -> SuiteResult:
    """Measure the base with the adapter ``state`` of ``tuning`` (None: the base alone) on every task.

    ``tasks`` take the place of the suite's own, whose examples are read from their files.
    ``data`` says how prompts are written where a task does not. Answers found in the folder ``cache`` are not
    generated again. With ``out``, ``result.json`` and ``answers-<task>.jsonl`` are written there. ``report``
    may raise to stop; what was answered is kept. The base is left as it was.

    Raises DataError for the examples of a task and ConfigError for its files, both before anything is
    generated, ModelError if the state does not fit, StoreError if another process holds the cache or it is
    damaged.
    """
    loaded = suite.load() if tasks is None else tasks
    adapter = None if state is None else sha256_of(to_bytes(state))
    model = MeasuredModel(base_sha256=base.fingerprint, adapter_sha256=adapter, label=label)
    limit = suite.generation.max_new_tokens
    conditions = {task.settings.name: conditions_of(task, max_new_tokens=limit, data=data) for task in loaded}
    asked = [requests_of(task, suite, base, tuning=tuning, data=data) for task in loaded]
    runner = _Runner(suite, base, state, tuning, adapter=adapter, report=report)
    with open_cache(cache) as answers, cpu_threads(suite.generation.threads):
        found = [runner.run(*each, data, answers) for each in zip(loaded, asked, strict=True)]
    result = SuiteResult(
        suite=suite.name,
        model=model,
        tasks=tuple(task for task, _ in found),
        constrained=suite.generation.constrained != "off",
        conditions=conditions,
    )
    if out is not None:
        write_result(out, result, [rows for _, rows in found])
    return result


def model_hash(base: Base, *, adapter_sha256: str | None, tuning: TuningSettings | None) -> str:
    """Hex SHA-256 of what turns a prompt into an answer: base, arithmetic, adapter and how it is put on."""
    worn = None if tuning is None or adapter_sha256 is None else tuning.model_dump(mode="json")
    parts = [
        base.fingerprint,
        str(base.dtype),
        base.device.type,
        sorted(end_token_ids(base)),
        adapter_sha256,
        worn,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def requests_of(
    task: Task, suite: SuiteSettings, base: Base, *, tuning: TuningSettings | None, data: DataSettings
) -> list[Request]:
    """The prompt of each example, and the schema of its answer.

    Raises DataError, with the example's id, for a prompt or a tool's schema that cannot be used, and for a
    prompt that does not fit into the model with its answer: it would be answered, but nobody knows how badly.
    """
    generation, name = suite.generation, task.settings.name
    prompts = task.settings.data_settings or data
    if task.settings.perplexity:
        tokenize_all(task.examples, base.tokenizer, prompts)
    taken = int(getattr(tuning, "num_virtual_tokens", 0)) + generation.max_new_tokens
    requests = []
    checked: set[str] = set()
    for example in task.examples:
        schema = generation.schema_of(example, answer_schema=task.answer_schema)
        if schema is not None and schema not in checked:
            try:
                require_grammar(schema)
            except DataError as error:
                raise DataError(f"task {name!r}, example {example.id!r}: {error}") from None
            checked.add(schema)
        prompt = render_prompt(example, base.tokenizer, prompts, shots=task.shots)
        if base.max_positions is not None and len(prompt) + taken > base.max_positions:
            raise DataError(
                f"task {name!r}, example {example.id!r}: a prompt of {len(prompt):,} tokens with "
                f"{taken:,} more is longer than the model's "
                f"{base.max_positions:,}. Shorten the example, or show fewer shots."
            )
        requests.append(Request(prompt, schema))
    return requests


class _Runner:
    """One model on one task after another."""

    def __init__(
        self,
        suite: SuiteSettings,
        base: Base,
        state: Mapping[str, torch.Tensor] | None,
        tuning: TuningSettings | None,
        *,
        adapter: str | None,
        report: Report | None,
    ) -> None:
        self.suite, self.base, self.state, self.tuning, self.report = suite, base, state, tuning, report
        self.model = model_hash(base, adapter_sha256=adapter, tuning=tuning)

    def run(
        self, task: Task, requests: Sequence[Request], data: DataSettings, cache: AnswerCache
    ) -> tuple[TaskResult, list[AnswerRow]]:
        latency = None
        if self.suite.latency is not None:
            latency = measure_latency(
                self.base,
                requests,
                put_on=lambda: answering(self.base, self.state, self.tuning),
                settings=self.suite.latency,
                seed=self.suite.seed,
            )
        perplexity = None
        if task.settings.perplexity:
            surprises = surprises_of(
                self.base,
                self.state,
                task.examples,
                tuning=self.tuning,
                data=task.settings.data_settings or data,
                settings=self.suite.generation,
            )
            perplexity = measured_perplexity(surprises, seed=self.suite.seed)
        answers = self._answers(task.settings.name, requests, cache)
        return score_answers(
            task.settings,
            task.examples,
            answers,
            held=[request.schema is not None for request in requests],
            seed=self.suite.seed,
            latency=latency,
            perplexity=perplexity,
        )

    def _answers(self, name: str, requests: Sequence[Request], cache: AnswerCache) -> list[Answer]:
        limit = self.suite.generation.max_new_tokens
        keys = [
            answer_key(self.model, each.prompt, max_new_tokens=limit, schema=each.schema) for each in requests
        ]
        missing = {
            key: request for key, request in zip(keys, requests, strict=True) if cache.get(key) is None
        }
        total = len(set(keys))
        done = total - len(missing)
        self._tell(name, done, total)
        if missing:
            self._generate(name, missing, cache, done=done, total=total)
        found = [cache.get(key) for key in keys]
        return [answer for answer in found if answer is not None]

    def _generate(
        self, name: str, missing: Mapping[str, Request], cache: AnswerCache, *, done: int, total: int
    ) -> None:
        keys, requests = list(missing), list(missing.values())
        began = time.monotonic()

        def keep(batch: Mapping[int, Continuation]) -> None:
            nonlocal began, done
            seconds = (time.monotonic() - began) / len(batch)
            cache.add(
                {
                    keys[place]: Answer(each.text, cut=each.cut, seconds=seconds)
                    for place, each in batch.items()
                }
            )
            done += len(batch)
            self._tell(name, done, total)
            began = time.monotonic()

        with answering(self.base, self.state, self.tuning) as prefix:
            continuations(
                self.base,
                [request.prompt for request in requests],
                prefix=prefix,
                max_new_tokens=self.suite.generation.max_new_tokens,
                batch_size=self.suite.generation.batch_size,
                schemas=[request.schema for request in requests],
                on_batch=keep,
            )

    def _tell(self, name: str, done: int, total: int) -> None:
        if self.report is not None:
            self.report(name, done, total)
