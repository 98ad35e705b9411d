"""How facts are asked for and said: phrasings by relation from a YAML file, and plain ones for all others."""

from __future__ import annotations

import re

from pydantic import Field, ValidationError, model_validator

from sft_shared.config import Settings
from sft_shared.data.templating.rendering import Source, render, slots_in
from sft_shared.data.templating.slots import Language, fault
from sft_shared.data.words import has_han

Sources = tuple[Source, ...]
SLOTS = frozenset({"subject", "relation", "object"})


class Wording(Settings):
    """One relation in one language. ``subject``, ``relation`` and ``object`` are the slots.

    ``ask`` asks for the object, ``tell`` answers it; ``ask_back`` asks for the subject, ``check``
    asks whether a fact is so. What is left out is taken from the plain wording.
    """

    name: str = ""  # what the relation is called; empty: its name in the file
    ask: Sources = ()
    tell: Sources = ()
    ask_back: Sources = ()
    check: Sources = ()


class RelationWording(Settings):
    """One relation in both languages. ``also`` are other names of it in the files."""

    also: tuple[str, ...] = ()
    zh: Wording = Wording()
    en: Wording = Wording()


class Phrasings(Settings):
    """A YAML file of phrasings: relation -> wording."""

    relations: dict[str, RelationWording] = Field(min_length=1)

    @model_validator(mode="after")
    def _uses_known_slots(self) -> Phrasings:
        faults = []
        for name, both in self.relations.items():
            for language in ("zh", "en"):
                wording: Wording = getattr(both, language)
                for part in ("ask", "tell", "ask_back", "check"):
                    for number, source in enumerate(getattr(wording, part)):
                        for slot in sorted(slots_in(source) - SLOTS):
                            problem = f"unknown slot {slot!r}. Known: subject, relation, object"
                            faults.append(fault(("relations", name, language, part, number), problem))
        if faults:
            raise ValidationError.from_exception_data("Phrasings", faults)
        return self

    def wording(self, relation: str, language: Language) -> Wording:
        """The wording of a relation, completed by the plain one."""
        both = self.relations.get(relation, RelationWording())
        own: Wording = getattr(both, language)
        return _complete(own, relation, language)

    def canonical(self, relation: str) -> str:
        """The one name of a relation that the files call by several."""
        names = (name for name, both in self.relations.items() if relation in both.also)
        return relation if relation in self.relations else next(names, relation)


PLAIN: dict[Language, Wording] = {
    "zh": Wording(
        ask=(
            "{{ subject }}的{{ relation }}是什么？",
            "请问{{ subject }}的{{ relation }}是什么？",
            "你知道{{ subject }}的{{ relation }}吗？",
            "告诉我{{ subject }}的{{ relation }}。",
        ),
        tell=("{{ subject }}的{{ relation }}是{{ object }}。",),
        ask_back=("谁或什么的{{ relation }}是{{ object }}？", "{{ relation }}是{{ object }}的是什么？"),
        check=(
            "{{ subject }}的{{ relation }}是{{ object }}吗？",
            "{{ subject }}的{{ relation }}是不是{{ object }}？",
        ),
    ),
    "en": Wording(
        ask=(
            "What is the {{ relation }} of {{ subject }}?",
            "Do you know the {{ relation }} of {{ subject }}?",
            "Tell me the {{ relation }} of {{ subject }}.",
            "{{ subject }}: what is its {{ relation }}?",
        ),
        tell=("The {{ relation }} of {{ subject }} is {{ object }}.",),
        ask_back=("Who or what has {{ object }} as {{ relation }}?",),
        check=(
            "Is {{ object }} the {{ relation }} of {{ subject }}?",
            "Is it true that the {{ relation }} of {{ subject }} is {{ object }}?",
        ),
    ),
}


def _complete(own: Wording, relation: str, language: Language) -> Wording:
    plain = PLAIN[language]
    return Wording(
        name=own.name or spoken(relation),
        ask=own.ask or plain.ask,
        tell=own.tell or plain.tell,
        ask_back=own.ask_back or plain.ask_back,
        check=own.check or plain.check,
    )


def say(source: str, wording: Wording, *, subject: str, object_: str = "") -> str:
    """A phrasing filled in."""
    text, _ = render(source, {"subject": subject, "relation": wording.name, "object": object_})
    return text[:1].upper() + text[1:] if source[:1] != text[:1] else text


def spoken(relation: str) -> str:
    """A relation's name as words.

    >>> spoken("countryOfOrigin"), spoken("has_part"), spoken("首都")
    ('country of origin', 'has part', '首都')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", relation.replace("_", " ").replace("-", " "))
    return " ".join(word.lower() if word[1:].islower() or len(word) == 1 else word for word in words.split())


def listed(values: list[str], language: Language) -> str:
    """Several answers as one: 甲、乙和丙; a, b and c."""
    if len(values) == 1:
        return values[0]
    comma, last = ("、", "和") if language == "zh" else (", ", " and ")
    return comma.join(values[:-1]) + last + values[-1]


def language_of(*texts: str) -> Language:
    """Chinese if any of the texts has a Chinese character."""
    return "zh" if has_han(*texts) else "en"
