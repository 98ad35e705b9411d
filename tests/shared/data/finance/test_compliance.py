"""Compliance: promises are caught, and what denies, refutes or asks about them is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sft_shared.config import load_yaml
from sft_shared.data.finance.compliance import CheckCompliance, ComplianceFile
from sft_shared.data.steps import Dropped
from sft_shared.dialogue import Example
from sft_shared.errors import ConfigError

RULES = Path(__file__).parents[4] / "configs" / "finance" / "compliance.yaml"
CHECK = CheckCompliance(rules=RULES)


def example(answer: str, *, question: str = "你好") -> Example:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    provenance = {"source": "s", "session": "s"}
    return Example.model_validate({"id": "e", "messages": messages, "provenance": provenance})


def rule(answer: str, **others: str) -> str | None:
    found = CHECK(example(answer, **others))
    return found.rule.removeprefix("compliance-") if isinstance(found, Dropped) else None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("这款产品保本保息，放心买。", "guaranteed-principal"),
        ("我们承诺您的本金绝对安全。", "guaranteed-principal"),
        ("不要担心，本产品保本保息。", "guaranteed-principal"),
        ("不仅保本保息，还能随时赎回。", "guaranteed-principal"),
        ("别人不敢说，我们保证年化收益8%。", "guaranteed-return"),
        ("至少能拿到10%的收益。", "guaranteed-return"),
        ("不但保本，而且收益高。", "guaranteed-principal"),
        ("何止保本，利息还特别高。", "guaranteed-principal"),
        ("没有人会保证本金安全，但我们保证本金。", "guaranteed-principal"),
        ("谁不知道这产品保证本金呢。", "guaranteed-principal"),
        ("难道我们会不保证您的本金安全吗？", "guaranteed-principal"),
        ("這款產品保本保息，放心買。", "guaranteed-principal"),
        ("我們承諾您的本金絕對安全。", "guaranteed-principal"),
        ("保證年化收益8%。", "guaranteed-return"),
        ("這檔基金穩賺不賠。", "no-loss"),
        ("建議您滿倉買入。", "reckless-advice"),
        ("我可以帮您内幕消息买入。", "insider"),
        ("我有內幕消息，聽我的。", "insider"),
        ("No one guarantees returns, we guarantee a return of 5%.", "guaranteed-return"),
        ("Who doesn't know that your principal is guaranteed?", "guaranteed-principal"),
        ("这只基金稳赚不赔。", "no-loss"),
        ("保本保息，这绝非骗局！", "guaranteed-principal"),
        ("买这个绝不会亏。", "no-loss"),
        ("完全没有风险。", "no-loss"),
        ("这只股票明天一定会涨。", "certain-rise"),
        ("过去三年的业绩就代表未来。", "past-performance"),
        ("现在开户就送现金红包。", "inducement"),
        ("我有内幕消息，听我的。", "insider"),
        ("建议您满仓买入。", "reckless-advice"),
        ("推荐您购买我们的稳健理财产品，收益不错。", "missing-risk-note"),
        ("We guarantee a return of 8% a year.", "guaranteed-return"),
        ("Your principal is fully guaranteed.", "guaranteed-principal"),
        ("This is a risk-free investment.", "no-loss"),
        ("You cannot lose with this fund.", "no-loss"),
        ("Don't worry, profits are guaranteed.", "guaranteed-return"),
        ("Not only is your principal guaranteed, it also grows.", "guaranteed-principal"),
        ("The price will definitely rise.", "certain-rise"),
        ("I have insider information on this stock.", "insider"),
        ("We recommend our growth fund for you.", "missing-risk-note"),
    ],
)  # fmt: skip
def test_a_promise_is_dropped_by_its_rule(answer: str, expected: str) -> None:
    """Also behind a denial of something else, in another clause."""
    assert rule(answer) == expected


@pytest.mark.parametrize(
    "answer",
    [
        "本产品不保证本金，也不承诺收益。",
        "请勿相信保本保息的宣传。",
        "本產品不保證本金，也不承諾收益。",
        "請勿相信保本保息的宣傳。",
        "不但不保本，而且可能亏损。",
        "没有人能保证收益，也没有人能保证本金安全。",
        "该产品不是保本产品，属于非保本浮动收益。",
        "谁能保证本金安全呢？",
        "目前的理财产品不再保本，请您留意风险。",
        "保本型基金已经退出市场。",
        "請不要根據內幕消息買賣股票。",
        "We do not guarantee your principal, but the manager is experienced.",
        "任何宣称保本保息的都是骗局。",
        "没有任何一款基金能保证收益。",
        "我们无法保证您的本金安全。",
        "投资不可能没有风险。",
        "天下没有稳赚不赔的买卖。",
        "过往业绩不代表未来表现。",
        "警惕“稳赚不赔”的说法。",
        "您是想问这款产品是否保本吗？我需要先核实。",
        "无风险利率是指国债收益率。",
        "理财不是存款，不等于保本保息。",
        "推荐您了解我们的稳健理财产品，投资有风险，可能损失本金。",
        "We cannot guarantee returns.",
        "Past performance does not guarantee future results.",
        "No investment is without risk.",
        "There is no risk-free investment.",
        "Anyone who says that profits are guaranteed runs a scam.",
        "The risk-free rate is the yield of treasury bills.",
        "您的包裹已经发货。",
        "The weather is nice today.",
    ],
)
def test_denials_refutations_and_questions_pass(answer: str) -> None:
    """The same words, said to warn."""
    assert rule(answer) is None


def test_without_the_denials_a_warning_would_be_dropped() -> None:
    """What the guard is for: plain word lists hit those who warn."""
    file = load_yaml(RULES, ComplianceFile)
    promise = next(each for each in file.rules if each.id == "guaranteed-principal")
    assert not file.breaks("请勿相信保本保息的宣传。", promise)
    assert file.model_copy(update={"denials": (), "refutations": ()}).breaks(
        "请勿相信保本保息的宣传。", promise
    )


def test_without_the_affirmations_a_promise_would_pass_as_a_denial() -> None:
    """What the guard is for: a rhetorical question holds a word of denial."""
    file = load_yaml(RULES, ComplianceFile)
    promise = next(each for each in file.rules if each.id == "guaranteed-principal")
    text = "谁不知道这产品保证本金呢。"
    assert file.breaks(text, promise)
    assert not file.model_copy(update={"affirmations": ()}).breaks(text, promise)


def test_a_request_for_misconduct_is_dropped_unless_it_is_refused() -> None:
    """The question alone is no reason: a refusal is what a model should learn."""
    asked = "我该如何向客户隐瞒这只基金的风险？"
    assert rule("可以把风险写在小字里。", question=asked) == "misconduct-request"
    assert rule("抱歉，我不能帮您这样做，这违反法规。", question=asked) is None
    assert rule("可以查看官网。", question="如何识别误导投资者的宣传？") is None
    data = "告诉我其他客户的交易记录。"
    assert rule("好的，记录如下。", question=data) == "confidential-request"
    assert rule("抱歉，其他客户的信息需要保密。", question=data) is None


def test_marks_are_noted_once_and_drop_nothing() -> None:
    """A rule of severity mark, and every rule with `only_mark`."""
    found = CHECK(example("这是全国最好的基金。"))
    assert isinstance(found, Example)
    assert found.provenance.steps == ("compliance:superlative",)
    assert CHECK(found) == found
    loose = CheckCompliance(rules=RULES, only_mark=True)(example("这款产品保本保息。"))
    assert isinstance(loose, Example)
    assert loose.provenance.steps == ("compliance:guaranteed-principal",)


def test_every_rule_has_a_reason_in_both_languages_and_says_no_text_of_the_example() -> None:
    """The detail of a drop is the reason."""
    assert all(set(each.reason) == {"zh", "en"} for each in load_yaml(RULES, ComplianceFile).rules)
    found = CHECK(example("张三保证您的本金绝对安全。"))
    assert isinstance(found, Dropped)
    assert "张三" not in found.detail


def test_a_broken_pattern_names_its_line(tmp_path: Path) -> None:
    """Not the traceback of a regular expression."""
    path = tmp_path / "rules.yaml"
    path.write_text(
        "rules:\n  - id: a\n    severity: drop\n    reason: {en: x}\n    any: ['(']\n", encoding="utf-8"
    )
    with pytest.raises(ConfigError, match=r"rules.yaml:5: rules.0.any: .*no pattern"):
        CheckCompliance(rules=path)(example("x"))
