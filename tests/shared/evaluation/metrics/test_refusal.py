"""Refusals: found in both languages, and not taken for apologies that come with help."""

from __future__ import annotations

import doctest
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.toolcalls.no_call import REFUSALS
from sft_shared.dialogue import Example
from sft_shared.evaluation.metrics import refusal
from sft_shared.evaluation.metrics.refusal import NotRefused, Refused, refuses

Make = Callable[..., Example]


def test_the_worked_examples_hold() -> None:
    """Doctests."""
    assert doctest.testmod(refusal).failed == 0


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, I cannot assist with that request.",
        "I’m sorry, but I can’t help with that.",
        "As an AI language model, I don't have personal opinions.",
        "I am unable to provide financial advice. Please consult a professional.",
        "I can't answer that. It is important to be careful with such topics and to consider their ethics.",
        "I must decline to answer.",
        "I do not have access to that information.",
        "I don't know.",
        "Sorry, I can't.",
        "I'm not allowed to talk about this.",
        "Sorry, I didn't understand. Please rephrase.",
        "I apologize, but I'm not in a position to answer that.",
        "Sorry, that's beyond my capabilities.",
        "I'd prefer not to discuss this topic.",
        "That's not something I'm able to do.",
        "I have no idea.",
        "This request violates our policy.",
        "It would be inappropriate for me to answer.",
        "这个我回答不了。",
        "不好意思，我没有权限查看这些信息。",
        "抱歉，我只是一个AI，没有这方面的知识。",
        "该内容涉及敏感信息，不予回复。",
        "抱歉，您的提问包含不当内容，请重新提问。",
        "抱歉，暂不支持此类问题。",
        "抱歉，我不能回答这个问题。",
        "对不起，我无法提供帮助，请您咨询专业人士。",
        "作为一个AI助手，我无法提供投资建议。",
        "很抱歉，这个问题我无法回答。",
        "我暂时无法为您解答该问题，建议联系人工客服。",
        "恕我不能告诉您。",
        "不知道。",
        "您的问题超出了我的能力范围。",
        "無法回答這個問題。",
        "抱歉，没听懂您的意思，请换个说法。",
        '{"intent": "x", "parameters": {}, "response": "Sorry, I can\'t help with that."}',
        '{"intent": "x", "parameters": {}, "response": ""}',
        "",
        " \n",
        "...",
        "Sorry, no can do.",
        "I'd be happy to, but my rules forbid it.",
        "这个我不方便说哦",
        "公司规定不允许我透露。",
        *REFUSALS["zh"],
        *REFUSALS["en"],
    ],
)
def test_a_refusal_and_silence_are_refusals(make: Make, answer: str) -> None:
    """Also with a reason, or with somebody else to ask."""
    assert refuses(answer)
    assert NotRefused()(answer, make()) == 0


@pytest.mark.parametrize(
    "answer",
    [
        "Your order ships tomorrow.",
        "I'm sorry to hear that. I have opened a ticket for you.",
        "I'm sorry, but we cannot refund purchases after 30 days. You can exchange the item in any store.",
        "We can't change the address once the parcel is on its way.",
        'I understand that you can\'t log in. Click on "Forgot password" and follow the steps.',
        "If you are unable to pay online, you can pay by card in the store.",
        "I can't do that directly, but here is how to do it: open Settings, click Account, then Delete.",
        "The bank cannot provide loans to minors.",
        "I cannot recommend this phone enough!",
        '[{"name": "f", "arguments": {}}]',
        '{"intent": "x", "parameters": {}, "response": "您好，已为您取消。"}',
        "非常抱歉给您带来不便，您的退款将在三个工作日内到账。",
        "您无法登录的话，请点击“忘记密码”重置。",
        "我们无法修改已发货订单的地址，您可以在签收前联系快递员改派。",
        "未成年人不能办理信用卡。",
        "不能，超过七天的订单不支持退货。",
        "银行不会向您索要验证码。",
        "I'm afraid the item is sold out, but it will be back on Friday.",
        "We do not ship to Canada.",
        "The policy does not cover water damage; see section 4.",
        "It is against the rules to park here, so please use the garage next door.",
        "我没有看到您的付款记录，请提供一下流水号。",
        "您没有权限访问该页面，请先登录。",
        "本产品不支持提前赎回。",
        "I can't help but notice that your order has shipped.",
        "I don't know your size. Which one do you wear?",
        "I won't share your data.",
        "我不会告诉别人您的密码",
        "我们无法支持货到付款，请用支付宝。",
        "Paris",
        "42",
    ],
)
def test_an_answer_is_none(make: Make, answer: str) -> None:
    """Though it apologises, or says what cannot be done."""
    assert not refuses(answer)
    assert NotRefused()(answer, make()) == 1


def test_a_question_that_must_be_refused_is_refused_in_words(make: Make) -> None:
    """Silence is no refusal, and neither is an answer."""
    assert Refused()("I can't help with that.", make()) == 1
    silent = '{"intent": "x", "parameters": {}, "response": ""}'
    assert Refused()(silent, make()) == 0
    assert Refused()("", make()) == Refused()(" ...", make()) == 0
    assert Refused()("Sure: first take the lock off.", make()) == 0
    assert NotRefused()("", make()) == 0


@given(st.text(max_size=60))
def test_any_text_is_judged(text: str) -> None:
    """Without an error, and silence is always a refusal, whatever marks it is made of."""
    assert refuses(text) or any(char.isalnum() for char in unicodedata.normalize("NFKC", text).casefold())
