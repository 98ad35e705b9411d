"""How close the words of an answer are to those of the reference, in Chinese, English and mixtures."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, Literal

from sft_shared.data.hygiene.language import language_of
from sft_shared.data.logs.signs import fold
from sft_shared.data.words import HAN, has_han
from sft_shared.dialogue import Example
from sft_shared.evaluation.metrics.metric import MetricSettings, Part, reference_text, shown_text
from sft_shared.evaluation.pooling import Parts, Pooling

_SYLLABIC = f"{HAN}\\uf900-\\ufaff\\u3040-\\u30ff\\uff66-\\uff9d\\u0e00-\\u0e7f"
_TOKEN = re.compile(rf"[{_SYLLABIC}]|(?:(?![{_SYLLABIC}])[^\W_])+")
_SPACE_AT_HAN = re.compile(rf"(?<=[{HAN}]) | (?=[{HAN}])")
_END_MARKS = " .。!！"


def tokens(text: str) -> list[str]:
    """Words without case and width; scripts without spaces (Chinese, Japanese, Thai) by characters.

    >>> tokens("我的iPhone 15坏了。"), tokens("Don't stop!")
    (['我', '的', 'iphone', '15', '坏', '了'], ['don', 't', 'stop'])
    """
    return _TOKEN.findall(fold(text))


def plain(text: str) -> str:
    """``text`` without case and width, full stops at its end, doubled spaces, and spaces beside Chinese.

    >>> plain(" Your  order is ready. ") == plain("your order is ready"), plain("订单 已发货。")
    (True, '订单已发货')
    """
    return _SPACE_AT_HAN.sub("", " ".join(fold(text).split())).rstrip(_END_MARKS)


def exact(prediction: str, reference: str) -> bool:
    """Whether both say the same, compared as `plain`; an empty answer never does.

    >>> exact("  PARIS.", "Paris"), exact("Paris, France", "Paris"), exact("", "。")
    (True, False, False)
    """
    return bool(prediction.strip()) and plain(prediction) == plain(reference)


def bleu_tokens(text: str, *, reference: str) -> str:
    """``text`` cut as sacrebleu cuts the language of ``reference``; tokens are parted by spaces.

    Chinese by sacrebleu's ``zh`` (characters; Latin words stay whole), Japanese, Korean and Thai by
    ``char``, all else by ``13a``.

    >>> bleu_tokens("退款到账了OK。", reference="退款已到账")
    '退 款 到 账 了 OK 。'
    >>> bleu_tokens("It's done.", reference="It is done.")
    "It's done ."
    """
    return str(_bleu_tokenizer(_language(reference))(text.strip()))


def sentence_bleu(prediction: str, reference: str) -> float:
    """BLEU-4 of one answer, 0 to 1 (Papineni 2002; sacrebleu with exponential smoothing).

    Orders longer than the answer do not count. All four orders of this one are right, but it is cut short:
    5 of 6 tokens, so the brevity penalty exp(1 - 6/5) = 0.8187 is all that is lost.

    >>> round(sentence_bleu("退款已到账", "退款已到账。"), 4)
    0.8187
    >>> sentence_bleu("", "退款已到账。")
    0.0
    """
    cut = bleu_tokens(prediction, reference=reference)
    wanted = bleu_tokens(reference, reference=reference)
    return _share(_bleu().sentence_score(cut, [wanted]).score)


def bleu_parts(prediction: str, reference: str) -> dict[str, int]:
    """What one answer adds to the BLEU-4 of a corpus, whose n-grams are counted together (sacrebleu).

    >>> bleu_parts("退款到账", "退款到账。")["right-4"]
    1
    """
    cut = bleu_tokens(prediction, reference=reference)
    found = _bleu().sentence_score(cut, [bleu_tokens(reference, reference=reference)])
    grams = {f"right-{order}": int(count) for order, count in enumerate(found.counts, start=1)}
    grams |= {f"all-{order}": int(count) for order, count in enumerate(found.totals, start=1)}
    return {"said": int(found.sys_len), "wanted": int(found.ref_len), **grams}


def rouge_l(prediction: str, reference: str) -> float:
    """ROUGE-L, the F of the longest common subsequence, 0 to 1 (Lin 2004; rouge-score).

    Where the reference is English the tokens are rouge-score's own, else those of `tokens`. Here 4
    characters are common, of 5 said and 6 wanted: P 4/5, R 4/6, F 8/11.

    >>> round(rouge_l("退款到账了", "您的退款到账"), 4)
    0.7273
    >>> rouge_l("", "退款")
    0.0
    """
    language = "en" if _language(reference) == "en" else "other"
    return float(_rouge(language).score(reference, prediction)["rougeL"].fmeasure)


def distinct(text: str, n: int) -> float:
    """Share of n-grams of `tokens` that differ in ``text`` (distinct-n; Li 2016, arXiv:1510.03055).

    0 if there is no n-gram.

    >>> distinct("好的好的", 1), distinct("yes yes yes", 1), distinct("", 2)
    (0.5, 0.3333333333333333, 0.0)
    """
    grams = _ngrams(tokens(text), n)
    return len(set(grams)) / len(grams) if grams else 0.0


def _ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]


def _share(score: float) -> float:
    return min(1.0, max(0.0, score / 100))


def _language(text: str) -> str:
    """The language of a reference; a text too short to tell is Chinese if it holds Chinese."""
    language = language_of(text).language
    return "zh" if language == "und" and has_han(text) else language


@cache
def _bleu_tokenizer(language: str) -> Any:
    if language == "zh":
        from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

        return TokenizerZh()
    if language in ("ja", "ko", "th"):
        from sacrebleu.tokenizers.tokenizer_char import TokenizerChar

        return TokenizerChar()
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    return Tokenizer13a()


@cache
def _bleu() -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize="none", force=True, effective_order=True)


@cache
def _rouge(language: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=None if language == "en" else _Characters())


class _Characters:
    """What rouge-score asks for as a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        return tokens(text)


