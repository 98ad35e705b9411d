"""Chinese clauses turned around: 我把订单取消了 <-> 订单被我取消了. Only forms that stay right."""

from __future__ import annotations

import re

from sft_shared.data.augment.pieces import Piece
from sft_shared.data.words import cut, dictionary

_CLAUSE = re.compile(r"[^，,。．！!？?；;：:、\s…~～()（）“”\"]+")
# What the clauses behind may begin with; others would look for their subject in the clause that changed.
_OWN_SUBJECT = re.compile(
    r"(我|你|您|他|她|它|咱|请|麻烦|帮|为什么|为啥|为何|怎么|怎样|如何|能|可以|可不可以|是否|有没有|什么|啥|哪|谁|钱|退款|谢|多少|现在怎|这)"
)
_FIRST = r"(?P<first>但是|但|可是|不过|结果|所以|因为|然后|而且|为什么|怎么|为何)?"
_TIME = (
    r"(?P<time>(?:昨天|今天|前天|前几天|刚才|上周|上个月|上星期|去年)?(?:早上|上午|中午|下午|晚上)?"
    r"|昨晚|今早)?"
)
_PERSON = (
    r"(?:客服|快递员|快递小哥|快递公司|快递|系统|商家|卖家|店家|店员|银行|平台|物流公司|仓库|工作人员|配送员|派送员|骑手|"
    r"司机|邻居|同事|家人|老公|老婆|朋友|孩子|儿子|女儿|妈妈|爸爸|同学|室友|对方|管理员|门卫|保安|驿站|公司|柜员|"
    r"经理|技术员|运维|师傅|别人|前台|物业|医院|医生|护士|学校|老师|财务|会计|助理|秘书|机器人|航空公司|客户|老板|中介|房东)"
)
_AGENT = (
    rf"(?P<agent>我们|你们|他们|她们|咱们|我|你|您|他|她|谁|(?:我们|你们|他们|我|你|您|他|她)?的?(?:那个|这个)?{_PERSON}|"
    rf"(?:我们|你们|他们|我|你|您|他|她)?家?的?{_PERSON}|贵公司|该公司)"
)
# Before 被 in the one form, between subject and 把 in the other; those of manner stay next to the verb.
_ADVERB = (
    r"(?P<adverb>(?:已经|刚刚|刚|又|昨天|今天|前天|不小心|早就|为什么|怎么|为何|什么时候"
    r"|居然|竟然|没有|没|误)*)"
)
_MANNER = r"(?P<manner>(?:自动|直接|擅自|私自|偷偷|提前|强制|手动|错误地)?)"
_VERB = (
    r"(?P<verb>取消|关闭|删除|注销|冻结|解冻|锁定|修改|更改|更换|退回|退还|签收|拒收|寄出|发出|打开|拆开|停用|撤销|撤回|驳回|"
    r"拒绝|投诉|举报|屏蔽|拉黑|封禁|重置|恢复|提交|上传|支付|扣除|盗刷|没收|拦截|终止|暂停|解绑|清空|合并|损坏|泄露|忘记|"
    r"弄混|更新|卸载|升级|降级|重启|"
    r"(?:退|删|改|关|锁|扣|拆|弄|搞|骗|敲|盗|送|寄|发|填|输|写|放|丢|扔|卖|借|偷|拿|取|领|收|带|转|划|付|还|换|修|打|砸|摔|撕|压|用|停|封|撤|传)"
    r"(?:丢|坏|错|掉|完|光|走|好|烂|碎|破|没|反|混|断|脏|空|回来|回去|回|出去)|"
    r"退|删|改|关|锁|扣|拆|丢|扔|卖|偷|忘|骗|封|撤|停|修|换|交)"
)
_PLACED = r"(?P<placed>(?:改|换|写|填|送|寄|发|放|转|存|退|丢|扔|忘)(?:成|到|在|给))"
_THING = r"[一-鿿A-Za-z0-9_·#-]{1,14}"
_PLACE = rf"{_PLACED}(?P<placed_done>了)?(?P<place>{_THING}?)(?P<place_done>了)?"
_END = rf"(?:{_VERB}(?P<done>了|过)?|{_PLACE})(?P<asks>吗)?"
_ACTIVE = re.compile(
    rf"{_FIRST}{_TIME}{_AGENT}{_ADVERB}{_MANNER}(?P<marker>把)(?P<thing>{_THING}?)(?P<give>给)?{_END}"
)
_PASSIVE = re.compile(
    rf"{_FIRST}{_TIME}(?P<thing>{_THING}?){_ADVERB}(?P<marker>被){_AGENT}{_MANNER}(?P<give>给)?{_END}"
)

