"""Logs for `bench.prepare`: customer service in Chinese and English, seeded, of any size.

A third of the dialogues are about an order or an account and hold personal data, about six values each; the
others are about products and rules.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

NUM_OPEN = 60  # sessions under way at the same time, whose lines are mixed
BAD_SHARE = 0.002  # of the lines
PERSONAL_SHARE = 1 / 3  # of the dialogues
START = datetime(2026, 1, 1, tzinfo=UTC)

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰飞鹏辉玲"
FIRST = [
    "James",
    "Mary",
    "Robert",
    "Linda",
    "David",
    "Susan",
    "Carlos",
    "Emma",
    "Noah",
    "Olivia",
    "Liam",
    "Sophia",
    "Peter",
    "Grace",
    "Hugo",
    "Alice",
]
LAST = [
    "Smith",
    "Johnson",
    "Brown",
    "Garcia",
    "Miller",
    "Davis",
    "Wilson",
    "Moore",
    "Taylor",
    "Clark",
    "Lewis",
    "Walker",
    "Young",
    "King",
]
CITIES = [
    "北京市朝阳区",
    "上海市浦东新区",
    "广州市天河区",
    "深圳市南山区",
    "杭州市西湖区",
    "成都市武侯区",
    "武汉市洪山区",
]
ROADS = ["建国路", "人民路", "中山大道", "科技园路", "文三路", "天府大道", "珞喻路", "解放北路"]
GOODS_ZH = [
    "蓝牙耳机",
    "电饭煲",
    "运动鞋",
    "羽绒服",
    "机械键盘",
    "扫地机器人",
    "儿童书包",
    "空气净化器",
    "手机壳",
    "显示器",
    "行李箱",
]
GOODS_EN = [
    "headphones",
    "rice cooker",
    "running shoes",
    "down jacket",
    "keyboard",
    "robot vacuum",
    "backpack",
    "monitor",
    "suitcase",
]
ASKS_ZH = (
    "你好，我上周买的{good}到现在还没发货，订单号{order}，能帮我查一下吗",
    "我是{name}，手机号{phone}，想把收货地址改成{address}",
    "退款什么时候到账？卡号是{card}，已经等了{days}天了",
    "{good}用了{days}天就坏了，怎么申请保修？发票可以发到{email}",
    "请问{good}支持七天无理由退货吗，运费谁承担",
    "会员积分怎么兑换{good}，我的账号是{account}",
)
ASKS_EN = (
    "Hi, I ordered the {good} {days} days ago and order {order} still has not shipped. Can you check it?",
    "My name is {name}, please change the phone number on my account to {phone}",
    "When will the refund reach my card {card}? It has been {days} days.",
    "The {good} stopped working after {days} days, how do I claim the warranty? Mail me at {email}",
    "Can I return the {good} if I have already opened the box, and who pays for shipping?",
    "How do I use the points of account {account} for a {good}?",
)
PARTS_ZH = (
    "已经为您查询到订单{order}，目前包裹在{city}分拨中心，预计{days}天内送达。",
    "您可以在“我的订单”里找到{good}，点击“申请售后”，选择原因后上传照片。",
    "退款会在{days}个工作日内原路退回到尾号{tail}的银行卡，请留意短信通知。",
    "为了核实身份，请确认登记的手机号是否为{phone}。",
    "{good}在保修期内，非人为损坏可以免费维修，寄回地址是{address}。",
    "如果包装完好且不影响二次销售，可以享受七天无理由退货，运费由买家承担。",
    "我们会把电子发票发送到{email}，一般{days}分钟内可以收到。",
)
PARTS_EN = (
    "I found order {order}: the parcel is at the sorting centre and should arrive within {days} days.",
    "Open My Orders, choose the {good}, press Request Service and upload a photo of the problem.",
    "The refund goes back to the card ending in {tail} within {days} working days.",
    "To confirm that it is you, is {phone} still the number on the account?",
    "The {good} is under warranty, so a repair is free unless it was damaged by accident.",
    "If the package is complete and unused you may return it within seven days; the buyer pays for shipping.",
    "The invoice will be sent to {email} within {days} minutes.",
)
TROUBLES_ZH = [
    "开机没有反应",
    "一直发出异响",
    "充不进电",
    "屏幕闪烁",
    "按键失灵",
    "连不上蓝牙",
    "指示灯不亮",
    "温度过高",
    "漏水",
    "掉色",
    "尺码偏小",
    "有刺鼻的味道",
    "包装破损",
    "少了一个配件",
    "说明书看不懂",
    "声音忽大忽小",
    "自动关机",
    "无法升级",
    "颜色和图片不一样",
    "用起来很卡",
]
TROUBLES_EN = [
    "does not switch on",
    "makes a strange noise",
    "will not charge",
    "keeps flickering",
    "has a button that sticks",
    "loses its connection",
    "gets far too hot",
    "leaks a little",
    "has faded after one wash",
    "is too small",
    "smells of plastic",
    "came in a damaged box",
    "misses a part",
    "has no manual",
    "switches itself off",
    "cannot be updated",
    "looks different from the picture",
]
PLAIN_ASKS_ZH = (
    "刚收到的{good}{trouble}，这种情况一般怎么处理",
    "{good}{trouble}，是不是质量问题，能不能换一个",
    "想问下{good}和{other}哪个更适合送给老人，主要看重操作简单",
    "{good}用了{days}天以后{trouble}，还在保修期里面吗",
    "你们家的{good}有没有优惠活动，和{other}一起买能便宜多少",
    "{good}怎么清洗和保养，会不会影响使用寿命",
    "第一次用{good}，{trouble}，需要先设置什么",
)
PLAIN_ASKS_EN = (
    "The {good} I bought {trouble}. What should I do now?",
    "Is it normal that a {good} {trouble} after {days} days of use?",
    "Which is the better present for somebody who travels a lot, the {good} or the {other}?",
    "How should I clean the {good}, and how often do the parts need to be replaced?",
    "My {good} {trouble}; can it be repaired in a shop or do I have to send it in?",
    "Does the {good} come with a guarantee, and what does it cover if it {trouble}?",
    "I am setting up the {good} for the first time and it {trouble}. Is there a guide?",
)
PLAIN_PARTS_ZH = (
    "{trouble}多半是运输过程中接触不良造成的，请先断电等待{days}分钟再试一次。",
    "建议先检查电源和插头，再长按开关{days}秒恢复出厂设置，多数情况可以解决。",
    "{good}支持全国联保，带上购买凭证到任意一家服务网点都可以免费检测。",
    "如果只是轻微的{trouble}，不影响正常使用，可以先观察几天，问题加重再申请售后。",
    "{good}的功率更大，适合人多的家庭；{other}更轻便，价格也便宜一些，可以按需要选择。",
    "清洗的时候不要用热水和酒精，用软布擦干后放在通风的地方晾干就好。",
    "目前满三百减四十，和{other}一起下单还可以再享受九折，活动到本月底结束。",
    "新机第一次使用需要下载最新的固件，更新过程大约需要{days}分钟，请保持网络畅通。",
)
PLAIN_PARTS_EN = (
    "That it {trouble} is mostly caused by transport; unplug it, wait {days} minutes and try again.",
    "Check the plug first, then hold the power button for {days} seconds to reset it altogether.",
    "The {good} has a guarantee of two years; any service shop will look at it free of charge.",
    "If it only happens now and then you can wait a few days, and ask for a repair if it gets worse.",
    "The {good} is the stronger one and suits a larger household, while the {other} is lighter and cheaper.",
    "Do not use hot water or alcohol for cleaning; a soft cloth is enough, then let it dry in the air.",
    "At the moment you save a tenth if you buy it together with the {other}, until the end of the month.",
    "A new one loads its latest software at the first start, which takes about {days} minutes.",
)
TALK: dict[tuple[bool, bool], tuple[tuple[str, ...], tuple[str, ...]]] = {  # (Chinese, personal)
    (True, True): (ASKS_ZH, PARTS_ZH),
    (False, True): (ASKS_EN, PARTS_EN),
    (True, False): (PLAIN_ASKS_ZH, PLAIN_PARTS_ZH),
    (False, False): (PLAIN_ASKS_EN, PLAIN_PARTS_EN),
}
GOOD = ("谢谢，可以了", "问题解决了", "好的，谢谢", "that worked, thanks", "Great, it works now", "thank you")
BAD = ("还是没解决", "不行啊，还是一样", "转人工", "It still doesn't work", "let me talk to a human")
BROKEN = (
    '{"session": "x", "role": "user"',
    "not json at all",
    '{"session":"a","session":"b"}',
    '{"role":"user"}',
)


def write_logs(path: Path, *, num_bytes: int, seed: int) -> None:
    """Write about ``num_bytes`` of log lines, one turn each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)  # noqa: S311 (made-up logs, no secret)
    sessions: list[Iterator[dict[str, Any]]] = []
    written = number = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        while written < num_bytes or sessions:
            while len(sessions) < NUM_OPEN and written < num_bytes:
                sessions.append(_session(chance, number))
                number += 1
            at = chance.randrange(len(sessions))
            turn = next(sessions[at], None)
            if turn is None:
                sessions[at] = sessions[-1]
                sessions.pop()
                continue
            line = json.dumps(turn, ensure_ascii=False)
            if chance.random() < BAD_SHARE:
                line = chance.choice(BROKEN)
            written += len(line.encode()) + 1
            file.write(line + "\n")


