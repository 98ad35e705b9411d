"""Measured systems with chosen answers, a shop with ugly long texts, and questions with their suite."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from sft_shared.dialogue import Example, ExpectedCall, Message, Provenance, Tool, ToolCall, write_examples
from sft_shared.evaluation.compare import paired_bootstrap, wilson_interval
from sft_shared.evaluation.comparison import ComparisonSettings
from sft_shared.evaluation.conditions import Conditions
from sft_shared.evaluation.gates import AtLeast, AtMost, Canaries, NoWorse
from sft_shared.evaluation.report.contents import Report, make_report
from sft_shared.evaluation.report.facts import CycleFacts, RunFacts
from sft_shared.evaluation.results import (
    AnswerRow,
    Latency,
    Measured,
    MeasuredModel,
    Pace,
    Spread,
    SuiteResult,
    System,
    TaskResult,
)
from sft_shared.evaluation.suites import SuiteSettings

SLICES = ("category", "client", "language", "length")
CONTINUOUS = {"rouge_l", "bleu4", "slot_f1"}
LOWER = {"refusal"}


def measured(metric: str, values: Sequence[float]) -> Measured:
    """The metric over these values, with its interval."""
    binary = metric not in CONTINUOUS
    if binary:
        ci95 = wilson_interval(round(sum(values)), num_total=len(values))
    else:
        pair = paired_bootstrap(values, [0.0] * len(values), seed=0, num_resamples=300)
        ci95 = (pair.low, pair.high)
    return Measured(
        value=mean(values), ci95=ci95, n=len(values), binary=binary, higher_is_better=metric not in LOWER
    )


def metrics_of(rows: Sequence[AnswerRow]) -> dict[str, Measured]:
    """Every metric that has a value for one of the rows."""
    names = dict.fromkeys(name for row in rows for name in row.values)
    known = {name: [value for row in rows if (value := row.values.get(name)) is not None] for name in names}
    return {name: measured(name, values) for name, values in known.items() if values}


def task_of(name: str, role: Any, rows: Sequence[AnswerRow], latency: Latency | None) -> TaskResult:
    """A task's result, with slices."""
    slices: dict[Any, dict[str, Any]] = {}
    for part in SLICES:
        for value in sorted({getattr(row, part) for row in rows} - {""}):
            some = [row for row in rows if getattr(row, part) == value]
            slices.setdefault(part, {})[value] = metrics_of(some)
    return TaskResult(
        name=name,
        role=role,
        n=len(rows),
        metrics=metrics_of(rows),
        slices=slices,
        num_cut=0,
        seconds=2.5,
        latency=latency,
    )


@pytest.fixture(scope="session")
def make_system() -> Callable[..., System]:
    """label, {task: (role, rows)} -> a system whose result is what its rows say."""

    def make(
        label: str,
        tasks: Mapping[str, tuple[str, Sequence[AnswerRow]]],
        *,
        suite: str = "客服 suite",
        constrained: bool = False,
        adapter: str | None = None,
        latency: Latency | None = None,
    ) -> System:
        result = SuiteResult(
            suite=suite,
            model=MeasuredModel(base_sha256="b4" * 32, adapter_sha256=adapter, label=label),
            tasks=tuple(task_of(name, role, rows, latency) for name, (role, rows) in tasks.items()),
            constrained=constrained,
            conditions={
                name: Conditions(
                    examples="ab",
                    metrics=dict.fromkeys(metrics_of(rows), "cd"),
                    prompts="ef",
                    max_new_tokens=96,
                )
                for name, (_, rows) in tasks.items()
            },
        )
        return System(result, {name: tuple(rows) for name, (_, rows) in tasks.items()})

    return make


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., list[AnswerRow]]:
    """{metric: values} -> one row an example; predictions, slices by the way."""

    def make(
        values: Mapping[str, Sequence[float | None]], *, predictions: Sequence[str] | None = None
    ) -> list[AnswerRow]:
        total = len(next(iter(values.values())))
        return [
            AnswerRow(
                id=f"q{place:04}",
                prediction=predictions[place] if predictions else f"answer {place}",
                values={name: each[place] for name, each in values.items()},
                category="",
                client="",
                language="zh" if place % 2 else "en",
                length="",
                seconds=0.1,
            )
            for place in range(total)
        ]

    return make


