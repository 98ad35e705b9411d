"""Chinese names: a surname and a given name are weighed against the ordinary words in the same place."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import NamedTuple

from sft_shared.data.desensitise.chinese_name_context import (
    ACTS,
    MAY_ANNOUNCE,
    SUGGESTS,
    TITLES,
    context,
    is_han,
)
from sft_shared.data.desensitise.chinese_name_forms import find_partial_names
from sft_shared.data.desensitise.chinese_name_labels import find_labelled_names
from sft_shared.data.desensitise.lexicon import Lexicon, Paths, lexicon, surnames
from sft_shared.data.desensitise.spans import Span

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_HOPELESS = -5.0  # log odds within the candidate's own characters that no neighbour makes good
_REACH = 5  # characters to either side that are read for words
_COMMON = -11.5  # log probability of a word that is no beginning of a name without a good reason
_LEAD = frozenset("的告知婆公子女友妈爸哥姐弟妹事和与跟及同给找让请由我他她你您问替帮陪,，。、/-|;；!！?？")
_READ_BEFORE, _READ_BEHIND = 16, 10  # more than is read on either side of what is weighed
_MOST_AT_ONCE = 64  # candidates weighed together; keeps nonsense of surnames only linear
_TITLE_STARTS = frozenset("先女小太夫同师老医大经总主律教博护阿叔奶爷局院校董队班店科处部工哥姐警法秘会")
_MAY_SUGGEST = frozenset("安手民儿员告人席理监官秘士师机导医生护治一二三四五六日天末班裁长相送听下床")
_NEVER_TITLED = frozenset("向应经由能从都过别相")  # "向律师反映": rather a word than 向 the surname
_SURE = 1.0  # log odds from which a candidate counts that nothing announces
_WEAK = -5.0  # log odds of a candidate that counts only beside another name: "于亚男和文书瑶"
_PRIOR = math.log(0.004)  # of a word of running text that is a person's name

_FOREIGN = re.compile(
    rf"[{_HAN}]{{1,16}}(?:·[{_HAN}]{{1,8}}){{1,4}}|[{_HAN}]{{1,16}}·[A-Z]\.?(?:·[{_HAN}]{{1,8}}){{0,2}}"
)


@cache
def _first_characters() -> re.Pattern[str]:
    return re.compile("[" + "".join(sorted({surname[0] for surname in surnames()})) + "]")


def find_chinese_names(text: str) -> Iterator[Span]:
    """Names in ``text``; of "谭先生" the surname only."""
    if text.isascii():
        return
    if "·" in text:
        yield from _foreign(text)
    for found in _FAMILIAR.finditer(text) if "小" in text or "老" in text or "阿" in text else ():
        if found["name"][1] in surnames():
            yield Span(found.start("name"), found.end("name"), "name", 0.7)
    yield from find_partial_names(text)
    yield from _known_surnames(text)
    yield from _titled_surnames(text)
    yield from find_labelled_names(text)


def _known_surnames(text: str) -> Iterator[Span]:
    """Names that begin with a surname, where they are likelier than the words in their place."""
    cluster: list[_Candidate] = []
    for candidate in _candidates(lexicon(), text):
        if cluster and (candidate.first > cluster[-1].last + _REACH or len(cluster) == _MOST_AT_ONCE):
            yield from _weighed_in_place(text, cluster)
            cluster = []
        cluster.append(candidate)
    if cluster:
        yield from _weighed_in_place(text, cluster)


def _weighed_in_place(text: str, cluster: list[_Candidate]) -> list[Span]:
    """What `_weighed` says, which is remembered: the same few characters stand around many a candidate."""
    start = max(0, min(cluster)[0] - _READ_BEFORE)
    end = max([each.last for each in cluster]) + _READ_BEHIND
    moved = tuple([(first - start, last - start, score) for first, last, score in cluster])
    return [
        Span(start + span.start, start + span.end, span.kind, span.confidence)
        for span in _weighed_again(text[start:end], moved)
    ]


@lru_cache(maxsize=8192)
def _weighed_again(piece: str, cluster: tuple[tuple[int, int, float], ...]) -> tuple[Span, ...]:
    return tuple(_weighed(piece, [_Candidate(*each) for each in cluster]))


class _Candidate(NamedTuple):
    """``text[first:last]`` could be a name by its characters; ``score`` is the name's log probability."""

    first: int
    last: int
    score: float


