"""Chinese names without their other half: 老周, 姓庞的, 晓燕说; names of other peoples: 扎西多吉."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from sft_shared.data.desensitise.chinese_name_context import TITLES, is_han
from sft_shared.data.desensitise.lexicon import Lexicon, lexicon, listed, surnames
from sft_shared.data.desensitise.spans import Span

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_FAMILIAR = re.compile(rf"[老小阿][{_HAN}]")
_ADDRESSED = frozenset(
    "你您说在来去跟和与让给帮找问把昨今明就也都不没还已要会能先刚又回他她我接发吧啊呀呢哥姐收"
    ",，。、!！?？;；:：)） \n"
)
_BEFORE_FAMILIAR = frozenset(
    '跟和与找问让是给叫请帮陪替对向由被把同去等听像派约的,，。、!！?？;；:：(（ \n"“@'
)
_POLITE = re.compile(
    rf"(?:免贵姓|(?:[我他她您你名者机主方员人户家个位]|本人|司机|师傅|客人|敝|那个?|这个?|有个|"
    rf"一个|位|复|,|，|。|^|\s)姓)(?:氏|是|为|:|：|\s)*"
    rf"(?P<surname>[{_HAN}]{{1,2}})(?P<rest>.?)"
)
_AFTER_SURNAME = frozenset(",，。、!！?？;；:：)） \n的,我名叫吧啊呀先女老师经小")


def find_partial_names(text: str) -> Iterator[Span]:
    """Surnames with 老, 小 or 阿, surnames after 姓, given names alone, and names made of known syllables."""
    known = lexicon()
    for found in _FAMILIAR.finditer(text):
        if _is_familiar(known, text, found.start()):
            yield Span(found.start(), found.end(), "name", 0.62)
    if "姓" in text:
        for found in _POLITE.finditer(text):
            yield from _surname(found)
    yield from _given_names(known, text)
    for found in _syllables().finditer(text):
        yield from _of_other_peoples(known, text, found)


def _is_familiar(known: Lexicon, text: str, start: int) -> bool:
    """老周, 小孟: by who bears the surname, what stands beside, and whether it is a word."""
    share = known.surnames.get(text[start + 1], -99.0)
    before, after = text[start - 1 : start], text[start + 2 : start + 3]
    if text[start + 1] in "哥姐弟妹子" or (share < -9.0 and text[start] != "阿"):
        return False
    if text[start] == "阿":
        if known.alone.get(text[start + 1], -99.0) < -7.5:
            return False
    elif share < (-7.6 if text[start] == "老" else -6.6):
        return False
    if before and is_han(before) and before not in _BEFORE_FAMILIAR:
        return False
    if after and after not in _ADDRESSED:
        return False
    pair = known.words.get(text[start : start + 2], -99.0)
    if pair > -11.5 and not (after in "你您说" and after):
        return False
    return not (after and is_han(after) and known.words.get(text[start + 1 : start + 3], -99.0) > -11.0)


def _surname(found: re.Match[str]) -> Iterator[Span]:
    shares = surnames()
    surname = found["surname"] if found["surname"] in shares else found["surname"][0]
    rest = (found["surname"] + found["rest"])[len(surname) :][:1]
    if surname in shares and (
        not rest or rest in _AFTER_SURNAME or found[0].startswith(("免贵", "我姓", "他姓", "她姓", "本人"))
    ):
        yield Span(found.start("surname"), found.start("surname") + len(surname), "name", 0.9)


_GIVEN = re.compile(
    rf"(?:(?<![{_HAN}A-Za-z0-9])|(?<=[妈爸哥姐叔姨叫听跟给和是])|(?<=我是)|(?<=孩子))(?P<name>[{_HAN}]{{2}})"
    r"(?=(?:说|告诉|啊|呀|你好|您好|,你|,您|你[到在吃看来回快怎有能]|"
    r"[叔姨婶伯哥姐嫂爷奶](?![妹夫们])|的(?:妈|爸|医保|手机|快递|电话|老师|作业|学费|"
    r"身份证|护照|生日|班主任|家长)|妈妈|爸爸|同学|他[妈爸]|,(?:晚上|今晚|明天|今天|周末|中午|"
    r"下班|吃饭|帮我|你)))"
)
_LIKELY_THOUGH_WORD = -11.3
_LIKELY = -13.2  # log probability of two characters as a given name, from which they are taken for one


def _given_names(known: Lexicon, text: str) -> Iterator[Span]:
    """A given name of two characters where people are addressed or spoken of: "晓燕说她明天到"."""
    for found in _GIVEN.finditer(text):
        name = found["name"]
        word = known.words.get(name, -99.0)
        if word > -12.0 or name[1] in "哥姐弟妹叔姨爷奶" or name in known.words_like_names:
            continue
        score = known.first.get(name[0], -99.0) + known.second.get(name[1], -99.0)
        if name in known.strangers:
            score += 1.5
        if score > (_LIKELY if word < -20 else _LIKELY_THOUGH_WORD):
            yield Span(found.start("name"), found.end("name"), "name", 0.58)


@cache
def _syllables() -> re.Pattern[str]:
    parts = sorted(" ".join(listed("syllables_of_names.txt")).split(), key=len, reverse=True)
    one = "|".join(parts)
    return re.compile(rf"(?:{one})(?:·?(?:{one}))*")


def _of_other_peoples(known: Lexicon, text: str, found: re.Match[str]) -> Iterator[Span]:
    """Two parts or more, or one where a name is called for."""
    start, end = found.span()
    before, after = text[start - 1 : start], text[end : end + 1]
    if len(found[0]) >= 4:
        yield Span(start, end, "name", 0.75)
    elif (
        len(found[0]) >= 2
        and known.words.get(found[0], -99.0) < -11.5
        and (not before or not is_han(before) or before in "让叫是给跟和找说了")
        and (not after or not is_han(after) or after in "的说在来去你和跟开收" or TITLES.match(text, end))
    ):
        yield Span(start, end, "name", 0.6)