_NO_THING = re.compile(
    r"[把被让叫使给着了吗呢吧啊呀将帮想是有很]|自己|谁|什么|为何|怎么|发现|听说|觉得|已经|不小心|希望|如果|虽然|因为|没有|一下"
)
_NO_EDGE = set("的得不没都也才就还又再只更最要会说请和跟与或可错误乱全") | {"可能", "一起", "全部", "全都"}
_NO_NOUN = {"d", "p", "c", "uj", "ul", "uv", "ud", "uz", "y", "e", "o", "zg", "f"}


def turn_chinese(text: str) -> list[Piece] | None:
    """The pieces of the text with its first 把 or 被 clause turned around; None if that is not safe."""
    clauses = list(_CLAUSE.finditer(text))
    for number, clause in enumerate(clauses):
        match = _ACTIVE.fullmatch(clause.group()) or _PASSIVE.fullmatch(clause.group())
        if match is None or not _is_safe(match):
            continue
        same_sentence = re.match(r"[，,、：:\s]", text[clause.end() : clause.end() + 1])
        follower = clauses[number + 1].group() if number + 1 < len(clauses) else ""
        if same_sentence and follower and not _OWN_SUBJECT.match(follower):
            continue
        before = clauses[number - 1].group() if number else ""
        if (
            before
            and re.search(r"[，,、]", text[clauses[number - 1].end() : clause.start()])
            and "把" in before
        ):
            continue  # 我把单号填错了，系统把……: a chain that reads worse half turned
        return _turned(text, clause.start(), match)
    return None


def _is_safe(match: re.Match[str]) -> bool:
    words = cut(match.string)
    edges = {sum(map(len, words[:count])) for count in range(len(words) + 1)}
    marker, thing = match.start("marker"), match["thing"]
    if marker not in edges or marker + 1 not in edges or match.string.count(match["marker"]) != 1:
        return False  # 被子, 把握, or two of them
    if not _is_noun(thing) or (match["place"] is not None and not _is_noun(match["place"])):
        return False
    ends = [match.end("thing") if match["marker"] == "把" else match.start("thing")]
    if not all(end in edges or _loose_edge(match, end) for end in ends):
        return False
    if match["marker"] == "被" and match["time"] and not _begins_with_a_noun(thing):
        return False  # 昨天买的耳机被我弄丢了: bought yesterday, not lost
    denied = "没" in match["adverb"]
    done = match["done"] or match["placed_done"] or match["place_done"]
    if denied == bool(done):
        return False  # a wish, an order or a plan: 你把订单取消
    if match["place"] is not None and (not match["place"] or (match["placed_done"] and match["place_done"])):
        return False
    order = match["marker"] == "把" and match["agent"] in ("你", "您") and not match["asks"]
    if order and not match["adverb"] and not re.search("[错丢坏烂碎破反混断脏]$", match["verb"] or ""):
        return False  # 你把它删了 may be an order
    return not (match["asks"] and ("为什么" in match.string or "怎么" in match.string))


def _is_noun(thing: str) -> bool:
    if _NO_THING.search(thing):
        return False
    words, known = cut(thing), dictionary()
    if not words or {words[0], words[-1]} & _NO_EDGE:
        return False
    first, last = (known[word].tag if word in known else "n" for word in (words[0], words[-1]))
    return last not in _NO_NOUN and first not in _NO_NOUN - {"f"}


def _begins_with_a_noun(thing: str) -> bool:
    first = cut(thing)[0]
    return first.isascii() or (first in dictionary() and dictionary()[first].tag[0] in "nrmi")


def _loose_edge(match: re.Match[str], place: int) -> bool:
    """jieba joins some nouns and verbs, such as 退款单|号; an object in Latin letters ends where they end."""
    return match.string[place - 1 : place].isascii() or match.string[place : place + 1].isascii()


def _turned(text: str, offset: int, match: re.Match[str]) -> list[Piece]:
    def part(name: str) -> Piece:
        start, end = match.span(name)
        return Piece(offset + start, offset + end) if start >= 0 else Piece(offset, offset)

    start, end = offset + match.start(), offset + match.end()
    tail_start = (
        match.end("give")
        if match["give"]
        else (match.end("thing") if match["marker"] == "把" else match.end("manner"))
    )
    marker = offset + match.start("marker")
    new = Piece(marker, marker + 1, "被" if match["marker"] == "把" else "把")
    first, time, agent, adverb, manner, thing = map(
        part, ("first", "time", "agent", "adverb", "manner", "thing")
    )
    if match["marker"] == "把":
        middle = [thing, adverb, new, agent, manner, part("give")]
    else:
        middle = [agent, adverb, manner, new, thing, part("give")]
    return [Piece(0, start), first, time, *middle, Piece(offset + tail_start, end), Piece(end, len(text))]