def _candidates(known: Lexicon, text: str) -> Iterator[_Candidate]:
    words, size, shares = known.words, len(text), known.surnames
    alone, firsts, seconds = known.alone, known.first, known.second
    for found in _first_characters().finditer(text):
        start = found.start()
        before = text[start - 1] if start else " "
        called = before in MAY_ANNOUNCE
        if (
            not called
            and found[0] in known.seldom
            and is_han(before)
            and before not in _LEAD
            and not _titled_at(text, start)
            and not (before in _MAY_SUGGEST and SUGGESTS.search(text, max(0, start - 6), start))
        ):
            continue
        begun = words.get(text[start : start + 2], -99.0) > _COMMON and not called
        for width in (1, 2):
            share = shares.get(text[start : start + width])
            middle = start + width
            if share is None or middle >= size or _is_no_surname(text, start, middle):
                continue
            one = alone.get(text[middle], -99.0)
            if one > -8.4 and not (begun and width == 1):
                yield from _likely(known, text, start, middle + 1, _PRIOR + share + one - 1.1, called)
            two = firsts.get(text[middle], -99.0)
            if two < -20 or middle + 1 >= size:
                continue
            two += seconds.get(text[middle + 1]) or _rare(known, text[middle + 1])
            if two > (-15.0 if begun else -16.6):
                score = _PRIOR + share + two - 0.4
                yield from _likely(known, text, start, middle + 2, score, called)
                if share > -6 and (other := shares.get(before, -99.0)) > -6:  # both parents' surnames
                    yield _Candidate(start - 1, middle + 2, score + other - 4.0)


_SURE_TITLES = frozenset(
    re.findall(
        "..",
        "主任会计先生医生叔叔大夫女士小姐局长师傅律师总监护士教授教练校长班长秘书经理老师警官队长阿姨院长",
    )
)
_WEEKDAYS = frozenset("一二三四五六日天末")
_PLACE_ENDS = frozenset("沟湾庄村屯堡岗寨镇店营楼铺塘坝坡山桥口集嘴角头窑洼")


def _is_no_surname(text: str, start: int, middle: int) -> bool:
    """周三, 孙女士 (the surname alone is the name), 陈家沟."""
    if text[start] == "周" and text[middle] in _WEEKDAYS:
        return True
    title = TITLES.match(text, middle)
    if title and len(title[0]) > 1:
        return True
    return text[middle] == "家" and text[middle + 1 : middle + 2] in _PLACE_ENDS


def _rare(known: Lexicon, char: str) -> float:
    """A character that hardly a word is written with may well be of a name: 泷, 翀."""
    return -9.0 if is_han(char) and known.words.get(char, known.rare) < -15.5 else -99.0


def _titled_at(text: str, start: int) -> bool:
    """May a name of two or three characters stand before a title?"""
    return text[start + 2 : start + 3] in _TITLE_STARTS or text[start + 3 : start + 4] in _TITLE_STARTS


def _likely(
    known: Lexicon, text: str, start: int, last: int, score: float, called: bool
) -> Iterator[_Candidate]:
    """The candidate, if its own characters do not make words that are far likelier."""
    words, rare, name = known.words, known.rare, text[start:last]
    if name in known.people:
        score += 2.0
    if not called:
        ordinary = words.get(name, -99.0)
        if last - start == 2:
            ordinary = max(ordinary, words.get(name[0], rare) + words.get(name[1], rare))
        elif last - start == 3:
            ends = words.get(name[0], rare), words.get(name[2], rare)
            ordinary = max(
                ordinary,
                words.get(name[:2], -99.0) + ends[1],
                ends[0] + words.get(name[1:], -99.0),
                ends[0] + words.get(name[1], rare) + ends[1],
            )
        if score - ordinary < _HOPELESS:
            return
    if name not in known.brands and (called or name not in known.words_like_names):
        yield _Candidate(start, last, score)


def _weighed(text: str, candidates: list[_Candidate]) -> Iterator[Span]:
    """The likelier of overlapping candidates, if they are likelier than ordinary words."""
    known = lexicon()
    start, end = _window(text, min(candidates)[0], max(each.last for each in candidates))
    paths = Paths(text[start:end], known)
    weighed = []
    for first, last, score in candidates:
        margin = paths.up_to[first - start] + score + paths.onward[last - start] - paths.up_to[-1]
        if margin > -16:
            odds, called = context(text, first, last)
            if odds < 3.0 and _is_famous(known, text, first, last):
                continue
            if not called and first > start and known.words.get(text[first - 1 : first + 1], -99.0) > -13.0:
                odds -= 2.5  # the surname is the end of a word: 补丁
            weighed.append((margin + odds, first, last, called))
    weighed.sort(key=lambda it: (-it[0], it[1], -it[2]))
    taken: list[tuple[int, int]] = []
    for margin, first, last, called in weighed:
        if margin <= _WEAK or any(first < end and begin < last for begin, end in taken):
            continue
        if any(text[place : place + 3] in known.brands for place in range(first, last)):
            continue
        if margin > (0.0 if called else _SURE) or any(_joins(text, one, (first, last)) for one in taken):
            taken.append((first, last))
            confidence = min(0.5 + max(margin, 1.0) / 20, 0.93 if called else 0.84)
            yield Span(first, last, "name", confidence)


def _is_famous(known: Lexicon, text: str, first: int, last: int) -> bool:
    """Is it, or with the next character, somebody whom everybody knows?"""
    return any(text[first:end] in known.famous for end in (last, last + 1))


