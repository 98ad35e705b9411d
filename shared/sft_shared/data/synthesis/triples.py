"""Knowledge triples become questions and answers, with what is not known and what is not so among them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from sft_shared.config import LocalPath, Settings, load_yaml
from sft_shared.data.steps import Rejected
from sft_shared.data.synthesis.facts import Facts, Key, held_out_keys
from sft_shared.data.synthesis.triple_files import Triple, read_triples
from sft_shared.data.synthesis.triple_questions import Phrasings, Wording, language_of, listed, say
from sft_shared.data.templating.slots import Language
from sft_shared.dialogue import Example, Message, Provenance, Split
from sft_shared.errors import ConfigError, DataError

NOT_KNOWN = {
    "zh": "抱歉，我的资料里没有{0}的{1}，无法回答。",
    "en": "I am sorry, I have nothing on the {1} of {0}, so I cannot answer that.",
}


class Triples(Settings):
    """Questions about the facts of a file of triples (see `read_triples`).

    Answers with several objects are merged into one; the question for the subject is asked where only one has
    that object. ``negatives`` and ``statements`` are counted in shares of the facts: questions that the graph
    has no answer to, and "is it so?" questions, half of them false. All questions about one fact, and about
    facts between the same two things, are on one side of the split; a negative never denies a held-out fact.
    """

    kind: Literal["triples"] = "triples"
    path: LocalPath
    phrasings: LocalPath | None = None  # a YAML file (see `Phrasings`); relations not in it are asked plainly
    language: Literal["zh", "en", "auto"] = "auto"  # auto: Chinese where subject or object are
    per_fact: PositiveInt = 3  # phrasings of each question, if there are as many
    reverse: bool = True
    negatives: NonNegativeFloat = 0.2
    statements: NonNegativeFloat = 0.4
    held_out_relations: tuple[str, ...] = ()
    held_out_share: float = Field(default=0.0, ge=0, lt=1)  # of the facts of the other relations
    seed: int = 0

    def examples(self) -> Iterator[Example | Rejected]:
        """Yield what is no triple, then the examples, fact by fact. Raises DataError, ConfigError."""
        triples: list[Triple] = []
        first_bad: Rejected | None = None
        for item in read_triples(self.path, language="" if self.language == "auto" else self.language):
            if isinstance(item, Rejected):
                first_bad = first_bad or item
                yield item
            else:
                triples.append(item._replace(relation=self._phrasings.canonical(item.relation)))
        facts = Facts(triples)
        if first_bad and not triples:
            raise DataError(
                f"{first_bad.where}: {first_bad.detail}. Mend it; no other triple is in the file."
            )
        if not triples:
            raise DataError(f"{self.path}: no triples in it. Put at least one fact a line into the file.")
        for name in self.held_out_relations:
            if name not in facts.by_relation:
                raise ConfigError(
                    f"held_out_relations: {name!r} is no relation of {self.path}. "
                    f"There are {', '.join(facts.relations[:20])}."
                )
        held_out = held_out_keys(
            facts, relations=self.held_out_relations, share=self.held_out_share, seed=self.seed
        )
        checked = self._checked(facts)
        for key in facts.objects:
            split: Split = "held_out" if key in held_out else "train"
            yield from self._about(facts, key, split=split, checked=key in checked)
        rng = self._rng("negatives")
        for key in facts.unknown(rng, count=round(self.negatives * len(facts.objects))):
            split = "held_out" if key[1] in self.held_out_relations else "train"
            yield self._negative(key, split=split, rng=rng)

    def _checked(self, facts: Facts) -> set[Key]:
        count = min(round(self.statements * len(facts.objects)), len(facts.objects))
        return set(self._rng("statements").sample(sorted(facts.objects), count))

    def _about(self, facts: Facts, key: Key, *, split: Split, checked: bool) -> Iterator[Example]:
        subject, relation = key
        values = facts.objects[key]
        rng = self._rng(*key)
        language, wording = self._wording(key, values)
        told = say(rng.choice(wording.tell), wording, subject=subject, object_=listed(values, language))
        for source in rng.sample(wording.ask, min(self.per_fact, len(wording.ask))):
            yield self._example(key, say(source, wording, subject=subject), told, split=split, step="ask")
        if checked:
            yield self._statement(facts, key, told, wording=wording, language=language, split=split, rng=rng)
        for value in values if self.reverse else ():
            if facts.subject_of(value, relation) == subject:
                question = say(rng.choice(wording.ask_back), wording, subject="", object_=value)
                single = say(
                    rng.choice(wording.tell), wording, subject=subject, object_=listed(values, language)
                )
                yield self._example(key, question, single, split=split, step="ask_back")

    def _statement(
        self,
        facts: Facts,
        key: Key,
        told: str,
        *,
        wording: Wording,
        language: Language,
        split: Split,
        rng: random.Random,
    ) -> Example:
        false = facts.false_object(key, rng) if rng.random() < 0.5 else None
        value = false or rng.choice(facts.objects[key])
        question = say(rng.choice(wording.check), wording, subject=key[0], object_=value)
        said = {"zh": ("是的，", "不是，"), "en": ("Yes. ", "No. ")}[language][false is not None]
        return self._example(key, question, said + told, split=split, step="deny" if false else "confirm")

    def _negative(self, key: Key, *, split: Split, rng: random.Random) -> Example:
        language, wording = self._wording(key, [])
        question = say(rng.choice(wording.ask), wording, subject=key[0])
        answer = NOT_KNOWN[language].format(key[0], wording.name)
        return self._example(key, question, answer, split=split, step="not_known")

    def _wording(self, key: Key, values: list[str]) -> tuple[Language, Wording]:
        language: Language = language_of(key[0], *values) if self.language == "auto" else self.language
        return language, self._phrasings.wording(key[1], language)

    @cached_property
    def _phrasings(self) -> Phrasings:
        if self.phrasings is None:
            return Phrasings.model_construct(relations={})
        return load_yaml(self.phrasings, Phrasings)

    def _rng(self, *names: str) -> random.Random:
        return random.Random(json.dumps([self.seed, *names]))  # noqa: S311 (phrasings, not secrets)

    def _example(self, key: Key, question: str, answer: str, *, split: Split, step: str) -> Example:
        def digest(*parts: str) -> str:
            return sha256(json.dumps(parts).encode()).hexdigest()[:16]

        return Example(
            id=f"triple-{digest(*key, question)}",
            messages=(Message(role="user", content=question), Message(role="assistant", content=answer)),
            category=f"knowledge:{key[1]}",
            provenance=Provenance(
                source=self.path.name, session=f"fact-{digest(*key)}", split=split, steps=(f"triples:{step}",)
            ),
        )
