"""A real (tiny) model answers examples, in their order, whatever the batches."""

import pytest
import torch

from sft_shared.data.chat import DataSettings
from sft_shared.dialogue import Example, ExpectedCall, Message, Provenance, Tool, ToolCall
from sft_shared.errors import ModelError
from sft_shared.evaluation.answering import EvaluationSettings, answers
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


def run(base: Base, examples: list[Example], *, state: object = None, **changes: object) -> list[str]:
    arguments = {"tuning": LORA, "data": DATA, "settings": SETTINGS, **changes}
    return answers(base, state, examples, **arguments)


def test_evaluation_generates_for_every_example_in_order(
    base: Base, examples: list[Example], restless: dict[str, torch.Tensor]
) -> None:
    """Batches are by length inside, but predictions come back in the order of the examples."""
    done: list[int] = []
    found = run(base, examples, state=restless, on_batch=done.append)
    assert done == [3, 6, 9, 10]
    one_by_one = [run(base, [example], state=restless)[0] for example in examples]
    assert found == one_by_one
    assert len(set(one_by_one)) > 5


def test_an_adapter_changes_the_answers_and_leaves_the_base_alone(
    base: Base, examples: list[Example], restless: dict[str, torch.Tensor]
) -> None:
    """A fresh adapter (B = 0) changes nothing, a strong one does, and the base is as before."""
    before = run(base, examples)
    assert run(base, examples, state=LORA.initial(base, seed=1)) == before
    assert run(base, examples, state=restless) != before
    assert run(base, examples) == before


def test_threads_are_limited_and_given_back(base: Base, examples: list[Example]) -> None:
    """While answers are generated torch has the set number of threads, afterwards as many as before."""
    before = torch.get_num_threads()
    seen: list[int] = []
    settings = SETTINGS.model_copy(update={"threads": before + 1})
    run(base, examples, settings=settings, on_batch=lambda done: seen.append(torch.get_num_threads()))
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


def test_an_adapter_of_another_rank_is_refused(base: Base, examples: list[Example]) -> None:
    """It says so."""
    other = LoraSettings(rank=4).initial(base, seed=0)
    with pytest.raises(ModelError, match="does not fit"):
        run(base, examples, state=other)
