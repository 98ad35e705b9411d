"""Signs of help and of its absence, in Chinese and English."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sft_shared.data.logs.signs import (
    CACHED_LENGTH,
    HANDOVER,
    HANDOVER_WORDS,
    WIDE_MARKS,
    asks_for_human,
    fold,
    hands_over,
    is_closing,
    only_apologises,
    sign_of,
)

RESOLVED = """解决了
谢谢，可以了
已经解决
问题解决啦
好了，谢谢
现在可以登录了
能用了
终于搞定了
刚才不行，现在可以了
收到了，谢谢
恢复正常了
没问题了
明白了
重启一下就好了
已经收到退款了
that worked
It works now, thanks
Problem solved!
You fixed it
perfect, that did the trick
That solved my problem
the issue is resolved
works like a charm
Great, I can log in now
This was very helpful
it's working now"""
UNRESOLVED = """还是没解决
没有解决我的问题
还是不行
不行啊
没用
谢谢，但是还是打不开
问题依旧
这个方法没用
答非所问
你没理解我的意思
依然报错
完全没有帮助
还没好
还是登录不上
未能解决
又失败了
退款还没到账
解决不了
doesn't work
It didn't help
that did not work
I tried that but it doesn't work
still not working
still getting the same error
thanks, but the problem persists
This isn't what I asked
not helpful at all
nothing works
same error again
no luck"""
NEITHER = """解决了吗？
我想查一下订单
什么时候能到账
可以退货吗
如果解决了请告诉我
怎么修改密码
是否可以开发票
我登录不上账号怎么办
how do I fix this?
Does it work on Mac?
can this be solved?
I need an invoice"""

NO_SUCCESS = """你们太垃圾了
说了等于没说
依然无法登录
呵呵，谢谢你的废话
你这不是解决了个寂寞
解决了吗？
什么时候能解决？
你解决了什么？
thanks for nothing
Great, now it's broken completely
it works not
never mind, I will call
is it resolved?
你们客服太差劲了
真是服了你们了
等于白问
跟没说一样
仍旧无法支付
呵呵，谢谢啊
谢谢你浪费我时间
你解决了个啥
问题到底解决没有
解决了没
是不是已经修好了
这就叫解决了？
能修好就好了
要是能解决就好了
算了，我自己打电话
懒得跟你说了
什么破客服
垃圾机器人
希望这次真的解决了
thanks a lot for wasting my time
thank you for absolutely nothing
oh great, another error
great, still nothing
perfect, now I lost everything
forget it
this is ridiculous
you are no help
is that fixed yet?
has it been resolved
it works not at all
I give up
worst support ever
did that work?
I wish that helped
I hope it works now
when will this be fixed
it got even worse
yeah right, that helped"""
"""The first ones were told; the others were written before the patterns were."""
HELPED = """谢谢不用转人工了
不需要人工，已经好了
不用人工了，搞定了
无需转人工，已经解决
别转人工了，现在好了
谢谢，先不找客服经理了
no need for a human, it works now
I don't need an agent anymore, it's fixed. Thanks
thanks, no need to talk to a person
never mind, it works now
算了，已经解决了
谢谢，垃圾邮件的问题解决了"""


@pytest.mark.parametrize("text", NO_SUCCESS.splitlines())
def test_questions_sarcasm_and_complaints_are_no_success(text: str) -> None:
    assert sign_of(text) in (None, "unresolved")
    assert not is_closing(text)


@pytest.mark.parametrize("text", HELPED.splitlines())
def test_who_needs_no_person_any_more_was_helped(text: str) -> None:
    assert sign_of(text) in ("resolved", "thanks")
    assert not asks_for_human(text)


@pytest.mark.parametrize(
    "text",
    [
        "不要机器人，转人工",
        "不要机器人我要人工",
        "I don't want a bot, I want a human agent",
        "为什么不能转人工",
    ],
)
def test_who_wants_no_machine_wants_a_person(text: str) -> None:
    assert asks_for_human(text)