def _session(chance: random.Random, number: int) -> Iterator[dict[str, Any]]:
    chinese = chance.random() < 0.6
    time = START + timedelta(seconds=number * 7 + chance.random() * 5)
    head = {"session": f"c-{number:08d}", "user": f"u-{chance.randrange(200_000):06d}"}
    personal = chance.random() < PERSONAL_SHARE
    asks, parts = TALK[chinese, personal]
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5))):
        facts = _facts(chance, chinese=chinese)
        time += timedelta(seconds=chance.uniform(5, 90))
        yield {**head, "time": time.isoformat(), "role": "user", "text": chance.choice(asks).format(**facts)}
        if personal and chance.random() < 0.25:
            yield from _tool(head, time, facts, chance)
        time += timedelta(seconds=chance.uniform(2, 20))
        count = min(1 + int(chance.expovariate(0.4)), 12)
        text = "\n".join(
            chance.choice(parts).format(
                **(facts if chance.random() < 0.5 else _facts(chance, chinese=chinese))
            )
            for _ in range(count)
        )
        yield {**head, "time": time.isoformat(), "role": "assistant", "text": text}
    if chance.random() < 0.7:
        time += timedelta(seconds=chance.uniform(5, 200))
        text = chance.choice(GOOD if chance.random() < 0.75 else BAD)
        yield {**head, "time": time.isoformat(), "role": "user", "text": text}


