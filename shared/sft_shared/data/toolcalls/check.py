"""A step that lets only sound tool calls through: known tools, fitting arguments, results read back truly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

from sft_shared.config import Settings
from sft_shared.data.steps import Dropped
from sft_shared.data.toolcalls.results import invents_values, uses_result
from sft_shared.data.toolcalls.schemas import problems, schema_problem
from sft_shared.dialogue import Example, Message, Tool


class CheckTools(Settings):
    """Drop an example whose tools, calls or results do not fit together.

    Rules of tools: ``tool-schema-invalid``, ``tool-name-twice``.
    Of calls: ``tool-unknown``, ``tool-argument-missing``, ``-type``, ``-choice``, ``-undeclared``,
    ``-value``.
    Of results: ``tool-id-twice``, ``tool-result-orphan`` (it answers no call), ``tool-result-missing`` (the
    dialogue goes on without it).
    Of the answer: ``answer-invents-value``, ``answer-ignores-result``.
    Only a call in the last message may be without a result.
    """

    kind: Literal["check_tools"] = "check_tools"
    undeclared_arguments: Literal["drop", "as_schema"] = (
        "drop"  # as_schema: JSON Schema allows them by itself
    )
    answers: Literal["ignore", "no_invented_values", "use_result"] = "no_invented_values"
    """What an answer after a result must do: state no number or code that stands nowhere before it; or
    also say at least one of the result's values."""

    def __call__(self, example: Example) -> Example | Dropped:
        """The example itself, or why it is dropped."""
        for dropped in (
            *_tools(example.tools),
            *self._calls(example),
            *_results(example.messages),
            *self._answers(example),
        ):
            return dropped
        return example

    def _calls(self, example: Example) -> Iterator[Dropped]:
        tools = {tool.name: tool for tool in example.tools}
        for index, message in enumerate(example.messages):
            for call in message.tool_calls:
                where = f"message {index}"
                if call.name not in tools:
                    yield Dropped("tool-unknown", f"{where} calls a tool that is not offered")
                    continue
                closed = self.undeclared_arguments == "drop"
                for problem in problems(tools[call.name].parameters, call.arguments, closed=closed):
                    path = f" at {problem.path}" if problem.path and problem.code != "undeclared" else ""
                    yield Dropped(f"tool-argument-{problem.code}", f"{where}{path}: {problem.detail}")

    def _answers(self, example: Example) -> Iterator[Dropped]:
        if self.answers == "ignore":
            return
        for index, message in enumerate(example.messages):
            if message.role != "assistant" or message.tool_calls or not message.content:
                continue
            results = _results_before(example.messages, index)
            if not results:
                continue
            known = [each.content or "" for each in example.messages[:index]]
            known += [
                json.dumps(c.arguments, ensure_ascii=False) for m in example.messages for c in m.tool_calls
            ]
            if invents_values(message.content, known=known):
                yield Dropped("answer-invents-value", f"message {index} states a value that no result holds")
            elif self.answers == "use_result" and not uses_result(message.content, results=results):
                yield Dropped("answer-ignores-result", f"message {index} states nothing of its results")


def _tools(tools: tuple[Tool, ...]) -> Iterator[Dropped]:
    names = [tool.name for tool in tools]
    if len(set(names)) != len(names):
        yield Dropped("tool-name-twice", "two tools have the same name")
    for index, tool in enumerate(tools):
        problem = schema_problem(tool.parameters)
        if problem is not None:
            yield Dropped(
                "tool-schema-invalid", f"tool {index} at {problem.path or 'its root'}: {problem.detail}"
            )
        elif tool.parameters.get("type", "object") != "object":
            yield Dropped("tool-schema-invalid", f"tool {index}: its parameters are no object")


def _results(messages: tuple[Message, ...]) -> Iterator[Dropped]:
    """Ids belong together. A call without an id is answered by a result without one, in order."""
    waiting: list[str | None] = []
    used: set[str] = set()
    for index, message in enumerate(messages):
        if message.role == "tool":
            if message.tool_call_id not in waiting:
                yield Dropped("tool-result-orphan", f"message {index} is the result of no open call")
                continue
            waiting.remove(message.tool_call_id)
            continue
        if waiting:
            yield Dropped("tool-result-missing", f"before message {index} a call has no result")
        waiting = [call.id for call in message.tool_calls]
        given = [call.id for call in message.tool_calls if call.id is not None]
        if len(set(given)) != len(given) or used & set(given):
            yield Dropped("tool-id-twice", f"message {index} uses the id of another call")
        used |= set(given)


def _results_before(messages: tuple[Message, ...], index: int) -> list[str]:
    """The results since the user last spoke."""
    found: list[str] = []
    for message in reversed(messages[:index]):
        if message.role == "user":
            break
        if message.role == "tool":
            found.append(message.content or "")
    return found
