"""Who holds what in a simulation: one set of examples dealt out to clients, evenly or with a chosen skew."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat

from sft_shared.config import Settings
from sft_shared.data.hygiene.language import language_of
from sft_shared.data.hygiene.texts import question_text
from sft_shared.dialogue import Example
from sft_shared.errors import DataError

Key = Literal["category", "intent", "language", "source", "session"]


@dataclass(frozen=True)
class Session:
    """Examples that stay together, and the value of the key that most of them have."""

    examples: tuple[Example, ...]
    value: str


class _Deal(Settings):
    """What all partitions have in common: sessions are never split, and the input's order does not matter."""

    seed: NonNegativeInt = 0
    min_examples: NonNegativeInt = 1  # to train on, of every client; fewer is an error

    def __call__(self, examples: Iterable[Example], *, num_clients: int) -> list[list[Example]]:
        """The examples of each client, by id; those held out go to nobody and do not count.

        Raises DataError if a client gets fewer than ``min_examples``, or if no example has the key.
        """
        train = [example for example in examples if example.provenance.split == "train"]
        sessions = group_sessions(train, key=self.label)
        num_examples = len(train)
        if len(sessions) < num_clients:
            raise DataError(
                f"{num_examples} examples of {len(sessions)} sessions cannot be dealt out to {num_clients} "
                "clients, for a session stays whole. Lower num_clients, or give more sessions."
            )
        if self.needs_label and not any(session.value for session in sessions):
            raise DataError(
                f"none of the {num_examples} examples has a value of key {self.label!r} to skew by. "
                "Set `key` to another, or partition by quantity or iid."
            )
        random = np.random.default_rng(self.seed)
        order = random.permutation(len(sessions))
        owners = self._owners([sessions[place] for place in order], num_clients, random)
        shares: list[list[Example]] = [[] for _ in range(num_clients)]
        for place, owner in zip(order, owners, strict=True):
            shares[owner].extend(sessions[place].examples)
        poorest = min(range(num_clients), key=lambda client: len(shares[client]))
        if len(shares[poorest]) < self.min_examples:
            raise DataError(
                f"client {poorest} gets {len(shares[poorest])} of {num_examples} examples, min_examples is "
                f"{self.min_examples}. Lower it or num_clients, skew less, or give more examples."
            )
        return [sorted(share, key=lambda example: example.id) for share in shares]

    @property
    def label(self) -> Key:
        """What the clients' shares are skewed in, or shown by."""
        return "category"

    @property
    def needs_label(self) -> bool:
        """Whether the deal rests on it."""
        return False

    @abstractmethod
    def _owners(
        self, sessions: Sequence[Session], num_clients: int, random: np.random.Generator
    ) -> Sequence[int]:
        """The client of each session."""


class IidPartition(_Deal):
    """Everyone gets about as many examples, drawn at random."""

    kind: Literal["iid"] = "iid"

    def _owners(
        self, sessions: Sequence[Session], num_clients: int, random: np.random.Generator
    ) -> Sequence[int]:
        return _fill(sessions, np.full(num_clients, 1 / num_clients))


class _DealByKey(_Deal):
    """A deal that rests on a key."""

    key: Key = "category"

    @property
    def label(self) -> Key:
        """The key."""
        return self.key

    @property
    def needs_label(self) -> bool:
        """It does."""
        return True


class KeyPartition(_DealByKey):
    """Each client gets whole values of a key, such as categories or languages, of about equal size in all.

    With fewer values than clients the largest values are shared by several clients.
    """

    kind: Literal["by_key"] = "by_key"

    def _owners(
        self, sessions: Sequence[Session], num_clients: int, random: np.random.Generator
    ) -> Sequence[int]:
        sizes = Counter[str]()
        for session in sessions:
            sizes[session.value] += len(session.examples)
        holders = dict.fromkeys(sorted(sizes), 1)
        while sum(holders.values()) < num_clients:
            holders[max(holders, key=lambda value: (sizes[value] / holders[value], value))] += 1
        loads = [0.0] * num_clients
        clients: dict[str, list[int]] = {}
        for value in sorted(holders, key=lambda value: (-sizes[value] / holders[value], value)):
            chosen = sorted(range(num_clients), key=lambda client: (loads[client], client))[: holders[value]]
            clients[value] = chosen
            for client in chosen:
                loads[client] += sizes[value] / holders[value]
        dealt = Counter[int]()
        owners = []
        for session in sessions:
            owner = min(clients[session.value], key=lambda client: (dealt[client], client))
            dealt[owner] += len(session.examples)
            owners.append(owner)
        return owners


