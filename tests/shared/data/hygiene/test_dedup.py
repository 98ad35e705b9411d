"""Twins are found as all-pairs comparison finds them, and a held-out example's twin never trains."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_shared.data.hygiene.dedup import DedupSettings, drop_duplicates
from sft_shared.data.hygiene.minhash import (
    NUM_BANDS,
    SIGNATURE,
    jaccard,
    normalise,
    same_signature,
    shingles,
    signature,
    signatures,
)
from sft_shared.data.steps import Dropped
from sft_shared.dialogue import Example, Message, Provenance, Split, ToolCall
from sft_shared.errors import DataError

OFF = DedupSettings(overlap=1, question_overlap=1)
ON = DedupSettings()


def ask(
    identity: str, question: str, answer: str = "Done.", *, split: Split = "train", origin: str | None = None
) -> Example:
    return Example(
        id=identity,
        messages=(Message(role="user", content=question), Message(role="assistant", content=answer)),
        provenance=Provenance(source="test", session=identity, split=split, origin=origin),
    )


def rules(examples: list[Example], settings: DedupSettings = ON) -> list[str]:
    """The rule by which each example goes; empty for one that stays."""
    found = drop_duplicates(examples, settings)
    return [item.rule if isinstance(item, Dropped) else "" for item in found]


LONG = "I bought a blue down jacket last Wednesday and it has still not been shipped, what is going on?"
LONG_ZH = "您好，我上周三买的那件蓝色羽绒服到现在还没有发货，麻烦帮我查一下是怎么回事"


@pytest.mark.parametrize("question", [LONG, LONG_ZH])
def test_a_held_out_twin_would_train_without_this(question: str) -> None:
    """The attack: a copy with a few characters changed. Off, it trains; on, it goes, whatever its answer."""
    held_out = ask("h", question, split="held_out")
    twin = ask(
        "t", question.replace("Wednesday", "Wedensday").replace("麻烦", "请"), "Something else entirely"
    )
    assert rules([twin, held_out], OFF) == ["", ""]
    assert rules([twin, held_out], ON) == ["held-out-twin", ""]


@pytest.mark.parametrize(
    ("first", "second", "twins"),
    [
        ("Cancel order 00123842", "cancel  ORDER #370795561790!", True),
        ("取消订单 10023887", "取消订单：２０２４１１２３９８７６", True),
        ("cancel my order", "track my order", False),
        ("怎么取消订单", "怎么查询订单", False),
        ("HTTP error 404", "HTTP error 500", False),
        (LONG, LONG.replace("what is", "what's"), True),
        (LONG_ZH, LONG_ZH.replace("蓝色", "红色"), True),
        ("信用卡怎么还款", "信用卡如何办理分期", False),
    ],
)
def test_what_counts_as_the_same_question(first: str, second: str, twins: bool) -> None:
    """Case, width, punctuation and long numbers do not tell two apart; the verb and short numbers do."""
    assert any(rules([ask("a", first), ask("b", second)])) == twins


def test_a_long_canned_answer_makes_no_twins() -> None:
    """Questions and answers are compared apart."""
    canned = (
        "Thank you for your patience. Please give me your order number and I will look into it at once. " * 5
    )
    assert rules([ask("a", "cancel my order", canned), ask("b", "where is my parcel", canned)]) == ["", ""]


def test_the_same_question_with_another_answer_stays() -> None:
    """Within a split; two opinions are two examples."""
    assert rules([ask("a", LONG, "It was lost on the way."), ask("b", LONG, "Your card was declined.")]) == [
        "",
        "",
    ]


def test_calls_that_differ_in_one_argument_are_different_answers() -> None:
    """However alike their JSON looks."""

    def call(identity: str, city: str) -> Example:
        tool = ToolCall(name="get_weather_forecast", arguments={"city": city, "unit": "celsius", "days": 3})
        example = ask(identity, f"What will the weather be like over the next three days in {city} please?")
        return example.model_copy(
            update={"messages": (*example.prompt, Message(role="assistant", tool_calls=(tool,)))}
        )

    assert rules([call("a", "Rome"), call("b", "Oslo"), call("c", "Rome")]) == ["", "", "exact-duplicate"]


def test_held_out_wins_then_the_first() -> None:
    """Whatever the order of the input."""
    train, again, held_out = ask("a", LONG), ask("b", LONG + " Hello?"), ask("c", LONG, split="held_out")
    assert rules([train, again, held_out]) == ["held-out-twin", "held-out-twin", ""]
    assert rules([again, train]) == ["", "near-duplicate"]
    assert rules([train, train.model_copy(update={"id": "z"})]) == ["", "exact-duplicate"]


def test_of_a_chain_the_ends_stay() -> None:
    """a~b~c where a and c are no twins: only b goes; but no link of a chain from a held-out one trains."""
    words = [
        f"{word}{word}"
        for word in (
            "alpha",
            "bravo",
            "charlie",
            "delta",
            "echo",
            "foxtrot",
            "golf",
            "hotel",
            "india",
            "july",
        )
    ]
    a, b, c = (
        " ".join(words),
        " ".join([*words[1:], "kilokilo"]),
        " ".join([*words[2:], "kilokilo", "limalima"]),
    )
    assert rules([ask("a", a), ask("b", b)]) == ["", "near-duplicate"]
    assert rules([ask("a", a), ask("c", c)]) == ["", ""]
    assert rules([ask("a", a), ask("b", b), ask("c", c)]) == ["", "near-duplicate", ""]
    both = DedupSettings(question_overlap=0.7)
    held = [ask("a", a, split="held_out"), ask("b", b, split="held_out"), ask("c", c)]
    assert rules(held, both) == ["", "near-duplicate", "held-out-twin"]


def test_augmented_examples_are_no_twins_of_their_origin_but_fall_with_it() -> None:
    """Nor of each other; made from a held-out example, or near one, they never stay."""
    origin = ask("o", LONG)
    made = [ask("m1", LONG.upper(), origin="o"), ask("m2", LONG + "!", origin="m1")]
    assert rules([*made, origin]) == ["", "", ""]
    held_out = ask("h", LONG, split="held_out")
    assert rules([*made, origin, held_out]) == ["held-out-twin"] * 3 + [""]
    other = ask(
        "first", "Where is the blue jacket that I asked for two weeks ago in your shop at the station?"
    )
    orphan = ask("m3", "Something that looks like nothing else at all", origin="copy")
    copy = other.model_copy(update={"id": "copy"})
    assert rules([other, copy, orphan]) == ["", "exact-duplicate", "origin-dropped"]
    leak = ask("m4", "Nothing like the question it was made from", origin="h")
    assert rules([held_out, leak]) == ["", "origin-held-out"]
    assert rules([ask("m5", LONG, origin="gone"), ask("m6", LONG, origin="gone")]) == ["", ""]
    assert rules([ask("m5", LONG, origin="gone"), ask("m6", LONG, origin="lost")]) == ["", "exact-duplicate"]


def test_origins_that_form_a_ring_end() -> None:
    """Damaged provenance is no endless loop."""
    assert len(rules([ask("a", LONG, origin="b"), ask("b", LONG, origin="a")])) == 2


WORDS = (
    "order",
    "parcel",
    "refund",
    "card",
    "limit",
    "transfer",
    "account",
    "delivery",
    "window",
    "password",
)
WORDS += ("late", "cancel", "订单", "退款", "物流", "密码")


def questions(seed: int, count: int) -> list[str]:
    """Questions at all distances: random ones, and each with some words exchanged."""
    draw = random.Random(seed)
    found = []
    for _ in range(count // 5):
        words = [draw.choice(WORDS) + draw.choice(["", "s", "ing", "吗"]) for _ in range(draw.randint(3, 40))]
        for _ in range(5):
            found.append(" ".join(words))
            words = [draw.choice(WORDS) if draw.random() < 0.08 else word for word in words]
    return found


def overlap(first: str, second: str) -> float:
    a, b = (set(shingles(normalise(text))[0].tolist()) for text in (first, second))
    return len(a & b) / len(a | b)


def shares_a_band(first: Any, second: Any) -> bool:
    return bool((first["bands"] == second["bands"]).any())


def test_found_pairs_are_those_of_comparing_all() -> None:
    """Recall at least 99 % of pairs at or over the threshold; no twin under it by more than 0.15.

    The reference is the exact Jaccard index of the shingles of all pairs.
    """
    texts = questions(7, 300)
    records = signatures([ask(str(place), text) for place, text in enumerate(texts)])
    wanted, found, errors = 0, 0, []
    for second in range(len(texts)):
        row = records[second]
        guesses = jaccard(
            row["question_sketch"],
            row["question_whole"],
            records["question_sketch"],
            records["question_whole"],
        )
        for first in range(second):
            truth = overlap(texts[first], texts[second])
            if truth >= ON.overlap:
                wanted += 1
                found += shares_a_band(records[first], row)
            errors.append(abs(truth - guesses[first]))
            assert not (guesses[first] >= ON.overlap > truth + 0.15), (texts[first], texts[second])
    assert wanted > 200
    assert found >= 0.99 * wanted
    assert np.mean(errors) < 0.02


@settings(max_examples=40)
@given(st.lists(st.sampled_from(questions(3, 40)), max_size=25), st.randoms(use_true_random=False))
def test_what_stays_has_no_twin_left_and_parts_do_not_matter(texts: list[str], draw: random.Random) -> None:
    """Judged again nothing more goes; cut into parts anywhere, the verdicts are the same."""
    examples = [
        ask(str(place), text, split=draw.choice(["train", "train", "held_out"]))
        for place, text in enumerate(texts)
    ]
    found = drop_duplicates(examples, ON)
    kept = [item for item in found if isinstance(item, Example)]
    assert rules(kept) == [""] * len(kept)
    records = signatures(examples)
    cut = draw.randint(0, len(examples))
    parts = ON([records[:cut], records[cut:]])
    assert [parts[place] or example for place, example in enumerate(examples)] == found


def test_files_are_judged_as_arrays_are(tmp_path: Path) -> None:
    """Fixed-size records, appended by workers; a cut file is refused."""
    examples = [ask(str(place), text) for place, text in enumerate(questions(5, 60))]
    for number, start in enumerate(range(0, 60, 25)):
        data = b"".join(signature(example).tobytes() for example in examples[start : start + 25])
        (tmp_path / f"{number}.bin").write_bytes(data)
        assert len(data) % SIGNATURE.itemsize == 0
    files = ON(sorted(tmp_path.iterdir()))
    assert files.rules.tolist() == ON([signatures(examples)]).rules.tolist()
    assert sum(files.counts().values()) == np.count_nonzero(files.rules) > 0
    (tmp_path / "9.bin").write_bytes(b"x")
    with pytest.raises(DataError, match="cut off"):
        ON(sorted(tmp_path.iterdir()))


def test_fingerprints_are_alike_in_every_process() -> None:
    """Hash randomisation does not reach them."""
    program = (
        "from sft_shared.data.hygiene.minhash import signature; from sft_shared.dialogue import *;"
        "e = Example(id='x', messages=(Message(role='user', content='订单 here'), Message(role='assistant',"
        "content='a')), provenance=Provenance(source='s', session='t'));"
        "import zlib; print(zlib.crc32(signature(e).tobytes()))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


@given(st.text(), st.text())
def test_any_text_has_a_fingerprint(question: str, answer: str) -> None:
    """Also emoji, spaces, marks alone; normalising twice changes nothing more than once."""
    record = signature(ask("x", question, answer + "."))
    assert record.shape == (1,)
    assert record["bands"].shape == (1, NUM_BANDS)
    assert normalise(normalise(question)) == normalise(question)


@given(st.lists(st.tuples(st.text(max_size=300), st.text(max_size=300)), max_size=8))
def test_fingerprints_made_together_are_those_made_alone(texts: list[tuple[str, str]]) -> None:
    """Byte for byte, in their order."""
    examples = [ask(str(place), question, answer + ".") for place, (question, answer) in enumerate(texts)]
    assert signatures(iter(examples)).tobytes() == b"".join(signature(each).tobytes() for each in examples)


def test_the_same_texts_under_other_names_have_another_fingerprint() -> None:
    """One is reused only where nothing changed that it is made of."""
    first = ask("a", LONG)
    assert same_signature(first, ask("a", LONG))
    others = [ask("b", LONG), ask("a", LONG, split="held_out"), ask("a", LONG, origin="o"), ask("a", LONG_ZH)]
    for other in (*others, ask("a", LONG, "No.")):
        assert not same_signature(first, other)
        assert signature(first).tobytes() != signature(other).tobytes()


def test_no_examples() -> None:
    """Nothing in, nothing out."""
    assert drop_duplicates([], ON) == []


def test_what_is_not_seen_makes_no_other_text() -> None:
    """A joiner or a soft hyphen within words: else a held-out example with one in it would train."""
    assert normalise("can\u200bcel my or\u00adder") == normalise("cancel my order")
    assert normalise("取消\u2060订单\ufeff") == normalise("取消订单")
