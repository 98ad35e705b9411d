"""Dates of birth: a date beside a cue. Dates alone are nobody's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sft_shared.data.desensitise.cues import Reading
from sft_shared.data.desensitise.spans import Span

_HAN = "零〇○一二三四五六七八九十廿卅"
_MONTHS = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_TH = r"(?:st|nd|rd|th)"
_YEAR = r"(?:(?:18|19|20)\d\d|['’]\d\d)"
_ORDINAL = (
    r"(?:(?:twenty|thirty)[- ])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|"
    r"twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth)|"
    r"twentieth|thirtieth"
)
_TENS = (
    r"(?:oh|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|"
    r"twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
)
_ONES = r"(?:one|two|three|four|five|six|seven|eight|nine)"
_SAID_YEAR = (
    rf"(?:(?:nineteen|twenty)[- ]{_TENS}(?:[- ]{_ONES})?|two thousand(?: and)?(?: {_ONES}| "
    rf"{_TENS})?|19\d\d|20\d\d)"
)
_DATE = re.compile(
    rf"(?<![0-9A-Za-z])(?:(?:公历|农历|阴历|阳历)?(?:(?:1[89]|20)?\d\d|[{_HAN}]{{2,4}})\s?年\s?(?:农历|"
    rf"阴历)?(?:(?:闰?[0-9]{{1,2}}|闰?[{_HAN}正冬腊]{{1,3}})\s?月(?:份)?(?:\s?(?:[0-9]{{1,2}}|"
    rf"初?[{_HAN}]{{1,3}})\s?[日号]?)?|元旦|除夕|中秋|端午|国庆)"
    rf"|(?:1[89]|20)\d\d\s?[-/.]\s?\d{{1,2}}\s?[-/.]\s?\d{{1,2}}|"
    rf"\d{{1,2}}\s?[-/.]\s?\d{{1,2}}\s?[-/.]\s?(?:(?:19|20)\d\d|\d\d)|(?:1[89]|"
    rf"20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    rf"|(?:the\s)?\d{{1,2}}{_TH}?\s(?:of\s)?{_MONTHS},?\s?(?:{_YEAR}|\d\d(?!\d|:))|"
    rf"{_MONTHS}[ -](?:the\s)?\d{{1,2}}{_TH}?(?:,\s?|[ -]){_YEAR}"
    rf"|(?:19|20)\d\d[\s-]{_MONTHS}[\s-]\d{{1,2}}|\d{{1,2}}[- /.]?{_MONTHS}[- /.]?(?:19|20)?\d\d|"
    rf"(?:the\s)?(?:{_ORDINAL})\s(?:of\s)?{_MONTHS}[\s,]+{_SAID_YEAR}|"
    rf"{_MONTHS}\s(?:the\s)?(?:{_ORDINAL})[\s,]+{_SAID_YEAR})(?:(?<=[日号])|(?![0-9]))",
    re.I,
)
_SHORT = re.compile(
    rf"(?<![0-9A-Za-z])(?:(?:农历|阴历|阳历)?(?:[0-9]{{1,2}}|[{_HAN}正冬腊]{{1,3}})\s?月\s?(?:[0-9]{{1,2}}|"
    rf"初?[{_HAN}]{{1,3}})\s?[日号]?|{_MONTHS}\s(?:the\s)?(?:\d{{1,2}}{_TH}?|{_ORDINAL})|"
    rf"(?:the\s)?(?:\d{{1,2}}(?:st|nd|rd|"
    rf"th)?|{_ORDINAL})\s(?:of\s)?{_MONTHS}|{_MONTHS}\s(?:19|20)\d\d|(?:19|"
    rf"20)\d\d\s?[-./年]\s?(?:0?[1-9]|1[0-2])(?![\d-])|"
    rf"(?:19|20)\d\d\s?年)(?![0-9A-Za-z])",
    re.I,
)
_BARE = re.compile(
    r"(?<![0-9A-Za-z.,/-])(?:(?:19|20)\d\d|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|"
    r"['’]\d\d)(?![0-9A-Za-z]|[-/.:]\d)"
)
_STATES = re.compile(r"(?:\s|:|=|是|于|为|在|的|is|in|was|[(\"'])*", re.I)
_BORN_AFTER = re.compile(
    r"\s{0,2}[,，]?(?:的时候)?(?:\s?\d{1,2}[:时点]\d{0,2}分?)?(?:出生|生人|生的|诞生|降生|"
    r"的生日|生日|生(?=[,，。.;；\s)）]|$)|"
    r"\s?(?:that'?s|this is|which is|that is|is|was|being|as|(?:那|这)?(?:天)?(?:就)?是)\s?(?:when\s)?"
    r"(?:my|his|her|the|our|their|your|i|he|she|我|他|她|您)?的?\s?(?:\w+\s)?(?:birthday|"
    r"birth ?date|date of birth|dob|d\.o\.b|birth|生日|出生)|"
    r"\(?(?:dob|born)\b)",
    re.I,
)
_RECORD = re.compile(r"(?:(?<![\u3400-\u9fff])[男女]|汉族|\b(?:fe)?male|\b[MF])\s?[,，|/;\t ]\s?$")
_RECORDED = re.compile(_RECORD.pattern.removesuffix(r"\s?$"))  # anywhere in a text


def find_birth_dates(reading: Reading) -> Iterator[Span]:
    """Dates that a cue before or a word after calls a birth."""
    text = reading.text
    born = any(cue.theme == "birth_date" for cue in reading.cues)
    if (
        not born
        and "生" not in text
        and "男" not in text
        and "女" not in text
        and "male" not in reading.lower
    ):
        return
    full: list[Span] = []
    for found in _DATE.finditer(text):
        if _is_birth(reading, found, reach=32) or _RECORD.search(
            text, max(0, found.start() - 9), found.start()
        ):
            full.append(Span(found.start(), found.end(), "birth_date", 0.95))
    yield from full
    for found in _SHORT.finditer(text):
        if _is_birth(reading, found, reach=14):
            yield Span(found.start(), found.end(), "birth_date", 0.7)
    for found in _BARE.finditer(text) if born else ():
        cue = reading.cue_before(found.start(), reach=12)
        if cue and cue.theme == "birth_date" and _STATES.fullmatch(text, cue.end, found.start()):
            yield Span(found.start(), found.end(), "birth_date", 0.6)


def may_hold_birth_dates(shape: Reading) -> bool:
    """May `find_birth_dates` find anything in a text with other digits than ``shape``?"""
    if "birth_date" in shape.themes:
        return True
    if not any(map(shape.lower.__contains__, ("生", "男", "女", "male"))):
        return False
    return bool(_BORN_AFTER.search(shape.text) or _RECORDED.search(shape.text))


def _is_birth(reading: Reading, found: re.Match[str], *, reach: int) -> bool:
    if _BORN_AFTER.match(reading.text, found.end()):
        return True
    cue = reading.cue_before(found.start(), reach=reach) or reading.cue_after(found.end())
    return cue is not None and cue.theme == "birth_date"
