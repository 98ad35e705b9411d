"""What a dataset is made of: classes, languages, lengths, duplicates, and what to do about it."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sft_shared.data.chat import answer_text
from sft_shared.data.hygiene.dedup import DedupSettings
from sft_shared.data.hygiene.filters import DEFAULT_FILTERS
from sft_shared.data.hygiene.language import language_of
from sft_shared.data.hygiene.minhash import SIGNATURE, signature
from sft_shared.data.hygiene.texts import prompt_text, question_text
from sft_shared.data.steps import Dropped, Rejected
from sft_shared.dialogue import Example

RARE = 10
"""A class with fewer training examples is rare."""


@dataclass(frozen=True)
class Spread:
    """How a number is spread over the examples. ``histogram`` is (lower bound, count) of ranges without gaps.

    A range ends where the next begins; the last one ends at ``largest``.
    """

    mean: float
    smallest: int
    median: float
    p95: float
    largest: int
    histogram: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Balance:
    """How evenly the training examples are spread over the classes."""

    num_classes: int
    entropy_bits: float
    evenness: float  # entropy over that of equal classes: 1 is balanced
    max_min_ratio: float  # size of the largest class over that of the smallest
    rare: tuple[str, ...]  # classes of fewer than RARE examples, smallest first


@dataclass(frozen=True)
class Profile:
    """Counts by name, largest first; the empty name stands for examples without one."""

    num_examples: int
    splits: dict[str, int]
    categories: dict[str, int]
    intents: dict[str, int]
    languages: dict[str, int]  # of what the user says
    sources: dict[str, int]
    outcomes: dict[str, int]  # success, failure, and the reasons of either as ``failure: repeat_question``
    num_sessions: int
    num_derived: int  # made from other examples
    num_with_calls: int  # whose answer calls tools
    turns: Spread  # messages of the user
    prompt_chars: Spread
    answer_chars: Spread
    tokens: Spread | None  # of the whole example
    balance: Balance  # of categories, or of intents where there are no categories
    duplicates: dict[str, int]  # by rule of `dedup`
    filtered: dict[str, int]  # by rule of the filters that are there by default
    rejected: dict[str, int]  # records that are no example, by rule
    first_rejected: str  # place and reason of the first
    advice: tuple[str, ...]


def profile(
    items: Iterable[Example | Rejected],
    *,
    dedup: DedupSettings,
    num_tokens: Callable[[Example], int] | None = None,
) -> Profile:
    """Go once through ``items``; about 500 bytes an example are kept, and none of its text."""
    counts: dict[str, Counter[str]] = {
        name: Counter()
        for name in ("split", "category", "intent", "language", "source", "outcome", "filtered", "rejected")
    }
    numbers = {name: array("Q") for name in ("turns", "prompt", "answer", "tokens")}
    training: dict[str, Counter[str]] = {"category": Counter(), "intent": Counter()}
    sessions: set[int] = set()
    prints = bytearray()
    num_derived = num_with_calls = 0
    first_rejected = ""
    for item in items:
        if isinstance(item, Rejected):
            counts["rejected"][item.rule] += 1
            first_rejected = first_rejected or f"{item.where}: {item.detail}"
            continue
        names = _names(item)
        for name, value in names.items():
            counts[name][value] += 1
        if item.provenance.split == "train":
            for name, counter in training.items():
                counter[names[name]] += 1
        counts["outcome"].update(_outcome(item))
        counts["filtered"].update(_filtered(item))
        sessions.add(hash((item.provenance.source, item.provenance.session)))
        num_derived += item.provenance.origin is not None
        num_with_calls += bool(item.answer.tool_calls)
        numbers["turns"].append(sum(message.role == "user" for message in item.prompt))
        numbers["prompt"].append(len(prompt_text(item)))
        numbers["answer"].append(len(answer_text(item.answer)))
        if num_tokens is not None:
            numbers["tokens"].append(num_tokens(item))
        prints += signature(item).tobytes()
    classes = training["category"] if set(training["category"]) - {""} else training["intent"]
    draft = Profile(
        num_examples=len(numbers["turns"]),
        splits=_by_size(counts["split"]),
        categories=_by_size(counts["category"]),
        intents=_by_size(counts["intent"]),
        languages=_by_size(counts["language"]),
        sources=_by_size(counts["source"]),
        outcomes=_by_size(counts["outcome"]),
        num_sessions=len(sessions),
        num_derived=num_derived,
        num_with_calls=num_with_calls,
        turns=spread(numbers["turns"], steps=1),
        prompt_chars=spread(numbers["prompt"]),
        answer_chars=spread(numbers["answer"]),
        tokens=None if num_tokens is None else spread(numbers["tokens"]),
        balance=balance({name: count for name, count in classes.items() if name}),
        duplicates=dedup([np.frombuffer(prints, dtype=SIGNATURE)]).counts(),
        filtered=_by_size(counts["filtered"]),
        rejected=_by_size(counts["rejected"]),
        first_rejected=first_rejected,
        advice=(),
    )
    return replace(draft, advice=tuple(advise(draft)))


def spread(values: array[int], *, steps: int = 2) -> Spread:
    """The spread of whole numbers, in ranges that grow: ``steps`` of them for each doubling."""
    if not values:
        return Spread(0.0, 0, 0.0, 0.0, 0, ())
    found = np.array(values, dtype=np.int64)
    edges = [0, 1]
    while edges[-1] <= found.max():
        power = round(math.log2(edges[-1]) * steps) + 1
        edges.append(max(edges[-1] + 1, round(2 ** (power / steps))))
    heights = np.histogram(found, bins=edges)[0]
    first = int(np.flatnonzero(heights)[0])
    return Spread(
        mean=round(float(found.mean()), 2),
        smallest=int(found.min()),
        median=float(np.median(found)),
        p95=float(np.percentile(found, 95)),
        largest=int(found.max()),
        histogram=tuple((edges[place], int(heights[place])) for place in range(first, len(heights))),
    )


def balance(classes: Mapping[str, int]) -> Balance:
    """Entropy and ratio of class sizes.

    >>> balance({"refund": 30, "delivery": 30}).evenness, balance({"refund": 40, "delivery": 4}).max_min_ratio
    (1.0, 10.0)
    """
    total = sum(classes.values())
    shares = [count / total for count in classes.values() if count]
    entropy = -sum(share * math.log2(share) for share in shares)
    return Balance(
        num_classes=len(shares),
        entropy_bits=round(abs(entropy), 4),
        evenness=round(entropy / math.log2(len(shares)), 4) if len(shares) > 1 else 1.0,
        max_min_ratio=round(max(shares) / min(shares), 2) if shares else 1.0,
        rare=tuple(name for name, count in sorted(classes.items(), key=_smallest_first) if count < RARE),
    )


def advise(found: Profile) -> Iterable[str]:
    """What a user should know or do before training, most serious first."""
    total = max(found.num_examples, 1)
    num_rejected, num_filtered = sum(found.rejected.values()), sum(found.filtered.values())
    leaks = sum(found.duplicates.get(rule, 0) for rule in ("held-out-twin", "origin-held-out"))
    twins = sum(found.duplicates.get(rule, 0) for rule in ("exact-duplicate", "near-duplicate"))
    if leaks:
        yield (
            f"{leaks} training examples are almost the same as held-out ones, so a score on those would be "
            "too good: sft-client prepare drops them."
        )
    if num_rejected:
        yield f"Records that could not be read: {num_rejected}. The first: {found.first_rejected}."
    if twins >= 0.01 * total:
        yield f"{twins} examples ({twins / total:.0%}) repeat others: sft-client prepare drops them."
    if num_filtered:
        rules = ", ".join(f"{rule} {count}" for rule, count in found.filtered.items())
        yield f"{num_filtered} examples are not worth learning from ({rules}): sft-client prepare drops them."
    if found.balance.rare:
        names = ", ".join(found.balance.rare[:5]) + (", ..." if len(found.balance.rare) > 5 else "")
        classes = "1 class has" if len(found.balance.rare) == 1 else f"{len(found.balance.rare)} classes have"
        yield (
            f"{classes} fewer than {RARE} training examples ({names}): set "
            "`training.sampling` to {kind: class_weighted}, or generate more."
        )
    elif found.balance.max_min_ratio > 10:
        yield (
            f"The largest class has {found.balance.max_min_ratio:.0f} times the examples of the smallest: "
            "set `training.sampling` to {kind: class_weighted}."
        )
    if found.balance.num_classes < 2:
        yield "There are no classes to balance or measure by: name a field of the data with --category-field."
    if "held_out" not in found.splits:
        yield "Nothing is held out, so training cannot be measured: hold out whole sessions."
    if found.num_examples < 100:
        yield f"{found.num_examples} examples are few: expect to overfit after an epoch or two."


def _names(example: Example) -> dict[str, str]:
    return {
        "split": example.provenance.split,
        "category": example.category,
        "intent": example.intent.name if example.intent else "",
        "language": language_of(question_text(example)).language,
        "source": example.provenance.source,
    }


def _outcome(example: Example) -> list[str]:
    if example.outcome is None:
        return [""]
    verdict = "success" if example.outcome.success else "failure"
    return [verdict, *(f"{verdict}: {reason}" for reason in example.outcome.reasons)]


def _filtered(example: Example) -> list[str]:
    for step in DEFAULT_FILTERS:
        verdict = step(example)
        if isinstance(verdict, Dropped):
            return [verdict.rule]
    return []


def _smallest_first(item: tuple[str, int]) -> tuple[int, str]:
    return item[1], item[0]


def _by_size(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
