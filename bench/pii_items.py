"""The benchmark's items: texts and turns in which every piece of personal data is marked.

Generated items come from `bench/pii/templates_*.yaml`, filled with made-up values; hand-written ones stand in
`bench/pii/handwritten_*.jsonl` with the values marked in place: ``我姓{{name:欧}},电话{{phone:…}}``.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from bench.pii_disguise import cut, disguise, plain
from bench.pii_people import FROM_WORDS, NUMBERS, Words
from bench.pii_score import Gold, Item
from bench.pii_secrets import FILLERS
from sft_shared.config import Settings, load_yaml
from sft_shared.data.desensitise.spans import Kind
from sft_shared.errors import ConfigError, DataError

FOLDER = Path(__file__).with_name("pii")
HALVES = ("dev", "test")
KINDS: tuple[Kind, ...] = get_args(Kind)
MAJOR = ("card", "resident_id", "phone", "email", "name", "address")
_PER_GROUP = {"mixed": 60, "negative": 90} | dict.fromkeys(MAJOR, 100)
_OF_MINOR = 26
# {{card}} {{phone.mobile}} {{name@a}} (the same again) {{card/2}} (its second piece) {{~amount}} (nobody's)
_SLOT = re.compile(r"\{\{(~?)([a-z_]+(?:\.[a-z]+)?)(@[a-z])?(?:/(\d))?\}\}")
_MARK = re.compile(r"\{\{([a-z_]+):(.+?)\}\}", re.DOTALL)


class Template(Settings):
    """A text with slots, or turns of a talk. In YAML a plain string, or ``log:``, ``json:`` or ``turns:``."""

    style: Literal["prose", "log", "json"]
    turns: tuple[str, ...] = Field(min_length=1)
    allowed: tuple[Kind, ...] = ()  # kinds that may well be found though nothing is marked

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"style": "prose", "turns": [given]}
        if isinstance(given, dict) and "turns" in given:
            return {"style": "prose"} | given
        for style in ("prose", "log", "json"):
            if isinstance(given, dict) and style in given:
                rest = {key: value for key, value in given.items() if key != style}
                return {"style": style, "turns": [given[style]]} | rest
        return given

    @model_validator(mode="after")
    def _slots_are_known(self) -> Template:
        for turn in self.turns:
            for filler, slot, _, _ in _SLOT.findall(turn):
                if slot not in (FILLERS if filler else KINDS) and slot not in {
                    *NUMBERS,
                    *FROM_WORDS,
                    "product",
                }:
                    raise ValueError(f"unknown slot {slot!r}")
            if "{{" in _SLOT.sub("", turn):
                raise ValueError(
                    "a slot is written {{kind}}, {{kind.form}}, {{kind@a}}, {{kind/1}} or {{~filler}}"
                )
        return self


class Templates(Settings):
    """Templates by language and by what they are about: a kind, ``mixed``, or ``negative``."""

    zh: Mapping[str, tuple[Template, ...]]
    en: Mapping[str, tuple[Template, ...]]


def load_half(
    half: str, *, seed: int, taken: frozenset[str] = frozenset(), folder: Path = FOLDER
) -> list[Item]:
    """All items of a half: generated ones with values that are not in ``taken``, then hand-written ones.

    Raises ConfigError or DataError with file and line if a file is wrong.
    """
    words = load_yaml(folder / f"words_{half}.yaml", Words)
    templates = load_yaml(folder / f"templates_{half}.yaml", Templates)
    items = list(_generated(half, templates, words, seed=seed, taken=taken))
    return items + read_handwritten(folder / f"handwritten_{half}.jsonl")


def load_all(seed: int) -> dict[str, list[Item]]:
    """Half -> its items; the test half's values are none of the dev half's."""
    dev = load_half("dev", seed=seed)
    return {"dev": dev, "test": load_half("test", seed=seed, taken=values_of(dev))}


def values_of(items: Sequence[Item]) -> frozenset[str]:
    """Every marked value, bare of disguises; not the few digits of a piece, which are nobody's."""
    return frozenset(plain(item.value(gold)) for item in items for gold in item.spans if not gold.is_piece)


def _generated(
    half: str, templates: Templates, words: Words, *, seed: int, taken: frozenset[str]
) -> Iterator[Item]:
    for language, groups in (("zh", templates.zh), ("en", templates.en)):
        for group, members in sorted(groups.items()):
            draw = random.Random(f"{seed} {half} {language} {group}")  # noqa: S311 (made-up data, no secret)
            order = list(members)
            draw.shuffle(order)
            for number in range(_PER_GROUP.get(group, _OF_MINOR)):
                template = order[number % len(order)]
                turns, spans = _fill(template, language, words, draw, taken)
                yield Item(
                    id=f"{half}-{language}-{group}-{number:03}",
                    language=language,
                    source="generated",
                    turns=turns,
                    spans=spans,
                    hard_negative=group == "negative",
                    allowed=template.allowed,
                )


