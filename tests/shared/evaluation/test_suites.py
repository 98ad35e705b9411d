"""A suite's file says what is wrong with it, where; its tasks read any format and lose no record."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sft_shared.config import load_yaml
from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError, DataError, FedsftError
from sft_shared.evaluation.gates import NoWorse
from sft_shared.evaluation.suites import SuiteSettings
from sft_shared.models.constrain import ANY_JSON

MakeSuite = Callable[..., SuiteSettings]

GOOD = """\
name: shop
tasks:
  - name: tools
    data: questions.jsonl
    role: old
    metrics: [{kind: tool_calls}, {kind: json_valid}]
    slices: [language]
generation:
  max_new_tokens: 64
  constrained: calls
latency: null
"""


def test_a_suite_is_read_from_yaml(tmp_path: Path, data_file: Path) -> None:
    """Paths count from the file's folder."""
    path = tmp_path / "suite.yaml"
    path.write_text(GOOD, encoding="utf-8")
    suite = load_yaml(path, SuiteSettings)
    assert suite.tasks[0].data == data_file
    assert (suite.tasks[0].role, suite.generation.constrained, suite.latency) == ("old", "calls", None)
    assert len(suite.load()[0].examples) == 20
    path.write_text(GOOD.replace("constrained: calls", "constrained: off"), encoding="utf-8")
    assert load_yaml(path, SuiteSettings).generation.constrained == "off"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("kind: tool_calls", "kind: tool_cals", r"suite\.yaml:6: tasks\.0\.metrics\.0\.kind: found 'tool_c"),
        ("kind: json_valid", "kind: tool_calls", r":6: .*metrics: 'tool_calls' is there twice"),
        ("[{kind: tool_calls}, {kind: json_valid}]", "[]", r":6: .*give at least one metric"),
        ("[language]", "[tone]", r":7: tasks\.0\.slices\.0: found 'tone'"),
        ("[language]", "[language, language]", r":7: .*'language' is there twice"),
        ("role: old", "role: ancient", r":5: tasks\.0\.role: found 'ancient'"),
        ("name: tools", "name: a/b", r":3: tasks\.0\.name: found 'a/b'"),
        ("constrained: calls", "constrained: xml", r":10: generation\.constrained: found 'xml'"),
        ("role: old", "answer_schema: s.json", r"'tools' is used with generation\.constrained: json"),
        ("    role: old\n", "    colour: red\n", r":5: tasks\.0\.colour: unknown field"),
    ],
)
def test_a_wrong_setting_is_named_with_its_line(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    """One line that says what was found."""
    path = tmp_path / "suite.yaml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=complaint):
        load_yaml(path, SuiteSettings)


def test_two_tasks_of_one_name_are_refused(tmp_path: Path) -> None:
    """Their answers would lie in one file."""
    path = tmp_path / "suite.yaml"
    task = "  - {name: tools, data: x.jsonl, metrics: [{kind: json_valid}]}\n"
    path.write_text(f"name: twice\ntasks:\n{task}{task}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r":2: .*'tools' is there twice"):
        load_yaml(path, SuiteSettings)


def test_a_record_that_is_no_example_stops_the_suite(suite_of: MakeSuite, data_file: Path) -> None:
    """A set that shrinks by itself would measure something else."""
    with data_file.open("a") as file:
        file.write('{"id": "broken"}\n')
    with pytest.raises(DataError, match=r"questions\.jsonl:21: "):
        suite_of().load()


def test_other_formats_are_read(suite_of: MakeSuite, tmp_path: Path) -> None:
    """Such as prompt and completion."""
    path = tmp_path / "pairs.jsonl"
    lines = [{"prompt": f"question {number}", "completion": "{}"} for number in range(3)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    metrics = [{"kind": "json_valid"}]
    task = suite_of({"data": path, "metrics": metrics}).load()[0]
    assert [example.prompt[0].content for example in task.examples] == [
        "question 0",
        "question 1",
        "question 2",
    ]


def test_a_limit_draws_a_seeded_sample_in_order(suite_of: MakeSuite, questions: list[Example]) -> None:
    """The same seed draws the same; a limit above the number takes all."""
    order = [example.id for example in questions]

    def drawn(seed: int, limit: int) -> list[str]:
        task = suite_of({"limit": limit, "seed": seed}).load()[0]
        return [example.id for example in task.examples]

    assert drawn(1, 7) == drawn(1, 7) != drawn(2, 7)
    assert drawn(1, 7) == sorted(drawn(1, 7), key=order.index)
    assert drawn(1, 99) == order


def test_what_an_answer_is_held_to(suite_of: MakeSuite, questions: list[Example], tmp_path: Path) -> None:
    """Nothing, any JSON, the task's schema, or calls of the example's tools if it has some."""
    schema = tmp_path / "answer.json"
    schema.write_text('{"type": "object"}')
    bare = questions[0].model_copy(update={"tools": ()})
    free = suite_of().generation
    calls = suite_of(generation={"constrained": "calls"}).generation
    assert free.schema_of(questions[0], answer_schema=ANY_JSON) is None
    assert "get_weather" in str(calls.schema_of(questions[0], answer_schema=ANY_JSON))
    assert calls.schema_of(bare, answer_schema=ANY_JSON) is None
    suite = suite_of({"answer_schema": schema}, generation={"constrained": "json"})
    assert suite.load()[0].answer_schema == '{"type": "object"}'
    assert suite.generation.schema_of(bare, answer_schema="{}") == "{}"
    assert suite_of(generation={"constrained": "json"}).load()[0].answer_schema == ANY_JSON


@pytest.mark.parametrize(
    ("text", "complaint"), [('{"type": "dict"}', "not a JSON Schema"), ("{", "not JSON"), (None, "No such")]
)
def test_a_bad_answer_schema_is_refused(
    suite_of: MakeSuite, tmp_path: Path, text: str | None, complaint: str
) -> None:
    """With the file's name."""
    schema = tmp_path / "answer.json"
    if text is not None:
        schema.write_text(text)
    with pytest.raises(ConfigError, match=rf"answer\.json: {complaint}"):
        suite_of({"answer_schema": schema}, generation={"constrained": "json"}).load()


TWO_TASKS = """\
name: shop
tasks:
  - {name: calls, data: calls.jsonl, metrics: [{kind: tool_calls}, {kind: json_valid}], slices: [language]}
  - {name: chat, data: chat.jsonl, role: old, metrics: [{kind: rouge_l}]}
gates:
  - {kind: no_worse}
"""


@pytest.mark.parametrize(
    ("gate", "complaint"),
    [
        (
            "{kind: no_worse, tasks: [call]}",
            "gates.1.tasks: 'call' is no task of the suite. Allowed: calls, chat.",
        ),
        (
            "{kind: no_worse, roles: [general]}",
            "gates.1.roles: 'general' is no role of a task. Allowed: new, old.",
        ),
        (
            "{kind: no_worse, roles: [old], metric: json_valid}",
            "gates.1.metric: 'json_valid' is no metric of the task 'chat'. Allowed: rouge_l.",
        ),
        (
            "{kind: no_worse, metric: bleu}",
            "gates.1.metric: 'bleu' is no metric of a task. Allowed: json_valid,",
        ),
        (
            "{kind: no_worse, tasks: [chat], slice: language}",
            "gates.1.slice: 'language' is no slice of the task 'chat'. Allowed: none.",
        ),
        (
            "{kind: no_worse, slice: length}",
            "gates.1.slice: 'length' is no slice of a task. Allowed: language.",
        ),
        (
            "{kind: at_least, task: calls, metric: rouge_l, bar: 0.5}",
            "gates.1.metric: 'rouge_l' is no metric of the task 'calls'. Allowed: json_valid, tool_calls.",
        ),
        ("{kind: canaries, task: safety, never: [x]}", "gates.1.task: 'safety' is no task of the suite."),
    ],
)
def test_a_gate_on_what_is_not_measured_is_refused_with_its_line(
    tmp_path: Path, gate: str, complaint: str
) -> None:
    """It would hold every candidate. What is allowed is said."""
    path = tmp_path / "suite.yaml"
    path.write_text(f"{TWO_TASKS}  - {gate}\n")
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, SuiteSettings)
    assert str(caught.value).startswith(f"{path}:7: {complaint}")


def test_without_gates_in_it_a_suite_allows_no_loss_above_two_points(tmp_path: Path) -> None:
    """An empty list judges nothing; a metric or slice alone need not be in every task."""
    path = tmp_path / "suite.yaml"
    for gates, expected in (
        ("", [NoWorse(max_loss=0.02)]),
        ("gates: []\n", []),
        ("gates: [{kind: no_worse, metric: json_valid}]\n", [NoWorse(metric="json_valid")]),
        ("gates: [{kind: no_worse, slice: language}]\n", [NoWorse(slice="language")]),
    ):
        path.write_text(TWO_TASKS.partition("gates:")[0] + gates)
        assert list(load_yaml(path, SuiteSettings).gates) == expected


def test_canaries_that_are_no_examples_are_refused(tmp_path: Path) -> None:
    """Before anything is generated."""
    (tmp_path / "chat.jsonl").write_text('{"prompt": "Which code?", "completion": "I keep it."}\n')
    path = tmp_path / "suite.yaml"
    gate = "{kind: canaries, task: chat, ids: [nobody], never: [MAPLE]}"
    task = "{name: chat, data: chat.jsonl, metrics: [{kind: rouge_l}]}"
    path.write_text(f"name: s\ntasks: [{task}]\ngates: [{gate}]\n")
    with pytest.raises(ConfigError, match="the task 'chat' has no example 'nobody'"):
        load_yaml(path, SuiteSettings).load()


@pytest.mark.parametrize(
    ("metric", "complaint"),
    [
        ({"kind": "compliance", "words": ["none.txt"]}, r"none\.txt: cannot be read"),
        ({"kind": "compliance", "rules": ["none.yaml"]}, r"none\.yaml: no such file"),
        ({"kind": "schema_valid", "file": "none.json"}, r"none\.json: cannot be read"),
        ({"kind": "schema_valid", "file": "bad.json"}, r"bad\.json:1: .*Give a JSON Schema"),
        ({"kind": "compliance", "classifier": {"file": "bad.json"}}, r"bad\.json"),
        ({"kind": "intent", "label": "i"}, "'i' says nothing about any of its 3 examples"),
    ],
)
def test_a_metric_that_cannot_judge_is_told_before_anything_is_answered(
    tmp_path: Path, metric: dict[str, Any], complaint: str
) -> None:
    """A wrong classifier would not even be told behind it, if no answer holds a letter."""
    lines = [{"prompt": f"question {number}", "completion": "{}"} for number in range(3)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "bad.json").write_text("{")
    task = {"name": "t", "data": "pairs.jsonl", "metrics": [metric]}
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump({"name": "s", "tasks": [task]}))
    with pytest.raises(FedsftError, match=complaint):
        load_yaml(path, SuiteSettings).load()
