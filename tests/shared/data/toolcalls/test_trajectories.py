"""Trajectories: sound dialogues of every stage, in both languages, the same for the same seed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sft_shared.data.stages import StageSettings
from sft_shared.data.steps import Rejected
from sft_shared.data.toolcalls.check import CheckTools
from sft_shared.data.toolcalls.no_call import REFUSALS, NoCalls, swap_tools
from sft_shared.data.toolcalls.trajectories import Trajectories
from sft_shared.dialogue import Example, write_examples
from sft_shared.errors import ConfigError

TOOLS = Path(__file__).parents[4] / "configs" / "synthesis" / "tools.yaml"


def made(**settings: object) -> list[Example]:
    values = {"file": TOOLS, "seed": 7, "dialogues_per_scenario": 6, **settings}
    found = list(Trajectories.model_validate(values).examples())
    assert not [each for each in found if isinstance(each, Rejected)]
    return [each for each in found if isinstance(each, Example)]


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return made()


def test_the_shipped_file_gives_every_stage_in_both_languages(examples: list[Example]) -> None:
    """Choosing, filling and reading; questions without a call; none with another's id."""
    for stage in ("selection", "parameters", "result"):
        views = [view for each in examples if (view := StageSettings(kind=stage).view(each)) is not None]
        assert sum("-zh-" in view.id for view in views) > 50
        assert sum("-en-" in view.id for view in views) > 50
    assert len({each.category for each in examples}) >= 10
    assert len({tool.name for each in examples for tool in each.tools}) >= 6
    assert len({each.id for each in examples}) == len(examples)
    assert sum(each.id.endswith("-no-call") for each in examples) > 10


def test_everything_passes_the_strictest_checks(examples: list[Example]) -> None:
    """Arguments fit their schema, results answer their calls, answers say what was returned."""
    check = CheckTools(answers="use_result")
    assert [check(each) for each in examples] == examples


def test_dialogues_differ_and_their_turns_share_a_session(examples: list[Example]) -> None:
    """No two dialogues are the same, and the turns of one never part."""
    finals: dict[str, Example] = {}
    for each in examples:
        if not each.id.endswith("-no-call"):
            finals[each.provenance.session] = each  # the last turn has the whole dialogue
    texts = [json.dumps([message.model_dump() for message in each.messages]) for each in finals.values()]
    assert len(set(texts)) == len(texts)
    assert max(Counter(each.provenance.session for each in examples).values()) > 2


def test_an_error_is_told_and_a_missing_value_is_asked_for(examples: list[Example]) -> None:
    """The answer to a failed call says so; an incomplete question gets a question, then the call."""
    failed = [
        each for each in examples if each.category == "parcel_unknown" and each.messages[-2].role == "tool"
    ]
    assert failed
    assert all('"error"' in (each.messages[-2].content or "") for each in failed)
    asked = [
        each
        for each in examples
        if [m.role for m in each.messages] == ["user", "assistant", "user", "assistant"]
    ]
    assert asked
    assert all(each.answer.tool_calls and not each.messages[1].tool_calls for each in asked)


def test_other_values_give_other_answers(examples: list[Example]) -> None:
    """The answer depends on the result: equal answers only where the results are equal."""
    answers: dict[str, set[str]] = {}
    for each in examples:
        if each.category == "fund_value" and each.messages[-2].role == "tool":
            answers.setdefault(each.answer.content or "", set()).add(each.messages[-2].content or "")
    assert len(answers) > 5
    assert all(len(results) == 1 for results in answers.values())


def test_the_seed_decides_and_hash_randomisation_does_not(examples: list[Example]) -> None:
    """The same in a process with other string hashes; another seed, other dialogues."""
    code = (
        "import sys, hashlib; from sft_shared.data.toolcalls.trajectories import Trajectories\n"
        f"made = Trajectories(file={str(TOOLS)!r}, seed=7, dialogues_per_scenario=6).examples()\n"
        "print(hashlib.sha256(''.join(each.model_dump_json() for each in made).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, check=True,
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(digests) == 1
    assert made() == examples
    assert made(seed=8) != examples


def test_swapped_tools_are_unrelated_and_the_assistant_says_so(examples: list[Example]) -> None:
    """None of the right tools is left, nothing is called, and the origin is named."""
    by_id = {each.id: each for each in examples}
    swapped = [each for each in examples if each.id.endswith("-no-call")]
    for each in swapped:
        original = by_id[str(each.provenance.origin)]
        assert not {tool.name for tool in each.tools} & {call.name for call in original.answer.tool_calls}
        assert not each.answer.tool_calls
        assert each.answer.content in REFUSALS["zh" if "-zh-" in each.id else "en"]
        assert each.prompt == original.prompt


def test_a_tool_akin_to_the_right_one_is_not_swapped_in(examples: list[Example]) -> None:
    """A forecast would answer a question about the weather: with nothing else there is no example."""
    call = next(each for each in examples if each.category == "weather" and each.answer.tool_calls)
    tool = next(tool for tool in call.tools if tool.name == "get_weather")
    forecast = tool.model_copy(update={"name": "weather_forecast"})
    pool = [
        call.model_copy(update={"tools": (tool,)}),
        call.model_copy(update={"id": "x", "tools": (forecast,)}),
    ]
    found = list(swap_tools(pool, share=1.0, num_tools=1, seed=1))
    assert [each.rule for each in found if isinstance(each, Rejected)] == ["no-unrelated-tool"] * 2


def test_no_calls_are_made_from_a_file_too(examples: list[Example], tmp_path: Path) -> None:
    """`kind: no_calls` reads any examples with tools."""
    write_examples(tmp_path / "x.jsonl", [each for each in examples if not each.id.endswith("-no-call")])
    found = list(NoCalls(file=tmp_path / "x.jsonl", share=0.5, seed=1).examples())
    assert len([each for each in found if isinstance(each, Example)]) > 50


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("tool: get_weather,", "tool: get_wether,", "calls 'get_wether', which is not declared"),
        ("results[0].sky", "results[0].skies", "cannot be filled"),
        ("rows: {place: weather}", "rows: {place: wether}", "undeclared 'wether'"),
        ("type: integer, minimum: 1", "type: intejer, minimum: 1", "properties.months"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    """One line, no traceback."""
    text = TOOLS.read_text(encoding="utf-8")
    assert before in text
    path = tmp_path / "tools.yaml"
    path.write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as error:
        list(Trajectories(file=path, seed=1, dialogues_per_scenario=2).examples())
    assert "tools.yaml" in str(error.value)


def test_a_file_that_contradicts_itself_is_rejected_by_rule(tmp_path: Path) -> None:
    """An answer that states a number of its own is no example of reading a result."""
    text = TOOLS.read_text(encoding="utf-8").replace("现有{{ results[0].points }}积分", "现有77积分")
    path = tmp_path / "tools.yaml"
    path.write_text(text, encoding="utf-8")
    found = list(Trajectories(file=path, seed=1, dialogues_per_scenario=10, languages=("zh",)).examples())
    assert {each.rule for each in found if isinstance(each, Rejected)} == {"answer-invents-value"}
