"""Slots of templates: where their values come from, and how a set of them is drawn."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, PositiveFloat, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from sft_shared.config import Settings
from sft_shared.errors import ConfigError

Language = Literal["zh", "en"]

_Value = TypeVar("_Value")

MANY = 10**12  # combinations; what has more is counted as this many


class Choice(Settings):
    """One value of a slot, text or number, and how often it is drawn beside the others."""

    value: Annotated[str, Field(min_length=1)] | int | float
    weight: PositiveFloat = 1

    @model_validator(mode="before")
    @classmethod
    def _from_value(cls, given: Any) -> Any:
        if isinstance(given, bool | date):
            raise ValueError("a value is text or a number. Put it in quotes")
        return {"value": given} if isinstance(given, str | int | float) else given


class Values(Settings):
    """Listed values: ``values`` for every language, ``zh`` and ``en`` for one. The code 007 needs quotes."""

    kind: Literal["values"] = "values"
    values: tuple[Choice, ...] = ()
    zh: tuple[Choice, ...] = ()
    en: tuple[Choice, ...] = ()

    @model_validator(mode="after")
    def _has_values(self) -> Values:
        if not (self.values or self.zh or self.en):
            raise ValueError("values: missing. List at least one under values, zh or en")
        return self

    def choices(self, language: Language) -> tuple[Choice, ...]:
        """The values of a language."""
        return self.values + (self.zh if language == "zh" else self.en)

    def size(self, language: Language) -> int:
        """How many values there are."""
        return len(self.choices(language))

    def draw(
        self, rng: random.Random, *, language: Language, taken: Sequence[object]
    ) -> str | int | float | None:
        """A value by weight that is not among ``taken``; None if all are."""
        open_now = [choice for choice in self.choices(language) if choice.value not in taken]
        if not open_now:
            return None
        return rng.choices(open_now, [choice.weight for choice in open_now])[0].value


def _untaken(make: Callable[[], _Value], taken: Sequence[object]) -> _Value | None:
    return next((value for value in (make() for _ in range(50)) if value not in taken), None)


class Range(Settings):
    """Numbers from ``start`` to ``stop``, both included, in steps; whole ones have no point."""

    kind: Literal["range"] = "range"
    start: Decimal
    stop: Decimal
    step: Annotated[Decimal, Field(gt=0)] = Decimal(1)

    @model_validator(mode="after")
    def _is_not_empty(self) -> Range:
        if self.stop < self.start:
            raise ValueError(f"stop: {self.stop} is below start ({self.start}). Swap them")
        return self

    def size(self, language: Language) -> int:
        """How many numbers there are."""
        return int((self.stop - self.start) / self.step) + 1

    def draw(self, rng: random.Random, *, language: Language, taken: Sequence[object]) -> int | float | None:
        """A number that is not among ``taken``; None after fifty that were."""

        def number() -> int | float:
            value = self.start + self.step * rng.randrange(self.size(language))
            return int(value) if value == value.to_integral_value() else float(value)

        return _untaken(number, taken)


class Pattern(Settings):
    """Codes such as ``SF[0-9]{12}``: plain text, ``[...]`` sets of characters, and ``{n}`` repeats."""

    kind: Literal["pattern"] = "pattern"
    pattern: str = Field(min_length=1)

    @model_validator(mode="after")
    def _parses(self) -> Pattern:
        _atoms(self.pattern)
        return self

    def size(self, language: Language) -> int:
        """How many codes there are."""
        size = 1
        for letters in _atoms(self.pattern):
            size = min(size * len(letters), MANY)
        return size

    def draw(self, rng: random.Random, *, language: Language, taken: Sequence[object]) -> str | None:
        """A code that is not among ``taken``; None after fifty that were."""
        atoms = _atoms(self.pattern)
        return _untaken(lambda: "".join(rng.choice(letters) for letters in atoms), taken)


class Day(Settings):
    """Days from ``start`` to ``stop``, both included, as 2026-03-05."""

    kind: Literal["day"] = "day"
    start: date
    stop: date

    @model_validator(mode="after")
    def _is_not_empty(self) -> Day:
        if self.stop < self.start:
            raise ValueError(f"stop: {self.stop} is before start ({self.start}). Swap them")
        return self

    def size(self, language: Language) -> int:
        """How many days there are."""
        return (self.stop - self.start).days + 1

    def draw(self, rng: random.Random, *, language: Language, taken: Sequence[object]) -> str | None:
        """A day that is not among ``taken``; None after fifty that were."""
        num_days = self.size(language)
        return _untaken(lambda: (self.start + timedelta(days=rng.randrange(num_days))).isoformat(), taken)


class Like(Settings):
    """The values of another slot, never the one that it has in the same sentence: from Paris to Rome."""

    kind: Literal["like"] = "like"
    slot: str


Source = Values | Range | Pattern | Day
Slot = Annotated[Source | Like, Field(discriminator="kind")]


def source_of(name: str, slots: Mapping[str, Slot]) -> Source:
    """The slot that values for ``name`` are drawn from. Raises ValueError if a `Like` names no such slot."""
    slot = slots[name]
    if not isinstance(slot, Like):
        return slot
    source = slots.get(slot.slot)
    if source is None or isinstance(source, Like):
        raise ValueError(f"slot {slot.slot!r} has no values of its own. Name a slot that has")
    return source


def fault(place: tuple[str | int, ...], problem: str) -> InitErrorDetails:
    """What is wrong at a place of a YAML file; several make one ValidationError."""
    error: Any = PydanticCustomError("value_error", "{problem}", {"problem": problem})
    return InitErrorDetails(type=error, loc=place, input={})


def _sound(slots: dict[str, Slot]) -> dict[str, Slot]:
    faults = []
    for name, slot in slots.items():
        if not name.isidentifier():
            faults.append(fault((name,), "not a name. Use letters, digits and _, no digit first"))
        if isinstance(slot, Like):
            try:
                source_of(name, slots)
            except ValueError as error:
                faults.append(fault((name, "slot"), str(error)))
    if faults:
        raise ValidationError.from_exception_data("Slots", faults)
    return slots


Slots = Annotated[dict[str, Slot], AfterValidator(_sound)]
"""Slots by name, as templates call them."""


def draw(
    slots: Mapping[str, Slot], names: Iterable[str], rng: random.Random, *, language: Language
) -> dict[str, str | int | float]:
    """A value for each of ``names``, in the same order whatever theirs is.

    Raises ConfigError for a slot without values in the language, or with too few to differ from its like.
    """
    values: dict[str, str | int | float] = {}
    # a slot that is like another is drawn after it; the order of a set would change from run to run
    for name in sorted(names, key=lambda it: (isinstance(slots[it], Like), it)):
        slot = slots[name]
        source = slot.slot if isinstance(slot, Like) else name
        kin = [key for key, it in slots.items() if isinstance(it, Like) and it.slot == source]
        taken = [values[other] for other in (source, *kin) if other in values]
        value = source_of(name, slots).draw(rng, language=language, taken=taken)
        if value is None:
            unlike = f" that differs from {source!r}" if taken else ""
            raise ConfigError(f"slot {name!r} has no value in {language}{unlike}. Add some.")
        values[name] = value
    return values


def localise(value: Any, language: Language) -> Any:
    """Every ``{zh: ..., en: ...}`` inside ``value`` in one language.

    >>> localise({"city": {"zh": "上海", "en": "Shanghai"}, "days": 3}, "en")
    {'city': 'Shanghai', 'days': 3}
    """
    if isinstance(value, Mapping):
        if set(value) == {"zh", "en"}:
            return value[language]
        return {key: localise(item, language) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [localise(item, language) for item in value]
    return value


_ATOM = re.compile(r"(?:\[(?P<set>[^\[\]]+)\]|(?P<plain>[^\[\]{}\\]))(?:\{(?P<times>[0-9]{1,2})\})?")


def _atoms(pattern: str) -> list[str]:
    """For each character of a code the characters that it may be."""
    atoms: list[str] = []
    place = 0
    while place < len(pattern):
        match = _ATOM.match(pattern, place)
        if match is None:
            raise ValueError(f"pattern: cannot be read from {pattern[place:]!r}. Use text, [A-Z] and {{n}}")
        letters = match["plain"] or _letters(match["set"])
        atoms += [letters] * int(match["times"] or 1)
        place = match.end()
    return atoms


def _letters(inside: str) -> str:
    def spread(match: re.Match[str]) -> str:
        first, last = ord(match[1]), ord(match[2])
        if last < first:
            raise ValueError(f"pattern: [{inside}] runs backwards. Swap its ends")
        return "".join(map(chr, range(first, last + 1)))

    return "".join(dict.fromkeys(re.sub(r"(.)-(.)", spread, inside)))
