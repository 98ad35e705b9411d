"""Steps that drop texts which say nothing: over and over, by rote, or in a wrong encoding."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from functools import lru_cache
from typing import Literal

import numpy as np
from pydantic import Field, PositiveInt

from sft_shared.config import Settings
from sft_shared.data.chat import answer_text
from sft_shared.data.hygiene.mojibake import garbled_chars
from sft_shared.data.hygiene.texts import question_text, words
from sft_shared.data.steps import Dropped
from sft_shared.dialogue import Example

HOLDING = (
    "您好|你好|亲|在的|亲在的|您好在的|请稍等|稍等|稍等一下|请您稍等|好的|好的呢|好的稍等|嗯|嗯嗯|哦|"
    "是的|收到|不知道|不清楚|无|暂无|空|略|同上|测试|请问有什么可以帮您|请问有什么可以帮您的|"
    "有什么可以帮您的吗|很高兴为您服务|感谢您的咨询|祝您生活愉快|再见|please|hello|hi|hi there|ok|okay|yes|"
    "no idea|i don't know|i do not know|one moment|one moment please|just a moment|just a moment please|"
    "please wait|please hold|hold on|hold on please|thank you for contacting us|how can i help you|"
    "how can i help you today|how may i help you|how may i help you today|n/a|na|none|null|nan|"
    "undefined|todo|tbd|test|as an ai language model|bye|goodbye"
)
"""Greetings and holding lines of agents, and what stands for an answer that is not there."""

FALLBACK = (
    "抱歉|很抱歉|非常抱歉|不好意思|对不起|我没听懂|我没有听懂|没听懂|我不明白|没太明白|我没有理解|我没有理解您的意思|"
    "我没有理解您的问题|没有理解您的意思|没有理解您的问题|我不太理解您的意思|暂时无法理解您的问题|我还不会这个|我还在学习中|"
    "请换个说法|请换一种说法|请换个方式提问|您可以换个说法|您可以换个说法试试|请您再说一遍|能再说一遍吗|请重新描述您的问题|"
    "请重新输入|sorry|i'm sorry|i am sorry|my apologies|apologies|pardon|i did not understand|"
    "i didn't understand|"
    "i did not understand that|i didn't understand that|i don't understand|i do not understand|"
    "i did not get that|i didn't get that|i didn't catch that|i did not catch that|"
    "i'm not sure i understand|i am not sure i understand|i'm not sure what you mean|could you rephrase|"
    "could you rephrase that|could you please rephrase|could you please rephrase that|can you rephrase that|"
    "please rephrase|please rephrase your question|could you repeat that|can you repeat that|please repeat|"
    "please try again|try again|say that again please|could you say that again"
)
"""What a bot says that did not understand; each is a sentence, or the part of one between commas."""


MIN_REPEATED_WORDS = 12
"""Shorter texts may repeat themselves: laughter, no no no no no."""
MAX_PROBES = 8
CACHED_TEXTS = 4096  # of the last ones looked at: agents say the same again and again
CACHED_LENGTH = 500  # characters; longer ones would fill the memory


class RepetitionFilter(Settings):
    """Drop examples whose question or answer says one thing over and over.

    A phrase is 1 to ``max_phrase`` words that follow each other ``max_repeats`` times or more and make up
    ``min_share`` of the text; a run is one character, spaces and marks excepted.
    """

    kind: Literal["repetition"] = "repetition"
    max_run: PositiveInt = 20
    max_repeats: PositiveInt = 4
    max_phrase: PositiveInt = 60
    min_share: float = Field(default=0.4, gt=0, le=1)

    def __call__(self, example: Example) -> Example | Dropped:
        """The example, or Dropped by ``repeated-character`` or ``repeated-phrase``."""
        for what, text in (("question", question_text(example)), ("answer", answer_text(example.answer))):
            find = _remembered if len(text) <= CACHED_LENGTH else _find_repeated
            found = find(text, self.max_run, self.max_repeats, self.max_phrase, self.min_share)
            if found == "character":
                return Dropped(
                    "repeated-character", f"the {what} has one character more than {self.max_run} times"
                )
            if found == "phrase":
                return Dropped(
                    "repeated-phrase", f"the {what} says one phrase more than {self.max_repeats} times"
                )
        return example


def _find_repeated(
    text: str, max_run: int, max_repeats: int, max_phrase: int, min_share: float
) -> Literal["character", "phrase"] | None:
    if _may_run(text, max_run) and _run_of(max_run).search(text):
        return "character"
    if _repeats(text, max_repeats=max_repeats, max_phrase=max_phrase, min_share=min_share):
        return "phrase"
    return None


_remembered = lru_cache(maxsize=CACHED_TEXTS)(_find_repeated)


def _repeats(text: str, *, max_repeats: int, max_phrase: int, min_share: float) -> bool:
    """Whether one phrase that is said more than ``max_repeats`` times makes up ``min_share`` of ``text``."""
    if len(text) < MIN_REPEATED_WORDS:
        return False
    said = words(text.casefold())
    if len(said) < MIN_REPEATED_WORDS:
        return False
    # What is repeated has at least min_share of the words, each of them more than max_repeats times.
    wanted = min_share * len(said)
    step = max(int(wanted), 1)
    probes = said[step - 1 :: step]  # one of them is in it
    if len(probes) <= MAX_PROBES and all(said.count(word) <= max_repeats for word in probes):
        return False
    if sum([count for count in Counter(said).values() if count > max_repeats]) < wanted:
        return False
    data = text.encode("utf-8", "replace")
    if len(data) < 24 or len(zlib.compress(data, 1)) > 0.75 * len(data) + 12:
        return False
    numbers: dict[str, int] = {}
    codes = np.array([numbers.setdefault(word, len(numbers)) for word in said])
    for period in range(1, min(max_phrase, len(codes) // (max_repeats + 1)) + 1):
        same = np.concatenate([[False], codes[period:] == codes[:-period], [False]])
        edges = np.flatnonzero(same[1:] != same[:-1])
        longest = int((edges[1::2] - edges[::2]).max(initial=0))
        times = longest // period + 1
        if times > max_repeats and longest + period >= min_share * len(codes):
            return True
    return False


def _may_run(text: str, longest: int) -> bool:
    """May one character stand more than ``longest`` times in a row? Two of such a row are looked at."""
    return any(text[at] == text[at + 1] for at in range(0, len(text) - 1, longest))


class BoilerplateFilter(Settings):
    """Drop examples whose answer holds nothing: marks, the question again, set phrases.

    An answer goes if each of its sentences is one of the phrases; calls of tools always stay.
    """

    kind: Literal["boilerplate"] = "boilerplate"
    phrases: tuple[str, ...] = tuple(f"{HOLDING}|{FALLBACK}".split("|"))
    more_phrases: tuple[str, ...] = ()

    def __call__(self, example: Example) -> Example | Dropped:
        """The example, or Dropped by ``empty-answer``, ``echo-answer`` or ``boilerplate-answer``."""
        if example.answer.tool_calls:
            return example
        answer = example.answer.content or ""
        if not _LETTER.search(answer):
            return Dropped("empty-answer", "the answer has neither letters nor digits")
        if _same_bare(answer, example.prompt[-1].content or "" if example.prompt else ""):
            return Dropped("echo-answer", "the answer repeats the question")
        if len(answer) <= 200:
            known = _all_bare(self.phrases, self.more_phrases)
            sentences = map(_bare, _SENTENCE_END.split(answer))
            if all(sentence in known for sentence in sentences if sentence):
                return Dropped(
                    "boilerplate-answer",
                    "the answer is a greeting, a holding line or a fallback",
                )
        return example


class GarbledFilter(Settings):
    """Drop examples with text in a wrong encoding: U+FFFD, 锟斤拷, "Ã©" for "é", control characters."""

    kind: Literal["garbled"] = "garbled"
    max_share: float = Field(default=0.01, ge=0, le=1)  # of a message's characters; one is always forgiven

    def __call__(self, example: Example) -> Example | Dropped:
        """The example, or Dropped by ``garbled``."""
        for place, message in enumerate(example.messages, start=1):
            text = answer_text(message) if message.tool_calls else message.content or ""
            bad = garbled_chars(text)
            if bad > max(1, self.max_share * len(text)):
                return Dropped("garbled", f"message {place} has {bad} characters of a wrong encoding")
        return example


_LETTER = re.compile(r"\w")
_MARKS = re.compile(r"[\W_]+")
_SENTENCE_END = re.compile(r"[.!?。！？…~～,，;；\n]+")


@lru_cache(maxsize=16)
def _run_of(length: int) -> re.Pattern[str]:
    return re.compile(rf"([^\W_])\1{{{length},}}")


@lru_cache(maxsize=16)
def _all_bare(*phrases: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_bare(phrase) for some in phrases for phrase in some)


def _bare(text: str) -> str:
    return _MARKS.sub("", text.casefold())


def _same_bare(one: str, other: str) -> bool:
    """Whether two texts are the same without case and marks; the first letters mostly tell."""
    start, other_start = _bare(one[:12]), _bare(other[:12])
    if not start.startswith(other_start) and not other_start.startswith(start):
        return False
    return _bare(one) == _bare(other)