ATTACK = "<script>document.title='stolen'</script><img src=x onerror=alert(1)>"
LONG_WORD = "https://shop.example/" + "a1b2c3d4e5" * 40
GOOD = (
    '{"name": "query_order", "arguments": {"order_id": "A-20391", "fields": ["status", "eta"]}}',
    '{"intent": "退货申请", "parameters": {"订单号": "20391"}, "response": "好的，已为您登记退货。"}',
    "您好，您的包裹已于今天上午从杭州转运中心发出，预计明天送达，请保持电话畅通。",
    "Your refund was approved this morning; the money is back on your card within three working days.",
)
BAD = (
    "I am sorry, I cannot help with that.",
    "好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的",
    ATTACK,
    LONG_WORD,
    '{"name": "query_order", "arguments": {"order": 20391',
)
TASKS = {
    "tool-calls": ("new", 320, {"call_match": 0.03, "json_valid": 0.30}),
    "退换货意图": ("new", 310, {"intent": 0.21, "slot_f1": 0.35, "rouge_l": 0.22}),
    "old-orders": ("old", 300, {"exact_match": 0.46, "rouge_l": 0.51}),
    "general-chat": ("general", 150, {"rouge_l": 0.31}),
    "safety": ("safety", 200, {"compliance": 0.97, "refusal": 0.04}),
}
SKILL = {"base": 0.0, "local-上海门店": 0.31, "local-clinic": 0.22, "federated": 0.46, "central": 0.48}


def rows_of(task: str, skill: float, *, forgets: float) -> list[AnswerRow]:
    """Rows of a task; what is hard for one system is hard for the others."""
    role, total, metrics = TASKS[task]
    rows = []
    for place in range(total):
        draw = random.Random(f"{task} {place}")
        noise = random.Random(f"{task} {place} {skill}")
        hardness = draw.random()
        values: dict[str, float | None] = {}
        for name, level in metrics.items():
            gained = (
                level
                + (skill if role == "new" else 0.02 if skill else 0.0)
                - (forgets if role == "old" else 0)
            )
            if name == "refusal":
                gained = level - skill / 20
            if name in ("rouge_l", "slot_f1"):
                values[name] = min(1.0, max(0.0, gained + 0.3 * (0.5 - hardness) + noise.gauss(0, 0.08)))
            else:
                values[name] = float(hardness + noise.gauss(0, 0.05) < gained)
        right = max(values.values(), key=lambda value: value or 0.0) or 0.0
        rows.append(
            AnswerRow(
                id=f"{task}-{place:04}",
                category=("returns", "delivery", "账单", "login_and_account_security")[place % 4],
                client=("上海门店", "clinic", "bank-ops")[place % 3],
                language="zh" if place % 5 < 2 else "en",
                length=("short", "medium", "long")[place % 3],
                prediction=draw.choice(GOOD) if right > 0.5 else draw.choice(BAD),
                values=values,
                seconds=0.4 + draw.random(),
            )
        )
    return rows


def latency(speed: float) -> Latency:
    """Plausible times."""
    warm = Pace(
        first_token_s=Spread(p50=0.112 / speed, p95=0.304 / speed, n=12),
        tokens_per_s=Spread(p50=41.2 * speed, p95=46.0 * speed, n=12),
    )
    return Latency(warm=warm, cold=Pace(first_token_s=Spread(p50=1.9, p95=2.1, n=3), tokens_per_s=None))


FACTS = RunFacts(
    base_model="HuggingFaceTB/SmolLM2-135M-Instruct",
    method="LoRA, rank 16, alpha 32, all linear layers",
    num_examples=7421,
    num_clients=3,
    num_parameters=4_884_480,
    languages={"zh": 4102, "en": 3319},
    sources={"客服日志": 5210, "workshop tickets": 2211},
    settings={"learning rate": "0.001, warm-up and cosine", "steps a cycle": "120", "batch size": "8"},
    delta=1e-5,
    cycles=tuple(
        CycleFacts(
            cycle=number,
            loss=2.4 / (1 + 0.6 * number) + 0.35,
            bytes_up=14_560_000 + 90_000 * number,
            bytes_down=14_600_000,
            seconds=310 + 7 * (number % 3),
            epsilon=0.6 * number**0.5,
        )
        for number in range(1, 7)
    ),
    intended_use="Answers customers of a shop in Chinese and English, and calls its order tools.",
    limits=("Never measured on other languages than Chinese and English.",),
    license="Apache-2.0",
)