class _Text(MetricSettings, ABC):
    part: Part = "answer"  # response: that field of structured answers; others are taken whole

    def _apart(self) -> tuple[str, ...]:
        return () if self.part == "answer" else (self.part,)

    @abstractmethod
    def _value(self, prediction: str, reference: str) -> float:
        """From 0 to 1."""

    def __call__(self, prediction: str, example: Example) -> float | None:
        """0 to 1; None if the reference answer has no words."""
        reference = reference_text(example, part=self.part)
        if reference is None or not reference.strip():
            return None
        return self._value(shown_text(prediction, part=self.part), reference)


class ExactMatch(_Text):
    """1 if the answer says the same as the reference, but for case, width, spaces and the full stop."""

    kind: Literal["exact_match"] = "exact_match"

    def _value(self, prediction: str, reference: str) -> float:
        return float(exact(prediction, reference))


class Bleu4(_Text):
    """BLEU-4: smoothed for each answer, of the corpus for all of them."""

    binary: ClassVar[bool] = False
    kind: Literal["bleu4"] = "bleu4"

    def _value(self, prediction: str, reference: str) -> float:
        return sentence_bleu(prediction, reference)

    @property
    def pooling(self) -> Pooling:
        """BLEU-4 of the corpus. Without an answer of four tokens it is 0, whatever they say."""
        return "bleu"

    def parts(self, prediction: str, example: Example) -> Parts:
        """The n-grams."""
        reference = reference_text(example, part=self.part) or ""
        return bleu_parts(shown_text(prediction, part=self.part), reference)


class RougeL(_Text):
    """ROUGE-L (F)."""

    binary: ClassVar[bool] = False
    kind: Literal["rouge_l"] = "rouge_l"

    def _value(self, prediction: str, reference: str) -> float:
        return rouge_l(prediction, reference)


class Distinct(MetricSettings):
    """Distinct-n: within each answer, and over all of them, where saying the same to everybody shows.

    The total falls as answers are added: compare answers to the same examples only.
    """

    binary: ClassVar[bool] = False
    kind: Literal["distinct"] = "distinct"
    n: Literal[1, 2] = 2
    part: Part = "answer"

    @property
    def name(self) -> str:
        """The label, else ``distinct_1`` or ``distinct_2``."""
        return self.label or f"distinct_{self.n}" + ("" if self.part == "answer" else f"-{self.part}")

    def __call__(self, prediction: str, example: Example) -> float | None:
        """0 to 1, within the answer."""
        return distinct(shown_text(prediction, part=self.part), self.n)

    @property
    def pooling(self) -> Pooling:
        """Over all answers."""
        return "distinct"

    def parts(self, prediction: str, example: Example) -> Parts:
        """The n-grams, with their counts."""
        return Counter(
            " ".join(gram) for gram in _ngrams(tokens(shown_text(prediction, part=self.part)), self.n)
        )
