"""The benchmark's scores, worked by hand."""

from __future__ import annotations

import pytest

from bench.pii_score import Gold, Item, f2, false_hits, is_covered, missed, overlap, score, wrong
from sft_shared.data.desensitise.spans import Kind, Span

TEXT = "王芳的电话13912345678，卡6222020000000000000"
ITEM = Item(
    "a", "zh", "handwritten", (TEXT,), (Gold("name", 0, 2), Gold("phone", 5, 16), Gold("card", 18, 37))
)
PLAIN = Item("b", "zh", "handwritten", ("订单2025010112345678",), (), hard_negative=True, allowed=("order",))


def span(start: int, end: int, kind: Kind) -> Span:
    return Span(start, end, kind, 1.0)


def test_recall_needs_the_whole_value_and_its_own_kind() -> None:
    """The name is whole, the phone lacks its last digit, the card is found as an account."""
    found = [[span(0, 2, "name"), span(5, 15, "phone"), span(18, 37, "account")]]
    assert [gold.kind for gold in missed(ITEM, found)] == ["phone", "card"]
    scores = score([ITEM], [found])
    assert (scores["name"]["recall"], scores["phone"]["recall"], scores["card"]["recall"]) == (1.0, 0.0, 0.0)
    assert (scores["name"]["covered"], scores["phone"]["covered"], scores["card"]["covered"]) == (
        1.0,
        0.0,
        1.0,
    )


def test_precision_counts_a_find_as_right_from_half_of_the_union_on() -> None:
    """10 of 11 digits are right, an account over a card is wrong, and so is a name where there is none."""
    found = [[span(0, 2, "name"), span(2, 5, "name"), span(5, 15, "phone"), span(18, 37, "account")]]
    scores = score([ITEM], [found])
    assert scores["name"]["precision"] == 0.5
    assert scores["phone"]["precision"] == 1.0
    assert scores["account"]["precision"] == 0.0
    assert scores["card"]["precision"] is None
    assert [find.kind for _, find in wrong(ITEM, found)] == ["name", "account"]


def test_two_finds_may_cover_a_value_together() -> None:
    """Side by side they do, with a gap they do not."""
    gold = Gold("card", 10, 20)
    assert is_covered(gold, [span(15, 22, "card"), span(8, 15, "card")])
    assert not is_covered(gold, [span(10, 14, "card"), span(15, 20, "card")])
    assert overlap(gold, span(15, 25, "card")) == pytest.approx(1 / 3)
    assert overlap(gold, span(30, 31, "card")) == 0.0


def test_f2_weighs_recall_more() -> None:
    """5PR / (4P + R): P .5, R 1 gives 2.5 / 3; the other way round 2.5 / 4.5."""
    assert f2(recall=1.0, precision=0.5) == pytest.approx(2.5 / 3)
    assert f2(recall=0.5, precision=1.0) == pytest.approx(2.5 / 4.5)


def test_values_in_another_turn_do_not_count() -> None:
    """The same offsets in the first turn do not recall what stands in the second."""
    talk = Item("t", "en", "generated", ("hello there", "Ann Lee here"), (Gold("name", 0, 7, turn=1),))
    first, second = [[span(0, 7, "name")], []], [[], [span(0, 7, "name")]]
    assert score([talk], [first])["name"]["recall"] == 0.0
    assert score([talk], [first])["name"]["precision"] == 0.0
    assert score([talk], [second])["name"]["f2"] == 1.0


def test_a_recogniser_that_finds_nothing_scores_nothing() -> None:
    """Recall and F2 are 0, precision is unknown; the hard negatives are clean."""
    scores = score([ITEM, PLAIN], [[[]], [[]]])
    assert {(found["recall"], found["precision"], found["f2"]) for found in scores.values()} == {
        (0.0, None, 0.0)
    }
    assert false_hits([ITEM, PLAIN], [[[]], [[]]])["rate"] == 0.0


def test_a_recogniser_that_finds_everything_scores_badly() -> None:
    """All is recalled, but neither is a find right nor a hard negative clean."""
    kinds: tuple[Kind, ...] = ("name", "phone", "card")
    finds = [[[span(0, len(item.turns[0]), kind) for kind in kinds]] for item in (ITEM, PLAIN)]
    scores = score([ITEM, PLAIN], finds)
    assert {found["recall"] for found in scores.values()} == {1.0}
    assert scores["name"]["precision"] == 0.0
    assert scores["name"]["f2"] == 0.0
    assert scores["card"]["precision"] == 0.5  # of two: over half of the first text is a card
    assert false_hits([ITEM, PLAIN], finds)["rate"] == 1.0


def test_an_allowed_kind_is_no_false_hit_and_costs_no_precision() -> None:
    """An order number with its cue may be found as an order, not as a card."""
    order, card = [[span(2, 18, "order")]], [[span(2, 18, "card")]]
    assert false_hits([PLAIN], [order])["hits"] == 0
    assert score([PLAIN], [order])["order"]["precision"] is None
    assert false_hits([PLAIN], [card])["hits"] == 1
    assert score([PLAIN], [card])["card"]["precision"] == 0.0


def test_scores_say_how_sure_they_are() -> None:
    """Wilson's interval of the recall, and right of all by language and source."""
    found = score([ITEM] * 10, [[[span(0, 2, "name")]]] * 10)["name"]
    low, high = found["ci95"]
    assert high == 1.0
    assert 0.7 < low < 0.75
    assert found["slices"] == {"handwritten": [10, 10], "zh": [10, 10]}
