"""Held-out families never straddle the split; clients differ in kind."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_shared.data.partition import families, partition_by_category, question_words, split_held_out
from sft_shared.dialogue import Example, Message, Provenance, ToolCall
from sft_shared.errors import DataError


def ask(identity: str, question: str, *, function: str | None = None, category: str = "simple") -> Example:
    call = ToolCall(name=function or f"f_{identity}", arguments={})
    return Example(
        id=identity,
        messages=(Message(role="user", content=question), Message(role="assistant", tool_calls=(call,))),
        category=category,
        provenance=Provenance(source="test", session=identity),
    )


def many(count: int, *, category: str = "simple") -> list[Example]:
    """Unrelated examples: each asks in words of its own."""
    words = ["".join("abcdefghij"[int(digit)] for digit in str(n)) for n in range(count)]
    return [
        ask(f"{category}{n}", f"{word} {category}{word}", category=category) for n, word in enumerate(words)
    ]


def test_twins_are_one_family() -> None:
    """Equal questions, questions that differ in numbers, case or a word, and calls of one function."""
    examples = [
        ask("a", "Find the area of a triangle with base 10 and height 5."),
        ask("b", "find the area of a triangle with base 3 and height 4.5"),
        ask("c", "Please find the area of a triangle with base 1,000 and height 2."),
        ask("d", "What is the weather in Rome?", function="weather"),
        ask("e", "Will I need an umbrella on Friday?", function="weather"),
        ask("f", "Book a table for two at Luigi's."),
    ]
    assert families(examples, shared_functions=()) == ["a", "a", "a", "d", "d", "f"]


def test_functions_may_be_shared_where_it_is_said() -> None:
    """A category whose functions are known everywhere is split by its questions alone; others are not."""
    examples = [
        ask("a", "What is the weather in Rome?", function="weather", category="live"),
        ask("b", "Will I need an umbrella on Friday?", function="weather", category="live"),
        ask("c", "umbrella Friday: will I need an", function="rain", category="live"),
        ask("d", "Pack for Lima", function="pack"),
        ask("e", "Any luggage advice?", function="pack"),
    ]
    assert families(examples, shared_functions={"live"}) == ["a", "b", "b", "d", "d"]


def test_relation_is_transitive() -> None:
    """Twin of a twin by another road (question, then function) is the same family."""
    examples = [
        ask("a", "convert ten euros into dollars", function="convert"),
        ask("b", "how warm is it in Oslo", function="convert"),
        ask("c", "how warm is it in Oslo now", function="temperature"),
    ]
    assert set(families(examples, shared_functions=())) == {"a"}


def test_questions_without_spaces_are_compared_by_character() -> None:
    """Chinese questions that differ in a number are twins, others are not."""
    examples = [
        ask("a", "请查询3号订单的状态"),
        ask("b", "请查询15号订单的状态"),
        ask("c", "明天北京会下雨吗"),
    ]
    assert families(examples, shared_functions=()) == ["a", "a", "c"]
    assert "订" in question_words(examples[0])


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from("xy")), min_size=4, max_size=60
    ),
    st.integers(0, 9),
)
@settings(max_examples=60)
def test_no_family_straddles_the_split(shape: list[tuple[int, int, str]], seed: int) -> None:
    """For any mix of shared functions and questions: no function, question or session on both sides."""
    examples = [
        ask(str(n), f"q{question} w{question} v{question}", function=f"f{function}", category=category)
        for n, (question, function, category) in enumerate(shape)
    ]
    train, held_out = split_held_out(examples, num_held_out=len(examples) // 3, seed=seed)
    assert sorted(e.id for e in train + held_out) == sorted(e.id for e in examples)
    assert len(held_out) <= len(examples) // 3 + 1
    for seen in (
        lambda e: e.answer.tool_calls[0].name,
        lambda e: e.prompt[0].content,
        lambda e: e.provenance.session,
    ):
        assert {seen(e) for e in train}.isdisjoint({seen(e) for e in held_out})
    assert {e.provenance.split for e in train} <= {"train"}
    assert {e.provenance.split for e in held_out} <= {"held_out"}


def test_without_families_twins_would_leak() -> None:
    """The guard is needed: splitting the same examples by id alone puts twins on both sides."""
    examples = [ask(str(n), f"What is {n} plus {n}?", function=f"add{n}") for n in range(20)]
    examples += many(60)
    naive_train, naive_held_out = examples[5:], examples[:5]
    assert {question_words(e) for e in naive_train} & {question_words(e) for e in naive_held_out}
    train, held_out = split_held_out(examples, num_held_out=20, seed=0)
    assert not {question_words(e) for e in train} & {question_words(e) for e in held_out}


def test_the_split_depends_on_the_seed_and_keeps_proportions() -> None:
    """Same seed, same split, whatever the order of the families; each category gives its share."""
    examples = many(60, category="x") + many(30, category="y")
    first = split_held_out(examples, num_held_out=30, seed=1)
    assert first == split_held_out(examples, num_held_out=30, seed=1)
    assert first != split_held_out(examples, num_held_out=30, seed=2)
    assert [e.category for e in first[1]] == ["x"] * 20 + ["y"] * 10


def test_holding_out_everything_is_refused() -> None:
    """The message says how many there are."""
    with pytest.raises(DataError, match="found 3 examples, cannot hold out 3"):
        split_held_out(many(3), num_held_out=3, seed=0)


def test_clients_get_their_categories_and_share_in_turn() -> None:
    """No example twice, none lost among the named categories; a shared category is dealt by family."""
    examples = many(6, category="x") + many(4, category="y") + many(3, category="z")
    shares = partition_by_category(examples, clients={"one": ["x"], "two": ["x", "y"]})
    assert {name: len(share) for name, share in shares.items()} == {"one": 3, "two": 7}
    assert {e.category for e in shares["two"]} == {"x", "y"}
    given_out = [e.id for share in shares.values() for e in share]
    assert sorted(given_out) == sorted(e.id for e in examples if e.category != "z")


def test_a_client_without_examples_is_an_error() -> None:
    """A typo in a category must not make an empty client."""
    with pytest.raises(DataError, match=r"'one' gets no example of w\. There are: x"):
        partition_by_category(many(3, category="x"), clients={"one": ["w"]})
