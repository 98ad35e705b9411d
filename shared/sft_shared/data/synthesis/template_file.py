"""The YAML file of templates: slots, tools, intents, and what is wrong with one, by line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import Field, PositiveFloat, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from sft_shared.config import Settings
from sft_shared.data.templating.rendering import FILTERS, Source, slots_in
from sft_shared.data.templating.slots import Language, Slots, fault, source_of
from sft_shared.dialogue import Tool

Sources = tuple[Source, ...]


class Sentence(Settings):
    """One template of what a user says. ``answer`` is said to this sentence alone, instead of the intent's.

    That is for sentences that lack something: the answer asks for it, and no tool is called.
    """

    user: Source
    language: Language
    weight: PositiveFloat = 1
    answer: Source | None = None


class TextAnswer(Settings):
    """Answer in words: one of the templates of the user's language, drawn evenly."""

    kind: Literal["text"] = "text"
    zh: Sources = ()
    en: Sources = ()


class JsonAnswer(Settings):
    """``{"intent", "parameters", "response"}``: slot -> value, and a template."""

    kind: Literal["json"] = "json"
    zh: Sources = ()
    en: Sources = ()


class CallAnswer(Settings):
    """Answer by a call of ``tool``, which the file lists; the question's slots are its arguments."""

    kind: Literal["call"] = "call"
    tool: str


Answer = Annotated[TextAnswer | JsonAnswer | CallAnswer, Field(discriminator="kind")]


class IntentTemplates(Settings):
    """An intent: its sentences and its answer. ``weight`` is its share beside the other intents."""

    category: str = ""  # of its examples; empty: the intent's name
    weight: PositiveFloat = 1
    answer: Answer
    templates: tuple[Sentence, ...] = Field(min_length=1)

    def answers(self, language: Language) -> tuple[str, ...]:
        """The templates of the answer in a language; a tool call has the empty one alone."""
        if isinstance(self.answer, CallAnswer):
            return ("",)
        return self.answer.zh if language == "zh" else self.answer.en


class TemplateFile(Settings):
    """A file of templates in Jinja2: ``{{ slot }}``, ``{{ slot | filter }}``, conditions and loops.

    ``system`` is the system message by language. What is wrong is said with the line where it stands.
    """

    system: Mapping[Language, str] = {}
    slots: Slots = {}  # noqa: RUF012 (pydantic copies it)
    tools: tuple[Tool, ...] = ()
    intents: dict[str, IntentTemplates] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_together(self) -> TemplateFile:
        faults = [found for name, intent in self.intents.items() for found in self._faults(name, intent)]
        if faults:
            raise ValidationError.from_exception_data("TemplateFile", faults)
        return self

    def _faults(self, name: str, intent: IntentTemplates) -> list[InitErrorDetails]:
        faults = []
        tool = None
        if isinstance(intent.answer, CallAnswer):
            tool = next((it for it in self.tools if it.name == intent.answer.tool), None)
            if tool is None:
                faults.append(fault(("intents", name, "answer", "tool"), "not among the tools of this file"))
        else:
            for language in ("zh", "en"):
                for number, source in enumerate(intent.answers(language)):
                    faults += self._unknown(source, language, ("intents", name, "answer", language, number))
        for number, sentence in enumerate(intent.templates):
            place = ("intents", name, "templates", number)
            faults += self._unknown(sentence.user, sentence.language, (*place, "user"))
            if sentence.answer is not None:
                faults += self._unknown(sentence.answer, sentence.language, (*place, "answer"))
            elif not intent.answers(sentence.language):
                faults.append(fault(place, f"the intent has no answer in {sentence.language}. Add one"))
            elif tool is not None:
                problem = _misfit(tool, slots_in(sentence.user))
                if problem:
                    faults.append(fault((*place, "user"), problem))
        return faults

    def _unknown(
        self, source: str, language: Language, place: tuple[str | int, ...]
    ) -> list[InitErrorDetails]:
        faults = []
        for slot in sorted(slots_in(source)):
            if slot not in self.slots:
                known = ", ".join(self.slots) or "none"
                faults.append(
                    fault(place, f"unknown slot {slot!r}. Known: {known}; filters: {', '.join(FILTERS)}")
                )
            elif not source_of(slot, self.slots).size(language):
                faults.append(fault(place, f"slot {slot!r} has no values in {language}. Add some"))
        return faults


def _misfit(tool: Tool, slots: frozenset[str]) -> str | None:
    """What a call of ``tool`` with these arguments would lack or have too much."""
    try:
        Draft202012Validator.check_schema(tool.parameters)
    except SchemaError as error:
        return f"tool {tool.name!r} has parameters that are no JSON Schema: {error.message}"
    missing = sorted(set(tool.parameters.get("required", ())) - slots)
    if missing:
        return (
            f"tool {tool.name!r} requires {', '.join(missing)}. Add the slot, or an answer that asks for it"
        )
    unknown = sorted(slots - set(tool.parameters.get("properties", ())))
    return (
        f"tool {tool.name!r} has no parameter {', '.join(unknown)}. Add it, or leave the slot out"
        if unknown
        else None
    )
