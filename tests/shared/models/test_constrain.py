"""Answers held to a schema always keep to it, and are what the model says anyway where that fits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from jsonschema import Draft202012Validator

from sft_shared.data.chat import DataSettings, render_prompt
from sft_shared.dialogue import Example, Tool
from sft_shared.errors import DataError
from sft_shared.models.constrain import ANY_JSON, calls_schema
from sft_shared.models.generate import Continuation, continuations, generate
from sft_shared.models.load import Base
from sft_shared.models.tuning import FullSettings, LoraSettings, attached

TUNING = LoraSettings(rank=4, alpha=64)
WEATHER = Tool(
    name="天气",
    parameters={
        "type": "object",
        "properties": {
            "city": {"$ref": "#/$defs/City"},
            "unit": {"enum": ["c", "f"]},
            "sun": {"type": "boolean"},
        },
        "required": ["city"],
        "$defs": {"City": {"enum": ["Paris", "北京"]}},
    },
)
PING = Tool(name="ping", parameters={"type": "object", "properties": {}})


@pytest.fixture
def prompts(tiny: Base, examples: list[Example]) -> list[list[int]]:
    """Prompts of five lengths with a common beginning, and one that has nothing in common."""
    made = [render_prompt(example, tiny.tokenizer, DataSettings()) for example in examples[:7]]
    return [*made, tiny.tokenizer("unlike the others")["input_ids"]]


@pytest.fixture(params=[0, 1, 2])
def adapted(tiny: Base, request: pytest.FixtureRequest) -> Iterator[Base]:
    """The tiny model under a random adapter that gives it varied answers, none of them JSON."""
    generator = torch.Generator().manual_seed(request.param)
    shapes = TUNING.shapes(tiny)
    state = {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in shapes.items()}
    with attached(tiny, TUNING, state):
        yield tiny


def write(base: Base, prompts: list[list[int]], schema: str | None, **changes: Any) -> list[Continuation]:
    arguments = {"max_new_tokens": 60, "batch_size": 3, "schemas": [schema] * len(prompts), **changes}
    return continuations(base, prompts, **arguments)


def is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


def test_whatever_a_random_model_finishes_under_any_json_is_json(
    adapted: Base, prompts: list[list[int]]
) -> None:
    """Without the constraint none of the answers is; one that is cut off says so."""
    assert not any(is_json(text) for text in generate(adapted, prompts, max_new_tokens=60, batch_size=3))
    for answer in write(adapted, prompts, ANY_JSON):
        assert answer.cut or is_json(answer.text)
        assert answer.cut == (answer.num_tokens == 60 and not is_json(answer.text)) or is_json(answer.text)


def test_a_small_schema_is_always_met(adapted: Base, prompts: list[list[int]]) -> None:
    """Where every answer of the schema fits into the tokens, every answer is whole and valid."""
    schema = {
        "type": "object",
        "properties": {"意图": {"enum": ["refund", "查询"]}, "sure": {"type": "boolean"}},
        "required": ["意图", "sure"],
        "additionalProperties": False,
    }
    text = json.dumps(schema, ensure_ascii=False)
    for answer in write(adapted, prompts, text, max_new_tokens=250):
        assert not answer.cut
        assert Draft202012Validator(schema).is_valid(json.loads(answer.text))


def test_calls_are_of_the_tools_with_arguments_of_their_schema(
    adapted: Base, prompts: list[list[int]]
) -> None:
    """Every whole answer is a list of calls whose arguments fit; references inside a tool's schema hold."""
    whole = [a for a in write(adapted, prompts, calls_schema([WEATHER, PING])) if not a.cut]
    parameters = {tool.name: tool.parameters for tool in (WEATHER, PING)}
    for answer in whole:
        for call in json.loads(answer.text):
            assert set(call) == {"name", "arguments"}
            assert Draft202012Validator(parameters[call["name"]]).is_valid(call["arguments"])


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ('[{"name": "天气", "arguments": {"city": "北京", "unit": "c"}}]', True),
        ('[{"name": "天气", "arguments": {"city": "Paris"}}, {"name": "ping", "arguments": {}}]', True),
        ('[\n  {"name":"ping","arguments":{}}\n]', True),
        ("[]", True),
        ('[{"name": "天气", "arguments": {"unit": "c"}}]', False),
        ('[{"name": "天气", "arguments": {"city": "London"}}]', False),
        ('[{"name": "天气", "arguments": {"city": "Paris", "rain": true}}]', False),
        ('[{"name": "ping", "arguments": {"x": 1}}]', False),
        ('[{"name": "pong", "arguments": {}}]', False),
        ('{"name": "ping", "arguments": {}}', False),
        ("I cannot do that.", False),
    ],
)
def test_what_counts_as_calls(tiny: Base, text: str, allowed: bool) -> None:
    """Tools by name, required arguments, allowed values, nothing else; an empty list calls nothing."""
    import xgrammar

    from sft_shared.models.constrain import Grammars
    from sft_shared.models.generate import end_token_ids

    grammar = Grammars(tiny, ends=end_token_ids(tiny)).compile(calls_schema([WEATHER, PING]))
    matcher = xgrammar.GrammarMatcher(grammar, terminate_without_stop_token=True)
    assert (matcher.accept_string(text) and matcher.is_terminated()) == allowed