class DirichletPartition(_DealByKey):
    """Each client's mix of labels is drawn from Dirichlet(alpha * p), p being the mix of all examples.

    After Hsu et al. 2019 (arXiv:1909.06335): equal sizes, alpha -> 0 gives each client one label, 100 nearly
    the mix of all. Clients draw in turn; a label that has run out is left out of the draw, so the last
    sessions may stray from a client's mix.
    """

    kind: Literal["dirichlet"] = "dirichlet"
    alpha: PositiveFloat
    key: Literal["category", "intent", "language", "source"] = "category"

    def _owners(
        self, sessions: Sequence[Session], num_clients: int, random: np.random.Generator
    ) -> Sequence[int]:
        values = sorted({session.value for session in sessions})
        places_of = {value: place for place, value in enumerate(values)}
        waiting: list[list[int]] = [[] for _ in values]
        weights = np.zeros(len(values))
        for place, session in enumerate(sessions):
            label = places_of[session.value]
            waiting[label].append(place)
            weights[label] += len(session.examples)
        mixes = _dirichlet(self.alpha * weights / weights.sum(), num_clients, random)
        owners = [0] * len(sessions)
        sizes = np.zeros(num_clients)
        for _ in sessions:
            client = int(sizes.argmin())
            there = np.array([bool(places) for places in waiting])
            chances = np.where(there, mixes[client], 0)
            if chances.sum() <= 0:
                chances = np.where(there, weights, 0)
            label = int(random.choice(len(values), p=chances / chances.sum()))
            place = waiting[label].pop()
            owners[place] = client
            sizes[client] += len(sessions[place].examples)
        return owners


class QuantityPartition(_Deal):
    """Clients differ in how much they hold, not in kind.

    ``dirichlet`` draws the shares from Dirichlet(skew, ..., skew): small is uneven. ``power`` makes client
    i's share proportional to i ** -skew: 0 is even, 1 is Zipf's law. Everyone first gets ``min_examples``.
    """

    kind: Literal["quantity"] = "quantity"
    law: Literal["dirichlet", "power"] = "power"
    skew: PositiveFloat = 1.0

    def _owners(
        self, sessions: Sequence[Session], num_clients: int, random: np.random.Generator
    ) -> Sequence[int]:
        if self.law == "power":
            shares = np.arange(1, num_clients + 1) ** -self.skew
            shares /= shares.sum()
        else:
            shares = _dirichlet(np.full(num_clients, self.skew), 1, random)[0]
        total = sum(len(session.examples) for session in sessions)
        floor = min(1.0, self.min_examples * num_clients / total)
        return _fill(sessions, floor / num_clients + (1 - floor) * shares)


PartitionSettings = Annotated[
    IidPartition | KeyPartition | DirichletPartition | QuantityPartition, Field(discriminator="kind")
]


def key_of(example: Example, key: Key) -> str:
    """The value that an example has of a key; empty where it has none."""
    if key == "category":
        return example.category
    if key == "intent":
        return example.intent.name if example.intent else ""
    if key == "language":
        return language_of(question_text(example)).language
    return example.provenance.source if key == "source" else example.provenance.session


def group_sessions(examples: Iterable[Example], *, key: Key) -> list[Session]:
    """The examples by source and session, in an order that does not depend on theirs."""
    groups: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for example in examples:
        groups[example.provenance.source, example.provenance.session].append(example)
    sessions = []
    for _, members in sorted(groups.items()):
        counts = Counter(key_of(example, key) for example in members)
        value = min(counts, key=lambda value: (-counts[value], value))
        sessions.append(Session(tuple(sorted(members, key=lambda example: example.id)), value))
    return sessions


def _fill(sessions: Sequence[Session], shares: np.ndarray) -> list[int]:
    """Deal to whoever is furthest below their share, so that sizes come out right to about one session."""
    total = sum(len(session.examples) for session in sessions)
    missing = shares * total
    owners = []
    for session in sessions:
        owner = int(missing.argmax())
        missing[owner] -= len(session.examples)
        owners.append(owner)
    return owners


def _dirichlet(alphas: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Draws of Dirichlet(alphas) as [count, n]; where all gammas underflow, one entry takes it all."""
    gammas = random.standard_gamma(alphas, size=(count, len(alphas)))
    empty = gammas.sum(axis=1) == 0
    picks = random.choice(len(alphas), size=count, p=alphas / alphas.sum())
    gammas[empty, picks[empty]] = 1.0
    return np.asarray(gammas / gammas.sum(axis=1, keepdims=True))
