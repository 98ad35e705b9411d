"""Each filter drops what it names, by its code, and passes ordinary dialogues in Chinese and English."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sft_shared.data.hygiene.degenerate import BoilerplateFilter, GarbledFilter, RepetitionFilter
from sft_shared.data.hygiene.filters import (
    _TAG,
    _URL,
    DEFAULT_FILTERS,
    FilterSettings,
    LanguageFilter,
    LengthFilter,
    MarkupFilter,
    _may_be_markup,
)
from sft_shared.data.hygiene.mojibake import _BROKEN, _SUSPECT, _TELLTALE, _WESTERN, garbled_chars
from sft_shared.data.steps import Dropped, Step
from sft_shared.dialogue import Example, Message, Provenance, ToolCall


def ask(question: str, answer: str) -> Example:
    return Example(
        id="x",
        messages=(Message(role="user", content=question), Message(role="assistant", content=answer)),
        provenance=Provenance(source="test", session="x"),
    )


def rule(step: Step, question: str, answer: str = "Your parcel will arrive tomorrow.") -> str | None:
    """The code by which it is dropped; None if it stays. What it says holds nothing of the text."""
    found = step(ask(question, answer))
    if isinstance(found, Dropped):
        assert question not in found.detail
        return found.rule
    assert found == ask(question, answer)
    return None


ORDINARY = [
    (
        "我上周买的羽绒服到现在还没发货，订单号 20241123，麻烦查一下",
        "您好，已为您查询：包裹在杭州转运中心，预计明天下午送达。",
    ),
    (
        "Where is my order 20241123? I have waited for two weeks!!!",
        "It is on its way. See https://shop.example/t/20241123.",
    ),
    ("哈哈哈哈哈哈哈 太好了", "很高兴能帮到您，您的退款 35.50 元已经原路退回。"),
    (
        "How do I list pods?",
        "Run:\n```\nkubectl get pods -n prod\n```\n| name | state |\n|------|------|\n| a | Running |",
    ),
    ("no no no, not that one, the other one", "Got it: the blue one in size M, is that right?"),
    ("naïve façade, Müller & Söhne, 5 € – “quoted” ±", "Crème brûlée für zwei, ½ Preis – l’été déjà."),
    ("银行卡被吞了怎么办", '{"intent": "card_swallowed", "parameters": {}}'),
    ("各位闂家的朋友，鍥字怎么读", "这两个是生僻字，分别读作 wén 和 guó。"),
]


@pytest.mark.parametrize(("question", "answer"), ORDINARY)
@pytest.mark.parametrize("step", [*DEFAULT_FILTERS, LanguageFilter()], ids=lambda step: step.kind)
def test_ordinary_dialogues_pass(step: Step, question: str, answer: str) -> None:
    """With the settings that are there if none are given."""
    assert rule(step, question, answer) is None


def test_length() -> None:
    """Characters of prompt and answer, words, turns."""
    assert rule(LengthFilter(), "?") == "prompt-too-short"
    assert rule(LengthFilter(max_prompt_chars=5), "longer") == "prompt-too-long"
    assert rule(LengthFilter(min_answer_chars=3), "hello", "hi") == "answer-too-short"
    assert rule(LengthFilter(max_answer_chars=3), "hello", "hello") == "answer-too-long"
    assert rule(LengthFilter(min_turns=2), "hello") == "dialogue-too-short"
    assert rule(LengthFilter(max_words=8), "我要退款", "请稍等一下") == "dialogue-too-long"
    assert rule(LengthFilter(max_words=9), "我要退款", "请稍等一下") is None


def test_language() -> None:
    """Either side in another language; short and unknown texts pass."""
    only_chinese = LanguageFilter(allowed=frozenset({"zh"}))
    assert (
        rule(only_chinese, "我要退款，谢谢", "Please give me your order number and the date.") == "language"
    )
    assert rule(only_chinese, "我要退款，谢谢", "OK") is None
    assert rule(LanguageFilter(), "Où est ma commande s'il vous plaît ?") == "language"
    assert rule(LanguageFilter(min_confidence=1), "Où est ma commande s'il vous plaît ?") is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a" * 30, "repeated-character"),
        ("啊" * 30 + "好的", "repeated-character"),
        ("please " * 12, "repeated-phrase"),
        ("查询订单" * 8, "repeated-phrase"),
        ("I will check the order for you now. " * 6, "repeated-phrase"),
        ("好的，" + "我再帮您确认一下。" * 7, "repeated-phrase"),
    ],
)
def test_repetition(text: str, code: str) -> None:
    """One character, one word, one sentence over and over, asked or answered."""
    assert rule(RepetitionFilter(), "What now?", text) == code
    assert rule(RepetitionFilter(), text) == code


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("……", "empty-answer"),
        ("👌", "empty-answer"),
        ("Where is my Order", "echo-answer"),
        ("您好，请稍等。", "boilerplate-answer"),
        ("亲，在的~", "boilerplate-answer"),
        ("Hello! One moment, please.", "boilerplate-answer"),
        ("N/A", "boilerplate-answer"),
        ("None", "boilerplate-answer"),
        ("I'm sorry, I didn't get that. Please try again.", "boilerplate-answer"),
        ("抱歉，我没有理解您的意思，请换个说法。", "boilerplate-answer"),
        ("抱歉，这款商品暂时缺货。", None),
        ("您好，请稍等，您的订单今天发货。", None),
        ("Hello! Your order ships today.", None),
    ],
)
def test_boilerplate(answer: str, code: str | None) -> None:
    """All sentences are holding lines, or there is nothing; own phrases can be added."""
    assert rule(BoilerplateFilter(), "where is my order?", answer) == code
    assert rule(
        BoilerplateFilter(more_phrases=("your order ships today",)), "?", "Your order ships today!"
    ) == ("boilerplate-answer")


def test_a_call_without_text_is_no_empty_answer() -> None:
    """It says a lot."""
    call = Message(role="assistant", tool_calls=(ToolCall(name="f"),))
    example = ask("q?", "a").model_copy(update={"messages": (Message(role="user", content="q?"), call)})
    assert BoilerplateFilter()(example) == example


def test_markup() -> None:
    """Lists of links, and pages pasted whole."""
    links = " ".join(f"https://a.example/{n}" for n in range(6))
    assert (
        rule(MarkupFilter(), "Which?", f"See these pages for what you asked about, please: {links}")
        == "too-many-urls"
    )
    page = "<div class='a'><p style='b'>Hello</p><br/><span>you</span></div>" * 2
    assert rule(MarkupFilter(), "Why?", page) == "too-much-markup"
    assert rule(MarkupFilter(max_urls=0), "See https://a.example") == "too-many-urls"


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        *[("用户无法登录系统，请检查密码。", codec) for codec in ("cp1252", "gbk", "latin-1")],
        *[("déjà vu à l’été — “ça va”", codec) for codec in ("cp1252", "latin-1")],
        *[("Grüße aus Köln", codec) for codec in ("cp1252", "latin-1")],
    ],
)
def test_text_read_in_a_wrong_encoding_is_found(text: str, codec: str) -> None:
    """UTF-8 taken for Windows-1252, Latin-1 or GBK, with what that loses; not the text itself."""
    garbled = text.encode().decode(codec, "replace")
    assert rule(GarbledFilter(), "Q: " + garbled) == "garbled"
    assert garbled_chars(text) == 0


def test_replacement_characters_and_their_cousins() -> None:
    """One is forgiven."""
    assert rule(GarbledFilter(), "订单锟斤拷锟斤拷") == "garbled"
    assert rule(GarbledFilter(), "the \ufffd\ufffd sign") == "garbled"
    assert rule(GarbledFilter(), "the \ufffd sign of it") is None


@given(st.text(alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), max_size=40))
def test_chinese_characters_alone_are_not_garbled(text: str) -> None:
    """Random characters, rare ones included, are hardly ever UTF-8 in disguise."""
    assert garbled_chars(text) == 0


@given(st.text(min_size=1), st.text(min_size=1))
def test_filters_take_any_text(question: str, answer: str) -> None:
    """An example or a reason."""
    example = ask(question, answer + ".")
    for step in (*DEFAULT_FILTERS, LanguageFilter()):
        assert isinstance(step(example), Example | Dropped)


@pytest.mark.parametrize("kind", ["length", "language", "repetition", "boilerplate", "markup", "garbled"])
def test_a_filter_is_named_by_its_kind(kind: str) -> None:
    """In YAML, with nothing else said."""
    adapter: TypeAdapter[Any] = TypeAdapter(FilterSettings)
    assert adapter.validate_python({"kind": kind}).kind == kind


@given(st.from_regex(_URL) | st.from_regex(_TAG))
def test_no_markup_escapes_the_first_look(text: str) -> None:
    assert _may_be_markup(text)


@given(st.from_regex(_BROKEN) | st.from_regex(_WESTERN) | st.from_regex(_TELLTALE))
def test_no_wrong_encoding_escapes_the_first_look(text: str) -> None:
    assert _SUSPECT.search(text)
