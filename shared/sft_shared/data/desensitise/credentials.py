"""Secrets of machines: API keys, tokens, private keys."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from sft_shared.data.desensitise.canonical import ALIKE
from sft_shared.data.desensitise.cues import Cue, Reading
from sft_shared.data.desensitise.spans import Span

_SHAPES = re.compile(
    r"(?<![A-Za-z0-9_-])(?:sk-(?:proj-|ant-|or-|live-|test-|svcacct-)?[A-Za-z0-9_-]{16,200}|"
    r"(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{10,128}|(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255}|"
    r"glpat-[A-Za-z0-9_-]{20,64}|xox[abeprs]-[A-Za-z0-9-]{10,250}|AIza[A-Za-z0-9_-]{35}|"
    r"ya29\.[A-Za-z0-9_-]{20,400}"
    r"|hf_[A-Za-z0-9]{30,64}|LTAI[A-Za-z0-9]{12,30}|AKID[A-Za-z0-9]{13,40}|"
    r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{40,250}|"
    r"SG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{30,60}"
    r"|dop_v1_[a-f0-9]{64}|EAAC[A-Za-z0-9]{20,250}|shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}|eyJ[A-Za-z0-9_-]{5,2000}\.[A-Za-z0-9_-]{4,4000}(?:\.[A-Za-z0-9_-]{4,1000})?)(?![A-Za-z0-9_])"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]{0,8000}?-----END "
    r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=\s\\n]{0,8000})"
)
_BEARER = re.compile(r"\b(?:Bearer|Basic|Token)\s+(?P<value>[A-Za-z0-9+/_.~=-]{12,4000})", re.I)
_KEY_FILL = re.compile(
    r"(?:[\s:=\"'“”‘’`<>()\[\]{}\-*,，]|是|为|就|如下|叫|的|id|is\b|value\b|the\b|my\b|:=|=>|->|"
    r"here\b|请|用|使用|token\b|bearer\b|key\b)*",
    re.I,
)
_KEY_VALUE = re.compile(r"[A-Za-z0-9+/_.~=$-]{12,512}")
_HINTS: tuple[str, ...] = (
    "sk-",
    "sk_",
    "pk_",
    "rk_",
    "AKIA",
    "ASIA",
    "AGPA",
    "AIDA",
    "AROA",
    "AKID",
    "gh",
    "glpat-",
    "xox",
    "AIza",
    "ya29",
)
_HINTS += ("hf_", "LTAI", "npm_", "pypi-", "SG.", "dop_", "EAAC", "shp", "eyJ")
_HINTS_OF_SHAPE = (
    *(hint.translate(ALIKE) for hint in _HINTS),
    *("PRIVATE KEY", "earer", "asic ", "oken ", "EARER"),
)


def find_keys(reading: Reading) -> Iterator[Span]:
    """Keys of known shapes, bearer tokens, private keys, and random-looking strings after a cue."""
    text = reading.text
    if any(map(text.__contains__, _HINTS)):
        for found in _SHAPES.finditer(text):
            yield Span(found.start(), found.end(), "api_key", 1.0)
    if "PRIVATE KEY" in text:
        for found in _PRIVATE_KEY.finditer(text):
            yield Span(found.start(), found.start() + len(found[0].rstrip()), "api_key", 1.0)
    if "earer" in text or "asic " in text or "oken " in text or "EARER" in text:
        for found in _BEARER.finditer(text):
            if any(map(str.isdigit, found["value"])) or found["value"].endswith("="):
                yield Span(found.start("value"), found.end("value"), "api_key", 0.95)
    for cue in reading.cues:
        if cue.theme == "api_key":
            yield from _key_after(text, cue)


def may_hold_keys(shape: Reading) -> bool:
    """May `find_keys` find anything in a text with other digits than ``shape``, where all are 1?"""
    return "api_key" in shape.themes or any(map(shape.text.__contains__, _HINTS_OF_SHAPE))


def _key_after(text: str, cue: Cue) -> Iterator[Span]:
    fill = _KEY_FILL.match(text, cue.end, min(len(text), cue.end + 24))
    assert fill is not None  # it may be empty
    found = _KEY_VALUE.match(text, fill.end())
    if found and looks_random(found[0]):
        end = found.end() - (len(found[0]) - len(found[0].rstrip(".-")))
        yield Span(found.start(), end, "api_key", 0.9)


def looks_random(value: str) -> bool:
    """Does a string look drawn, not written: cases and digits mixed, and more than 2.8 bits a character?"""
    counts = Counter(value)
    bits = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    kinds = ["digit" if char.isdigit() else "upper" if char.isupper() else "other" for char in value]
    switches = sum(1 for left, right in pairwise(kinds) if left != right)
    return bits > 2.8 and "digit" in kinds and len(set(kinds)) > 1 and switches >= 3
