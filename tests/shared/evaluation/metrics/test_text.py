"""Words: agreement with sacrebleu and rouge-score on English, hand-worked numbers on Chinese."""

from __future__ import annotations

import doctest
import math
from collections.abc import Callable, Sequence

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from sft_shared.dialogue import Example
from sft_shared.evaluation.metrics import text
from sft_shared.evaluation.metrics.text import (
    Bleu4,
    Distinct,
    ExactMatch,
    RougeL,
    bleu_parts,
    distinct,
    exact,
    rouge_l,
    sentence_bleu,
    tokens,
)
from sft_shared.evaluation.pooling import pooled

Make = Callable[..., Example]
ENGLISH = [
    ("Your order has been cancelled, and a refund sent.", "Your order is cancelled and you get a refund."),
    ("The parcel will arrive on Monday at 9.30 a.m.!", "The parcel arrives on Monday at 9:30 a.m."),
    ("I have reset your password; check your e-mail.", "I have reset your password; check your e-mail."),
    ("no", "You can find the invoice in your account under “Orders”."),
    ("It's the customer's naïve question & no more.", "It is the customer's naïve question, no more."),
]  # fmt: skip
CHINESE = [("您的退款已经到账", "您的退款到账了"), ("订单已取消。", "订单已取消。")]
words = st.lists(
    st.sampled_from(["the", "of", "order", "refund", "is", "sent", "to", "your", "bank", ",", ".", "!"]),
    min_size=4,
    max_size=14,
)


def corpus_bleu(said: Sequence[str], wanted: Sequence[str]) -> float:
    return pooled([bleu_parts(*pair) for pair in zip(said, wanted, strict=True)], pooling="bleu")


def test_the_worked_examples_hold() -> None:
    """Doctests."""
    assert doctest.testmod(text).failed == 0


def test_english_bleu_is_sacrebleus() -> None:
    """Of each sentence and of the corpus, with its default tokenizer, to 1e-9."""
    for said, wanted in ENGLISH:
        theirs = sacrebleu.sentence_bleu(said, [wanted]).score / 100
        assert sentence_bleu(said, wanted) == pytest.approx(theirs, abs=1e-9)
    said, wanted = zip(*ENGLISH, strict=True)
    theirs = sacrebleu.corpus_bleu(list(said), [list(wanted)]).score / 100
    assert corpus_bleu(said, wanted) == pytest.approx(theirs, abs=1e-9)


def test_english_rouge_is_rouge_scores() -> None:
    """With its default tokenizer and without stemming, to 1e-9."""
    scorer = RougeScorer(["rougeL"])
    for said, wanted in ENGLISH:
        assert rouge_l(said, wanted) == pytest.approx(scorer.score(wanted, said)["rougeL"].fmeasure, abs=1e-9)


@given(words, words)
def test_on_any_english_words_both_agree_with_the_tools(one: list[str], other: list[str]) -> None:
    """Whatever language a short text is taken for."""
    said, wanted = " ".join(one), " ".join(other)
    assert sentence_bleu(said, wanted) == pytest.approx(sacrebleu.sentence_bleu(said, [wanted]).score / 100)
    theirs = RougeScorer(["rougeL"]).score(wanted, said)["rougeL"].fmeasure
    assert rouge_l(said, wanted) == pytest.approx(theirs, abs=1e-9)


def test_chinese_bleu_is_what_a_hand_computes() -> None:
    """By characters.

    Said 您 的 退 款 已 经 到 账 (8), wanted 您 的 退 款 到 账 了 (7); said is longer: no brevity penalty.
    1-grams: 6 of 8 (not 已, 经). 2-grams: 您的 的退 退款 到账: 4 of 7. 3-grams: 您的退 的退款: 2 of 6.
    4-grams: 您的退款: 1 of 5. BLEU = (6/8 * 4/7 * 2/6 * 1/5)^(1/4) = 0.4111.
    Together with an equal pair of 6 tokens (订 单 已 取 消 。), 6, 5, 4 and 3 n-grams right and said:
    (12/14 * 9/12 * 6/10 * 4/8)^(1/4) = 0.6627.
    """
    said, wanted = CHINESE[0]
    assert sentence_bleu(said, wanted) == pytest.approx((6 / 8 * 4 / 7 * 2 / 6 * 1 / 5) ** 0.25, abs=1e-12)
    together = corpus_bleu(*zip(*CHINESE, strict=True))
    assert together == pytest.approx((12 / 14 * 9 / 12 * 6 / 10 * 4 / 8) ** 0.25, abs=1e-12)
    assert sacrebleu.sentence_bleu(said, [wanted], tokenize="zh").score / 100 == pytest.approx(
        sentence_bleu(said, wanted)
    )


def test_chinese_rouge_is_what_a_hand_computes() -> None:
    """Longest common subsequence 您的退款到账: 6. P 6/8, R 6/7, F = 2*6/(8+7) = 0.8.

    rouge-score alone gives 0: its tokenizer knows a-z and 0-9 only.
    """
    said, wanted = CHINESE[0]
    assert rouge_l(said, wanted) == pytest.approx(0.8, abs=1e-12)
    assert RougeScorer(["rougeL"]).score(wanted, said)["rougeL"].fmeasure == 0


