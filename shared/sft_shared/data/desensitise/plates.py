"""Number plates: of mainland China by their form, of other places by what is said around them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sft_shared.data.desensitise.cues import Reading
from sft_shared.data.desensitise.digits import is_quantity
from sft_shared.data.desensitise.spans import Span

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_SIGN = "[A-HJ-NP-Za-hj-np-z0-9]"
_CHINESE = re.compile(
    rf"(?:[{_PROVINCES}][ ]?[A-Za-z][\s·.\-—_]{{0,3}}(?:{_SIGN}[ ·-]?){{4}}"
    rf"(?:{_SIGN}[ ·-]?{_SIGN}|{_SIGN}|[挂学警港澳领超试])|[使领][ ·]?\d{{3}}[ ·]?\d{{3}}|"
    rf"WJ[ ]?[{_PROVINCES}]?[ ·]?\d{{4}}[A-Z0-9])(?![A-Za-z0-9])"
)
_SAYS = re.compile(
    r"\b(?:number|licen[cs]e|registration|car|vehicle|reg|tag|temp(?:orary)?|vanity|rear|front)?[ _-]?"
    r"(?:plates?)\b|\brego\b|\b(?:vehicle|car|van|truck) (?:reg|registration|tag)\b|"
    r"\breg(?:istration)? (?:no|number|mark|plate)\b|\breg(?:istration)?(?=\s?[:=])|\btag (?:no|number)\b|"
    r"\bplate_?(?:no|number|num)\b|\blicen[cs]e[ _]tag\b|车牌照?号?码?|牌照|车号|号牌",
    re.I,
)
_HINTS = ("plate", "reg", "tag", "牌", "车号")
_MAY_SAY = re.compile(r"\b(?:reg|registration|registered|tags?)\b", re.I)
_DRIVEN = re.compile(
    r"\b(?:cars?|vans?|trucks?|vehicles?|park\w*|drive[sn]?|driver|drove|toll|suv|sedan|motor\w*|garage|"
    r"rental|tow(?:ed|ing)?|mot|dvla|dmv|congestion|speeding|fine)\b",
    re.I,
)
_RUN = re.compile(
    r"(?<![A-Za-z0-9@#/_.-])[A-Za-z0-9]+(?:[ ·-][A-Za-z0-9]+)*(?![A-Za-z0-9@_/]|[.-][A-Za-z0-9])"
)
_GROUP = re.compile("[A-Za-z0-9]+")
_DAY = re.compile(r"(?:19|20)\d\d-\d\d-\d\d")
_MOST_GROUPS = 3
_STATED = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2} \d{3}[ -]\d{3}(?![0-9A-Za-z])")
_REACH = 56  # characters between a plate and what says that it is one


def find_plates(reading: Reading) -> Iterator[Span]:
    """Number plates of mainland China, new energy and special ones too; others near what says so."""
    text = reading.text
    for found in _CHINESE.finditer(text):
        written = found[0].rstrip(" ·-")
        if sum(char.isdigit() for char in written) >= 2 or any(cue.theme == "plate" for cue in reading.cues):
            yield Span(found.start(), found.start() + len(written), "plate", 0.97)
    if any(map(reading.lower.__contains__, _HINTS)):
        yield from _said(reading)


def _said(reading: Reading) -> Iterator[Span]:
    text = reading.text
    said = [found.span() for found in _SAYS.finditer(text)]
    if not said and _DRIVEN.search(text):
        said = [found.span() for found in _MAY_SAY.finditer(text)]
    if not said:
        return
    loose = text == reading.lower
    for run in _RUN.finditer(text):
        if any(map(str.isdigit, run[0])) and not _DAY.search(run[0]):
            for start, end in _shaped(text, run, loose=loose):
                if _is_near(reading, said, start, end, loose=loose):
                    yield Span(start, end, "plate", 0.75)
    for _, stop in said:
        if stated := _STATED.search(text, stop, stop + 12):
            yield Span(stated.start(), stated.end(), "plate", 0.7)


def _shaped(text: str, run: re.Match[str], *, loose: bool) -> Iterator[tuple[int, int]]:
    """Groups in a row that look like a plate, the longest from the left: letters, digits or both."""
    groups = [
        group.span() if _may_belong(group[0], loose=loose) else None
        for group in _GROUP.finditer(text, run.start(), run.end())
    ]
    first = 0
    while first < len(groups):
        for last in range(min(first + _MOST_GROUPS, len(groups)), first, -1):
            here = groups[first:last]
            whole = [group for group in here if group is not None]
            if len(whole) == len(here) and _is_shaped(text[whole[0][0] : whole[-1][1]]):
                yield whole[0][0], whole[-1][1]
                first = last - 1
                break
        first += 1


def _may_belong(group: str, *, loose: bool) -> bool:
    """May a group of letters and digits be a part of a plate, and no word or number beside one?"""
    if not group.isalpha():
        return len(group) <= 8 and re.fullmatch(r"\d+(?:st|nd|rd|th)", group, re.I) is None
    return len(group) <= 4 and (loose or group.isupper()) and group.lower() not in _WORDS


_WORDS = frozenset(
    [
        "is",
        "as",
        "at",
        "in",
        "on",
        "of",
        "to",
        "no",
        "my",
        "it",
        "the",
        "and",
        "for",
        "was",
        "has",
        "had",
        "are",
        "our",
        "but",
        "not",
        "can",
        "you",
        "car",
        "van",
        "reg",
        "tag",
        "its",
        "with",
        "from",
        "mot",
        "usa",
        "suv",
        "bay",
        "please",
        "id",
        "pin",
        "hi",
    ]
)


def _is_shaped(written: str) -> bool:
    """Letters and digits, four to eight of them."""
    signs = [char for char in written if char.isalnum()]
    digits = sum(char.isdigit() for char in signs)
    return 4 <= len(signs) <= 8 and 0 < digits < len(signs)


_ORDINARY = re.compile(
    r"\d+(?:st|nd|rd|th|am|pm|k|m|mm|x\d+|cm|kg|km|mph|h|hrs?|min|days?|x|v|w|gb|mb|usd|rmb|\s.*[a-z].*)",
    re.I,
)


def _is_near(reading: Reading, said: list[tuple[int, int]], start: int, end: int, *, loose: bool) -> bool:
    """Is a plate spoken of nearby, in this sentence or the next, and nothing else in between?"""
    text, written = reading.text, reading.text[start:end]
    small = written != written.upper()
    if (_ORDINARY.fullmatch(written) and (small or " " in written)) or is_quantity(text, start, end):
        return False
    for begin, stop in said:
        left, right = (stop, start) if stop <= start else (end, begin)
        if right < left or right - left > _REACH:
            continue
        if small and (right - left > 24 or (not loose and right - left > 12)):
            continue
        between = text[left:right]
        if "\n\n" in between or len(re.findall(r"[.!?。！？]\s", between)) > 1:
            continue
        other = reading.cue_before(start, reach=20)
        if other is not None and other.theme not in ("plate", "harmless", "ip") and other.start >= stop:
            continue
        if not (other is not None and other.theme == "harmless" and other.start >= stop and begin < start):
            return True
    return False
