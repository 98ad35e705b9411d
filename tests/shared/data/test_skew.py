"""Partitions for simulation: whole sessions, seeded, the same for any order of the input."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_shared.data.holdings import holdings, total_variation
from sft_shared.data.skew import (
    DirichletPartition,
    IidPartition,
    KeyPartition,
    PartitionSettings,
    QuantityPartition,
)
from sft_shared.dialogue import Example, Intent, Message, Provenance
from sft_shared.errors import DataError

EVERY_KIND: list[PartitionSettings] = [
    IidPartition(),
    KeyPartition(),
    KeyPartition(key="session"),
    DirichletPartition(alpha=0.3),
    DirichletPartition(alpha=1e-6),
    QuantityPartition(),
    QuantityPartition(law="dirichlet", skew=0.2),
]


def said(place: int, *, category: str = "a", session: str | None = None, text: str = "hi") -> Example:
    return Example(
        id=f"e{place:04}",
        messages=(Message(role="user", content=text), Message(role="assistant", content="a")),
        category=category,
        intent=Intent(name=f"i-{category}", confidence=1, by="given"),
        provenance=Provenance(source="test", session=session or f"s{place}"),
    )


def many(count: int, *, classes: int = 6, seed: int = 0) -> list[Example]:
    draw = random.Random(seed)
    return [
        said(place, category=f"c{draw.randrange(classes)}", session=f"s{draw.randrange(count // 2)}")
        for place in range(count)
    ]


def sizes(shares: list[list[Example]]) -> list[int]:
    return [len(share) for share in shares]


@pytest.mark.parametrize("partition", EVERY_KIND, ids=repr)
@settings(max_examples=15)
@given(st.integers(0, 5), st.integers(20, 80), st.integers(1, 6), st.randoms(use_true_random=False))
def test_all_is_dealt_whole_sessions_in_any_order(
    partition: PartitionSettings, seed: int, count: int, num_clients: int, draw: random.Random
) -> None:
    """Every example once, no session on two clients, and the order of the input changes nothing."""
    examples = many(count, seed=seed)
    partition = partition.model_copy(update={"seed": seed, "min_examples": 0})
    shares = partition(examples, num_clients=num_clients)
    assert sorted(example.id for share in shares for example in share) == [example.id for example in examples]
    owners = Counter(session for share in shares for session in {each.provenance.session for each in share})
    assert set(owners.values()) == {1}
    shuffled = draw.sample(examples, len(examples))
    assert partition(shuffled, num_clients=num_clients) == shares


@pytest.mark.parametrize("partition", [IidPartition(), DirichletPartition(alpha=1.0)], ids=repr)
def test_the_seed_decides(partition: PartitionSettings) -> None:
    """Another seed, another partition."""
    examples = many(60)
    assert partition(examples, num_clients=3) != partition.model_copy(update={"seed": 1})(
        examples, num_clients=3
    )


def test_dirichlet_goes_from_one_label_each_to_the_mix_of_all() -> None:
    """A small alpha is far from the mix of all clients, a large one near; sizes are equal throughout."""
    examples = [said(place, category=f"c{place % 8}") for place in range(1600)]
    distances = []
    for alpha in (0.01, 0.5, 5.0, 1000.0):
        shares = DirichletPartition(alpha=alpha, seed=3)(examples, num_clients=8)
        assert sizes(shares) == [200] * 8
        named = {f"client-{place}": share for place, share in enumerate(shares)}
        distances.append(holdings(named, key="category").mean_distance)
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 0.5
    assert distances[-1] < 0.1


def test_dirichlet_by_language() -> None:
    """The label need not be written in the data."""
    examples = [said(n, text="我的订单到哪里了" if n % 2 else "Where is my order now?") for n in range(40)]
    shares = DirichletPartition(alpha=1e-6, key="language", seed=1)(examples, num_clients=2)
    found = holdings({"a": shares[0], "b": shares[1]}, key="language")
    assert found.classes == {"en": 20, "zh": 20}
    assert sum(client.num_examples for client in found.clients) == 40


def test_by_key_gives_whole_values_balanced_by_size() -> None:
    """Largest first to whoever has least."""
    counts = {"a": 50, "b": 30, "c": 20, "d": 10}
    examples = [
        said(100 * n + place, category=name)
        for n, (name, count) in enumerate(counts.items())
        for place in range(count)
    ]
    shares = KeyPartition()(examples, num_clients=2)
    assert [sorted({example.category for example in share}) for share in shares] == [["a", "d"], ["b", "c"]]


def test_by_key_with_fewer_values_than_clients_shares_the_largest() -> None:
    """Two languages, five clients: each speaks one."""
    examples = [said(n, category="zh" if n < 60 else "en") for n in range(90)]
    shares = KeyPartition()(examples, num_clients=5)
    assert sorted(example.category for share in shares for example in share[:1]) == [
        "en",
        "en",
        "zh",
        "zh",
        "zh",
    ]
    assert all(len({example.category for example in share}) == 1 for share in shares)
    assert max(sizes(shares)) - min(sizes(shares)) <= 5


def test_quantity_is_uneven_as_asked_and_keeps_the_floor() -> None:
    """Zipf's law: the first has twice the second; everyone has at least min_examples."""
    examples = [said(place) for place in range(1000)]
    assert sizes(QuantityPartition(min_examples=0)(examples, num_clients=4)) == [480, 240, 160, 120]
    even = sizes(QuantityPartition(skew=1e-9)(examples, num_clients=4))
    assert max(even) - min(even) <= 1
    floor = QuantityPartition(law="dirichlet", skew=0.01, min_examples=50)(examples, num_clients=8)
    assert min(sizes(floor)) >= 50
    assert max(sizes(floor)) > 400


