"""Templates: exact labels, weights, no question twice, and every fault with its line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sft_shared.config import load_yaml
from sft_shared.data.steps import Rejected
from sft_shared.data.synthesis.template_file import TemplateFile
from sft_shared.data.synthesis.templates import Templates
from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError

SHIPPED = Path(__file__).parents[4] / "configs" / "synthesis" / "customer_service.yaml"

SMALL = """\
system: {zh: 你是客服}
slots:
  city: {kind: values, values: [{value: A1, weight: 9}, B2, C3]}
  other: {kind: like, slot: city}
  days: {kind: range, start: 1, stop: 3}
tools:
  - name: track
    parameters:
      type: object
      properties: {city: {type: string}, days: {type: integer}}
      required: [city]
intents:
  where:
    weight: 3
    answer: {kind: json, zh: ["去{{ city }}"], en: ["to {{ city | lower }}"]}
    templates:
      - {language: zh, weight: 3, user: "从{{ city }}到{{ other }}"}
      - language: en
        user: "from {{ city | lower }} to {{ other }}"
  when:
    answer: {kind: call, tool: track}
    templates:
      - {language: en, user: "{{ city }} in {{ days }} days"}
      - {language: zh, user: "什么时候到", answer: "去哪里？"}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "templates.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def made(path: Path, count: int, seed: int = 0) -> list[Example]:
    items = list(Templates(path=path, count=count, seed=seed).examples())
    return [item for item in items if isinstance(item, Example)]


def test_labels_parameters_and_answer_agree_with_the_question(tmp_path: Path) -> None:
    examples = made(write(tmp_path, SMALL), 15)
    for example in examples:
        assert Example.model_validate(example.model_dump()) == example  # every entity is where it says
        assert example.intent is not None
        if example.intent.name == "where":
            answer = json.loads(example.answer.content or "")
            assert answer["intent"] == "where"
            values = {entity.type: entity.value.upper() for entity in example.entities}
            assert answer["parameters"] == values
            assert values["city"] != values["other"]
            assert answer["response"] in (f"去{values['city']}", f"to {values['city'].lower()}")
        elif example.entities:
            (call,) = example.answer.tool_calls
            assert [str(value) for value in call.arguments.values()] == [it.value for it in example.entities]
            assert isinstance(call.arguments["days"], int)
            assert example.expected_calls[0].arguments == {key: [it] for key, it in call.arguments.items()}
        else:
            assert example.answer.content == "去哪里？"
            assert example.tools  # a call would have been possible; nothing was there to call it with


def test_the_system_message_is_of_the_language_and_offsets_count_from_the_question(tmp_path: Path) -> None:
    roles = {tuple(message.role for message in each.messages) for each in made(write(tmp_path, SMALL), 15)}
    assert roles == {("system", "user", "assistant"), ("user", "assistant")}


def test_more_than_there_is_gives_what_there_is_and_says_so(tmp_path: Path) -> None:
    items = list(Templates(path=write(tmp_path, SMALL), count=1000).examples())
    assert len(items) == 6 + 6 + 9 + 1 + 1  # two orders of two of three cities, twice; 3 x 3; one; the notice
    last = items[-1]
    assert isinstance(last, Rejected)
    assert (last.rule, last.detail) == (
        "templates-used-up",
        "22 of 1000 examples: no more different questions were found in it",
    )
    questions = [item.messages[-2].content for item in items[:-1] if isinstance(item, Example)]
    assert len(set(questions)) == 22


def test_weights_are_followed(tmp_path: Path) -> None:
    text = SMALL.replace("B2, C3]", "B2, C3]").replace("stop: 3", "stop: 100000")
    text = text.replace("to {{ other }}", "to {{ other }} {{ days }}").replace(
        "到{{ other }}", "到{{ other }}{{ days }}"
    )
    examples = made(write(tmp_path, text), 2000)
    intents = Counter(example.intent.name for example in examples if example.intent)
    assert 0.70 < intents["where"] / 2000 < 0.80
    chinese = sum("从" in (example.messages[-2].content or "") for example in examples)
    assert 0.70 < chinese / intents["where"] < 0.80
    cities = Counter(example.entities[0].value.upper() for example in examples if example.entities)
    assert 0.77 < cities["A1"] / sum(cities.values()) < 0.87


