"""Rules that a generated candidate must pass; the first that refuses it is named in its rejection."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

import ahocorasick
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from rapidfuzz import fuzz, process

from sft_shared.config import Settings
from sft_shared.data.templating.slots import Language
from sft_shared.data.words import HAN

ANSWER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "intent": {"type": "string", "minLength": 1},
        "parameters": {"type": "object"},
        "response": {"type": "string", "minLength": 1},
    },
    "required": ["intent", "parameters", "response"],
}


@dataclass(frozen=True)
class Candidate:
    """A question that a model wrote for ``intent``, and what it says about it when asked again.

    ``label`` is the parsed ``{"intent", "parameters", "response"}``; None before it was asked for.
    ``labelled`` is the intent that the question was given, by the label or by a classifier.
    """

    id: str
    intent: str
    language: Language
    text: str
    label: Mapping[str, Any] | None = None
    labelled: str = ""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The label's parameters; empty if it has none or they are no object."""
        found = (self.label or {}).get("parameters")
        return found if isinstance(found, dict) else {}

    @property
    def response(self) -> str:
        """The label's response; empty if it has none or it is no text."""
        found = (self.label or {}).get("response")
        return found.strip() if isinstance(found, str) else ""


@dataclass
class Known:
    """The questions there are already: the seeds, and the candidates that came before."""

    texts: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Remember a question."""
        self.texts.append(plain(text))


class Schema(Settings):
    """The label follows ``{"intent", "parameters", "response"}``, its parameters the intent's JSON Schema."""

    kind: Literal["schema"] = "schema"
    parameters: Mapping[str, dict[str, Any]] = {}  # intent -> JSON Schema; others may have any

    @model_validator(mode="after")
    def _is_a_schema(self) -> Schema:
        for intent, schema in self.parameters.items():
            try:
                Draft202012Validator.check_schema(schema)
            except SchemaError as error:
                raise ValueError(f"parameters: {intent}: no JSON Schema: {error.message}") from None
        return self

    def refuse(self, candidate: Candidate, known: Known) -> str | None:
        """Why the label does not fit, None if it does."""
        checks = (
            (ANSWER_SCHEMA, candidate.label),
            (self.parameters.get(candidate.intent, {}), candidate.parameters),
        )
        for schema, value in checks:
            for error in Draft202012Validator(schema).iter_errors(value):
                place = ".".join(str(part) for part in error.absolute_path) or "the label"
                return f"{place} breaks {error.validator!r} of the schema"
        return None


class Length(Settings):
    """The question has ``min_chars`` to ``max_chars`` characters."""

    kind: Literal["length"] = "length"
    min_chars: NonNegativeInt = 4
    max_chars: PositiveInt = 200

    def refuse(self, candidate: Candidate, known: Known) -> str | None:
        """Why the length is wrong, None if it is not."""
        size = len(candidate.text)
        if self.min_chars <= size <= self.max_chars:
            return None
        return f"{size} characters, allowed are {self.min_chars} to {self.max_chars}"


class Banned(Settings):
    """Neither question nor answer holds one of ``words``, whatever their case and width.

    Latin words count as whole words only: "ass" is not in "class".
    """

    kind: Literal["banned"] = "banned"
    words: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)

    @cached_property
    def _finder(self) -> Any:
        finder = ahocorasick.Automaton()
        for number, word in enumerate(self.words, start=1):
            finder.add_word(plain(word), (number, len(plain(word))))
        finder.make_automaton()
        return finder

    def refuse(self, candidate: Candidate, known: Known) -> str | None:
        """The number of the first banned word that is in it, None if none is."""
        for place, text in (("question", candidate.text), ("answer", candidate.response)):
            said = plain(text)
            for last, (number, size) in self._finder.iter(said):
                if _is_whole(said, last + 1 - size, last + 1):
                    return f"the {place} holds word {number} of the banned words"
        return None


