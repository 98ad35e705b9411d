"""What each stage of tool calling sees of an example."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from sft_shared.data.chat import IGNORED, TOOL_INSTRUCTION, DataSettings, render_prompt, tokenize
from sft_shared.data.stages import SELECTION_INSTRUCTION, StageSettings, called_names, views
from sft_shared.dialogue import Example
from sft_shared.models.load import Base

TOOLS = [{"name": name, "parameters": {"type": "object", "properties": {}}} for name in ("look", "write")]
CALLS = [{"name": "write", "arguments": {"text": "a"}}, {"name": "look", "arguments": {}}]
ASK = {"role": "user", "content": "go"}
SELECTION, PARAMETERS, RESULT = (
    StageSettings(kind="selection"),
    StageSettings(kind="parameters"),
    StageSettings(kind="result"),
)


def example(name: str, *messages: dict[str, Any], tools: Any = TOOLS, **fields: Any) -> Example:
    """A dialogue."""
    provenance = {"source": "test", "session": name}
    return Example.model_validate(
        {"id": name, "messages": messages, "tools": tools, "provenance": provenance, **fields}
    )


CALLING = example(
    "calling",
    ASK,
    {"role": "assistant", "tool_calls": CALLS},
    expected_calls=[{"name": "look", "arguments": {}}],
)
READING = example(
    "reading",
    ASK,
    {"role": "assistant", "tool_calls": CALLS},
    {"role": "tool", "content": "42"},
    {"role": "assistant", "content": "It is 42."},
)
CALLING_ON = example(
    "calling-on",
    ASK,
    {"role": "assistant", "tool_calls": CALLS},
    {"role": "tool", "content": "42"},
    {"role": "assistant", "tool_calls": CALLS[:1]},
)
TALKING = example("talking", ASK, {"role": "assistant", "content": "Hello."})
TOOLLESS = example("toolless", ASK, {"role": "assistant", "tool_calls": CALLS}, tools=[])
ALL = [CALLING, READING, CALLING_ON, TALKING, TOOLLESS]


def test_selection_answers_with_the_names_alone() -> None:
    """In the answer's order; the question and the tools stay, what was expected of whole calls does not."""
    view = SELECTION.view(CALLING)
    assert view is not None
    assert json.loads(view.answer.content or "") == ["write", "look"] == called_names(CALLING)
    assert view.answer.tool_calls == ()
    assert view.expected_calls == ()
    assert (view.prompt, view.tools, view.id) == (CALLING.prompt, CALLING.tools, "calling")


def test_parameters_are_the_whole_calls_with_all_tools_in_sight() -> None:
    """The example as it is."""
    assert PARAMETERS.view(CALLING) == CALLING


def test_result_is_the_answer_in_words_after_a_tools_result() -> None:
    """The example as it is; a further call after a result is no answer in words."""
    assert RESULT.view(READING) == READING


@pytest.mark.parametrize(
    ("stage", "ids"),
    [
        (SELECTION, ["calling", "calling-on"]),
        (PARAMETERS, ["calling", "calling-on"]),
        (RESULT, ["reading"]),
        (None, ["calling", "reading", "calling-on", "talking", "toolless"]),
    ],
)
def test_what_has_nothing_for_a_stage_is_left_out(stage: StageSettings | None, ids: list[str]) -> None:
    """The others stay in their order; without a stage all do, as they are."""
    seen = views(stage, ALL)
    assert [view.id for view in seen] == ids
    if stage is None:
        assert seen == ALL


def test_choosing_has_an_instruction_of_its_own(tiny: Base) -> None:
    """It is in the tokens in place of the usual one, and only for this stage."""
    settings = DataSettings(max_tokens=900)
    for stage, own, other in (
        (SELECTION, SELECTION_INSTRUCTION, TOOL_INSTRUCTION),
        (PARAMETERS, TOOL_INSTRUCTION, SELECTION_INSTRUCTION),
    ):
        prompt = tiny.tokenizer.decode(render_prompt(CALLING, tiny.tokenizer, stage.data(settings)))
        assert own in prompt
        assert other not in prompt
    assert SELECTION.data(settings).max_tokens == 900
    assert RESULT.data(settings) == PARAMETERS.data(settings) == settings


def test_the_names_are_what_is_trained_on(tiny: Base) -> None:
    """The supervised tokens of a selection row are the list of names and the end of the turn."""
    (view,) = views(SELECTION, [CALLING])
    row = tokenize(view, tiny.tokenizer, SELECTION.data(DataSettings()))
    supervised = [label for label in row.labels if label != IGNORED]
    assert tiny.tokenizer.decode(supervised) == '["write", "look"]' + tiny.tokenizer.eos_token


@pytest.mark.parametrize("values", [{"kind": "results"}, {"kind": "result", "cycles": 0}, {}])
def test_an_unknown_stage_is_refused(values: dict[str, Any]) -> None:
    """As is one of no cycles."""
    with pytest.raises(ValidationError):
        StageSettings.model_validate(values)
