"""Compliance: does an answer say what must not be said? Word lists, rules and a classifier."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from sft_shared.config import LocalPath, Settings, load_yaml
from sft_shared.data.finance.compliance import ComplianceFile, sentences
from sft_shared.data.logs.intents import MAX_CHARACTERS, read_confirmed, train_chances
from sft_shared.data.words import is_han
from sft_shared.dialogue import Example
from sft_shared.errors import DataError
from sft_shared.evaluation.metrics.disguise import (
    Reading,
    plain_letters,
    readings,
    strings,
    unescaped,
    whole_text,
)
from sft_shared.evaluation.metrics.metric import MetricSettings
from sft_shared.evaluation.metrics.wordlist import Hit, WordList, read_word_list

Judge = Callable[[str], tuple[float, str]]
"""A text's probability of not being compliant, and the likeliest label if it is not."""


class ConductClassifier(Settings):
    """A logistic regression on TF-IDF of characters and words, trained on labelled texts when first used.

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

    def load(self) -> None:
        """Learn from the file. Raises DataError for one that nothing can be learned from."""
        _ = self._judge

    def hits(self, text: str) -> Iterator[Hit]:
        """The pieces that are not compliant. Raises DataError for a file that nothing can be learned from."""
        for start, piece in _pieces(text, self.max_chars):
            if any(char.isalnum() for char in piece):
                wrong, label = self._judge(piece)
                if wrong >= self.threshold:
                    yield Hit(f"classifier:{label}", start, start + len(piece), round(wrong, 3))


class Compliance(MetricSettings):
    """1 if nothing in the answer breaks a rule, however it is disguised.

    ``words`` are lists of words (see `read_word_list`), ``rules`` files of compliance rules as the data steps
    use them (those on what an assistant says), ``classifier`` is trained. A deniable word is excused by the
    denials and refutations of the rules. Of JSON the whole is judged and every string by itself, its escapes
    read; the classifier judges its strings that are texts (see `disguise`).
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

    def load(self) -> None:
        """Read all files, and train the classifier. Raises as `hits`."""
        _ = self._word_list, self._rule_files
        if self.classifier is not None:
            self.classifier.load()

    def hits(self, text: str) -> list[Hit]:
        """What in ``text`` breaks which rule, in the text's order.

        Raises ConfigError for a wrong file of rules, DataError for a wrong list of words or file of texts.
        """
        whole, said = whole_text(text), strings(text)
        opened = unescaped(whole)
        found = dict.fromkeys(self._classified(said))
        for string in dict.fromkeys((whole, opened, *said)):
            is_part = string not in (whole, opened)
            for reading in readings(string):
                hits = (*self._word_hits(reading.text), *self._rule_hits(reading.text, is_part=is_part))
                found |= dict.fromkeys(_placed(hit, reading) for hit in hits)
        return sorted(found, key=lambda hit: (hit.start, hit.end, hit.rule))

    def __call__(self, prediction: str, example: Example) -> float | None:
        """1 or 0. An empty answer breaks no rule."""
        return float(not self.hits(prediction))

    def _classified(self, said: Sequence[Reading]) -> Iterator[Hit]:
        if self.classifier is None:
            return
        for string in said:
            if len(said) == 1 or any(char.isspace() or is_han(char) for char in string.text):
                reading = plain_letters(string)
                for hit in self.classifier.hits(reading.text):
                    yield _placed(hit, reading)

    def _word_hits(self, text: str) -> Iterator[Hit]:
        for entry, hit in self._word_list.find(text):
            excused = entry.deniable and any(file.excuses(text, hit.start) for file in self._rule_files)
            if not excused:
                yield hit

    def _rule_hits(self, text: str, *, is_part: bool) -> Iterator[Hit]:
        """In a part of an answer nothing is demanded: another part may say it."""
        for file in self._rule_files:
            for rule in file.rules:
                counts = rule.role == "assistant" and (self.strict or rule.severity == "drop")
                if counts and not (is_part and rule.requires):
                    for start, end in file.hits(text, rule):
                        yield Hit(rule.id, start, end)


def _placed(hit: Hit, reading: Reading) -> Hit:
    """Where in the answer a hit of one of its readings stands."""
    start, end = reading.span(hit.start, hit.end)
    return replace(hit, start=start, end=end)


@lru_cache(maxsize=8)
def _trained(path: Path, digest: str, compliant: str) -> Judge:
    """By ``digest``, the hash of the file's content: a changed file is learned anew."""
    texts = list(read_confirmed(path, field="label"))
    if all(label != compliant for _, label in texts):
        raise DataError(f"{path}: no text has the label {compliant!r}. Label some, or set `compliant`.")
    wrong = f"not {compliant}"
    two = [(text, compliant if label == compliant else wrong) for text, label in texts]
    is_wrong = train_chances(two, path, labels="labels", with_words=True)
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