def _window(text: str, start: int, end: int) -> tuple[int, int]:
    """The characters around a place that may be words with it."""
    reached = start
    while reached > 0 and start - reached < _REACH and is_han(text[reached - 1]):
        reached -= 1
    last = end
    while last < len(text) and last - end < _REACH and is_han(text[last]):
        last += 1
    return reached, last


def _joins(text: str, one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Is nothing but an "and" between two places?"""
    (_, end), (start, _) = sorted([one, other])
    return text[end:start] in _AND


_AND = frozenset(["和", "与", "跟", "及", "以及", "还有", "同", "、"])


def _titled_surnames(text: str) -> Iterator[Span]:
    """A surname with a title: "王经理". It must not end a word, nor the title begin one."""
    known = lexicon()
    for found in TITLES.finditer(text):
        title, title_word = found.start(), found[0]
        for first in (title - 2, title - 1):
            share = known.surnames.get(text[max(first, 0) : title]) if first >= 0 else None
            if share is None:
                continue
            before = text[first - 1] if first else " "
            if text[first - 1 : first + 1] == "谢谢" or (
                text[first] in _NEVER_TITLED and len(title_word) < 2
            ):
                break
            if text[first] in known.seldom and is_han(before) and before not in _LEAD:
                word = known.words.get(text[first - 1 : first + 1], -99.0) > -14.0
                inside = known.words.get(text[first : title + 1], -99.0) > -14.0
                if (
                    word
                    or inside
                    or (title_word not in _SURE_TITLES and known.words.get(text[first], -99.0) > -13.0)
                ):
                    break
            if text[first : found.end()] not in known.brands:
                yield from _titled(known, text, share, first, found)
            break


def _titled(known: Lexicon, text: str, share: float, first: int, title: re.Match[str]) -> Iterator[Span]:
    start, end = _window(text, first, title.end())
    paths = Paths(text[start:end], known)
    rest = max(paths.onward[title.end() - start], known.rare * (end - title.end()))
    margin = paths.up_to[first - start] + share + rest + math.log(0.003) - paths.up_to[-1]
    if first == start or SUGGESTS.search(text, max(0, first - 14), first):
        margin += 2.0
    if title.end() - title.start() == 1:
        margin -= 1.0 if end == title.end() else 3.0
    if margin > -3:
        yield Span(first, title.start(), "name", min(0.6 + max(margin, 0.0) / 30, 0.9))


def _foreign(text: str) -> Iterator[Span]:
    """Names with a dot between their parts, such as 迪丽热巴·迪力木拉提; not 设置·隐私, two words."""
    known = lexicon()
    for found in _FOREIGN.finditer(text):
        start, written = found.start(), found[0]
        head, _, rest = written.partition("·")
        cut = _head_of_name(known, head)
        parts = rest.split("·")
        tail = _tail_of_name(known, parts[-1])
        end = found.end() - len(parts[-1]) + tail
        whole = [head[cut:], *parts[:-1], parts[-1][:tail]]
        if all(
            known.words.get(part, -99.0) > -12.5 and len(part) > 1 and part not in known.people
            for part in whole
        ):
            continue
        yield Span(start + cut, end, "name", 0.93)


_FAMILIAR = re.compile(
    rf"(?:(?:我是|找|联系|问)(?=..(?![{_HAN}]))|叫我|喊我|称呼我?)(?P<name>[小老阿][{_HAN}])"
)
_BEFORE_NAME = re.compile(
    r"^.*(?:我叫|我是|他叫|她叫|名叫|叫做|姓名|名字|是|叫|找|给|请|让|由|和|与|跟|的|客服|"
    r"患者|乘客|联系人|收件人|收货人|户名|您好|你好|感谢|转告|"
    r"尊敬|为|到|我|车主|持卡人|师傅|老师|先生|女士|朋友|同事|写|爱人|老公|老婆|丈夫|妻子|"
    r"儿子|女儿|收|寄|填|用户|客户|会员|医生|乘车人|申请人|经理|"
    r"司机|户主|业主)"
)


def _head_of_name(known: Lexicon, head: str) -> int:
    """Where the name begins in the characters before its first dot."""
    cue = _BEFORE_NAME.match(head)
    return cue.end() if cue and cue.end() < len(head) else 0


def _tail_of_name(known: Lexicon, tail: str) -> int:
    """How many characters after the last dot belong to the name: up to the first ordinary word."""
    for place in range(2, len(tail)):
        if TITLES.match(tail, place) or ACTS.match(tail, place):
            return place
        for size in (4, 3, 2):
            if place + size <= len(tail) and known.words.get(tail[place : place + size], -99.0) > -11.0:
                return place
        if tail[place] in "的是在说和与跟把被已将要也不想就都去来这那请给让" and place >= 2:
            return place
    return len(tail)
