"""A maker of whole tool-calling dialogues: question, calls, simulated results, an answer that reads them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from sft_shared.config import LocalPath, Settings, load_yaml
from sft_shared.data.steps import Dropped, Rejected
from sft_shared.data.templating.rendering import fill
from sft_shared.data.templating.slots import Language, draw, localise
from sft_shared.data.toolcalls.check import CheckTools
from sft_shared.data.toolcalls.no_call import swap_tools
from sft_shared.data.toolcalls.scenarios import Scenario, ScenarioFile, SimulatedTool, Texts
from sft_shared.dialogue import Example, ExpectedCall, Message, Provenance, Tool, ToolCall
from sft_shared.errors import ConfigError

MAX_TRIES = 20  # draws for each wanted dialogue before a scenario counts as used up


class Trajectories(Settings):
    """Dialogues from the scenarios of a YAML file; each assistant turn becomes an example.

    Every dialogue is another one: what was made before is drawn again, and a scenario with too few slots
    gives fewer. What the checks of `CheckTools` refuse is rejected, for then the file contradicts itself.
    """

    kind: Literal["trajectories"] = "trajectories"
    file: LocalPath
    dialogues_per_scenario: PositiveInt = 20  # and language; times the scenario's weight
    languages: tuple[Language, ...] = Field(default=("zh", "en"), min_length=1)
    incomplete_share: float = Field(default=0.25, ge=0, le=1)  # of the dialogues that can begin incomplete
    no_call_share: float = Field(default=0.15, ge=0, le=1)  # of first calls, once more with unrelated tools
    num_distractors: NonNegativeInt = 2  # tools offered beside those that are needed
    source: str = "trajectories"
    seed: int

    def examples(self) -> Iterator[Example | Rejected]:
        """The examples, the same for the same file and settings. Raises ConfigError for a wrong file."""
        scenarios = load_yaml(self.file, ScenarioFile)
        try:
            yield from self._examples(scenarios)
        except ConfigError as error:
            raise ConfigError(f"{self.file}: {error}") from None

    def _examples(self, file: ScenarioFile) -> Iterator[Example | Rejected]:
        check = CheckTools(answers="use_result")
        for language in self.languages:
            world = _World(file, language=language, seed=self.seed)
            kept: list[Example] = []
            for scenario in file.scenarios:
                if language not in scenario.questions:
                    continue
                for example in self._of_scenario(world, scenario):
                    checked = check(example)
                    if isinstance(checked, Dropped):
                        yield Rejected(example.id, checked.rule, checked.detail)
                    else:
                        kept.append(example)
                        yield example
            if self.no_call_share > 0:
                yield from swap_tools(
                    kept, share=self.no_call_share, num_tools=1 + self.num_distractors, seed=self.seed
                )

    def _of_scenario(self, world: _World, scenario: Scenario) -> Iterator[Example]:
        name = f"{scenario.name}-{world.language}"
        rng = random.Random(f"{self.seed}:{name}")  # noqa: S311 (drawing examples, not a secret)
        seen: set[str] = set()
        wanted = self.dialogues_per_scenario * scenario.weight
        for _ in range(wanted * MAX_TRIES):
            if len(seen) == wanted:
                return
            incomplete = scenario.incomplete is not None and rng.random() < self.incomplete_share
            messages = world.dialogue(scenario, rng, incomplete=incomplete)
            key = json.dumps([message.model_dump() for message in messages], ensure_ascii=False)
            if key in seen:
                continue
            seen.add(key)
            called = {call.name for message in messages for call in message.tool_calls}
            provenance = Provenance(source=self.source, session=f"{self.source}-{name}-{len(seen)}")
            tools = world.offer(called, num_distractors=self.num_distractors, rng=rng)
            yield from unroll(messages, tools=tools, category=scenario.name, provenance=provenance)


class _World:
    """The tables and tools of a file in one language."""

    def __init__(self, file: ScenarioFile, *, language: Language, seed: int) -> None:
        self.language = language
        self.tools = {tool.name: tool for tool in file.tools}
        self.rows: dict[str, list[dict[str, Any]]] = {}
        for name, table in file.tables.items():
            rng = random.Random(f"{seed}:table:{name}")  # noqa: S311 (drawing examples, not a secret)
            drawn = [
                draw(table.columns, table.columns, rng, language=language) for _ in range(table.num_rows)
            ]
            self.rows[name] = [localise(row, language) for row in (*table.rows, *drawn)]

    def dialogue(self, scenario: Scenario, rng: random.Random, *, incomplete: bool) -> tuple[Message, ...]:
        context: dict[str, Any] = dict(draw(scenario.slots, scenario.slots, rng, language=self.language))
        for name, table in scenario.rows.items():  # of one table another row each, as far as there are any
            rows = [row for row in self.rows[table] if row not in context.values()]
            context[name] = rng.choice(rows or self.rows[table])
        if incomplete and scenario.incomplete is not None:
            messages = [
                Message(role="user", content=self._say(scenario.incomplete.questions, context, rng)),
                Message(role="assistant", content=self._say(scenario.incomplete.asks, context, rng)),
                Message(role="user", content=self._say(scenario.incomplete.replies, context, rng)),
            ]
        else:
            messages = [Message(role="user", content=self._say(scenario.questions, context, rng))]
        results: list[Any] = []
        context["results"] = results
        for step in scenario.steps:
            calls = []
            for template in step.calls:
                arguments = fill(localise(template.arguments, self.language), context)
                calls.append(ToolCall(name=template.tool, arguments=arguments, id=f"call_{len(results)}"))
                results.append(self.result(self.tools[template.tool], arguments))
            messages.append(Message(role="assistant", tool_calls=tuple(calls)))
            for call, result in zip(calls, results[-len(calls) :], strict=True):
                text = json.dumps(result, ensure_ascii=False)
                messages.append(Message(role="tool", content=text, tool_call_id=call.id))
        messages.append(Message(role="assistant", content=self._say(scenario.answers, context, rng)))
        return tuple(messages)

    def result(self, tool: SimulatedTool, arguments: Mapping[str, Any]) -> Any:
        """What the tool returns: the first row that has all the matching arguments, or ``not_found``."""
        context: dict[str, Any] = {"arguments": arguments, "rows": self.rows}
        template = tool.result
        if tool.table is not None:
            wanted = {column: arguments.get(argument) for argument, column in tool.match.items()}
            rows = (r for r in self.rows[tool.table] if all(r.get(c) == v for c, v in wanted.items()))
            row = next(rows, None)
            context["row"] = row
            template = tool.not_found if row is None else tool.result
        return fill(localise(template, self.language), context)

    def offer(self, called: set[str], *, num_distractors: int, rng: random.Random) -> tuple[Tool, ...]:
        """The called tools and some others, in the file's order."""
        others = [name for name in self.tools if name not in called]
        shown = called | set(rng.sample(others, min(max(num_distractors, not called), len(others))))
        return tuple(
            Tool(
                name=tool.name,
                description=localise(tool.description.model_dump(), self.language),
                parameters=localise(tool.parameters, self.language),
            )
            for tool in self.tools.values()
            if tool.name in shown
        )

    def _say(self, texts: Texts, context: Mapping[str, Any], rng: random.Random) -> str:
        return str(fill(rng.choice(texts[self.language]), context)).strip()


def unroll(
    messages: Sequence[Message], *, tools: tuple[Tool, ...], category: str, provenance: Provenance
) -> Iterator[Example]:
    """One example for each of the assistant's turns, each with all that was said before it."""
    turns = [index for index, message in enumerate(messages) if message.role == "assistant"]
    for number, index in enumerate(turns, start=1):
        calls = messages[index].tool_calls
        yield Example(
            id=f"{provenance.session}-{number}",
            messages=tuple(messages[: index + 1]),
            tools=tools,
            expected_calls=tuple(
                ExpectedCall(
                    name=call.name, arguments={key: [value] for key, value in call.arguments.items()}
                )
                for call in calls
            ),
            category=category,
            provenance=provenance,
        )