def test_an_answer_that_fits_is_left_alone(tiny: Base, prompts: list[list[int]]) -> None:
    """A model taught to write JSON, token for token: the constraint changes nothing in any batch.

    Schema and model disagree in the last case: then the constraint does change the answer.
    """
    target = '[{"name": "get_weather", "arguments": {"city": "Paris", "days": 3}}]'
    state = taught(tiny, prompts[0], target)
    tool = Tool(
        name="get_weather",
        parameters={
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    )
    other = tool.model_copy(update={"name": "get_time"})
    with attached(tiny, FullSettings(), state):
        free = generate(tiny, prompts[:1], max_new_tokens=60, batch_size=1)
        assert free == [target]
        for schema in (ANY_JSON, calls_schema([tool]), calls_schema([other, tool])):
            assert [answer.text for answer in write(tiny, prompts[:1], schema)] == free
            mixed = continuations(
                tiny,
                [prompts[0], *prompts],
                max_new_tokens=60,
                batch_size=4,
                schemas=[schema, *[None] * len(prompts)],
            )
            assert mixed[0].text == target
        assert [answer.text for answer in write(tiny, prompts[:1], calls_schema([other]))] != free


def taught(base: Base, prompt: list[int], text: str) -> dict[str, torch.Tensor]:
    """The whole model, fine-tuned until it knows one answer by heart."""
    from sft_shared.data.chat import IGNORED, Row
    from sft_shared.training.loop import train
    from sft_shared.training.settings import TrainingSettings

    answer = [*base.tokenizer(text, add_special_tokens=False)["input_ids"], base.tokenizer.eos_token_id]
    row = Row((*prompt, *answer), (*[IGNORED] * len(prompt), *answer), example_id="one")
    settings = TrainingSettings(steps=100, batch_size=1, learning_rate=3e-3)
    fresh = FullSettings().initial(base, seed=0)
    return dict(train(base, fresh, [row], tuning=FullSettings(), settings=settings).state)


def test_free_rows_are_free_beside_constrained_ones(adapted: Base, prompts: list[list[int]]) -> None:
    """In one batch each answer has its own schema or none."""
    free = generate(adapted, prompts, max_new_tokens=20, batch_size=8)
    schemas = [ANY_JSON if place % 2 else None for place in range(len(prompts))]
    mixed = continuations(adapted, prompts, max_new_tokens=20, batch_size=8, schemas=schemas)
    assert [answer.text for answer in mixed[::2]] == free[::2]
    assert all(answer.text[0] in "[{" for answer in mixed[1::2])


def test_a_schema_that_no_grammar_can_be_made_of_is_refused(tiny: Base, prompts: list[list[int]]) -> None:
    """The reason is told without the engine's own file names."""
    with pytest.raises(DataError, match=r'JSON Schema: Unsupported type "dict"\. Mend the schema'):
        write(tiny, prompts, '{"type": "dict"}')
