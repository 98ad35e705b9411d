"""Coined names and places: they look like real ones, and nobody and nowhere is called so.

They are made of parts, so that a coined word is known by its form. None is a word of jieba's dictionary, a
division of China, or a name of the US census.
"""

from __future__ import annotations

import re

PLACE_HEADS, PLACE_TAILS = "澄霁岚栖沐昭屿砺楹颐", "泽渡汀坪麓浦崖埠畈湄"
SURNAMES = tuple(
    "王李张刘陈杨赵黄周吴徐孙朱马胡郭林何高梁郑罗宋谢唐韩曹许邓萧冯曾程蔡彭潘袁于董余苏叶吕魏蒋田杜丁沈姜"
)
DOUBLE_SURNAMES = ("欧阳", "上官", "诸葛", "司徒", "慕容", "皇甫", "令狐", "端木")
GIVEN_HEADS, GIVEN_TAILS = "砚槿稷岫篁汀缃畴漪葳黛醴鹄桁耘蕤", "禾渡川棠野舟苇屿乔柏溪原朔青禅霁"
GIVEN_ALONE = "篁缃漪葳醴桁蕤岫"
SOMEBODY = "某"  # 某先生: who is called by a surname alone
LATIN_HEADS = (
    *("quill", "tarrow", "wex", "brindle", "fenni", "haskel", "jorren", "kesting", "lorrim", "merrow"),
    *("norrel", "ostrin", "pellam", "rendle", "selwick", "thessal", "ulver", "varrin", "wendal", "yarrow"),
)
LATIN_TAILS = (
    "by",
    "mere",
    "stow",
    "combe",
    "thwaite",
    "wick",
    "holm",
    "leigh",
    "worth",
    "gate",
    "shaw",
    "ridge",
)

DIVISIONS = (
    *(
        "特别行政区",
        "自治区",
        "自治州",
        "自治县",
        "开发区",
        "省",
        "市",
        "区",
        "县",
        "镇",
        "乡",
        "街道",
        "大道",
        "大街",
    ),
    *(
        "公路",
        "路",
        "街",
        "巷",
        "胡同",
        "弄",
        "村",
        "社区",
        "小区",
        "花园",
        "公寓",
        "家园",
        "广场",
        "大厦",
        "大楼",
    ),
    *(
        "中心",
        "苑",
        "园",
        "庄",
        "屯",
        "组",
        "号楼",
        "号院",
        "号",
        "栋",
        "幢",
        "座",
        "单元",
        "楼",
        "层",
        "室",
        "户",
    ),
    *("房", "期", "院"),
)
"""What ends a part of a Chinese address, from provinces down to rooms."""
STREET_WORDS = (
    *(
        "street",
        "st",
        "avenue",
        "ave",
        "road",
        "rd",
        "lane",
        "ln",
        "drive",
        "dr",
        "boulevard",
        "blvd",
        "court",
    ),
    *("ct", "way", "place", "pl", "square", "sq", "apt", "apartment", "suite", "ste", "unit", "floor", "fl"),
    *("room", "rm", "building", "bldg", "no", "north", "south", "east", "west", "n", "s", "e", "w", "city"),
    *("county", "town", "terrace", "close", "crescent", "highway", "hwy", "parkway", "pkwy", "circle", "cir"),
)
"""What stays of an address in Latin letters."""

_place = f"[{PLACE_HEADS}][{PLACE_TAILS}]"
_division = "|".join(sorted(DIVISIONS, key=len, reverse=True))
_few = r"(?<![0-9])(?!(?:[ .#-]?[0-9]){9})"  # no part of a phone or card number beside the place
_first = r"(?<![0-9][ .-])"
_place_number = f"{_few}[0-9A-Za-z零〇一二三四五六七八九十]{{1,6}}(?={_division}|[-#])"
CHINESE_PLACE = re.compile(
    f"{_place}(?:{_division})?"
    f"(?:[ ,，·#-]?(?:{_place}|{_division}|{_place_number})"
    f"|[-#]?{_few}[0-9]{{1,5}}(?![0-9]))*"
)
CHINESE_NAME = re.compile(
    f"(?:{'|'.join(DOUBLE_SURNAMES)}|[{''.join(SURNAMES)}]) *"
    f"(?:[{GIVEN_HEADS}] *[{GIVEN_TAILS}]|[{GIVEN_ALONE}])|{SOMEBODY}"
)
_LATIN = f"(?i:(?:{'|'.join(LATIN_HEADS)})(?:{'|'.join(LATIN_TAILS)}))"
LATIN_WORD = re.compile(rf"(?<![A-Za-z]){_LATIN}(?![A-Za-z])")
LATIN_NAME = re.compile(
    rf"(?<![A-Za-z])(?:[A-Z]\. ?)*{_LATIN}(?![A-Za-z])(?:(?: |-|, ?| [A-Z]\. ){_LATIN}(?![A-Za-z]))*"
)
_street_word = rf"(?i:{'|'.join(sorted(STREET_WORDS, key=len, reverse=True))})(?![A-Za-z])\.?"
_code = f"{_few}(?:ZZ|[0-9]{{1,6}}[A-Z]{{0,2}}|[A-Z]{{1,2}}[0-9]{{1,2}}[A-Z]?)(?![0-9A-Za-z])"
LATIN_PLACE = re.compile(
    rf"(?:(?<![0-9A-Za-z])(?:{_first}{_code}[ ,#-]{{1,2}}|{_street_word} ){{0,6}})?{_LATIN}(?![A-Za-z])"
    rf"(?:[ ,.#-]{{1,3}}(?:{_LATIN}(?![A-Za-z])|{_street_word}|{_code}))*"
)

HAN_HINT = re.compile(f"[{PLACE_HEADS}{GIVEN_HEADS}{GIVEN_ALONE}{SOMEBODY}]")
"""One of these is in every coined word in Chinese; none is common."""


def may_hold_latin(text: str) -> bool:
    """May there be a coined word in Latin letters?"""
    lowered = text.lower()
    return any(map(lowered.__contains__, LATIN_HEADS))
