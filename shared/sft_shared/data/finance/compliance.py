"""Compliance rules: what must not be promised, what must be said, and what denies or refutes a promise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from sft_shared.config import LocalPath, Settings, load_yaml, refuse_twins
from sft_shared.data.finance.traditional import simplified
from sft_shared.data.steps import Dropped
from sft_shared.data.templating.slots import Language
from sft_shared.data.words import is_han
from sft_shared.dialogue import Example

Severity = Literal["drop", "mark"]
_SENTENCE = re.compile(r"[^。！!？?；;\n]*?(?:[。！!？?；;\n]+|(?<=[a-z0-9%])\.(?=\s|$)|$)")
_CLAUSE_END = re.compile(r"[，,：:、—]|\bbut\b|但是?|不过|然而|而是")
MAX_REACH = 24  # characters between a denial and what it denies; a Latin letter counts as a third


def _sound(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        try:
            re.compile(pattern, re.IGNORECASE)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no pattern: {error}") from None
    return patterns


Patterns = Annotated[tuple[str, ...], AfterValidator(_sound)]


class Rule(Settings):
    """One rule, on what ``role`` says.

    ``any`` forbids: a sentence in which one of these patterns stands, and one of ``also`` if there are such,
    breaks the rule unless it is denied, refuted or excepted by ``unless``. ``requires`` demands: if ``any``
    stands in a message, one of these must stand in it too. ``unless_answer`` excuses a user's words if the
    answer fits it.
    """

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    severity: Severity
    role: Literal["user", "assistant"] = "assistant"
    reason: dict[Language, str] = Field(min_length=1)
    any: Patterns = Field(min_length=1)
    also: Patterns = ()
    unless: Patterns = ()
    requires: Patterns = ()
    unless_answer: Patterns = ()
    deniable: bool = True  # whether a denial before it or a refutation in its sentence excuses it


class ComplianceFile(Settings):
    """The rules, and the words that deny (before, in the same clause) and refute (in the same sentence).

    ``affirmations`` hold a word of denial and deny nothing: not only, who does not know.
    Patterns are written in simplified characters; texts in traditional ones are read as such.
    ``words_of`` is another such file, whose denials, affirmations and refutations count here too.
    """

    words_of: LocalPath | None = None
    denials: Patterns = ()
    affirmations: Patterns = ()
    refutations: Patterns = ()
    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_differ(self) -> ComplianceFile:
        refuse_twins("rules", (rule.id for rule in self.rules))
        return self

    @cached_property
    def _denials(self) -> re.Pattern[str]:
        return _joined((*self.denials, *self._lent.denials) if self._lent else self.denials)

    @cached_property
    def _affirmations(self) -> re.Pattern[str]:
        return _joined((*self.affirmations, *self._lent.affirmations) if self._lent else self.affirmations)

    @cached_property
    def _refutations(self) -> re.Pattern[str]:
        return _joined((*self.refutations, *self._lent.refutations) if self._lent else self.refutations)

    @cached_property
    def _lent(self) -> ComplianceFile | None:
        return None if self.words_of is None else load_yaml(self.words_of, ComplianceFile)

    def breaks(self, text: str, rule: Rule) -> bool:
        """Whether ``text`` breaks a rule."""
        return next(self.hits(text, rule), None) is not None

    def hits(self, text: str, rule: Rule) -> Iterator[tuple[int, int]]:
        """(start, end) of what in ``text`` breaks a rule, in the order of sentences, then of patterns."""
        text = simplified(text)
        if rule.requires and _search(rule.requires, text):
            return
        for begin, sentence in _placed_sentences(text):
            for start, end in self._sentence_hits(sentence, rule):
                yield begin + start, begin + end

    def excuses(self, text: str, start: int) -> bool:
        """Whether what begins at ``start`` is denied before, in its clause, or refuted in its sentence."""
        for begin, sentence in _placed_sentences(simplified(text)):
            if begin <= start < begin + len(sentence):
                return self._is_refuted(sentence) or self._is_denied(sentence, start - begin)
        return False

    def _sentence_hits(self, sentence: str, rule: Rule) -> Iterator[tuple[int, int]]:
        excusable = rule.deniable and not rule.requires
        if not rule.requires:
            if rule.also and not _search(rule.also, sentence):
                return
            if _search(rule.unless, sentence) or (excusable and self._is_refuted(sentence)):
                return
        for pattern in rule.any:
            for start, end in _places(pattern, sentence):
                if not (excusable and self._is_denied(sentence, start)):
                    yield start, end

    def _is_refuted(self, sentence: str) -> bool:
        if not self.refutations and self._lent is None:
            return False
        return self._refutations.search(sentence) is not None

    def _is_denied(self, sentence: str, start: int) -> bool:
        if not self.denials and self._lent is None:
            return False
        before = _CLAUSE_END.split(sentence[:start])[-1]
        if self.affirmations or self._lent is not None:
            before = self._affirmations.sub(" ", before)
        chinese = any(is_han(char) for char in before)
        return self._denials.search(before[-(MAX_REACH if chinese else 3 * MAX_REACH) :]) is not None


@dataclass(frozen=True)
class Breach:
    """A rule that a message breaks."""

    rule: Rule
    message: int


class CheckCompliance(Settings):
    """Drop an example that breaks a rule of severity ``drop``; note the others in its provenance.

    The rule of a drop is ``compliance-ID``, a note is the step ``compliance:ID``.
    """

    kind: Literal["compliance"] = "compliance"
    rules: LocalPath
    only_mark: bool = False  # whether nothing is dropped

    @cached_property
    def loaded(self) -> ComplianceFile:
        """The file of rules, read once."""
        return load_yaml(self.rules, ComplianceFile)

    def __call__(self, example: Example) -> Example | Dropped:
        """The example, noted or as it is, or why it is dropped. Raises ConfigError for a wrong file."""
        noted: list[str] = []
        for breach in self.breaches(example):
            if breach.rule.severity == "drop" and not self.only_mark:
                reason = breach.rule.reason.get("en") or next(iter(breach.rule.reason.values()))
                return Dropped(f"compliance-{breach.rule.id}", f"message {breach.message}: {reason}")
            noted.append(f"compliance:{breach.rule.id}")
        steps = tuple(each for each in dict.fromkeys(noted) if each not in example.provenance.steps)
        if not steps:
            return example
        provenance = example.provenance.model_copy(update={"steps": (*example.provenance.steps, *steps)})
        return example.model_copy(update={"provenance": provenance})

    def breaches(self, example: Example) -> Iterator[Breach]:
        """What the example breaks, in the order of messages, then of rules."""
        for index, message in enumerate(example.messages):
            for rule in self.loaded.rules:
                if message.role != rule.role or not message.content:
                    continue
                if self.loaded.breaks(message.content, rule):
                    later = [m.content or "" for m in example.messages[index:] if m.role == "assistant"]
                    if not (
                        later and rule.unless_answer and _search(rule.unless_answer, simplified(later[0]))
                    ):
                        yield Breach(rule, index)


def sentences(text: str) -> list[str]:
    """``text`` cut at the ends of sentences, empty ones left out.

    >>> sentences("收益 3.5%。保本吗？Not so. Yes")
    ['收益 3.5%。', '保本吗？', 'Not so.', ' Yes']
    """
    return [sentence for _, sentence in _placed_sentences(text)]


def _placed_sentences(text: str) -> list[tuple[int, str]]:
    return [(found.start(), found[0]) for found in _SENTENCE.finditer(text) if found[0].strip()]


def _search(patterns: tuple[str, ...], text: str) -> bool:
    return any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns)


def _places(pattern: str, text: str) -> Iterator[tuple[int, int]]:
    """Where matches stand; one that reaches into the next clause does not hide those that begin there."""
    compiled, start = re.compile(pattern, re.IGNORECASE), 0
    while match := compiled.search(text, start):
        yield match.span()
        clause_end = _CLAUSE_END.search(text, match.start() + 1)
        start = max(min(match.end(), clause_end.end() if clause_end else len(text)), match.start() + 1)


def _joined(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the patterns; of none, a pattern that is found nowhere."""
    if not patterns:
        return re.compile(r"(?!)")
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)
