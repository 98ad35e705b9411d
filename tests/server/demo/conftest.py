"""A finished demo run made of made-up answers, judged by the real judge."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sft_server.demo.measure import Job, Plan
from sft_server.demo.result import (
    BASE,
    FEDERATED,
    FEW_SHOT,
    ClientResult,
    CycleResult,
    DemoResult,
    compare_all,
    local_name,
    score_of,
)
from sft_shared.data.chat import DataSettings
from sft_shared.dialogue import Example, ExpectedCall, Message, Provenance, Tool, ToolCall
from sft_shared.evaluation.answer_cache import Answer
from sft_shared.evaluation.answering import EvaluationSettings
from sft_shared.evaluation.digests import conditions_of
from sft_shared.evaluation.results import MeasuredModel, SuiteResult, System
from sft_shared.evaluation.scoring import score_answers
from sft_shared.evaluation.suites import Task

CLIENTS = {"edge-1": ("simple_python",), "edge-2": ("multiple",), "edge-3": ("live_simple",)}
NUM_HELD_OUT = 60


@pytest.fixture
def held_out() -> list[Example]:
    categories = [category for named in CLIENTS.values() for category in named]
    return [held_out_example(n, category=categories[n % len(categories)]) for n in range(NUM_HELD_OUT)]


def held_out_example(number: int, *, category: str) -> Example:
    name, arguments = f"service_{number}.lookup", {"place": f"Town {number} & <b>Sons</b>", "days": number}
    return Example(
        id=f"{category}_{number}",
        messages=(
            Message(role="user", content=f"Look up town {number} <script>alert(1)</script> for the days."),
            Message(role="assistant", tool_calls=(ToolCall(name=name, arguments=arguments),)),
        ),
        tools=(
            Tool(
                name=name,
                parameters={
                    "type": "object",
                    "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
                    "required": ["place", "days"],
                },
            ),
        ),
        expected_calls=(
            ExpectedCall(name=name, arguments={key: [value] for key, value in arguments.items()}),
        ),
        category=category,
        provenance=Provenance(source="test", session=f"{category}_{number}", split="held_out"),
    )


@pytest.fixture
def systems(held_out: list[Example]) -> dict[str, System]:
    """Answers of each model: right with its own chance, else wrong in one of four ways."""
    chances = {BASE: 0.0, FEW_SHOT: 0.05, **{local_name(client): 0.25 for client in CLIENTS}, FEDERATED: 0.45}
    found: dict[str, System] = {}
    for name, chance in chances.items():
        draw = random.Random(name)
        texts = [answer(example, right=draw.random() < chance, draw=draw) for example in held_out]
        found[name] = judged(name, held_out, texts)
    return found


@pytest.fixture
def system_of() -> Callable[..., System]:
    """A function: name, examples and answers -> the model that gave them, judged."""
    return judged


def judged(name: str, examples: Sequence[Example], texts: Sequence[str]) -> System:
    """A model that gave these answers, judged as the demo judges."""
    plan = Plan(recipe=Path("r"), held_out=Path("h"), shots=None, folder=Path("m"), jobs=())
    (task,) = plan.suite(Job(name=name), EvaluationSettings()).tasks
    answers = [Answer(text, cut=False, seconds=31.0 / len(texts)) for text in texts]
    result, rows = score_answers(task, examples, answers)
    model = MeasuredModel(base_sha256="5f" * 32, adapter_sha256=None, label=name)
    conditions = conditions_of(
        Task(settings=task, examples=tuple(examples)), max_new_tokens=96, data=DataSettings()
    )
    suite = SuiteResult(
        suite="demo", model=model, tasks=(result,), constrained=False, conditions={task.name: conditions}
    )
    return System(suite, {task.name: rows})


def answer(example: Example, *, right: bool, draw: random.Random) -> str:
    call = example.answer.tool_calls[0]
    values = {"name": call.name, "arguments": dict(call.arguments)}
    fault = None if right else draw.choice(["prose", "name", "value", "missing"])
    if fault == "prose":
        return "To look this up, you can call the function with the place and the number of days."
    if fault == "name":
        values["name"] = "lookup"
    elif fault == "value":
        values["arguments"] = {**call.arguments, "days": -1}
    elif fault == "missing":
        values["arguments"] = {"days": 3}
    return json.dumps([values])


@pytest.fixture
def make_result(systems: dict[str, System], held_out: list[Example]) -> Callable[..., DemoResult]:
    """A DemoResult over ``systems``; keyword arguments replace its fields."""

    def make(**changes: object) -> DemoResult:
        draw = random.Random(7)
        unseen = {example.id for example in held_out[:40]}
        scores = {
            name: score_of(system, held_out, unseen_functions=unseen) for name, system in systems.items()
        }
        losses = {
            client: tuple(1.2 * 0.93**step + 0.15 + 0.1 * draw.random() for step in range(42))
            for client in CLIENTS
        }
        values = {
            "model": "smollm2-135m",
            "base_fingerprint": "5f" * 32,
            "num_clients": 3,
            "num_cycles": 3,
            "transport": "grpc+tls",
            "encoding": "int8",
            "held_out_examples": NUM_HELD_OUT,
            "unseen_function_examples": 40,
            "federated_accuracy_unseen_functions": 0.4,
            "train_examples": 734,
            "examples_too_long": 2,
            "base_accuracy": scores[BASE].accuracy,
            "base_few_shot_accuracy": scores[FEW_SHOT].accuracy,
            "num_shots": 2,
            "local_accuracies": {client: scores[local_name(client)].accuracy for client in CLIENTS},
            "federated_accuracy": scores[FEDERATED].accuracy,
            "federated_ci95": scores[FEDERATED].ci95,
            "update_bytes": 4_851_234,
            "update_bytes_fp32": 18_164_003,
            "update_bytes_ratio": 3.744,
            "num_updates": 9,
            "wall_s": 655.2,
            "phases_s": {"prepare": 14.0, "federation": 402.0, "training alone": 130.0, "measuring": 101.0},
            "scores": scores,
            "comparisons": compare_all(systems, ours=FEDERATED),
            "cycles": tuple(
                CycleResult(
                    cycle=cycle,
                    seconds=130.0,
                    num_updates=3,
                    num_examples=336,
                    mean_first_loss=1.3 / cycle,
                    mean_final_loss=0.6 / cycle,
                    accuracy=0.15 * cycle,
                    ci95=(0.15 * cycle - 0.08, 0.15 * cycle + 0.09),
                )
                for cycle in (1, 2, 3)
            ),
            "clients": {
                client: ClientResult(
                    categories=categories,
                    num_examples=250,
                    federated_steps=42,
                    local_steps=42,
                    federated_losses=losses[client],
                    local_losses=losses[client],
                    mean_update_bytes=4_851_234,
                )
                for client, categories in CLIENTS.items()
            },
            "split_seed": 0,
            "training_seed": 0,
            "trainable_parameters": 4_884_480,
            "recipe_sha256": "ab" * 32,
            "versions": {"fedsft": "0.1.0", "torch": "2.13.0", "flwr": "1.39.0"},
            "machine": "2 cores, test processor",
            "dtype": "bfloat16",
        }
        return DemoResult.model_validate({**values, **changes})

    return make


@pytest.fixture
def small_bfcl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds a bfcl-eval of 36 made-up questions, first on this process's path."""
    folder = tmp_path / "packages"
    data = folder / "bfcl_eval" / "data"
    (data / "possible_answer").mkdir(parents=True)
    info = folder / "bfcl_eval-0.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bfcl-eval\nVersion: 0.0.0\n")
    for category in ("simple_python", "multiple", "live_simple"):
        questions, answers = zip(*(_bfcl_record(category, n) for n in range(12)), strict=True)
        for path, records in ((data, questions), (data / "possible_answer", answers)):
            lines = "".join(json.dumps(record) + "\n" for record in records)
            (path / f"BFCL_v4_{category}.json").write_text(lines)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def _bfcl_record(category: str, number: int) -> tuple[dict[str, object], dict[str, object]]:
    word = "".join("abcdefghij"[int(digit)] for digit in str(number))
    name = f"{category}.{word}"
    identity = f"{category}_{number}"
    parameters = {"type": "dict", "properties": {"days": {"type": "integer"}}, "required": ["days"]}
    question = {
        "id": identity,
        "question": [[{"role": "user", "content": f"{category}{word} {word} in {number} days"}]],
        "function": [{"name": name, "description": f"Look up {word}.", "parameters": parameters}],
    }
    return question, {"id": identity, "ground_truth": [{name: {"days": [number]}}]}
