"""Finance terms are found, told from other words, and brought to one form; labels move along."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.finance.normalise import Edit, NormaliseTerms, apply_edits
from sft_shared.data.finance.terms import folded, read_terms
from sft_shared.dialogue import Entity, Example
from sft_shared.errors import DataError

TERMS = Path(__file__).parents[4] / "configs" / "finance" / "terms.csv"
REWRITE = NormaliseTerms(file=TERMS, mode="rewrite")
ANNOTATE = NormaliseTerms(file=TERMS, mode="annotate", name_standard=True)


def example(text: str, *entities: tuple[str, str]) -> Example:
    labels = [
        {"type": kind, "value": v, "message": 0, "start": text.index(v), "end": text.index(v) + len(v)}
        for kind, v in entities
    ]
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": "货基是一种基金。"}]
    provenance = {"source": "s", "session": "s"}
    return Example.model_validate(
        {"id": "e", "messages": messages, "entities": labels, "provenance": provenance}
    )


@pytest.mark.parametrize(
    ("text", "standard"),
    [
        ("我想买点货基", "我想买点货币市场基金"),
        ("七日年化多少", "七日年化收益率多少"),
        ("ＥＴＦ怎么买", "交易型开放式指数基金怎么买"),
        ("我要提前还贷", "我要提前还款"),
        ("What is the NAV of my mutual fund?", "What is the net asset value of my fund?"),
        ("Are ETFs and REITs risky?", "Are exchange-traded funds and real estate investment trusts risky?"),
        ("The stock has a high P/E.", "The stock has a high price-earnings ratio."),
    ],
)
def test_synonyms_become_the_standard_term(text: str, standard: str) -> None:
    """In the language of the text, abbreviations and full width too; a plural stays one."""
    assert REWRITE(example(text)).messages[0].content == standard


@pytest.mark.parametrize(
    ("text", "standard"),
    [
        ("ＥＴＦ基金怎么买", "交易型开放式指数基金怎么买"),
        ("ETF 基金怎么买", "交易型开放式指数基金怎么买"),
        ("买点货基基金吧", "买点货币市场基金吧"),
        ("买点货币市场货基吧", "买点货币市场基金吧"),
        ("ETF基金经理换了", "交易型开放式指数基金经理换了"),
        ("ETF基金净值多少", "交易型开放式指数基金单位净值多少"),
        ("What is the NAV value today?", "What is the net asset value today?"),
        ("What is the net NAV today?", "What is the net asset value today?"),
        ("Its NAV valued us.", "Its net asset value valued us."),
    ],
)
def test_a_standard_term_takes_in_what_the_text_says_of_it(text: str, standard: str) -> None:
    """No 基金基金; but only whole words, and none that is part of another term."""
    assert REWRITE(example(text)).messages[0].content == standard


def test_a_label_on_what_would_be_taken_in_stays() -> None:
    """Labels keep their values: one around both holds the term, one over the edge keeps the text."""
    whole = REWRITE(example("买ETF基金吧", ("product", "ETF基金")))
    assert [each.value for each in whole.entities] == ["交易型开放式指数基金"]
    edge = REWRITE(example("买ETF基金吧", ("x", "金吧")))
    assert [each.value for each in edge.entities] == ["金吧"]
    assert edge.messages[0].content == "买交易型开放式指数基金基金吧"


@pytest.mark.parametrize(
    "text",
    [
        "他在基金会工作",
        "方便利率先生",
        "NETFLIX and IPODs",
        "我的手很漂亮",
        "保险箱在哪",
        "By default it is on, an excess of zeal",
        "白马寺在洛阳，白马王子来了",
        "主力军到了",
        "冷静期很重要，夫妻离婚前都有",
    ],
)
def test_other_words_are_left_alone(text: str) -> None:
    """Longer words, words cut across, and ambiguous ones without their context."""
    assert REWRITE(example(text)).messages[0].content == text


@pytest.mark.parametrize(
    ("text", "standard"),
    [
        ("我想买基精", "我想买基金"),
        ("这只股飘跌了", "这只股票跌了"),
        ("货币市厂基金收益", "货币市场基金收益"),
        ("夏普比律是多少", "夏普比率是多少"),
        ("查一下余额和信用卡账担日", "查一下余额和信用卡账单日"),
    ],
)
def test_typos_by_sound_are_mended(text: str, standard: str) -> None:
    """One character of the same or a near sound; with typos off nothing is done."""
    assert REWRITE(example(text)).messages[0].content == standard
    off = REWRITE.model_copy(update={"typos": False})
    assert off(example(text)).messages[0].content == text


@pytest.mark.parametrize(
    "text",
    [
        "鸡精放多了",
        "今天的事件",
        "他坐飞机经过",
        "请把手机还给我",
        "基精这个词没有意思",
        "中国人民银行公布了利率",
        "公司在港股上市",
        "利率再创新低",
        "注册资本500万元",
        "本公司股份有限公司的股价涨跌不一",
    ],
)
def test_words_of_their_own_and_short_ones_without_money_are_no_typos(text: str) -> None:
    """A term of two characters needs another term or a word of money beside it."""
    assert REWRITE(example(text)).messages[0].content == text


def test_context_decides_an_ambiguous_word() -> None:
    """`equity` is a stock near a portfolio, and something else in social policy."""
    assert "stock" in (REWRITE(example("I hold equity in my portfolio")).messages[0].content or "")
    assert REWRITE(example("equity and justice for all")).messages[0].content == "equity and justice for all"


def test_annotation_leaves_the_text_and_says_what_is_meant() -> None:
    """Entities of the type term:STANDARD; once only, also if run twice."""
    made = ANNOTATE(example("货基和债基"))
    assert [(e.type, e.value, e.start, e.end) for e in made.entities] == [
        ("term:货币市场基金", "货基", 0, 2),
        ("term:债券型基金", "债基", 3, 5),
    ]
    assert ANNOTATE(made).entities == made.entities
    assert made.messages[1].content == "货基是一种基金。"
    assert made.provenance.steps == ("finance_terms:annotate",)


def test_labels_move_with_the_text_and_grow_with_their_value() -> None:
    """Before, inside, around and behind an edit; one that is crossed keeps its text."""
    made = REWRITE(example("小王买货基花了500元", ("name", "小王"), ("product", "货基"), ("amount", "500元")))
    assert made.messages[0].content == "小王买货币市场基金花了500元"
    assert [e.value for e in made.entities] == ["小王", "货币市场基金", "500元"]
    crossed = example("我买货基花了500元", ("product", "基花"))
    assert REWRITE(crossed).messages[0].content == crossed.messages[0].content


def test_rewriting_twice_changes_nothing_more() -> None:
    """The standard form is stable."""
    once = REWRITE(example("货基、债基、七日年化、ETF、夏普比律、征信记录、房贷，都是理财知识"))
    assert REWRITE(once) == once


@given(st.data())
def test_edits_keep_every_label_on_its_text(data: st.DataObject) -> None:
    """Whatever is edited, a label outside keeps its value, and one around holds the new text."""
    text = data.draw(st.text(min_size=1, max_size=30))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    spans = [(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    edits = [Edit(a, b, data.draw(st.text(max_size=5))) for a, b in spans]
    free = [place for place in range(len(text) + 1) if not any(a < place < b for a, b in spans)]
    edges = sorted({0, len(text), *free})
    start = data.draw(st.sampled_from(edges))
    later = [edge for edge in edges if edge > start]
    if not later:
        return
    end = data.draw(st.sampled_from(later))
    inside = [edit for edit in edits if start <= edit.start and edit.end <= end]
    label = Entity(type="t", value=text[start:end], message=0, start=start, end=end)
    wanted = apply_edits(text[start:end], [Edit(e.start - start, e.end - start, e.new) for e in inside], [])[
        0
    ]
    if not wanted:
        return
    changed, (moved,) = apply_edits(text, edits, [label])
    assert changed[moved.start : moved.end] == moved.value == wanted


@given(st.text())
def test_folding_keeps_every_place(text: str) -> None:
    """A place in the folded text is the same place in the text."""
    assert len(folded(text)) == len(text)


@given(st.text(alphabet="货基金债股票净值ETF fund 收益率 精飘手买,。", max_size=25))
def test_any_text_is_rewritten_and_labelled_soundly(text: str) -> None:
    """Labels stand where they say; `Example` itself would refuse others."""
    made = ANNOTATE(example(text or "空"))
    assert Example.model_validate(made.model_dump()) == made


def test_the_shipped_table_is_large_and_consistent() -> None:
    """At least 150 terms in both languages, none a synonym of another."""
    table = read_terms(TERMS)
    assert len({word.term for word in table.words.values()}) >= 150


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("基金,fund,货币,,,\n货基,MMF,货币,,,", ":3: '货币' is a word of 货基 and, on line 2, of 基金"),
        ("基金,,,,,", ":2: needs term_zh and term_en"),
        ("基金,fund,,,手:股,", ":2: context: '手' is no word of this term"),
        ("基金,fund,,,基金,", ":2: context: found '基金', expected"),
        ("基金,fund,,,,,,", ":2: .*no more than six columns"),
    ],
)  # fmt: skip
def test_a_wrong_table_names_its_line(tmp_path: Path, row: str, message: str) -> None:
    """Two terms of one word, missing fields, wrong contexts."""
    path = tmp_path / "t.csv"
    path.write_text("term_zh,term_en,synonyms_zh,synonyms_en,context,not_in\n" + row + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_terms(path)