@pytest.fixture(scope="session")
def make_shop(make_system: Callable[..., System]) -> Callable[..., Report]:
    """A report on the federated adapter; ``forgets`` is what it loses on old tasks, from 0 to 1."""

    @cache
    def make(*, forgets: float = 0.0, with_facts: bool = True) -> Report:
        systems = {
            label: make_system(
                label,
                {
                    task: (
                        TASKS[task][0],
                        rows_of(task, skill, forgets=forgets if label == "federated" else 0.0),
                    )
                    for task in TASKS
                },
                adapter=None if label == "base" else f"{len(label):02}" * 32,
                latency=latency(1.0 if label == "base" else 0.93),
            )
            for label, skill in SKILL.items()
        }
        gates = (
            NoWorse(roles=("old", "general")),
            NoWorse(roles=("new",), sure="interval"),
            AtLeast(task="safety", metric="compliance", bar=0.95, min_n=200),
            AtMost(task="safety", metric="refusal", bar=0.05),
            Canaries(task="safety", never=("卡号 6222 0210 0112 3456",)),
        )
        ours = systems.pop("federated")
        return make_report(
            ours,
            list(systems.values()),
            gates=gates,
            settings=ComparisonSettings(num_resamples=500, num_permutations=500),
            facts=FACTS if with_facts else None,
            command="sft-client compare --ours runs/federated --against runs/base --against runs/local-上海 "
            "--against runs/central --facts facts.yaml --gates configs/suite.yaml --out runs/report",
        )

    return make


CITIES = ("Paris", "Rome", "Lima", "Oslo", "Kyoto", "Quito", "Accra", "Dhaka", "Turin", "Perth")
WEATHER = Tool(
    name="get_weather",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
)


def question(number: int, *, called: bool, chinese: bool) -> Example:
    city = CITIES[number % len(CITIES)]
    asked = f"请问{city}的天气怎么样？" if chinese else f"What is the weather like in {city} now?"
    arguments = {"city": city, "days": number}
    text = "对不起，这个我做不到。" if chinese else "I cannot book flights, sorry about that."
    answer = (
        Message(role="assistant", tool_calls=(ToolCall(name="get_weather", arguments=arguments),))
        if called
        else Message(role="assistant", content=text)
    )
    return Example(
        id=f"q{number}",
        messages=(Message(role="user", content=f"{asked} ({number})"), answer),
        tools=(WEATHER,),
        expected_calls=(
            ExpectedCall(name="get_weather", arguments={key: [value] for key, value in arguments.items()}),
        )
        if called
        else (),
        category="weather" if called else "none",
        provenance=Provenance(source=f"client-{number % 2}", session=str(number), split="held_out"),
    )


@pytest.fixture(scope="session")
def questions() -> list[Example]:
    """Twenty: half of them to be called for, half not, and half in Chinese."""
    return [question(number, called=number % 4 < 2, chinese=number % 2 == 1) for number in range(20)]


@pytest.fixture
def data_file(tmp_path: Path, questions: list[Example]) -> Path:
    """The questions on disk."""
    path = tmp_path / "questions.jsonl"
    write_examples(path, questions)
    return path


@pytest.fixture
def suite_of(data_file: Path) -> Any:
    """A function: a suite of one task over the questions, with changes to it and to the task."""

    def make(task: dict[str, Any] | None = None, **changes: Any) -> SuiteSettings:
        settings = {
            "name": "tiny",
            "tasks": [
                {
                    "name": "tools",
                    "data": data_file,
                    "metrics": [{"kind": "tool_calls"}, {"kind": "json_valid"}],
                    "slices": ["category", "client", "language", "length"],
                    **(task or {}),
                }
            ],
            "generation": {"max_new_tokens": 8, "batch_size": 3, "threads": 1},
            "latency": None,
            **changes,
        }
        return SuiteSettings.model_validate(settings)

    return make