class Duplicate(Settings):
    """The question is no repetition of a seed or of an earlier candidate.

    ``similarity`` is the share of characters in common order (rapidfuzz's ratio) from which two questions are
    one; 1 refuses equal ones only. Case, width and punctuation do not count.
    """

    kind: Literal["duplicate"] = "duplicate"
    similarity: float = Field(default=0.9, gt=0, le=1)

    def refuse(self, candidate: Candidate, known: Known) -> str | None:
        """How close the closest known question is, None if none is too close."""
        text = plain(candidate.text)
        if text in known.texts:
            return "equal to a question that is there already"
        closest = process.extractOne(text, known.texts, scorer=fuzz.ratio, score_cutoff=100 * self.similarity)
        return None if closest is None else f"{closest[1] / 100:.2f} like a question that is there already"


class RoundTrip(Settings):
    """Labelled again, the question has the intent it was written for, and its parameters stand in it."""

    kind: Literal["round_trip"] = "round_trip"

    def refuse(self, candidate: Candidate, known: Known) -> str | None:
        """What came back different, None if nothing did."""
        if candidate.labelled != candidate.intent:
            return f"written for {candidate.intent!r}, labelled as another intent"
        for name, value in candidate.parameters.items():
            for leaf in value if isinstance(value, list) else [value]:
                if isinstance(leaf, dict | bool) or leaf is None or not _stands_in(str(leaf), candidate.text):
                    return f"the value of parameter {name!r} does not stand in the question"
        return None


class InLanguage(Settings):
    """The question is in the language that was asked for: ``min_share`` of its letters are of its script."""

    kind: Literal["language"] = "language"
    min_share: float = Field(default=0.5, gt=0, le=1)

    def refuse(self, candidate: Candidate, known: Known) -> str | None:
        """How much of it is of another script, None if little is."""
        # a code such as SF1234 has no language; a Chinese character says about as much as two Latin letters
        words = re.sub(r"\b(?=\w*\d)[A-Za-z0-9_]+\b", "", candidate.text)
        chinese = 2 * len(re.findall(f"[{HAN}]", words))
        latin = len(re.findall(r"[A-Za-zÀ-ɏ]", words))
        others = sum(letter.isalpha() for letter in words) - chinese // 2 - latin
        own = chinese if candidate.language == "zh" else latin
        total = chinese + latin + 2 * others
        if total and own >= self.min_share * total:
            return None
        return f"{own / total if total else 0:.0%} of its letters are of the language {candidate.language!r}"


Rule = Annotated[Schema | Length | Banned | Duplicate | RoundTrip | InLanguage, Field(discriminator="kind")]

NEED_LABEL = ("schema", "banned", "round_trip")
"""Kinds that look at the label; all others are asked before it is paid for, banned before and after."""


def plain(text: str) -> str:
    """A text as it is compared: half width, lower case, single spaces, no punctuation at its end."""
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return text.rstrip(".!?。！？~ ") or text


def first_refusal(rules: Sequence[Rule], candidate: Candidate, known: Known) -> tuple[str, str] | None:
    """The kind of the first rule that refuses the candidate and its reason; None if all pass."""
    for rule in rules:
        reason = rule.refuse(candidate, known)
        if reason is not None:
            return rule.kind, reason
    return None


def _is_whole(text: str, start: int, end: int) -> bool:
    def joined(left: str, right: str) -> bool:
        return left.isascii() and right.isascii() and left.isalnum() and right.isalnum()

    before, after = text[max(start - 1, 0) : start], text[end : end + 1]
    return not ((before and joined(before, text[start])) or (after and joined(text[end - 1], after)))


def _stands_in(value: str, text: str) -> bool:
    """Whether a value stands in a text, spaces and commas aside, and not inside another code."""
    value = re.sub(r"[\s,，]", "", _folded(value))
    if not value:
        return False
    before = r"(?<![0-9a-z])(?<![0-9]\.)" if value[0].isascii() and value[0].isalnum() else ""
    after = r"(?![0-9a-z]|\.[0-9])" if value[-1].isascii() and value[-1].isalnum() else ""
    spelled = r"[\s,，]*".join(map(re.escape, value))
    return re.search(before + spelled + after, _folded(text)) is not None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
