"""Examples from templates: intents, sentences with slots, and the answers that go with them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Literal

from pydantic import PositiveInt

from sft_shared.config import LocalPath, Settings, load_yaml
from sft_shared.data.steps import Rejected
from sft_shared.data.synthesis.template_file import (
    CallAnswer,
    IntentTemplates,
    JsonAnswer,
    Sentence,
    TemplateFile,
)
from sft_shared.data.templating.rendering import render, slots_in
from sft_shared.data.templating.slots import MANY, draw, source_of
from sft_shared.dialogue import Entity, Example, ExpectedCall, Intent, Message, Provenance, ToolCall
from sft_shared.errors import ConfigError

PATIENCE = 200  # sentences in a row that were there before, until a template counts as used up


class Templates(Settings):
    """Make ``count`` examples from the templates of a YAML file (see `TemplateFile`).

    Intents, templates and values are drawn by weight; no question is made twice. Where the templates do not
    hold ``count`` different questions, all there are come out, and a last `Rejected` says how many.
    """

    kind: Literal["templates"] = "templates"
    path: LocalPath
    count: PositiveInt
    seed: int = 0

    def examples(self) -> Iterator[Example | Rejected]:
        """Yield the examples. Raises ConfigError with file:line for a file that is not right."""
        file = load_yaml(self.path, TemplateFile)
        lanes = {
            name: [_Lane(name, intent, sentence) for sentence in intent.templates]
            for name, intent in file.intents.items()
        }
        rng = random.Random(self.seed)  # noqa: S311 (examples, not secrets)
        seen: set[str] = set()
        made = 0
        while made < self.count and lanes:
            name = rng.choices(list(lanes), [file.intents[name].weight for name in lanes])[0]
            lane = rng.choices(lanes[name], [each.sentence.weight for each in lanes[name]])[0]
            try:
                example = _make(file, lane, rng, source=self.path.name)
            except ConfigError as error:
                raise ConfigError(f"{self.path}: intent {lane.name}: {error}") from None
            key = " ".join(_question(example).casefold().split())
            if key in seen:
                lane.repeats += 1
            else:
                seen.add(key)
                made, lane.repeats, lane.made = made + 1, 0, lane.made + 1
                yield example
            if lane.is_used_up(file):
                lanes[name].remove(lane)
                lanes = {key: left for key, left in lanes.items() if left}
        if made < self.count:
            yield Rejected(
                where=str(self.path),
                rule="templates-used-up",
                detail=f"{made} of {self.count} examples: no more different questions were found in it",
            )


class _Lane:
    """A template of an intent, and how far it has been used."""

    def __init__(self, name: str, intent: IntentTemplates, sentence: Sentence) -> None:
        self.name, self.intent, self.sentence = name, intent, sentence
        self.made = self.repeats = 0

    def is_used_up(self, file: TemplateFile) -> bool:
        if self.repeats > PATIENCE * (1 + self.made.bit_length()):
            return True
        size = 1
        for name in slots_in(self.sentence.user):
            size = min(size * source_of(name, file.slots).size(self.sentence.language), MANY)
        return self.made >= size


def _make(file: TemplateFile, lane: _Lane, rng: random.Random, *, source: str) -> Example:
    sentence, intent = lane.sentence, lane.intent
    said = sentence.answer or rng.choice(intent.answers(sentence.language))
    names = slots_in(sentence.user) | slots_in(said)
    values = draw(file.slots, names, rng, language=sentence.language)
    question, places = render(sentence.user, values)
    reply, _ = render(said, values)
    parameters = {name: values[name] for name in dict.fromkeys(slot for slot, _, _ in places)}
    answer, expected = _answer(lane, parameters, reply, is_plain=sentence.answer is not None)
    system = file.system.get(sentence.language)
    before = (Message(role="system", content=system),) if system else ()
    tools = list(file.tools) if isinstance(intent.answer, CallAnswer) else []
    rng.shuffle(tools)
    digest = sha256(json.dumps([lane.name, question], ensure_ascii=False).encode()).hexdigest()
    return Example(
        id=f"template-{digest[:16]}",
        messages=(*before, Message(role="user", content=question), answer),
        tools=tuple(tools),
        expected_calls=expected,
        category=intent.category or lane.name,
        intent=Intent(name=lane.name, confidence=1, by="given"),
        entities=tuple(
            Entity(type=slot, value=question[start:end], message=len(before), start=start, end=end)
            for slot, start, end in places
        ),
        provenance=Provenance(
            source=source,
            # a session is never split: whoever holds out a session holds out a whole template
            session=f"{lane.name}-{sha256(sentence.user.encode()).hexdigest()[:12]}",
            steps=(f"templates:{lane.name}",),
        ),
    )


def _answer(
    lane: _Lane, parameters: Mapping[str, Any], reply: str, *, is_plain: bool
) -> tuple[Message, tuple[ExpectedCall, ...]]:
    kind = lane.intent.answer
    if isinstance(kind, JsonAnswer):
        content = {"intent": lane.name, "parameters": parameters, "response": reply}
        return Message(role="assistant", content=json.dumps(content, ensure_ascii=False)), ()
    if isinstance(kind, CallAnswer) and not is_plain:
        call = ToolCall(name=kind.tool, arguments=dict(parameters))
        expected = ExpectedCall(name=kind.tool, arguments={key: [value] for key, value in parameters.items()})
        return Message(role="assistant", tool_calls=(call,)), (expected,)
    return Message(role="assistant", content=reply), ()


def _question(example: Example) -> str:
    return example.messages[-2].content or ""