def test_the_same_seed_makes_the_same_in_every_process_and_another_seed_does_not(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)
    program = (
        "import sys; from pathlib import Path; from sft_shared.data.synthesis.templates import Templates\n"
        "print([e.model_dump_json() for e in Templates(path=Path(sys.argv[1]), count=12).examples()])"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", program, str(path)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
    assert made(path, 12) == made(path, 12)
    assert made(path, 12) != made(path, 12, seed=1)


def test_an_example_keeps_its_id_when_more_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)
    assert made(path, 5) == made(path, 20)[:5]
    assert len({example.provenance.session for example in made(path, 22)}) == 4  # one a template


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("从{{ city }}到", "从{{ city 到", 17, "ot a Jinja2 template"),
        ("{{ city | lower }} to", "{{ city | shout }} to", 19, "No filter named 'shout'"),
        ("{{ city | lower }} to", "{{ town }} to", 19, "unknown slot 'town'. Known: city, other, days"),
        ("去{{ city }}", "去{{ nowhere }}", 15, "unknown slot 'nowhere'"),
        ("slot: city", "slot: town", 4, "slot 'town' has no values of its own"),
        ("tool: track", "tool: trace", 21, "not among the tools of this file"),
        ("{{ city }} in", "soon in", 23, "tool 'track' requires city"),
        ("{{ city }} in", "{{ city }} {{ other }} in", 23, "tool 'track' has no parameter other"),
        ('zh: ["去{{ city }}"], ', "", 17, "the intent has no answer in zh"),
        ("start: 1, stop: 3", "start: 5, stop: 3", 5, "3 is below start"),
        ("kind: like, slot: city", "kind: pattern, pattern: 'a[0'", 4, "cannot be read from"),
        ("values: [{value: A1, weight: 9}, B2, C3]", "zh: [a, b]", 15, "slot 'city' has no values in en"),
        ("{kind: range, start: 1", "{kind: rang, start: 1", 5, "Allowed: values, range, pattern, day, like"),
        ("B2, C3]", "yes, C3]", 3, "Put it in quotes"),
        ("days: {", "two days: {", 5, "not a name"),
        ("{{ city | lower }} to", "{{ city | title }} to", 19, "ilter 'title' is not allowed"),
        ("weight: 3\n", "weight: 0\n", 14, "greater than 0"),
    ],
)
def test_a_fault_in_the_file_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, problem: str
) -> None:
    path = write(tmp_path, SMALL.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        list(Templates(path=path, count=1).examples())
    message = next(each for each in str(caught.value).splitlines() if problem in each)
    assert message.startswith(f"{path}:{line}: ")


def test_a_template_that_fails_when_filled_in_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL.replace("从{{ city }}到", "从{{ city + 1 }}到{{ city }}"))
    with pytest.raises(ConfigError, match=r"intent where: .* cannot be filled: TypeError"):
        list(Templates(path=path, count=20).examples())


def test_the_shipped_file_has_eight_intents_of_six_templates_in_each_language() -> None:
    file = load_yaml(SHIPPED, TemplateFile)
    assert len(file.intents) >= 8
    for intent in file.intents.values():
        languages = Counter(sentence.language for sentence in intent.templates)
        assert min(languages["zh"], languages["en"]) >= 6
    examples = made(SHIPPED, 300)
    assert len(examples) == 300
    for example in examples:
        parameters = json.loads(example.answer.content or "")["parameters"]
        assert {key: str(value) for key, value in parameters.items()} == {
            entity.type: (
                entity.value[0].lower() + entity.value[1:] if entity.type == "reason" else entity.value
            )
            for entity in example.entities
        }