@pytest.mark.parametrize("partition", EVERY_KIND, ids=repr)
def test_a_client_with_too_little_is_an_error(partition: PartitionSettings) -> None:
    """Who, how much, and what to change; also with more clients than sessions."""
    examples = [said(place, category=f"c{place % 2}") for place in range(30)]
    with pytest.raises(DataError, match=r"gets \d+ of 30 examples, min_examples is 20"):
        partition.model_copy(update={"min_examples": 20})(examples, num_clients=3)
    with pytest.raises(DataError, match="30 examples of 30 sessions cannot be dealt out to 31 clients"):
        partition(examples, num_clients=31)


@pytest.mark.parametrize("partition", EVERY_KIND, ids=repr)
def test_what_is_held_out_goes_to_nobody(partition: PartitionSettings) -> None:
    """It does not count for min_examples, and changes nothing about who gets what."""
    examples = [said(place, category=f"c{place % 2}") for place in range(30)]
    apart = [
        each.model_copy(update={"provenance": each.provenance.model_copy(update={"split": "held_out"})})
        for each in (said(place, session=f"h{place}") for place in range(100, 160))
    ]
    shares = partition.model_copy(update={"min_examples": 0})(examples, num_clients=3)
    assert partition.model_copy(update={"min_examples": 0})([*apart, *examples], num_clients=3) == shares
    with pytest.raises(DataError, match=r"gets \d+ of 30 examples, min_examples is 20"):
        partition.model_copy(update={"min_examples": 20})([*apart, *examples], num_clients=3)
    mixed = {"a": [*shares[0], *apart], "b": shares[1]}
    assert [each.num_examples for each in holdings(mixed, key="category").clients] == sizes(shares[:2])


def test_a_key_that_no_example_has_is_an_error() -> None:
    """Skew by nothing would be no skew."""
    examples = [said(place, category="") for place in range(10)]
    for partition in (DirichletPartition(alpha=1.0), KeyPartition()):
        with pytest.raises(DataError, match="none of the 10 examples has a value of key 'category'"):
            partition(examples, num_clients=2)
    assert sizes(IidPartition()(examples, num_clients=2)) == [5, 5]


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 9), min_size=1))
def test_total_variation_is_a_distance(counts: dict[str, int]) -> None:
    """0 to oneself and to a multiple, 1 to a stranger."""
    assert total_variation(counts, counts) == 0
    assert total_variation(counts, {key: 3 * value for key, value in counts.items()}) == pytest.approx(0)
    assert total_variation(counts, {"z": 5}) == pytest.approx(1)
