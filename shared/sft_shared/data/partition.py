"""Who gets which example: held-out families that no client sees, and clients that differ in kind."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from sft_shared.dialogue import Example
from sft_shared.errors import DataError

TWIN_OVERLAP = 0.5
"""Questions whose word sets overlap by this share (Jaccard), numbers counted as one word, are twins."""


def families(examples: Sequence[Example], *, shared_functions: Collection[str]) -> list[str]:
    """Name the family of each example: the smallest id among all that are related to it.

    Related are examples whose questions are twins, and examples that call a function of the same name but
    for those of the categories ``shared_functions``. Relation is transitive, so whoever learns one family
    knows no question of another, and none of its functions outside those categories.
    """
    parents = list(range(len(examples)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    callers: dict[str, int] = {}
    for index, example in enumerate(examples):
        for call in example.answer.tool_calls if example.category not in shared_functions else ():
            parents[root(index)] = root(callers.setdefault(call.name, index))
    for first, second in _twins([question_words(example) for example in examples]):
        parents[root(first)] = root(second)
    names: dict[int, str] = {}
    for index, example in enumerate(examples):
        names[root(index)] = min(names.get(root(index), example.id), example.id)
    return [names[root(index)] for index in range(len(examples))]


def split_held_out(
    examples: Sequence[Example], *, num_held_out: int, seed: int, shared_functions: Collection[str] = ()
) -> tuple[list[Example], list[Example]]:
    """Split into (train, held_out): whole families, about ``num_held_out`` examples, each category its share.

    Families are drawn in an order that depends on ``seed`` only, never past a category's share, so the
    count can fall short by the size of the last families that did not fit. Both lists keep the order
    of ``examples``; every example's ``session`` becomes its family. For ``shared_functions`` see `families`.
    Raises DataError if too few are there.
    """
    if num_held_out >= len(examples):
        raise DataError(
            f"found {len(examples)} examples, cannot hold out {num_held_out} of them. Hold out fewer."
        )
    names = families(examples, shared_functions=shared_functions)
    members: dict[str, list[Example]] = defaultdict(list)
    for name, example in zip(names, examples, strict=True):
        members[name].append(example)
    share = num_held_out / len(examples)
    room = {category: round(share * count) for category, count in _categories(examples).items()}
    order = sorted(members)
    random.Random(seed).shuffle(order)  # noqa: S311 (a split, not a secret)
    chosen: set[str] = set()
    for name in order:
        counts = _categories(members[name])
        if all(count <= room[category] for category, count in counts.items()):
            chosen.add(name)
            for category, count in counts.items():
                room[category] -= count
    train: list[Example] = []
    held_out: list[Example] = []
    for name, example in zip(names, examples, strict=True):
        split = "held_out" if name in chosen else "train"
        provenance = example.provenance.model_copy(update={"session": name, "split": split})
        (held_out if name in chosen else train).append(example.model_copy(update={"provenance": provenance}))
    return train, held_out


def partition_by_category(
    examples: Sequence[Example], *, clients: Mapping[str, Sequence[str]]
) -> dict[str, list[Example]]:
    """Give each client the examples of its categories: ``clients`` is client name -> categories.

    A category named by several clients is dealt out to them in turn, family by family. Examples of
    categories that nobody names are left out. Raises DataError for a client that would get nothing.
    """
    takers: dict[str, list[str]] = defaultdict(list)
    for client, categories in clients.items():
        for category in categories:
            takers[category].append(client)
    shares: dict[str, list[Example]] = {client: [] for client in clients}
    dealt: dict[tuple[str, str], str] = {}
    for example in examples:
        if example.category in takers:
            names = takers[example.category]
            turn = sum(1 for category, _ in dealt if category == example.category)
            key = (example.category, example.provenance.session)
            shares[dealt.setdefault(key, names[turn % len(names)])].append(example)
    for client, share in shares.items():
        if not share:
            found = ", ".join(sorted(_categories(examples)))
            raise DataError(
                f"client {client!r} gets no example of {', '.join(clients[client])}. There are: {found}."
            )
    return shares


def question_words(example: Example) -> frozenset[str]:
    """The distinct words of what the user asked, lower-case; every number is the same word.

    Scripts written without spaces count character by character.
    """
    text = " ".join(message.content or "" for message in example.prompt if message.role == "user")
    masked = re.sub(r"\d+(?:[.,]\d+)*", " 0 ", text.lower())
    return frozenset(re.findall(r"[\u3040-\u9fff\uac00-\ud7af]|[^\W\u3040-\u9fff\uac00-\ud7af]+", masked))


def _twins(questions: Sequence[frozenset[str]]) -> list[tuple[int, int]]:
    """Pairs with Jaccard overlap >= TWIN_OVERLAP. Sorted by size, only neighbours in size can reach it."""
    order = sorted(range(len(questions)), key=lambda index: len(questions[index]))
    pairs = []
    for position, small in enumerate(order):
        words = questions[small]
        for large in order[position + 1 :]:
            if len(words) < TWIN_OVERLAP * len(questions[large]):
                break
            shared = len(words & questions[large])
            union = len(words) + len(questions[large]) - shared
            if shared >= TWIN_OVERLAP * union:
                pairs.append((small, large))
    return pairs


def _categories(examples: Sequence[Example]) -> Counter[str]:
    return Counter(example.category for example in examples)
