"""Faults traced in four checks (status, error codes, dependencies, network) to a conclusion."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from sft_shared.config import LocalPath, Settings, load_yaml, refuse_twins
from sft_shared.data.steps import Dropped, Rejected
from sft_shared.data.templating.rendering import fill
from sft_shared.data.templating.slots import Language, Slots, draw, localise
from sft_shared.data.toolcalls.check import CheckTools
from sft_shared.data.toolcalls.scenarios import Texts, ToolText
from sft_shared.data.toolcalls.trajectories import MAX_TRIES, unroll
from sft_shared.dialogue import Example, Message, Provenance, Tool, ToolCall
from sft_shared.errors import ConfigError

Stage = Literal["status", "error_codes", "dependencies", "network"]
STAGES: tuple[Stage, ...] = ("status", "error_codes", "dependencies", "network")


class Check(Settings):
    """One check: a tool that is asked about the service, and what it returns of a healthy one."""

    tool: str = Field(min_length=1)
    description: ToolText
    healthy: dict[str, Any]  # JSON of templates


class Fault(Settings):
    """A root cause. ``results`` replace fields of what the healthy checks return.

    ``when`` is a Jinja2 expression over ``result``, true of the result of ``found_at`` if and only if this is
    the cause. Symptoms in later or earlier results are allowed as long as no other fault's ``when`` is true.
    """

    name: str = Field(min_length=1)
    found_at: Stage
    when: str = Field(min_length=1)
    slots: Slots = Field(default_factory=dict)
    results: dict[Stage, dict[str, Any]] = Field(default_factory=dict)
    conclusions: Texts


class IncidentFile(Settings):
    """Services, the four checks, and the faults that they find.

    In ``complaints`` and ``conclusions`` stand ``service`` and the slots; in the latter also the results, as
    ``status``, ``error_codes``, ``dependencies`` and ``network``.
    """

    services: tuple[str, ...] = Field(min_length=1)
    slots: Slots = Field(default_factory=dict)  # of the healthy results
    checks: dict[Stage, Check]
    complaints: Texts
    faults: tuple[Fault, ...] = Field(min_length=2)
    nothing_found: Texts  # conclusions where all four checks are healthy

    @model_validator(mode="after")
    def _is_whole(self) -> IncidentFile:
        missing = [stage for stage in STAGES if stage not in self.checks]
        if missing:
            raise ValueError(f"checks: {', '.join(missing)} missing; all four are needed")
        refuse_twins("faults", (fault.name for fault in self.faults))
        return self


class Incidents(Settings):
    """Diagnosis dialogues: the four checks in order up to the one that shows the cause, then the conclusion.

    Before a dialogue is made, the cause is looked for again in its results alone, as a reader of them would:
    a file whose results point elsewhere is refused. So no constant conclusion is ever right.
    """

    kind: Literal["incidents"] = "incidents"
    file: LocalPath
    dialogues_per_fault: PositiveInt = 20  # and language; healthy services count as one more fault
    languages: tuple[Language, ...] = Field(default=("zh", "en"), min_length=1)
    all_checks: bool = False  # whether the checks go on after the cause is found
    source: str = "incidents"
    seed: int

    def examples(self) -> Iterator[Example | Rejected]:
        """One example for each assistant turn. Raises ConfigError for a file that contradicts itself."""
        file, check = load_yaml(self.file, IncidentFile), CheckTools()
        try:
            for language in self.languages:
                for fault in (*file.faults, None):
                    for example in self._of_fault(file, fault, language):
                        checked = check(example)
                        if isinstance(checked, Dropped):
                            yield Rejected(example.id, checked.rule, checked.detail)
                        else:
                            yield example
        except ConfigError as error:
            raise ConfigError(f"{self.file}: {error}") from None

    def _of_fault(self, file: IncidentFile, fault: Fault | None, language: Language) -> Iterator[Example]:
        name = f"{'healthy' if fault is None else fault.name}-{language}"
        rng = random.Random(f"{self.seed}:{name}")  # noqa: S311 (drawing examples, not a secret)
        tools = tuple(_tool(file.checks[stage], language) for stage in STAGES)
        seen: set[str] = set()
        for _ in range(self.dialogues_per_fault * MAX_TRIES):
            if len(seen) == self.dialogues_per_fault:
                return
            messages = self._dialogue(file, fault, language, rng)
            key = json.dumps([message.model_dump() for message in messages], ensure_ascii=False)
            if key not in seen:
                seen.add(key)
                session = f"{self.source}-{name}-{len(seen)}"
                provenance = Provenance(source=self.source, session=session)
                category = "healthy" if fault is None else fault.name
                yield from unroll(messages, tools=tools, category=category, provenance=provenance)

    def _dialogue(
        self,
        file: IncidentFile,
        fault: Fault | None,
        language: Language,
        rng: random.Random,
    ) -> list[Message]:
        slots = {**file.slots, **({} if fault is None else fault.slots)}
        context: dict[str, Any] = dict(draw(slots, slots, rng, language=language))
        context["service"] = rng.choice(file.services)
        results: dict[Stage, Any] = {}
        for stage in STAGES:
            changed = {} if fault is None else fault.results.get(stage, {})
            template = {**file.checks[stage].healthy, **changed}
            results[stage] = fill(localise(template, language), context)
        found = root_cause(file, results)
        if found != (None if fault is None else fault.name):
            of = "a healthy service" if fault is None else fault.name
            raise ConfigError(f"the results of {of} point to {found or 'nothing'}. Mend `results` or `when`.")
        last = STAGES.index(fault.found_at) if fault is not None and not self.all_checks else len(STAGES) - 1
        question = fill(rng.choice(file.complaints[language]), context)
        messages = [Message(role="user", content=str(question))]
        for number, stage in enumerate(STAGES[: last + 1]):
            call = ToolCall(
                name=file.checks[stage].tool, arguments={"service": context["service"]}, id=f"call_{number}"
            )
            text = json.dumps(results[stage], ensure_ascii=False)
            messages.append(Message(role="assistant", tool_calls=(call,)))
            messages.append(Message(role="tool", content=text, tool_call_id=call.id))
        conclusions = file.nothing_found if fault is None else fault.conclusions
        shown = {**context, **{str(stage): result for stage, result in results.items()}}
        said = fill(rng.choice(conclusions[language]), shown)
        return [*messages, Message(role="assistant", content=str(said).strip())]


def root_cause(file: IncidentFile, results: Mapping[Stage, Any]) -> str | None:
    """The fault that the results show, at the first check that shows one; None if all are healthy.

    Raises ConfigError if a check shows two.
    """
    for stage in STAGES:
        shown = [
            fault.name
            for fault in file.faults
            if fault.found_at == stage and fill("{{ " + fault.when + " }}", {"result": results[stage]})
        ]
        if len(shown) > 1:
            raise ConfigError(f"the check {stage} shows two faults at once: {' and '.join(shown)}.")
        if shown:
            return shown[0]
    return None


def _tool(check: Check, language: Language) -> Tool:
    return Tool(
        name=check.tool,
        description=localise(check.description.model_dump(), language),
        parameters={
            "type": "object",
            "properties": {"service": {"type": "string"}},
            "required": ["service"],
            "additionalProperties": False,
        },
    )
