"""Evaluation generates with a real (tiny) model and rewards nothing but right calls."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sft_shared.data.chat import DataSettings, answer_text
from sft_shared.dialogue import Example, ExpectedCall, Message, Provenance, Tool, ToolCall
from sft_shared.errors import DataError, ModelError
from sft_shared.evaluation.answering import EvaluationResult, EvaluationSettings, answers, judge
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.tiny import make_tiny_model
from sft_shared.models.tuning import LoraSettings

CITIES = ("Paris", "Rome", "Lima", "Oslo", "Kyoto", "Quito", "Accra", "Dhaka", "Turin", "Perth")
LORA = LoraSettings(rank=2, alpha=4)
DATA = DataSettings()
SETTINGS = EvaluationSettings(max_new_tokens=5, batch_size=3)


def make_example(number: int, *, city: str) -> Example:
    name = "get_weather" if number % 2 else "get_time"
    properties = {"city": {"type": "string"}, "days": {"type": "integer"}}
    arguments = {"city": city, "days": number}
    return Example(
        id=f"{name}-{number}",
        messages=(
            Message(role="user", content=f"{name} of {city} for {number} days"),
            Message(role="assistant", tool_calls=(ToolCall(name=name, arguments=arguments),)),
        ),
        tools=(
            Tool(name=name, parameters={"type": "object", "properties": properties, "required": ["city"]}),
        ),
        expected_calls=(
            ExpectedCall(name=name, arguments={key: [value] for key, value in arguments.items()}),
        ),
        category=name,
        provenance=Provenance(source="test", session=str(number), split="held_out"),
    )


@pytest.fixture
def examples() -> list[Example]:
    return [make_example(number, city=city) for number, city in enumerate(CITIES, start=1)]


@pytest.fixture(scope="module")
def restless(base: Base) -> dict[str, torch.Tensor]:
    """A random adapter so strong that what is written depends on every token of the prompt."""
    draw = torch.Generator().manual_seed(5)
    state = LORA.initial(base, seed=0)
    return {name: torch.randn(tensor.shape, generator=draw) for name, tensor in state.items()}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    torch.set_num_threads(1)
    return load_base(ModelSettings(name=str(make_tiny_model(tmp_path_factory.mktemp("model"))), dtype="fp32"))


def run(base: Base, examples: list[Example], *, state: object = None, **changes: object) -> EvaluationResult:
    arguments = {"tuning": LORA, "data": DATA, "settings": SETTINGS, **changes}
    return judge(examples, answers(base, state, examples, **arguments), seconds=0.0)


@pytest.mark.parametrize(
    ("name", "answer", "at_most"),
    [
        ("constant text", lambda example: "I am happy to help you with that.", 0.0),
        ("empty", lambda example: "", 0.0),
        ("empty list", lambda example: "[]", 0.0),
        ("echo of the question", lambda example: str(example.prompt[-1].content), 0.0),
        ("echo of the tool", lambda example: example.tools[0].model_dump_json(), 0.0),
        (
            "the tool without arguments",
            lambda example: f'[{{"name": "{example.tools[0].name}", "arguments": {{}}}}]',
            0.0,
        ),
        (
            "always the same call",
            lambda example: '[{"name": "get_weather", "arguments": {"city": "Paris", "days": 1}}]',
            0.1,
        ),
    ],
)
def test_a_lazy_answer_scores_nothing(
    examples: list[Example], name: str, answer: Callable[[Example], str], at_most: float
) -> None:
    """What does not depend on the question is right by chance at most once in these ten."""
    result = judge(examples, [answer(example) for example in examples], seconds=0.0)
    assert result.accuracy <= at_most


def test_the_learned_answers_score_all(examples: list[Example]) -> None:
    """What training aims at is what evaluation rewards; shares and interval add up."""
    result = judge(examples, [answer_text(example.answer) for example in examples], seconds=2.5)
    assert (result.n, result.correct, result.accuracy) == (10, 10, 1.0)
    assert (result.valid_json, result.right_function, result.seconds) == (1.0, 1.0, 2.5)
    assert result.ci95[0] > 0.7
    assert result.ci95[1] == 1.0


def test_partial_credit_is_counted_apart(examples: list[Example]) -> None:
    """Valid JSON and the right function do not make a match."""
    half = [
        answer_text(example.answer) if number < 5 else json.dumps({"name": "x", "arguments": {}})
        for number, example in enumerate(examples)
    ]
    result = judge(examples, half, seconds=0.0)
    assert (result.accuracy, result.valid_json, result.right_function) == (0.5, 1.0, 0.5)
    assert [prediction.score.reason for prediction in result.predictions][5:] == ["wrong-function"] * 5


def test_answers_must_be_one_to_one(examples: list[Example]) -> None:
    """A lost answer is an error, not a shift of all others."""
    with pytest.raises(ValueError, match="zip"):
        judge(examples, [""] * 9, seconds=0.0)


def texts(result: EvaluationResult) -> list[str]:
    return [prediction.text for prediction in result.predictions]


def test_evaluation_generates_for_every_example_in_order(
    base: Base, examples: list[Example], restless: dict[str, torch.Tensor]
) -> None:
    """Batches are by length inside, but predictions come back in the order of the examples."""
    done: list[int] = []
    result = run(base, examples, state=restless, on_batch=done.append)
    assert [prediction.example_id for prediction in result.predictions] == [
        example.id for example in examples
    ]
    assert done == [3, 6, 9, 10]
    one_by_one = [texts(run(base, [example], state=restless))[0] for example in examples]
    assert texts(result) == one_by_one
    assert len(set(one_by_one)) > 5


def test_an_adapter_changes_the_answers_and_leaves_the_base_alone(
    base: Base, examples: list[Example], restless: dict[str, torch.Tensor]
) -> None:
    """A fresh adapter (B = 0) changes nothing, a strong one does, and the base is as before."""
    before = texts(run(base, examples))
    assert texts(run(base, examples, state=LORA.initial(base, seed=1))) == before
    assert texts(run(base, examples, state=restless)) != before
    assert texts(run(base, examples)) == before


def test_threads_are_limited_and_given_back(base: Base, examples: list[Example]) -> None:
    """While answers are generated torch has the set number of threads, afterwards as many as before."""
    before = torch.get_num_threads()
    seen: list[int] = []
    settings = SETTINGS.model_copy(update={"threads": before + 1})
    run(base, examples, settings=settings, on_batch=lambda done: seen.append(torch.get_num_threads()))
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


def test_shots_stand_in_the_prompt(
    base: Base, examples: list[Example], restless: dict[str, torch.Tensor]
) -> None:
    """Solved examples before the question change what the model writes."""
    without = texts(run(base, examples[:4], state=restless))
    assert texts(run(base, examples[:4], state=restless, shots=examples[4:6])) != without


def test_what_cannot_be_evaluated_is_refused(base: Base, examples: list[Example], tmp_path: Path) -> None:
    """No examples, no expected calls, an adapter of another rank: each says so."""
    with pytest.raises(DataError, match="nothing to evaluate"):
        run(base, [])
    mute = examples[0].model_copy(update={"expected_calls": ()})
    with pytest.raises(DataError, match="'get_weather-1' has no expected_calls"):
        run(base, [mute])
    other = LoraSettings(rank=4).initial(base, seed=0)
    with pytest.raises(ModelError, match="does not fit"):
        run(base, examples, state=other)
