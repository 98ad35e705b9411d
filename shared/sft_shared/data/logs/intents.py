"""What users want: rules first, then a classifier that learns from texts which people confirmed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from sft_shared.config import LocalPath, Settings
from sft_shared.data.hygiene.records import read_records
from sft_shared.data.logs.signs import fold
from sft_shared.data.steps import Rejected
from sft_shared.data.words import cut
from sft_shared.dialogue import Intent
from sft_shared.errors import DataError

UNKNOWN = "unknown"
MIN_INTENTS = 2
MIN_TEXTS = 3  # confirmed for each intent
NGRAMS = (1, 3)  # characters: words need no boundaries, as in Chinese
MAX_CHARACTERS = 400  # of a text that the classifier looks at

Labeller = Callable[[Sequence[str]], list[Intent]]


class IntentRule(Settings):
    """A text has the intent if it holds one of ``any`` and each of ``all``, and ``regex`` is found in it.

    Keywords are compared without regard to case and width.
    """

    intent: str = Field(min_length=1)
    any: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    regex: str | None = None

    @field_validator("any", "all")
    @classmethod
    def _fold_keywords(cls, keywords: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(fold(word) for word in keywords)

    @field_validator("regex")
    @classmethod
    def _regex_is_usable(cls, regex: str | None) -> str | None:
        try:
            re.compile(regex or "")
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        return regex

    @model_validator(mode="after")
    def _asks_for_something(self) -> IntentRule:
        if not (self.any or self.all or self.regex):
            raise ValueError("a rule needs any, all or regex; give one of them")
        return self

    def matches(self, text: str, *, folded: str) -> bool:
        """Whether a text has the intent; ``folded`` is the text without case and width."""
        return (
            (not self.any or any(map(folded.__contains__, self.any)))
            and (not self.all or all(map(folded.__contains__, self.all)))
            and (self.regex is None or re.search(self.regex, text) is not None)
        )


class IntentSettings(Settings):
    """How intents are found: given in the log, by the first rule that fits, or by the classifier.

    The classifier is a logistic regression on TF-IDF of character n-grams, trained anew at every start.
    """

    rules: tuple[IntentRule, ...] = ()
    confirmed: LocalPath | None = None  # JSONL or CSV with text and intent, as people confirmed them
    min_confidence: float = Field(
        default=0.5, ge=0, le=1
    )  # of the classifier; below it the intent is unknown

    def labeller(self) -> Labeller:
        """Train. Raises DataError for a file of confirmed texts that is wrong or too small."""
        classify = (
            None if self.confirmed is None else train(list(read_confirmed(self.confirmed)), self.confirmed)
        )

        by_rule = [
            Intent(name=rule.intent, confidence=1.0, by=f"rule:{number}")
            for number, rule in enumerate(self.rules, start=1)
        ]
        nothing = Intent(name=UNKNOWN, confidence=0.0, by="none")

        def label(texts: Sequence[str]) -> list[Intent]:
            places = [self._rule_for(text) for text in texts]
            intents = [None if place is None else by_rule[place] for place in places]
            left = [at for at, intent in enumerate(intents) if intent is None]
            if classify is not None and left:
                for at, (name, confidence) in zip(left, classify([texts[at] for at in left]), strict=True):
                    sure = confidence >= self.min_confidence
                    intents[at] = Intent(
                        name=name if sure else UNKNOWN, confidence=confidence, by="classifier"
                    )
            return [intent or nothing for intent in intents]

        return label

    def _rule_for(self, text: str) -> int | None:
        folded = fold(text)
        return next((at for at, rule in enumerate(self.rules) if rule.matches(text, folded=folded)), None)


def read_confirmed(path: Path, *, field: str = "intent") -> Iterator[tuple[str, str]]:
    """Yield (text, what ``field`` says) of a JSONL or CSV file. Raises DataError with ``file:line``."""
    for row in read_records(path):
        if isinstance(row, Rejected):
            raise DataError(f"{row.where}: {row.detail}")
        said, label = row.value.get("text"), row.value.get(field)
        if not isinstance(said, str) or not isinstance(label, str) or not said.strip() or not label.strip():
            raise DataError(f"{row.where}: needs text and {field}, both not empty. Mend the line.")
        yield said, label.strip()


def train(
    confirmed: Sequence[tuple[str, str]], path: Path
) -> Callable[[Sequence[str]], list[tuple[str, float]]]:
    """Return a function that gives the most likely intent of each text, with its probability.

    The same texts always give the same function. Raises DataError for too few texts.
    """
    chances = train_chances(confirmed, path, labels="intents")

    def classify(texts: Sequence[str]) -> list[tuple[str, float]]:
        best = (max(row.items(), key=lambda item: item[1]) for row in chances(texts))
        return [(name, round(chance, 3)) for name, chance in best]

    return classify


def train_chances(
    confirmed: Sequence[tuple[str, str]], path: Path, *, labels: str, with_words: bool = False
) -> Callable[[Sequence[str]], list[dict[str, float]]]:
    """Return a function that gives the probability of every label of each text, labels sorted.

    ``labels`` says what they are, in the plural. ``with_words`` looks at words and pairs of them too: what is
    said then counts more than how it is spelled. Raises DataError for too few texts.
    """
    counts = Counter(label for _, label in confirmed)
    rare = [label for label, count in counts.items() if count < MIN_TEXTS]
    if len(counts) < MIN_INTENTS or rare:
        found = ", ".join(f"{label} ({count})" for label, count in sorted(counts.items())) or "none"
        raise DataError(
            f"{path}: too few confirmed texts: {found}. Give at least {MIN_INTENTS} {labels}, each with at "
            f"least {MIN_TEXTS} texts."
        )
    from sklearn.feature_extraction.text import TfidfVectorizer  # takes a second to import
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_union

    vectorizer = TfidfVectorizer(
        analyzer="char_wb", ngram_range=NGRAMS, preprocessor=_prepare, sublinear_tf=True
    )
    if with_words:
        words = TfidfVectorizer(
            tokenizer=_words, token_pattern=None, ngram_range=(1, 2), preprocessor=_prepare, sublinear_tf=True
        )
        vectorizer = make_union(vectorizer, words)
    model = LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced", random_state=0)
    model.fit(vectorizer.fit_transform([text for text, _ in confirmed]), [label for _, label in confirmed])
    names = [str(name) for name in model.classes_]

    def chances(texts: Sequence[str]) -> list[dict[str, float]]:
        rows = model.predict_proba(vectorizer.transform(texts))
        return [dict(zip(names, map(float, row), strict=True)) for row in rows]

    return chances


def _words(text: str) -> list[str]:
    return [word for word in cut(text) if not word.isspace()]


def _prepare(text: str) -> str:
    return fold(text[:MAX_CHARACTERS])
