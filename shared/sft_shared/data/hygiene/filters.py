"""Steps that drop examples not worth learning from; each reason is a rule code."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from sft_shared.config import Settings
from sft_shared.data.chat import answer_text
from sft_shared.data.hygiene.degenerate import BoilerplateFilter, GarbledFilter, RepetitionFilter
from sft_shared.data.hygiene.language import UNKNOWN, language_of
from sft_shared.data.hygiene.texts import num_words, prompt_text, question_text
from sft_shared.data.steps import Dropped
from sft_shared.dialogue import Example


class LengthFilter(Settings):
    """Drop examples that are too short or too long; None is no bound.

    The prompt is all that comes before the answer. Words are Chinese, Japanese and Korean characters, and
    runs of letters of other scripts. Turns are messages of the user.
    """

    kind: Literal["length"] = "length"
    min_prompt_chars: NonNegativeInt = 2
    max_prompt_chars: PositiveInt | None = 20_000
    min_answer_chars: NonNegativeInt = 1
    max_answer_chars: PositiveInt | None = 8_000
    max_words: PositiveInt | None = None  # of prompt and answer
    min_turns: NonNegativeInt = 1
    max_turns: PositiveInt | None = 50

    def __call__(self, example: Example) -> Example | Dropped:
        """The example, or Dropped by ``prompt-``, ``answer-`` or ``dialogue-too-short`` or ``-too-long``."""
        prompt, answer = prompt_text(example), answer_text(example.answer)
        turns = [message.role for message in example.prompt].count("user")
        words = num_words(prompt) + num_words(answer) if self.max_words else 0
        for what, unit, found, least, most in (
            ("prompt", "characters", len(prompt), self.min_prompt_chars, self.max_prompt_chars),
            ("answer", "characters", len(answer), self.min_answer_chars, self.max_answer_chars),
            ("dialogue", "turns of the user", turns, self.min_turns, self.max_turns),
            ("dialogue", "words", words, 0, self.max_words),
        ):
            if found < least:
                return Dropped(f"{what}-too-short", f"{found} {unit}, at least {least} are wanted")
            if most is not None and found > most:
                return Dropped(f"{what}-too-long", f"{found} {unit}, at most {most} are wanted")
        return example


class LanguageFilter(Settings):
    """Keep examples whose question and answer are in one of some languages.

    A text too short to tell passes, and one of which less than ``min_confidence`` is in another language.
    """

    kind: Literal["language"] = "language"
    allowed: Annotated[frozenset[str], Field(min_length=1)] = frozenset({"zh", "en"})  # ISO 639-1 codes
    min_confidence: float = Field(default=0.6, ge=0, le=1)

    def __call__(self, example: Example) -> Example | Dropped:
        """The example, or Dropped by ``language``."""
        for what, text in (("question", question_text(example)), ("answer", example.answer.content or "")):
            guess = language_of(text)
            wrong = guess.language != UNKNOWN and guess.language not in self.allowed
            if wrong and guess.confidence >= self.min_confidence:
                allowed = ", ".join(sorted(self.allowed))
                return Dropped("language", f"the {what} is {guess.language}; allowed are {allowed}")
        return example


class MarkupFilter(Settings):
    """Drop examples with many web addresses, or whose text is mostly markup."""

    kind: Literal["markup"] = "markup"
    max_urls: NonNegativeInt = 5  # in the question, and in the answer
    max_share: float = Field(
        default=0.3, ge=0, le=1
    )  # of the characters, in tags, entities and addresses but the first

    def __call__(self, example: Example) -> Example | Dropped:
        """The example, or Dropped by ``too-many-urls`` or ``too-much-markup``."""
        for what, text in (("question", question_text(example)), ("answer", example.answer.content or "")):
            if not _may_be_markup(text):
                continue
            urls = _URL.findall(text)
            if len(urls) > self.max_urls:
                return Dropped(
                    "too-many-urls", f"the {what} has {len(urls)} addresses, {self.max_urls} are allowed"
                )
            size = sum(map(len, urls[1:])) + sum(map(len, _TAG.findall(text)))
            if len(text) >= 40 and size > self.max_share * len(text):
                return Dropped(
                    "too-much-markup", f"{size / len(text):.0%} of the {what} is markup or addresses"
                )
        return example


FilterSettings = Annotated[
    LengthFilter | LanguageFilter | RepetitionFilter | BoilerplateFilter | MarkupFilter | GarbledFilter,
    Field(discriminator="kind"),
]
DEFAULT_FILTERS = (LengthFilter(), GarbledFilter(), RepetitionFilter(), MarkupFilter(), BoilerplateFilter())

_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"'，。）]+")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,300}>|&(?:[a-z]{2,8}|#\d{1,6});")


def _may_be_markup(text: str) -> bool:
    """Whether there is anything for the patterns to find."""
    return "<" in text or "&" in text or "://" in text or "www." in text