def test_mixed_text_is_cut_into_characters_and_words() -> None:
    """Said 请 用 wifi 连 接 app (6), wanted 请 用 wi fi 连 接 app (7), in common 5: F = 2*5/(6+7) = 10/13."""
    assert tokens("请用WiFi连接ＡＰＰ") == ["请", "用", "wifi", "连", "接", "app"]
    assert rouge_l("请用WiFi连接APP", "请用Wi-Fi连接App") == pytest.approx(10 / 13, abs=1e-12)
    # cut into 请 用 WiFi 连 接: 4 of 5, 2 of 4 (请用 连接), 0 of 3, 0 of 2, smoothed to 1/(2*3) and 1/(4*2)
    worked = (4 / 5 * 2 / 4 * 1 / 6 * 1 / 8) ** 0.25
    assert sentence_bleu("请用WiFi连接", "请用Wifi连接") == pytest.approx(worked, abs=1e-12)


def test_an_answer_in_the_wrong_language_is_no_match() -> None:
    """Cut by the reference's language."""
    assert rouge_l("您的订单已取消", "Your order has been cancelled.") == 0
    assert rouge_l("Your order has been cancelled.", "您的订单已取消") == 0
    assert sentence_bleu("Your order has been cancelled.", "您的订单已取消") < 0.05


@given(st.text(max_size=30))
def test_the_reference_itself_is_perfect_and_all_values_are_shares(said: str) -> None:
    """For any text with a word in it."""
    reference = "您的 order 已发货 today"
    for value in (sentence_bleu(said, reference), rouge_l(said, reference), distinct(said, 2)):
        assert 0 <= value <= 1
    if tokens(said):
        assert rouge_l(said, said) == pytest.approx(1) or not said.isascii()
        assert sentence_bleu(said, said) == pytest.approx(1)


def test_distinct_n_by_hand() -> None:
    """Chinese by characters: 好的 好的 has 2 of 4 characters, 好的 的好 好的: 2 of 3 pairs."""
    assert distinct("好的好的", 1) == 0.5
    assert distinct("好的好的", 2) == pytest.approx(2 / 3)
    assert distinct("one two three", 2) == 1


def test_exact_match_forgives_case_width_spaces_and_the_full_stop() -> None:
    """And nothing else."""
    assert exact("订单 已取消", "订单已取消。")
    assert exact("ＯＫ", "ok")
    assert not exact("订单未取消", "订单已取消")
    assert not exact("ab", "a b")


def test_bad_systems_score_badly(make: Make) -> None:
    """Empty answers, one answer for all, and the question again."""
    references = [
        "您的退款已经到账。",
        "The parcel arrives on Monday.",
        "请在设置里重置密码。",
        "Your invoice is attached.",
    ]
    questions = ["退款到哪里了？", "When does it come?", "怎么改密码？", "May I have an invoice?"]
    examples = [make(each, question=asked) for each, asked in zip(references, questions, strict=True)]
    for system in ([""] * 4, ["Thank you for your message."] * 4, questions):
        for metric, most in ((ExactMatch(), 0), (Bleu4(), 0.1), (RougeL(), 0.3)):
            values = [metric(said, example) for said, example in zip(system, examples, strict=True)]
            assert metric.total(system, examples, values) <= most
    for metric in (ExactMatch(), Bleu4(), RougeL()):
        values = [metric(said, example) for said, example in zip(references, examples, strict=True)]
        assert metric.total(references, examples, values) == pytest.approx(1)
    constant, varied = (
        Distinct(n=2).total(system, examples, [1.0] * 4)
        for system in (["Thank you for that."] * 4, references)
    )
    assert constant <= 0.25
    assert varied > 0.9
    assert Distinct(n=1).total([""] * 4, examples, [0.0] * 4) == 0


def test_the_response_alone_can_be_judged(make: Make) -> None:
    """Else shared keys of JSON would count as words in common."""
    wanted = '{"intent": "a", "parameters": {}, "response": "您的订单已取消"}'
    said = '{"intent": "a", "parameters": {}, "response": "早上好呀"}'
    assert Bleu4(part="response")(said, make(wanted)) == pytest.approx(0, abs=0.01)
    assert (Bleu4()(said, make(wanted)) or 0) > 0.3
    assert Bleu4(part="response")("您的订单已取消", make(wanted)) == pytest.approx(1)
    assert Bleu4(part="response").name == "bleu4-response"
    assert (Distinct(n=1).name, Distinct(n=2, part="response").name) == ("distinct_1", "distinct_2-response")
    assert RougeL()("x", make(None, tool_calls=[{"name": "f", "arguments": {}}])) is None
    assert math.isclose(Bleu4().total([said], [make(wanted)], [0.0]), corpus_bleu([said], [wanted]))
