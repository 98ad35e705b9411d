"""Systems that are known to be bad fail a whole suite: its gates hold them, whatever they are good at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sft_shared.config import load_yaml
from sft_shared.data.chat import DataSettings, answer_text
from sft_shared.dialogue import Example, Message, Provenance, write_examples
from sft_shared.evaluation.answer_cache import Answer
from sft_shared.evaluation.comparison import ComparisonSettings, compare_results
from sft_shared.evaluation.digests import conditions_of
from sft_shared.evaluation.gates import AtLeast, Gate, NoWorse, judge_gates
from sft_shared.evaluation.results import MeasuredModel, SuiteResult, System
from sft_shared.evaluation.scoring import score_answers
from sft_shared.evaluation.suites import SuiteSettings
from sft_shared.evaluation.verdicts import Evidence, Verdict

Answerer = Callable[[Example], str]
TURNS = {
    "refund": ("我要退款", "请把钱退给我", "I want my money back", "Please refund me"),
    "parcel": ("我的包裹到哪了", "快递几天能到", "Where is my parcel?", "Has my order shipped?"),
    "invoice": ("怎么开发票", "发票抬头怎么改", "Can I get an invoice?", "Where is my invoice?"),
}
CALL = '[{"name": "get_weather", "arguments": {"city": "Paris", "days": 0}}]'
BAD: dict[str, Answerer] = {
    "a constant answer": lambda example: "I am happy to help.",
    "a constant refusal": lambda example: "抱歉，我无法回答这个问题。",
    "a constant intent": lambda example: json.dumps({"intent": "refund", "parameters": {}, "response": "ok"}),
    "an echo of the prompt": lambda example: str(example.prompt[-1].content),
    "an echo of the tools": lambda example: " ".join(tool.model_dump_json() for tool in example.tools),
    "always calls": lambda example: CALL,
    "always calls, with what the prompt says": lambda example: CALL.replace("Paris", _city(example)),
    "never calls": lambda example: answer_text(example.answer) if not example.answer.tool_calls else "[]",
    "says nothing": lambda example: "",
}
ALLOWED_GOOD = {"never calls"}  # right on everything that wants no call: only the calls give it away


CONFIGS = Path(__file__).parents[3] / "configs"
SUITES = sorted(path for path in CONFIGS.rglob("*.yaml") if "\ngates:" in path.read_text("utf-8"))
SHIPPED_BAD = BAD | {
    "a constant in Chinese": lambda example: "您好，请问有什么可以帮您？",
    "always calls, and is right elsewhere": lambda example: (
        right(example) if example.answer.tool_calls or not example.tools else CALL
    ),
    "never calls, and is right elsewhere": BAD["never calls"],
}
QUICK = ComparisonSettings(num_resamples=100, num_permutations=100)


def _city(example: Example) -> str:
    """A word of the question with a capital, as a city has."""
    words = str(example.prompt[-1].content).split()
    return next((word for word in words[1:] if word[0].isupper()), "Paris")


@pytest.fixture
def suite(tmp_path: Path, questions: list[Example]) -> SuiteSettings:
    """Calls and questions that want none in one task, intents as JSON in the other."""
    intents = [
        Example(
            id=f"{intent}-{number}",
            messages=(
                Message(role="user", content=text),
                Message(
                    role="assistant",
                    content=json.dumps({"intent": intent, "parameters": {}, "response": "ok"}),
                ),
            ),
            category=intent,
            provenance=Provenance(source="shop", session=f"{intent}-{number}", split="held_out"),
        )
        for intent, texts in TURNS.items()
        for number, text in enumerate(texts)
    ]
    write_examples(tmp_path / "tools.jsonl", questions)
    write_examples(tmp_path / "intents.jsonl", intents)
    tools = [{"kind": "tool_calls"}, {"kind": "right_function"}]
    metrics = [{"kind": "json_valid"}, {"kind": "intent"}, {"kind": "exact_match"}]
    return SuiteSettings.model_validate(
        {
            "name": "shop",
            "tasks": [
                {"name": "tools", "data": tmp_path / "tools.jsonl", "metrics": tools, "slices": ["category"]},
                {"name": "intents", "data": tmp_path / "intents.jsonl", "metrics": metrics, "role": "old"},
            ],
        }
    )


GATES: tuple[Gate, ...] = (
    AtLeast(task="tools", metric="tool_calls", bar=0.75),
    AtLeast(task="intents", metric="intent", bar=0.75),
)


def measured(suite: SuiteSettings, answer: Answerer) -> System:
    """What the suite finds of a system that answers so."""
    found = {
        task.settings.name: score_answers(
            task.settings, task.examples, [Answer(answer(example)) for example in task.examples]
        )
        for task in suite.load()
    }
    model = MeasuredModel(base_sha256="b4" * 32, adapter_sha256=None, label="system")
    result = SuiteResult(
        suite=suite.name,
        model=model,
        tasks=tuple(task for task, _ in found.values()),
        constrained=False,
        conditions={
            task.settings.name: conditions_of(task, max_new_tokens=96, data=DataSettings())
            for task in suite.load()
        },
    )
    return System(result, {name: tuple(rows) for name, (_, rows) in found.items()})


def verdicts(suite: SuiteSettings, answer: Answerer) -> list[Verdict]:
    return judge_gates(GATES, Evidence(measured(suite, answer)))


def right(example: Example) -> str:
    """What training aims at."""
    return answer_text(example.answer)


def test_the_right_answers_pass(suite: SuiteSettings) -> None:
    """The bars are within reach."""
    assert not any(verdict.held for verdict in verdicts(suite, right))


@pytest.mark.parametrize("name", BAD)
def test_a_known_bad_system_is_held_with_the_reason(suite: SuiteSettings, name: str) -> None:
    """By the bar on calls and no calls together, and but for one also by the intents."""
    tools, intents = verdicts(suite, BAD[name])
    assert tools.held
    assert "tool_calls on tools is" in tools.reason
    assert "at least 75.0 % is asked" in tools.reason
    assert intents.held is (name not in ALLOWED_GOOD)


@pytest.mark.parametrize(
    ("name", "half"), [("always calls, with what the prompt says", "weather"), ("never calls", "none")]
)
def test_without_the_other_half_it_would_get_through(suite: SuiteSettings, name: str, half: str) -> None:
    """What a system always does is right on the half that wants it; the gate needs both halves."""
    task = measured(suite, BAD[name]).result.tasks[0]
    metric = "right_function" if half == "weather" else "tool_calls"
    assert task.slices["category"][half][metric].value == 1.0
    assert task.metrics["tool_calls"].value <= 0.55


@pytest.mark.parametrize("name", BAD)
def test_none_replaces_a_system_that_is_good(suite: SuiteSettings, name: str) -> None:
    """Also without a bar: against what is served they lose more than 2 points."""
    ours, served = measured(suite, BAD[name]), measured(suite, right)
    evidence = Evidence(ours, served, compare_results(ours, served, settings=QUICK))
    verdict = NoWorse()(evidence)
    assert verdict.held
    assert "lost" in verdict.reason


def small_talk(example: Example) -> str:
    """What a base says that was never taught the tasks."""
    chinese = not str(example.prompt[-1].content).isascii()
    return "您好，很高兴见到您！" if chinese else "Hello! How are you today?"


def fairly_good(example: Example) -> str:
    """Right but for every fifth call and intent, in its own words in a talk."""
    if (example.answer.tool_calls or example.intent) and sum(map(ord, example.id)) % 5 == 0:
        return small_talk(example)
    return right(example)


@pytest.fixture(scope="module")
def shipped() -> Callable[[Path, Answerer, Answerer], list[Verdict]]:
    """What a shipped suite's gates say of a system that would replace another."""
    suites = {path: load_yaml(path, SuiteSettings) for path in SUITES}
    known: dict[tuple[Path, Answerer], System] = {}

    def judge(path: Path, ours: Answerer, served: Answerer) -> list[Verdict]:
        for answerer in (ours, served):
            if (path, answerer) not in known:
                known[path, answerer] = measured(suites[path], answerer)
        pair = known[path, ours], known[path, served]
        evidence = Evidence(*pair, compare_results(*pair, settings=QUICK))
        return judge_gates(suites[path].gates, evidence)

    return judge


