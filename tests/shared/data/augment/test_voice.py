"""Active and passive: only sentences of known forms change, and they stay right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sft_shared.data.augment.voice import Voice
from sft_shared.dialogue import Example

Dialogue = Callable[..., Example]

BOTH_WAYS = [
    ("我把订单取消了", "订单被我取消了"),
    ("我不小心把银行卡弄丢了", "银行卡不小心被我弄丢了"),
    ("快递员把包裹送到了门口", "包裹被快递员送到了门口"),
    ("系统自动把我的订单关闭了。", "我的订单被系统自动关闭了。"),
    ("你们为什么把我的订单取消了？", "我的订单为什么被你们取消了？"),
    ("你好，我把快递单号写错了，怎么办？", "你好，快递单号被我写错了，怎么办？"),
    ("我没把订单取消", "订单没被我取消"),
    ("因为系统把订单取消了，我要投诉", "因为订单被系统取消了，我要投诉"),
    ("昨天朋友把我的耳机弄丢了", "昨天我的耳机被朋友弄丢了"),
    ("谁把我的快递拿走了", "我的快递被谁拿走了"),
    ("我把地址改成上海了", "地址被我改成上海了"),
    ("她把身份证忘在酒店了", "身份证被她忘在酒店了"),
    ("You cancelled my order.", "My order was cancelled by you."),
    ("i lost my card", "my card was lost by me"),
    (
        "The bank froze my account because I forgot my PIN",
        "My account was frozen by the bank because I forgot my PIN",
    ),
    ("Why did you cancel my order?", "Why was my order cancelled by you?"),
    ("Have you cancelled my orders?", "Have my orders been cancelled by you?"),
    ("We have already paid the invoice", "The invoice has already been paid by us"),
    ("You didn't refund me", "I wasn't refunded by you"),
    ("You won't deliver my order", "My order won't be delivered by you"),
    ("Hello. The driver damaged my package!", "Hello. My package was damaged by the driver!"),
    ("These shoes were ordered by me last week.", "I ordered these shoes last week."),
    ("DHL lost my parcel yesterday", "My parcel was lost by DHL yesterday"),
]

LEFT_ALONE = """你把订单取消
你把订单取消了
你把订单取消了吧
请把订单取消了
麻烦把发票寄到公司
我想把订单取消了
我明天把订单取消了
如果我把订单取消了
一把雨伞多少钱
我买了一床被子
我把握不大
我被骗了
快递被弄丢了
快递被人拿走了
他把自己的账号注销了
手机被他看到了
被我取消的订单能恢复吗
昨天买的耳机被我弄丢了
邻居错把我的包裹拿走了
我的积分全被系统扣完了
基金被我全部卖掉了
我把每个订单都取消了
我把订单取消了，想问一下什么时候退款
我发现订单被商家取消了
听说他的账号被平台封了
我把两件衣服退了一件
帮我查新乡快递
Please cancel my order.
I want to cancel my order.
Can you cancel my order?
The seller sent me the wrong item.
You sent my friend money
You charged my card a fee
You refunded my card 20 dollars
I ordered my son a gift
You sent my parcel back
They delivered my parcel broken.
They delivered my order cold
My order was cancelled by mistake.
My order will be delivered by Monday.
My account was closed by the end of the day
My orders was cancelled by you
You cancelled my order and my subscription
The app deleted my data and it won't start
Who cancelled my order?
Nobody cancelled my order
You made my day
I just transferred my friend money
I didn't receive my money earlier
I read the terms
I put the item in my cart
The item I bought was shipped by you
I was told by you that it ships today""".splitlines()


def turned(example: Example) -> str | None:
    copies = list(Voice()(example))
    return copies[0].messages[0].content if copies else None


@pytest.mark.parametrize(("active", "passive"), BOTH_WAYS)
def test_a_plain_clause_is_turned_and_turns_back(talk: Dialogue, active: str, passive: str) -> None:
    assert turned(talk(active)) == passive
    back = turned(talk(passive))
    assert back is not None
    assert set(back) == set(active) or back.lower() == active.lower()


@pytest.mark.parametrize("sentence", LEFT_ALONE)
def test_what_might_turn_out_wrong_is_left_alone(talk: Dialogue, sentence: str) -> None:
    assert turned(talk(sentence)) is None


def test_only_the_users_turns_change_and_labels_move_along(talk: Dialogue) -> None:
    example = talk(
        "你好，我把订单SF12345取消了", "客服把订单取消了", entities={"SF12345": "order_no", "订单": "thing"}
    )
    (copy,) = Voice()(example)
    assert [message.content for message in copy.messages] == [
        "你好，订单SF12345被我取消了",
        "客服把订单取消了",
    ]
    assert Example.model_validate(copy.model_dump()) == copy
    assert [entity.value for entity in copy.entities] == ["SF12345", "订单"]
    assert copy.provenance.steps == ("voice:1",)


def test_a_label_that_the_turn_would_tear_keeps_the_sentence_as_it_is(talk: Dialogue) -> None:
    assert turned(talk("You cancelled my order.", entities={"cancelled my order": "act"})) is None
    assert turned(talk("You cancelled my order.")) is not None