def _tool(
    head: dict[str, str], time: datetime, facts: dict[str, Any], chance: random.Random
) -> Iterator[dict[str, Any]]:
    call = f"call-{chance.getrandbits(40):010x}"
    arguments = json.dumps({"order_id": facts["order"], "phone": facts["phone"]})
    function = {"name": "query_order", "arguments": arguments}
    calls = [{"id": call, "type": "function", "function": function}]
    yield {**head, "time": time.isoformat(), "role": "assistant", "tool_calls": calls}
    result = {
        "status": chance.choice(("ok", "ok", "ok", "error")),
        "city": facts["city"],
        "to": facts["name"],
    }
    text = json.dumps(result, ensure_ascii=False)
    yield {**head, "time": time.isoformat(), "role": "tool", "tool_call_id": call, "text": text}


def _facts(chance: random.Random, *, chinese: bool) -> dict[str, Any]:
    digits = f"{chance.getrandbits(64):020d}"
    first, last = chance.choice(FIRST), chance.choice(LAST)
    city = chance.choice(CITIES)
    return {
        "good": chance.choice(GOODS_ZH if chinese else GOODS_EN),
        "other": chance.choice(GOODS_ZH if chinese else GOODS_EN),
        "trouble": chance.choice(TROUBLES_ZH if chinese else TROUBLES_EN),
        "name": chance.choice(SURNAMES) + "".join(chance.sample(GIVEN, 2)) if chinese else f"{first} {last}",
        "phone": "1" + chance.choice("3589") + digits[:9],
        "card": luhn("6222" + digits[:11]),
        "tail": digits[9:13],
        "order": "DD" + digits[:14],
        "account": "acc" + digits[14:],
        "email": f"{first.lower()}.{last.lower()}{digits[:3]}@example.com",
        "address": f"{city}{chance.choice(ROADS)}{int(digits[:3]) + 1}号{int(digits[3:5]) + 1}室",
        "city": city,
        "days": chance.randrange(2, 30),
    }


def luhn(digits: str) -> str:
    """``digits`` with the check digit that makes it a card number."""
    doubled = [int(digit) * (2 - at % 2) for at, digit in enumerate(reversed(digits))]
    total = sum(value - 9 if value > 9 else value for value in doubled)
    return digits + str(-total % 10)
