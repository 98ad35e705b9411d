"""What typing does to a text: pinyin for a word, a homophone, a slip on the keyboard, full and half width."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Literal

from pydantic import NonNegativeFloat, model_validator

from sft_shared.config import Settings
from sft_shared.data.augment.copies import Copies, with_message
from sft_shared.data.augment.keyboard import other_width, slip
from sft_shared.data.augment.pieces import Piece, edited
from sft_shared.data.augment.sounds import homophone, pinyin
from sft_shared.data.desensitise.placeholders import FILLER, mask
from sft_shared.data.words import HAN, cut, is_han
from sft_shared.dialogue import Example

_RUNS = re.compile(f"(?P<han>[{HAN}]+)" r"|(?P<latin>[A-Za-z]+)|(?P<other>[!-/:-@\[-`{-~！-～]|[0-9]+)")


_HIDDEN = re.compile(f"{FILLER}+")


class NoiseWeights(Settings):
    """How often each kind of noise is taken where several are possible; 0 is never."""

    pinyin: NonNegativeFloat = 1  # 新乡 -> xīnxiāng; Chinese words
    homophone: NonNegativeFloat = 1  # 快递 -> 快第; Chinese words
    typo: NonNegativeFloat = 1  # cancel -> canvel, cnacel, cacel; Latin words of 4 letters and more
    width: NonNegativeFloat = 0.2  # a1? -> ａ１？ and back; Latin words, digits, punctuation

    @model_validator(mode="after")
    def _something_is_left(self) -> NoiseWeights:
        if not any((self.pinyin, self.homophone, self.typo, self.width)):
            raise ValueError("weights: all are 0, so there is no noise to add. Give one of them a weight")
        return self


class Noise(Copies):
    """Spoil a share of the user's words; everybody else's turns, tool calls and answers stay as they are.

    ``strength`` is the share of the words that some noise is possible for. A value that an argument or a
    JSON answer repeats is left alone even when no entity labels it, and so is what stands in place of
    personal data: a spoilt pseudonym could be somebody's. With ``entities`` change, labelled words may be
    spoilt too: the label then holds the spoilt text, the answer still the clean value.
    """

    kind: Literal["noise"] = "noise"
    weights: NoiseWeights = NoiseWeights()
    tones: Literal["marks", "none", "mixed"] = "mixed"  # of pinyin: xīnxiāng, xinxiang, either
    entities: Literal["keep", "change"] = "keep"

    def _change(self, example: Example, rng: random.Random) -> tuple[Example, str] | None:
        words = [
            (index, start, end)
            for index, message in enumerate(example.messages)
            if message.role == "user"
            for start, end in self._words(example, index)
        ]
        wanted = self.strength * len(words)
        count = int(wanted) + (rng.random() < wanted % 1)
        edits: dict[int, list[Piece]] = {}
        used: set[str] = set()
        for index, start, end in rng.sample(words, count):
            word = (example.messages[index].content or "")[start:end]
            choice = self._spoil(word, rng)
            if choice is not None:
                used.add(choice[0])
                edits.setdefault(index, []).append(Piece(start, end, choice[1]))
        for index, changes in edits.items():
            length = len(example.messages[index].content or "")
            changed = with_message(example, index, edited(length, changes))
            if changed is None:
                return None
            example = changed
        return (example, f"noise:{'+'.join(sorted(used))}:{self.strength:g}") if used else None

    def _words(self, example: Example, index: int) -> list[tuple[int, int]]:
        """Where the words stand that may be spoilt."""
        text = example.messages[index].content or ""
        labelled = [(entity.start, entity.end) for entity in example.entities if entity.message == index]
        taboo = [*_repeated(example, text), *(found.span() for found in _HIDDEN.finditer(mask(text)))]
        if self.entities == "keep":
            taboo += labelled
        else:  # a labelled value may change, but no word may reach over the edge of a label
            taboo = [span for span in taboo if not any(s <= span[0] and span[1] <= e for s, e in labelled)]
        return [
            (start, end)
            for start, end in _tokens(text)
            if not any(start < e and s < end for s, e in taboo)
            and all((s <= start and end <= e) or end <= s or e <= start for s, e in labelled)
            and self._kinds(text[start:end])
        ]

    def _kinds(self, word: str) -> dict[str, float]:
        han, latin = is_han(word), word.isascii() and word.isalpha()
        weights = {
            "pinyin": self.weights.pinyin * han,
            "homophone": self.weights.homophone * han,
            "typo": self.weights.typo * (latin and len(word) >= 4),
            "width": self.weights.width * (not han),
        }
        return {kind: weight for kind, weight in weights.items() if weight}

    def _spoil(self, word: str, rng: random.Random) -> tuple[str, str] | None:
        kinds = self._kinds(word)
        kind = rng.choices(list(kinds), list(kinds.values()))[0]
        if kind == "pinyin":
            marks = self.tones == "marks" or (self.tones == "mixed" and rng.random() < 0.5)
            spoilt: str | None = pinyin(word, tone_marks=marks)
        elif kind == "homophone":
            spoilt = homophone(word, rng)
        else:
            spoilt = slip(word, rng) if kind == "typo" else other_width(word)
        return None if spoilt is None or spoilt == word else (kind, spoilt)


def _tokens(text: str) -> Iterator[tuple[int, int]]:
    """Where each word stands: Chinese ones as the dictionary cuts them, Latin ones, numbers, punctuation."""
    for run in _RUNS.finditer(text):
        start = run.start()
        for word in cut(run.group()) if run.lastgroup == "han" else [run.group()]:
            yield start, start + len(word)
            start += len(word)


def _repeated(example: Example, text: str) -> Iterator[tuple[int, int]]:
    """Where ``text`` holds a value of a tool call, an expected call or a JSON answer."""
    for value in set(_values(example)):
        place = text.find(value)
        while value and place >= 0:
            yield place, place + len(value)
            place = text.find(value, place + len(value))


def _values(example: Example) -> Iterator[str]:
    for message in example.messages:
        for call in message.tool_calls:
            yield from _leaves(call.arguments)
        if message.role == "assistant" and message.content:
            try:
                answer = json.loads(message.content)
            except ValueError:
                continue
            yield from _leaves(answer.get("parameters", answer) if isinstance(answer, dict) else answer)
    for expected in example.expected_calls:
        yield from _leaves(expected.arguments)


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)