def _fill(
    template: Template, language: str, words: Words, draw: random.Random, taken: frozenset[str]
) -> tuple[tuple[str, ...], tuple[Gold, ...]]:
    """The turns with their slots filled, and where the values stand."""
    named: dict[str, str] = {}
    pieces: dict[str, list[str]] = {}
    turns: list[str] = []
    spans: list[Gold] = []
    for place, turn in enumerate(template.turns):
        text, end = "", 0
        for match in _SLOT.finditer(turn):
            text += turn[end : match.start()]
            end = match.end()
            filler, slot, label, piece = match.groups()
            if filler:
                text += (
                    draw.choice(getattr(words, f"products_{language}"))
                    if slot == "product"
                    else FILLERS[slot](draw)
                )
                continue
            kind: Kind = next(each for each in KINDS if each == slot.partition(".")[0])
            if piece and slot not in pieces:
                count = max(
                    int(found) for found in re.findall(rf"{{{{{slot}/(\d)}}}}", "".join(template.turns))
                )
                pieces[slot] = cut(_value(slot, language, words, draw, taken), count)
            if piece:
                value = pieces[slot][int(piece) - 1]
            elif label and label in named:
                value = named[label]
            else:
                value = _value(slot, language, words, draw, taken)
                value = disguise(draw, kind, value, language=language, style=template.style)
                named[label or ""] = value
            spans.append(Gold(kind, len(text), len(text) + len(value), turn=place, is_piece=bool(piece)))
            text += value
        turns.append(text + turn[end:])
    return tuple(turns), tuple(spans)


def _value(slot: str, language: str, words: Words, draw: random.Random, taken: frozenset[str]) -> str:
    """A value for a slot that the other half does not have."""
    key = next(key for key in (slot, f"{slot}.{language}") if key in NUMBERS or key in FROM_WORDS)
    for _ in range(100):
        value = NUMBERS[key](draw) if key in NUMBERS else FROM_WORDS[key](draw, words)
        if plain(value) not in taken:
            return value
    raise ConfigError(f"{slot}: all values drawn are in the other half as well. Add words to words_*.yaml.")


class _Line(Settings):
    """One line of a hand-written file: ``text`` or ``turns``."""

    id: str
    lang: Literal["zh", "en"]
    text: str = ""
    turns: tuple[str, ...] = ()
    hard_negative: bool = False
    allowed: tuple[Kind, ...] = ()


def read_handwritten(path: Path) -> list[Item]:
    """The hand-written items of a file. Raises DataError that names ``file:line`` and what is wrong there."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}.") from None
    items: dict[str, Item] = {}
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        try:
            given = _Line.model_validate(json.loads(line))
        except ValidationError as error:
            problem = error.errors()[0]
            field = ".".join(map(str, problem["loc"]))
            raise DataError(f"{where}: {field}: {problem['msg']}.") from None
        except ValueError as error:
            raise DataError(f"{where}: not valid JSON: {error}.") from None
        if bool(given.text) == bool(given.turns):
            raise DataError(f"{where}: an item has either `text` or `turns`. Give one of them.")
        if given.id in items:
            raise DataError(f"{where}: id {given.id!r} is there already. Give each item its own.")
        items[given.id] = _marked(given, where)
    return list(items.values())


def _marked(given: _Line, where: str) -> Item:
    """The item without its marks, and the spans that they marked."""
    turns: list[str] = []
    spans: list[Gold] = []
    for place, marked in enumerate(given.turns or (given.text,)):
        text, end = "", 0
        for match in _MARK.finditer(marked):
            text += marked[end : match.start()]
            end = match.end()
            kind, value = match.groups()
            known: Kind | None = next((each for each in KINDS if each == kind), None)
            if known is None:
                raise DataError(f"{where}: {kind!r} is no kind. Known: {', '.join(KINDS)}.")
            spans.append(Gold(known, len(text), len(text) + len(value), turn=place))
            text += value
        text += marked[end:]
        if "{{" in text:
            raise DataError(f"{where}: a mark does not end, or is not written {{{{kind:value}}}}.")
        turns.append(text)
    if bool(spans) == given.hard_negative:
        found = "marks" if spans else "no marks"
        raise DataError(
            f"{where}: hard_negative is {given.hard_negative}, with {found}. Change one of the two."
        )
    return Item(
        id=given.id,
        language=given.lang,
        source="handwritten",
        turns=tuple(turns),
        spans=tuple(spans),
        hard_negative=given.hard_negative,
        allowed=given.allowed,
    )