@pytest.mark.parametrize("text", RESOLVED.splitlines())
def test_a_user_who_was_helped_is_understood(text: str) -> None:
    assert sign_of(text) == "resolved"


@pytest.mark.parametrize("text", UNRESOLVED.splitlines())
def test_a_denial_is_never_taken_for_success(text: str) -> None:
    assert sign_of(text) == "unresolved"


@pytest.mark.parametrize("text", NEITHER.splitlines())
def test_a_question_is_no_sign(text: str) -> None:
    assert sign_of(text) is None


def test_thanks_alone_are_a_sign_of_their_own() -> None:
    assert sign_of("谢谢") == sign_of("Thank you!") == "thanks"


def test_words_in_a_long_text_are_no_sign() -> None:
    """A pasted log says "solved" or "not working" of something else."""
    assert sign_of("line of a log\n" * 30 + "solved") is None


@pytest.mark.parametrize(
    "text",
    [
        "谢谢",
        "好的，谢谢你",
        "thanks a lot",
        "ok bye",
        "没有了，再见",
        "that's all, thank you",
        "好的，谢谢，问题解决了",
        "It works now, thanks",
        "👍",
    ],
)
def test_a_farewell_is_no_question(text: str) -> None:
    assert is_closing(text)


@pytest.mark.parametrize(
    "text",
    [
        "好的，那运费呢",
        "可以开发票吗",
        "ok how do I pay",
        "谢谢，可以退货吗",
        "解决了，再问下运费怎么算",
        "还是没解决",
    ],
)
def test_a_polite_question_is_no_farewell(text: str) -> None:
    assert not is_closing(text)


@pytest.mark.parametrize(
    "text", ["转人工", "我要人工客服", "找你们经理", "I want to talk to a real person", "agent"]
)
def test_a_call_for_a_person_is_understood(text: str) -> None:
    assert asks_for_human(text)


@pytest.mark.parametrize("text", ["人工智能是什么", "how do I connect my phone", "转账限额是多少"])
def test_other_words_call_for_nobody(text: str) -> None:
    assert not asks_for_human(text)


def test_an_assistant_that_hands_over_says_so() -> None:
    assert hands_over("正在为您转接人工客服")
    assert hands_over("I'm transferring you to a human agent")
    assert not hands_over("please connect the cable")


@pytest.mark.parametrize(
    "text",
    [
        "很抱歉，我无法回答这个问题",
        "抱歉，没有听懂您的意思，请换个说法",
        "Sorry, I don't understand.",
        "系统繁忙，请稍后",
    ],
)
def test_an_apology_for_no_answer_is_found(text: str) -> None:
    assert only_apologises(text)


@pytest.mark.parametrize(
    "text",
    ["抱歉让您久等了，您的订单已发货", "Sorry for the delay, your parcel ships today.", "您好，可以退货"],
)
def test_politeness_in_an_answer_is_no_apology_for_none(text: str) -> None:
    assert not only_apologises(text)


@given(st.from_regex(HANDOVER))
def test_no_handover_escapes_the_first_look(text: str) -> None:
    assert any(word in text for word in HANDOVER_WORDS)


@given(st.text(st.characters() | st.sampled_from([mark for mark, _ in WIDE_MARKS])))
@example("＜\u0338，ｶﾞ？ＡＢＣ")
@example("，\u0338")
def test_folding_is_the_compatibility_form_in_lower_case(text: str) -> None:
    """The marks that are replaced first, to be quicker, change nothing."""
    expected = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    assert fold(text) == expected


def test_long_texts_are_read_though_none_is_kept() -> None:
    """A log of long lines fills no memory, and its handovers are found all the same."""
    long = "请稍等。" * CACHED_LENGTH
    assert not hands_over(long)
    assert hands_over(long + "现在为您转接人工客服")
