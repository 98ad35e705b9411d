"""Chinese names that fill a field, stand in a record, or answer a question."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sft_shared.data.desensitise.chinese_name_context import LABEL, TITLES, is_han
from sft_shared.data.desensitise.lexicon import Lexicon, Paths, lexicon
from sft_shared.data.desensitise.spans import Span

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_ENDS = r"(?=[\s,，。;；、/|\"'”)）\]】<>]|$)"
_FILLED = re.compile(rf"(?P<mark>[:=叫是])\s{{0,2}}[\"'“]?(?P<name>[{_HAN}]{{2,5}}){_ENDS}")
_FIELD = re.compile(
    rf"(?:(?:{LABEL})\s{{0,2}}[:=叫是]|(?:我|名|儿子|女儿|孩子|老公|老婆|宝宝|他|她|朋友|同事|"
    rf"弟弟|妹妹|哥哥|姐姐)叫|(?:^|[\"'\s{{,_])(?:name|receiver|recipient|consignee|customer|"
    r"guest|passenger|patient|owner|holder|user|contact|full_?name|[a-z_]*_name)[\"']?\s{0,2}[:=])$"
)
_BESIDE_LABEL = re.compile(
    rf"(?:收件人|收货人|联系人|姓名|户名|持卡人|患者|乘客|签名|"
    rf"车主)(?![叫是为的])(?P<name>[{_HAN}]{{2,5}}){_ENDS}"
)
_RECORDED = re.compile(rf"(?<![{_HAN}])(?P<name>[{_HAN}]{{2,3}})\s?[,，|/、;\t ]\s?(?=(?:男|女)(?![{_HAN}]))")
_UNLIKE_WORDS = -7.5  # mean log probability of a character in what is made of words


def find_labelled_names(text: str) -> Iterator[Span]:
    """Whatever fills a field that is labelled as a name, if it is no word of the language."""
    for found in _FILLED.finditer(text):
        mark = found.end("mark")
        if _FIELD.search(text, max(0, mark - 20), mark):
            yield from _unless_words(found)
    for found in _RECORDED.finditer(text) if "男" in text or "女" in text else ():
        if found["name"][0] in lexicon().surnames:
            yield from _unless_words(found)
    for found in _BESIDE_LABEL.finditer(text):
        yield from _unless_words(found)


def _unless_words(found: re.Match[str]) -> Iterator[Span]:
    known, name = lexicon(), found["name"]
    if name in known.strangers:
        yield Span(found.start("name"), found.end("name"), "name", 0.6)
    if TITLES.match(name, 1) and name[0] in known.surnames:
        return
    if any(name[:size] in known.words_like_names for size in (2, 3)):
        return
    if known.words.get(name, -99.0) >= -14.0:
        if _is_name_too(known, name):
            yield Span(found.start("name"), found.end("name"), "name", 0.6)
        return
    if Paths(name, known).up_to[-1] / len(name) < _UNLIKE_WORDS or len(name) == 2:
        yield Span(found.start("name"), found.end("name"), "name", 0.62)


def _is_name_too(known: Lexicon, name: str) -> bool:
    """汪洋, 关山: words, and in the field of a name rather a name."""
    if (
        name[0] not in known.surnames
        or name in known.words_like_names
        or known.words.get(name, -99.0) > -10.5
    ):
        return False
    if len(name) == 2:
        return known.alone.get(name[1], -99.0) > -8.6
    return len(name) == 3 and known.first.get(name[1], -99.0) + known.second.get(name[2], -99.0) > -16.6


def could_be_chinese_name(answer: str) -> bool:
    """May a whole answer, of Han characters only, be a name, asked for one?"""
    if not is_han(answer[0]):
        return False
    if "·" in answer:
        return True
    known = lexicon()
    if answer in known.people:
        return True
    if answer[:1] not in known.surnames and answer[:2] not in known.surnames:
        return False
    return len(answer) <= 4 and known.words.get(answer, -99.0) < -13.0 and answer[-1] not in "的了吗呢吧是啊"
