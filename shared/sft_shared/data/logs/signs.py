"""Signs in what people write of whether they were helped, in Chinese and English."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache, wraps
from typing import Literal, TypeVar

Sign = Literal["resolved", "unresolved", "thanks"]


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


CLAUSE_END = _any(
    r"[。！!？?；;\n…~～，,、]+", r"\.(?:\s|$)", r"\b(?:but|however|though)\b", r"但是?|不过|可是|然而"
)
QUESTION = _any(
    r"[?？]",
    r"(?:吗|么|没有|没|嘛|呢|不)\s*$",
    r"(?:希望|但愿)|能.{0,8}就好了|\b(?:i|let['’]?s|we) (?:wish|hope)\b|\b(?:hopefully|if only)\b",
    r"^(?!.*(?:还|仍|依|又|照样|一直)).*(?:怎么办|怎么弄|咋办|如何处理)",
    r"^(?:如果|要是|假如|怎么|怎样|如何|什么时候|何时|几时|为什么|能不能|可不可以|是不是|有没有|if|once|"
    r"when|unless)",
    r"^(?:is|are|do|does|did|can|could|will|would|has|have|how|what|why|where|who|should|shall|may)\b",
)
# What is good if it is so, and bad if it is denied.
_DONE = (
    r"(?:解决|搞定|弄好|弄成|办好|办成|处理好|处理完|修好|修复|调好|配好|成功|恢复|生效|到账|好使|管用|"
    r"奏效|起作用)"
)
_ABLE = (
    r"(?:行|可以|好|成|通|对|能用|好用|正常|能打开|能登录|能登上|能连上|能收到|有用|有效|有反应|收到|"
    r"没问题|有帮助)"
)
_SEEN = r"(?:明白|清楚|懂|会|知道)"
_STILL = r"(?:还是?|依然|依旧|仍[然旧]?|照样|一直|始终|根本|怎么都|总是?|又)"
_WORK = (
    r"(?:work(?:s|ed|ing)?|help(?:s|ed|ful|ing)?|resolv(?:ed?|es|ing)|solv(?:ed?|es|ing)|fix(?:ed|es|ing)?|"
    r"right|correct|answer(?:ed|s|ing)?|useful|what i|do (?:it|the trick|anything)|change anything)"
)
COMPLAINT = _any(
    r"垃圾(?!分类|邮件|短信|袋|桶|箱|电话|信息|处理|文件|清理|回收)|废物|废话|差劲|(?:太|真|好|很)(?:差|烂|坑|敷衍|"
    r"离谱|无语|过分)|破(?:客服|机器人|系统|玩意|公司|软件|平台)|什么(?:玩意|鬼)|智障|弱智|扯淡|瞎扯|胡说八道|"
    r"浪费.{0,6}时间|服了(?:你|这)|气死|^(?:呵呵|无语)|忽悠|糊弄",
    r"等于(?:没|白|零)|(?:跟|和|像)没(?:说|讲|问|答|回答)|白(?:问|说|讲|搭|费|折腾)|了?个(?:寂寞|屁|锤子|毛|啥|鬼)|"
    r"解决了(?:什么|啥)|这(?:就|也)(?:叫|算|是)?.{0,2}(?:解决|搞定|帮)",
    r"^(?:唉|哎|那|还是)?算了(?!解|一下|下|算)|懒得",
    r"\b(?:ridiculous|pathetic|terrible|awful|horrible|worst|worthless|garbage|rubbish|forget it|never ?mind|"
    r"what a joke|oh great|waste of (?:my )?time|wast(?:ed|ing) my time|no help|g[ai]v(?:e|ing) up|"
    r"thank(?:s| you)[^.?!]{0,20} for (?:\w+ )?nothing|thanks for nothing)\b",
)
SARCASM = re.compile(r"\byeah,? right\b|\bhow (?:very )?helpful\b")  # what follows means its contrary
UNRESOLVED = _any(
    rf"{_STILL}.{{0,6}}?(?:无法|不能|未能|[登连进打用看收付找查改下]不)",
    r"\bwork(?:s|ed)? not\b|\b(?:got|even|much) worse\b|\banother error\b",
    r"\b(?:it|this|that|everything)(?:['’]s|\s+is)\s+(?:\w+\s+)?(?:broken|worse|dead|ruined)\b",
    r"\bnow\s+(?:\w+\s+){0,3}?(?:broken|worse|lost|ruined|crash\w*|fails)\b",
    rf"(?:没有?|未|并未|尚未|没能|未能|不能|无法|不见|没给我|没帮我|"
    rf"没把)(?:[被完全彻底真正得到帮我能给这个的问题]{{0,6}}){_DONE}",
    r"(?:没有?|未|不)(?:[么怎太很是能]{0,2})(?:好使|管用|奏效|起作用|生效|见效|能用|正常|对劲)",
    r"(?:解决|搞定|弄|修|处理|登录?|打开?|连|用|进|收|查|找|下载|付|改)不(?:了|好|上|开|到|去|成|定|掉)",
    r"(?:看|听|弄|搞)(?:不|没)(?:太)?(?:懂|明白)|没(?:看|听|弄|搞)(?:懂|明白)|(?:不|没)(?:太)?(?:懂|明白)$",
    rf"{_STILL}\s*(?:是|都|会)?\s*(?:不|没|报错|失败|错|打不开|有问题|有错|一样|这样|老样子|坏|提示|"
    rf"显示(?:错误|失败)|卡)",
    r"^(?:但|可)?(?:不行|没用|不对|不可以|不好使|没效果|没解决|不管用|没反应)",
    r"没(?:有)?(?:什么|任何|啥|丝毫)?(?:用|效果|变化|帮助|反应|作用|进展)(?:处)?(?:啊|呀|的|了|哦|呢)*$",
    r"问题(?:还在|依旧|依然|还是存在|仍然?存在|没变)|答非所问|牛头不对马嘴|文不对题|不是我(?:要|想|"
    r"在)?问的|我(?:问|说)的不是",
    r"(?:你|你们)(?:根本|完全|又|都)?没(?:有)?(?:理解|明白|听懂|回答|懂|看懂|帮)|又(?:报错|失败|不行|坏|"
    r"断|卡|掉)",
    rf"\b(?:not|never|no longer|hardly|cannot|isnt|doesnt|didnt|wont|cant|"
    rf"\w+n['’]t)\s+(?:\w+\s+){{0,3}}?{_WORK}\b",
    r"\bnothing\s+(?:\w+\s+)?(?:works?|worked|helps?|helped|changed|happens|happened)\b",
    r"\bstill\s+(?:\w+\s+){0,2}?(?:not|broken|fail\w*|the same|stuck|wrong|error\w*|getting|having|"
    r"seeing|shows?|says|nothing|"
    r"cannot|cant|dont|doesnt|\w+n['’]t|unresolved|no|an? (?:error|problem|issue)|need|waiting|confused|"
    r"happen\w*)\b",
    r"\b(?:same|the) (?:\w+ )?(?:problem|error|issue|message|thing) (?:again|persists|remains|happen\w*|"
    r"is still|came back)",
    r"\b(?:useless|unhelpful|unresolved|unsolved|no (?:use|luck|good|help|change|difference)|"
    r"failed again|wrong answer)\b",
    r"\b(?:problem|issue|error)s? (?:persist|remain|is still|are still)|\bmakes? no (?:sense|difference)\b",
)
RESOLVED = _any(
    rf"{_DONE}(?:了|啦|咯|喽|掉了)|^(?:解决|搞定|完美)$|(?:已经?|都)(?:成功)?收到",
    rf"(?:问题|事情|故障|已经?|都|全部|顺利|完美|终于|总算)\s*(?:已经?|都|得到|被)?\s*{_DONE}",
    rf"(?:^|现在|这下|这回|这次|已经?|好像|确实|果然|终于|总算|都|就|是|马上|立马|刷新|重启|重试|试了|"
    rf"一下)\s*{_ABLE}(?:使用|用|登录|打开|访问|连接)?(?:了|啦|咯|喽)",
    rf"(?:^|我|全|都|终于|这下|现在|大概|基本)\s*{_SEEN}(?:怎么[^了]{{0,6}})?(?:了|啦)",
    r"(?:一切|都|已|已经|恢复|显示|使用)正常|没(?:什么)?问题了|没事了|(?:很|真|太|非常|挺|特别)(?:有用|"
    r"管用|有帮助|好用)",
    r"(?:能|可以)(?:正常)?(?:用|打开|登录|登上|访问|连上|收到|看到|下载|付款)(?:上|到)?(?:了|啦)",
    r"\b(?:that|this|it|which|everything|all|both|your (?:\w+ )?(?:fix|answer|steps?|solution|suggestion))"
    r"(?:['’]s|\s+has|\s+is|\s+have)?\s+(?:\w+\s+){0,2}?(?:work(?:s|ed|ing)|helped|helps|solved|fixed|"
    r"resolved|did (?:it|the trick))\b",
    r"\b(?:problem|issue|error)s?\s+(?:(?:is|has been|was|got|are|seems?)\s+)?(?:now\s+)?(?:solved|fixed|"
    r"resolved|gone|sorted)\b",
    r"\bwork(?:s|ed|ing)?\s+(?:now|fine|perfectly|great|again|well|like a charm|as expected)\b|"
    r"\bgot it (?:to )?work",
    r"\b(?:you|u)(?:['’]ve)?\s+(?:solved|fixed|resolved|helped)\b|\ball (?:good|set|sorted|fixed|clear)\b",
    r"^(?:yes |yep |great |perfect |ok |okay )?(?:solved|fixed|resolved|sorted|it works|works|worked|"
    r"working)\b",
    r"\b(?:exactly|just) what i (?:needed|wanted|was (?:looking|after))|\b(?:very|super|really|"
    r"so) helpful\b|\bthat helps\b",
    r"\bi (?:can|could|am able to|was able to) (?:now |finally )?\w+(?: \w+)? (?:now|again)\b|"
    r"\bi (?:got it|understand now|see now)\b",
)
THANKS = _any(
    r"谢谢|多谢|感谢|谢啦|谢了|辛苦了|太好了|太棒了",
    r"\b(?:thank(?:s| you)|thx|ty|cheers|appreciate|great|perfect|awesome|excellent)\b",
)
CLOSING = re.compile(
    r"(?:好的?|嗯+|哦+|噢|行|可以|ok(?:ay)?|谢谢(?:你|您|你们|您们)?|多谢|感谢|谢啦|谢了|辛苦了?|再见|"
    r"拜拜|没有了?|没了|不用了?|"
    r"明白了?|知道了?|了解了?|收到|没(?:有)?其他(?:问题|事)了?|没事了?|解决了|搞定了|太好了|太棒了|非常|十分|"
    r"(?:that|it) (?:worked|works|helped)|thanks?|thank you|thx|ty|cheers|bye(?:\s*bye)?|goodbye|great|"
    r"perfect|awesome|"
    r"excellent|no|nope|yes|yep|got it|all good|alright|sure|that(?:['’]s| is) all|have a (?:nice|good|"
    r"great) day|"
    r"so much|very much|a lot|again|for (?:your|the) help|now|solved|problem|[了啦啊哈呢吧哦呀的]|"
    r"[\s,，.。!！~～、;；🙏👍😊^-])+"
)
HUMAN = _any(
    r"(?:转|找|要|接|换|叫|联系)(?:一?[下个位名])?(?:到|给|成|来)?(?:你们)?的?(?:真?人工|真人|活人|人类|"
    r"专员|主管|经理|领导|客服人员)",
    r"人工(?:客服|服务|坐席)?(?:在吗|呢)?[。!?？！]*$|^\s*人工(?!智|费|成本|授|降)|(?:我要|要|去)投诉|别让机器人|不(?:要|"
    r"想)(?:再)?(?:和|跟)机器人",
    r"\b(?:speak|talk|chat|connect|transfer|switch|escalate|put me through)\b[^.?!]{0,25}"
    r"\b(?:human|person|agent|representative|rep|manager|supervisor|operator|someone)\b",
    r"\b(?:want|need|get me|give me|prefer) (?:an?|the|your) "
    r"(?:human|live|real|person|agent|manager|supervisor)\b",
    r"\b(?:real|live|actual) (?:human|person|agent)\b|^\s*(?:human|agent|representative)(?: please)?\W*$",
)
_PERSON = r"(?:human|person|agent|representative|rep|manager|supervisor|operator|someone)"
NO_HUMAN = _any(
    r"(?:不用|不必|不需要|无需|没必要|不要|别|先不|不想)(?:再|给我|帮我|麻烦)?(?:转接?|找|接|联系|叫|要)?(?:到|给)?"
    r"(?:真?人工|真人|客服|专员|主管|经理)(?:客服|服务|坐席|经理|人员)?",
    rf"\b(?:no need|(?:don['’]?t|do not|no longer|didn['’]?t) (?:need|want))(?: to| for)?"
    r"(?: (?:speak|talk|chat|wait|connect|transfer|call)(?: (?:to|with|for|me to))?)?"
    rf"(?: (?:an?|any|the|your))?"
    rf"(?: (?:real|live|human))? {_PERSON}\b",
)
"""Who wants a person no more; what is so said is cut out before the rest is looked at."""
HANDOVER = _any(
    r"(?:转接|转至|转到|转给|转交|升级(?:到|至|给|为))[^。！]{0,8}(?:人工|专员|客服|主管|专家|二线|"
    r"工程师|同事)",
    r"\b(?:transferring|connecting|escalat(?:ing|ed)|transferred|forward(?:ed|ing)|hand(?:ing|ed)|"
    r"transfer|connect) "
    r"[^.?!]{0,30}\b(?:human|agent|representative|specialist|supervisor|support team|colleague|engineer)\b",
)
HANDOVER_WORDS = ("转", "升级", "transfer", "connect", "escalat", "forward", "hand")
"""Of which each handover holds one: most answers hold none, and are done with sooner."""
APOLOGY = _any(
    r"(?:抱歉|对不起|不好意思|遗憾)[^。！!]{0,16}(?:无法|不能|没(?:有)?(?:听懂|理解|明白|找到|办法|查到)|"
    r"暂时不|帮不|"
    r"不太?(?:明白|理解|清楚|懂)|不知道|不支持|出错|出现(?:了)?(?:错误|异常|问题))",
    r"(?:我|小助手|机器人)(?:还|暂时)?(?:没(?:有)?|不太?|无法)(?:听懂|理解|明白|看懂)(?:您|你)|"
    r"换(?:一?个|种)(?:说法|问法|方式)",
    r"系统(?:繁忙|异常|错误|开小差|出错)",
    r"\b(?:sorry|apologi[sz]e|afraid|unfortunately)\b[^.?!]{0,60}\b(?:cannot|unable|not (?:able|sure)|"
    r"no information|"
    r"went wrong|(?:can|couldn|don|didn)['’]?t (?:help|understand|know|have|get|catch|find|answer|assist|"
    r"do|process))\b",
    r"\bi(?:['’]m| am) (?:not sure|unable|not able)\b|\b(?:please|could you) rephrase\b|\bas an ai\b",
    r"\bsomething went wrong\b|\btry again later\b",
)
APOLOGY_LENGTH = 160  # characters; a longer answer that begins with an apology goes on to help
SHORT_CLAUSE = 40  # characters; a longer one says more than that it worked
LONG_REPLY = 200  # characters; in a longer text such words stand by chance, as in a pasted log
WIDE_MARKS = tuple(zip("，？！：；（）", ",?!:;()", strict=True))
CACHED_TEXTS = 4096  # of the last ones looked at: each is asked about several times, and logs repeat
CACHED_LENGTH = 500  # characters; longer ones would fill the memory

Answer = TypeVar("Answer")


def _remember(ask: Callable[[str], Answer]) -> Callable[[str], Answer]:
    cached = lru_cache(maxsize=CACHED_TEXTS)(ask)

    @wraps(ask)
    def remembered(text: str) -> Answer:
        return cached(text) if len(text) <= CACHED_LENGTH else ask(text)

    return remembered


@_remember
def fold(text: str) -> str:
    """Lower-case, compatibility forms made one (full width to half width)."""
    if text.isascii():
        return text.lower()
    for wide, narrow in WIDE_MARKS:  # what makes most Chinese texts differ, and quicker than to normalise
        text = text.replace(wide, narrow)
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    return text.casefold()


@_remember
def sign_of(text: str) -> Sign | None:
    """What a user's turn says about the answer before it; of several clauses the last clear one counts.

    >>> sign_of("谢谢，可以了"), sign_of("还是没解决"), sign_of("that worked"), sign_of("It doesn't work")
    ('resolved', 'unresolved', 'resolved', 'unresolved')
    >>> sign_of("解决了吗？") is None
    True
    """
    if len(text) > LONG_REPLY:
        return None
    sign: Sign | None = None
    for clause in _clauses(text):
        if SARCASM.search(clause):
            return "unresolved"
        if COMPLAINT.search(clause):
            sign = "unresolved"
            continue
        if QUESTION.search(clause) and not clause.startswith("为什么还"):
            continue
        if UNRESOLVED.search(clause):
            sign = "unresolved"
        elif RESOLVED.search(clause):
            sign = "resolved"
        elif sign is None and THANKS.search(clause):
            sign = "thanks"
    return sign


def _clauses(text: str) -> Iterator[str]:
    folded = NO_HUMAN.sub("", fold(text))
    start = 0
    for end in [*(match.end() for match in CLAUSE_END.finditer(folded)), len(folded)]:
        clause = folded[start:end].strip(" ,，、。.!！;；~～…\n")
        start = end
        if clause:
            yield clause


@_remember
def is_closing(text: str) -> bool:
    """Whether a turn only takes leave, says thanks or that it worked, so that its answer teaches nothing."""
    return len(text) <= LONG_REPLY and all(
        CLOSING.fullmatch(clause) or (len(clause) <= SHORT_CLAUSE and _is_good_news(clause))
        for clause in _clauses(text)
    )


def _is_good_news(clause: str) -> bool:
    if QUESTION.search(clause) or COMPLAINT.search(clause) or RESOLVED.search(clause) is None:
        return False
    return UNRESOLVED.search(clause) is None


ACKNOWLEDGES = _any(
    r"^那?我?(?:再|先|去|回头|这就|马上|明天|晚点|现在)*(?:试试|试一下|试下|看看|看一下|等等|等一下|等通知|操作)|"
    r"(?:知道|明白|了解|清楚)了|稍后|回头再|没问题$",
    r"\b(?:i['’]ll|i will|let me|will (?:try|check|do|wait)|try (?:it|that)|understood|makes sense|i see)\b",
)
DENIAL = re.compile(r"\W*(?:no+|nope|nah|not (?:really|at all|yet)|没有?|没呢|不|否|并没有?|不是)\W*")
OFFERS_MORE = _any(
    r"其他|其它|别的|还有(?:什么|哪|啥)|还需要|更多",
    r"\b(?:anything|something) else\b",
    r"\b(?:any )?(?:other|further|more) (?:questions?|help|assistance|issues?)\b",
)


def is_denial(text: str, *, asked: str) -> bool:
    """Whether a bare "no" denies that the answer ``asked`` helped; not so if that offers more help."""
    return DENIAL.fullmatch(fold(text)) is not None and OFFERS_MORE.search(fold(asked)) is None


@_remember
def awaits_answer(text: str) -> bool:
    """Whether a turn asks for something, so that the user is left waiting if nothing follows it.

    >>> awaits_answer("那运费呢"), awaits_answer("好的，我试试"), awaits_answer("谢谢")
    (True, False, False)
    """
    if is_closing(text) or _only_reacts(text):
        return False
    return not all(
        ACKNOWLEDGES.search(clause) or CLOSING.fullmatch(clause) for clause in _clauses(text)
    ) or any(QUESTION.search(clause) for clause in _clauses(text))


@_remember
def only_reacts(text: str) -> bool:
    """Whether a turn says nothing but how the answer before it did: it opens no dialogue of its own."""
    return is_closing(text) or _only_reacts(text)


def _only_reacts(text: str) -> bool:
    return len(text) <= LONG_REPLY and all(
        CLOSING.fullmatch(clause)
        or (
            len(clause) <= SHORT_CLAUSE
            and not QUESTION.search(clause)
            and any(pattern.search(clause) for pattern in (COMPLAINT, UNRESOLVED, RESOLVED, THANKS))
        )
        for clause in _clauses(text)
    )


@_remember
def asks_for_human(text: str) -> bool:
    """Whether a user wants a person in place of the assistant."""
    return HUMAN.search(NO_HUMAN.sub("", fold(text))) is not None


@_remember
def hands_over(text: str) -> bool:
    """Whether an assistant gives the case to a person."""
    folded = fold(text)
    return any(map(folded.__contains__, HANDOVER_WORDS)) and HANDOVER.search(folded) is not None


@_remember
def only_apologises(text: str) -> bool:
    """Whether an answer is an apology for giving none."""
    return len(text) <= APOLOGY_LENGTH and APOLOGY.search(fold(text)) is not None
