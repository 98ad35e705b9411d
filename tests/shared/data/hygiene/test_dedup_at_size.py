"""The fast search for twins gives the answers of the plain one; its work grows with the examples alone."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sft_shared.data.hygiene import across, within
from sft_shared.data.hygiene.dedup import RULES, DedupSettings, Verdicts
from sft_shared.data.hygiene.minhash import SIGNATURE, jaccard, signatures
from sft_shared.dialogue import Example, Message, Provenance, Split

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
WORDS += ("late", "cancel", "订单", "退款", "物流")
DROPPED = {rule: number for number, rule in enumerate(RULES, start=1)}


def ask(
    identity: str, question: str, answer: str, *, split: Split = "train", origin: str | None = None
) -> Example:
    return Example(
        id=identity,
        messages=(Message(role="user", content=question), Message(role="assistant", content=answer)),
        provenance=Provenance(source="test", session=identity, split=split, origin=origin),
    )


def varied(draw: random.Random, words: list[str]) -> str:
    return " ".join(draw.choice(WORDS) if draw.random() < 0.06 else word for word in words)


def overlap(first: Any, second: Any, text: str) -> float:
    others, whole = second[f"{text}_sketch"][None], second[f"{text}_whole"][None]
    return float(jaccard(first[f"{text}_sketch"], first[f"{text}_whole"], others, whole)[0])


def plainly(records: NDArray[Any], rule: DedupSettings) -> list[int]:
    """The verdicts as DedupSettings tells them, pair by pair; no example is made from another one here."""
    held_out = records["held_out"].astype(bool)
    order = np.argsort(np.where(held_out, 0, np.where(records["origin"] == 0, 1, 2)), kind="stable").tolist()
    family = np.where(records["origin"] == 0, records["id"], records["origin"])
    found = [0] * len(records)
    leaders: dict[tuple[int, int], int] = {}
    for place in order:
        leader = leaders.setdefault((records["question"][place], records["answer"][place]), place)
        if family[leader] != family[place]:
            across = held_out[leader] and not held_out[place]
            found[place] = DROPPED["held-out-twin" if across else "exact-duplicate"]
    order = [place for place in order if not found[place]]
    for at, place in enumerate(order):
        mine = records[place]
        for other in order[:at]:
            theirs = records[other]
            across = held_out[other] and not held_out[place]
            if family[other] == family[place] or (found[other] and not across):
                continue
            if not (mine["bands"] == theirs["bands"]).any():
                continue
            asked = overlap(mine, theirs, "question")
            both = asked >= rule.overlap and overlap(mine, theirs, "answer") >= rule.overlap
            if both or (across and asked >= rule.question_overlap):
                found[place] = DROPPED["held-out-twin" if across else "near-duplicate"]
                break
    return found


@settings(max_examples=60)
@given(
    st.randoms(use_true_random=False),
    st.integers(2, 32),
    st.sampled_from([DedupSettings(), DedupSettings(overlap=0.6), DedupSettings(overlap=0.9)]),
)
def test_the_answers_are_those_of_comparing_all_pairs(
    draw: random.Random, count: int, rule: DedupSettings
) -> None:
    """For near and far questions and answers, short and long, of both splits and of families."""
    seeds = [[draw.choice(WORDS) for _ in range(draw.choice([2, 6, 15, 40]))] for _ in range(3)]
    examples = [
        ask(
            str(place),
            varied(draw, draw.choice(seeds)),
            varied(draw, draw.choice(seeds)),
            split=draw.choice(["train", "train", "held_out"]),
            origin=draw.choice([None, None, "gone", "lost"]),
        )
        for place in range(count)
    ]
    records = signatures(examples)
    assert rule([records]).rules.tolist() == plainly(records, rule)


def cluster(kind: str, count: int) -> Verdicts:
    """The verdicts on ``count`` examples that are much alike."""
    draw = random.Random(4)
    question = "Hello, where is the parcel that you promised for last week, please?"
    answer = "It was sent on Monday and should be with you by the end of the week at the latest."
    letters = "abcdefghijklmnopqrstuvwxyz"
    examples = []
    for place in range(count):
        name = "".join(draw.choices(letters, k=4))
        other = " ".join("".join(draw.choices(letters, k=6)) for _ in range(12))
        split: Split = "held_out" if place % 10 == 0 and kind != "other answers" else "train"
        said = other if kind == "other answers" else f"{answer} {name}"
        examples.append(ask(str(place), f"{question} {name}", said, split=split))
    return DedupSettings()([signatures(examples)])


@pytest.mark.parametrize("kind", ["same answers", "other answers"])
def test_work_in_a_cluster_grows_with_its_examples_not_with_their_pairs(kind: str) -> None:
    """Of near-identical short questions, answered alike or in as many ways: pairs compared, not seconds."""
    few, many = cluster(kind, 1000), cluster(kind, 4000)
    assert many.num_compared < 4.4 * few.num_compared
    assert many.num_compared < 4000 * 3999 / 2 / 20  # all pairs, by as much as nobody would call all
    staying = np.count_nonzero(many.rules == 0)
    assert staying == 4000 if kind == "other answers" else staying < 40


def test_a_twin_in_a_crowd_is_found() -> None:
    """Behind four hundred examples with its question and other answers."""
    draw = random.Random(5)
    question = "Hello, where is the parcel that you promised for last week, please?"
    answers = [" ".join("".join(draw.choices("abcdefgh", k=6)) for _ in range(12)) for _ in range(400)]
    examples = [ask(str(place), question, answer) for place, answer in enumerate(answers)]
    verdicts = DedupSettings()([signatures([*examples, ask("twin", question, answers[250] + " ok")])])
    assert np.flatnonzero(verdicts.rules).tolist() == [400]
    assert verdicts.twins[400] == 250


def test_no_held_out_example_is_overlooked_in_a_crowd() -> None:
    """A training example is compared with the last of many held-out ones as with the first."""
    draw = random.Random(6)
    stem = "Hello, where is my parcel, it has the number"
    crowd = [f"{stem} {' '.join(draw.choices(WORDS, k=6))}" for _ in range(600)]
    held_out = [ask(f"h{place}", text, "Here.", split="held_out") for place, text in enumerate(crowd)]
    train = [ask(f"t{place}", text + "!", "Elsewhere.") for place, text in enumerate(crowd)]
    verdicts = DedupSettings()([signatures([*held_out, *train])])
    assert verdicts.rules[600:].all()
    assert np.count_nonzero(verdicts.rules == DROPPED["held-out-twin"]) > 590


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the work is cut into many small pieces: verdicts, twins named and pairs compared."""
    draw = random.Random(8)
    seeds = [[draw.choice(WORDS) for _ in range(15)] for _ in range(12)]
    records = signatures(
        ask(
            str(at),
            varied(draw, draw.choice(seeds)),
            varied(draw, seeds[0]),
            split="held_out" if at % 9 == 0 else "train",
        )
        for at in range(400)
    )
    alone = DedupSettings()([records])
    monkeypatch.setattr(across, "_MAX_PAIRS", 50)
    monkeypatch.setattr(across, "_CONFIRMED", 7)
    monkeypatch.setattr(within, "_PIECE", 10)
    together = DedupSettings()([records], threads=3)
    assert np.count_nonzero(alone.rules) > 50
    assert together.rules.tolist() == alone.rules.tolist()
    assert together.twins.tolist() == alone.twins.tolist()
    assert together.num_compared == alone.num_compared


def test_many_parts_in_files_are_judged_as_one_array(tmp_path: Path) -> None:
    """Whatever the order in which twins refer to them."""
    draw = random.Random(7)
    seeds = [[draw.choice(WORDS) for _ in range(15)] for _ in range(30)]
    examples = [
        ask(
            str(at),
            varied(draw, draw.choice(seeds)),
            varied(draw, seeds[0]),
            split="held_out" if at % 9 == 0 else "train",
        )
        for at in range(300)
    ]
    records = signatures(examples)
    paths = [tmp_path / str(number) for number in range(7)]
    for path, rows in zip(paths, np.array_split(records, 7), strict=True):
        path.write_bytes(rows.tobytes())
    assert SIGNATURE.itemsize * 300 == sum(path.stat().st_size for path in paths)
    whole, parts = DedupSettings()([records]), DedupSettings()(paths)
    assert np.count_nonzero(whole.rules) > 50
    assert whole.rules.tolist() == parts.rules.tolist()
    assert whole.twins.tolist() == parts.twins.tolist()