@pytest.mark.parametrize("served", [right, small_talk])
@pytest.mark.parametrize("name", SHIPPED_BAD)
@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.name)
def test_every_shipped_suite_holds_known_bad_systems(
    shipped: Callable[..., list[Verdict]], path: Path, name: str, served: Answerer
) -> None:
    """Against what is perfect and against what can do nothing: by bars that do not move."""
    verdicts = shipped(path, SHIPPED_BAD[name], served)
    assert any(verdict.held and verdict.gate.startswith("at least") for verdict in verdicts)


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.name)
def test_every_shipped_suite_lets_good_systems_through(
    shipped: Callable[..., list[Verdict]], path: Path
) -> None:
    """The perfect one against both, and a fairly good one against a base."""
    for ours, served in ((right, right), (right, small_talk), (fairly_good, small_talk)):
        assert [verdict.reason for verdict in shipped(path, ours, served) if verdict.held] == []


def test_without_the_bars_never_calling_would_replace_a_base(shipped: Callable[..., list[Verdict]]) -> None:
    """What the bars are for: it loses nothing of what a base can do."""
    (path,) = [path for path in SUITES if path.name == "suite.yaml"]
    verdicts = shipped(path, SHIPPED_BAD["never calls"], small_talk)
    assert [verdict.gate for verdict in verdicts if verdict.held] == ["at least: tool_calls on tools"]
