"""A graph of facts: what is known of whom, and which facts must stay on one side of a split."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from sft_shared.data.synthesis.triple_files import Triple

Key = tuple[str, str]
"""Subject and relation: what one question asks for."""


class Facts:
    """Triples by question: ``objects[subject, relation]`` is all answers, in the file's order, each once."""

    def __init__(self, triples: Iterable[Triple]) -> None:
        self.objects: dict[Key, list[str]] = {}
        self._subjects: dict[Key, list[str]] = defaultdict(list)  # object, relation -> subjects
        for subject, relation, value in triples:
            answers = self.objects.setdefault((subject, relation), [])
            if value not in answers:
                answers.append(value)
                self._subjects[value, relation].append(subject)
        self.relations = sorted({relation for _, relation in self.objects})
        self.by_relation = {name: [key for key in self.objects if key[1] == name] for name in self.relations}

    def subject_of(self, value: str, relation: str) -> str | None:
        """The only subject that ``relation`` leads from to ``value``; None if there are several."""
        subjects = self._subjects[value, relation]
        return subjects[0] if len(subjects) == 1 else None

    def false_object(self, key: Key, rng: random.Random) -> str | None:
        """Something that others have by this relation and this subject has not; None if there is nothing."""
        others = {value for other in self.by_relation[key[1]] for value in self.objects[other]}
        wrong = sorted(others - set(self.objects[key]) - {key[0]})
        return rng.choice(wrong) if wrong else None

    def unknown(self, rng: random.Random, *, count: int) -> list[Key]:
        """Up to ``count`` questions that the graph cannot answer, about subjects and relations that it knows.

        The relation is one that a like subject has: one that shares another relation with it. Who is himself
        the object of such a relation is not asked: he may be the spouse of his spouse.
        """
        relations: dict[str, set[str]] = defaultdict(set)
        for subject, relation in self.objects:
            relations[subject].add(relation)
        kin: dict[str, set[str]] = defaultdict(set)  # relation -> relations that occur beside it
        for names in relations.values():
            for name in names:
                kin[name] |= names
        open_keys = [
            (subject, relation)
            for subject, names in sorted(relations.items())
            for relation in sorted({other for name in names for other in kin[name]} - names)
            if not self._subjects.get((subject, relation))
        ]
        return rng.sample(open_keys, min(count, len(open_keys)))


def held_out_keys(facts: Facts, *, relations: Collection[str], share: float, seed: int) -> set[Key]:
    """The questions to hold out: all of ``relations``, and ``share`` of the others.

    Questions that are about the same pair of things go together, whatever the relation and its direction: who
    learns that Anna is Tom's mother could answer whose son Tom is.
    """
    parents = {key: key for key in facts.objects}

    def root(key: Key) -> Key:
        while parents[key] != key:
            parents[key] = parents[parents[key]]
            key = parents[key]
        return key

    by_pair: dict[tuple[str, ...], Key] = {}
    for key, values in facts.objects.items():
        for value in values:
            pair = tuple(sorted((key[0], value)))
            parents[root(key)] = root(by_pair.setdefault(pair, key))
    families: dict[Key, list[Key]] = defaultdict(list)
    for key in facts.objects:
        families[root(key)].append(key)
    chosen = {name for name, keys in families.items() if any(key[1] in relations for key in keys)}
    rest = sorted(families.keys() - chosen)
    random.Random(seed).shuffle(rest)  # noqa: S311 (a split, not a secret)
    chosen |= set(_fill(rest, families, wanted=round(share * sum(len(families[name]) for name in rest))))
    return {key for name in chosen for key in families[name]}


def _fill(names: Sequence[Key], families: dict[Key, list[Key]], *, wanted: int) -> Iterable[Key]:
    """Families in their order as long as they fit into ``wanted`` questions."""
    for name in names:
        if len(families[name]) <= wanted:
            wanted -= len(families[name])
            yield name
