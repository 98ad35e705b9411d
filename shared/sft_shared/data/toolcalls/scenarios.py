"""The YAML that trajectories are made from: tools that look into tables, and dialogues with them."""

from __future__ import annotations

from typing import Any

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from sft_shared.config import Settings, refuse_twins
from sft_shared.data.templating.slots import Language, Slots, localise
from sft_shared.data.toolcalls.schemas import schema_problem

Texts = dict[Language, tuple[str, ...]]
"""Templates by language; one of them is drawn."""


class ToolText(Settings):
    """What a tool does, in both languages."""

    zh: str
    en: str


class SimulatedTool(Settings):
    """A tool, and what it returns: ``result``, filled from the arguments and the row that they match.

    ``match`` maps arguments to columns of ``table``; without a matching row ``not_found`` is returned. In the
    templates stand the arguments as ``arguments.x`` and the row as ``row.column``.
    """

    name: str = Field(min_length=1)
    description: ToolText
    parameters: dict[str, Any]
    table: str | None = None
    match: dict[str, str] = Field(default_factory=dict)
    result: Any
    not_found: Any = None

    @model_validator(mode="after")
    def _is_sound(self) -> SimulatedTool:
        problem = schema_problem(localise(self.parameters, "en"))
        if problem is not None:
            raise ValueError(f"parameters: at {problem.path or 'its root'}: {problem.detail}")
        if (self.table is None) != (not self.match):
            raise ValueError("table: needs match, and match needs table")
        if self.table is not None and self.not_found is None:
            raise ValueError("not_found: missing; say what is returned if no row matches")
        return self


class Table(Settings):
    """Rows written out, or ``num_rows`` rows whose columns are drawn (the same for every dialogue)."""

    rows: tuple[dict[str, Any], ...] = ()
    num_rows: NonNegativeInt = 0
    columns: Slots = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_rows(self) -> Table:
        if bool(self.rows) == bool(self.num_rows):
            raise ValueError("rows: give rows, or num_rows with columns")
        if bool(self.num_rows) != bool(self.columns):
            raise ValueError("columns: num_rows needs columns, and columns need num_rows")
        return self


class CallTemplate(Settings):
    """One call; texts in ``arguments`` are templates."""

    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Step(Settings):
    """The assistant's calls of one turn (several: in parallel). Their results are ``results[0]``, ..."""

    calls: tuple[CallTemplate, ...] = Field(min_length=1)


class Incomplete(Settings):
    """A question that leaves a required value out; the assistant asks, and the user tells."""

    questions: Texts
    asks: Texts
    replies: Texts


class Scenario(Settings):
    """One kind of dialogue. Without ``steps`` the assistant answers by itself (a no-call example).

    In the templates stand the slots by name, rows as ``name.column``, and in ``answers`` all results so far
    as ``results[i]``.
    """

    name: str = Field(min_length=1)
    slots: Slots = Field(default_factory=dict)
    rows: dict[str, str] = Field(
        default_factory=dict
    )  # name -> table that a row is drawn from, all its columns
    questions: Texts
    steps: tuple[Step, ...] = ()
    answers: Texts
    incomplete: Incomplete | None = None
    weight: PositiveInt = 1


class ScenarioFile(Settings):
    """Tools, tables and scenarios that fit together."""

    tools: tuple[SimulatedTool, ...] = Field(min_length=1)
    tables: dict[str, Table] = Field(default_factory=dict)
    scenarios: tuple[Scenario, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fit_together(self) -> ScenarioFile:
        refuse_twins("tools", (tool.name for tool in self.tools))
        refuse_twins("scenarios", (scenario.name for scenario in self.scenarios))
        tools = {tool.name: tool for tool in self.tools}
        for tool in self.tools:
            if tool.table is not None and tool.table not in self.tables:
                raise ValueError(
                    f"tools: {tool.name} looks into the table {tool.table!r}, which is not declared"
                )
        for scenario in self.scenarios:
            for name, table in scenario.rows.items():
                if table not in self.tables:
                    raise ValueError(f"scenarios: {scenario.name}.{name} draws from the undeclared {table!r}")
            for call in (call for step in scenario.steps for call in step.calls):
                if call.tool not in tools:
                    raise ValueError(f"scenarios: {scenario.name} calls {call.tool!r}, which is not declared")
            languages = [set(texts) for texts in _texts(scenario)]
            if any(each != languages[0] for each in languages) or not languages[0]:
                raise ValueError(f"scenarios: {scenario.name} must have all its texts in the same languages")
            if not all(items for texts in _texts(scenario) for items in texts.values()):
                raise ValueError(f"scenarios: {scenario.name} has an empty list of texts")
        return self


def _texts(scenario: Scenario) -> list[Texts]:
    texts = [scenario.questions, scenario.answers]
    if scenario.incomplete is not None:
        texts += [scenario.incomplete.questions, scenario.incomplete.asks, scenario.incomplete.replies]
    return texts
