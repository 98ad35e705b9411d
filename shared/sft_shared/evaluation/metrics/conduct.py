"""Compliance: does an answer say what must not be said? Word lists, rules and a classifier."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from sft_shared.config import LocalPath, Settings, load_yaml
from sft_shared.data.finance.compliance import ComplianceFile, sentences
from sft_shared.data.logs.intents import MAX_CHARACTERS, read_confirmed, train_chances
from sft_shared.dialogue import Example
from sft_shared.errors import DataError
from sft_shared.evaluation.metrics.metric import MetricSettings
from sft_shared.evaluation.metrics.wordlist import Hit, WordList, read_word_list

Judge = Callable[[str], tuple[float, str]]
"""A text's probability of not being compliant, and the likeliest label if it is not."""


class ConductClassifier(Settings):
    """A logistic regression on TF-IDF of characters, trained on labelled texts when it is first used.

    One tells compliant texts from all others; its probability decides. A second, on the others, names the
    likeliest label: the rule is ``classifier:LABEL``. A long answer is judged in pieces of whole sentences.
    """

    file: LocalPath  # JSONL or CSV with text and label
    compliant: str = "ok"  # the label of texts that break no rule
    threshold: float = Field(default=0.8, gt=0, lt=1)  # of the probability that a piece is not compliant
    max_chars: PositiveInt = Field(default=MAX_CHARACTERS, le=MAX_CHARACTERS)  # of a piece

    @cached_property
    def _judge(self) -> Judge:
        try:
            digest = hashlib.sha256(self.file.read_bytes()).hexdigest()
        except OSError as error:
            raise DataError(f"{self.file}: cannot be read: {error.strerror}.") from None
        return _trained(self.file, digest, self.compliant)

    def hits(self, text: str) -> Iterator[Hit]:
        """The pieces that are not compliant. Raises DataError for a file that nothing can be learned from."""
        for start, piece in _pieces(text, self.max_chars):
            if any(char.isalnum() for char in piece):
                wrong, label = self._judge(piece)
                if wrong >= self.threshold:
                    yield Hit(f"classifier:{label}", start, start + len(piece), round(wrong, 3))


class Compliance(MetricSettings):
    """1 if nothing in the answer breaks a rule.

    ``words`` are lists of words (see `read_word_list`), ``rules`` files of compliance rules as the data steps
    use them (those on what an assistant says), ``classifier`` is trained. A deniable word is excused by the
    denials and refutations of the rules.
    """

    kind: Literal["compliance"] = "compliance"
    words: tuple[LocalPath, ...] = ()
    rules: tuple[LocalPath, ...] = ()
    classifier: ConductClassifier | None = None
    strict: bool = False  # whether rules of severity mark count too

    @model_validator(mode="after")
    def _judges_by_something(self) -> Compliance:
        if not (self.words or self.rules or self.classifier):
            raise ValueError("give words, rules or a classifier")
        return self

    @cached_property
    def _word_list(self) -> WordList:
        return WordList(entry for path in self.words for entry in read_word_list(path))

    @cached_property
    def _rule_files(self) -> tuple[ComplianceFile, ...]:
        return tuple(load_yaml(path, ComplianceFile) for path in self.rules)

    def hits(self, text: str) -> list[Hit]:
        """What in ``text`` breaks which rule, in the text's order.

        Raises ConfigError for a wrong file of rules, DataError for a wrong list of words or file of texts.
        """
        found = dict.fromkeys((*self._word_hits(text), *self._rule_hits(text)))
        if self.classifier is not None:
            found |= dict.fromkeys(self.classifier.hits(text))
        return sorted(found, key=lambda hit: (hit.start, hit.end, hit.rule))

    def __call__(self, prediction: str, example: Example) -> float | None:
        """1 or 0. An empty answer breaks no rule."""
        return float(not self.hits(prediction))

    def _word_hits(self, text: str) -> Iterator[Hit]:
        for entry, hit in self._word_list.find(text):
            excused = entry.deniable and any(file.excuses(text, hit.start) for file in self._rule_files)
            if not excused:
                yield hit

    def _rule_hits(self, text: str) -> Iterator[Hit]:
        for file in self._rule_files:
            for rule in file.rules:
                if rule.role == "assistant" and (self.strict or rule.severity == "drop"):
                    for start, end in file.hits(text, rule):
                        yield Hit(rule.id, start, end)


@lru_cache(maxsize=8)
def _trained(path: Path, digest: str, compliant: str) -> Judge:
    """By ``digest``, the hash of the file's content: a changed file is learned anew."""
    texts = list(read_confirmed(path, field="label"))
    if all(label != compliant for _, label in texts):
        raise DataError(f"{path}: no text has the label {compliant!r}. Label some, or set `compliant`.")
    wrong = f"not {compliant}"
    two = [(text, compliant if label == compliant else wrong) for text, label in texts]
    is_wrong = train_chances(two, path, labels="labels")
    others = [(text, label) for text, label in texts if label != compliant]
    labels = sorted({label for _, label in others})
    which = train_chances(others, path, labels="labels") if len(labels) > 1 else None

    def judge(text: str) -> tuple[float, str]:
        chances = which([text])[0] if which is not None else {labels[0]: 1.0}
        return is_wrong([text])[0][wrong], max(chances, key=lambda each: chances[each])

    return judge


def _pieces(text: str, max_chars: int) -> Iterator[tuple[int, str]]:
    """``text`` in pieces of whole sentences, each with its place; a longer sentence is cut."""
    if len(text) <= max_chars:
        yield 0, text
        return
    start = end = 0
    for sentence in sentences(text):
        place = text.index(sentence, end)
        while place + len(sentence) - start > max_chars:
            if end > start:
                yield start, text[start:end]
                start = end if end > start else place
                continue
            yield start, text[start : start + max_chars]
            start = end = start + max_chars
        end = place + len(sentence)
    if end > start:
        yield start, text[start:end]
