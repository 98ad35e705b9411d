"""What stands around a telephone number, and says that it is one."""

from __future__ import annotations

import re

from sft_shared.data.desensitise.cues import Reading
from sft_shared.data.desensitise.english_name_lists import lists

ASKS_TO_CALL = re.compile(
    r"\s?[,;-]?\s?(?:please )?(?:call me|text me|ring me|(?:is |still )*(?:my|your|his|her|the) "
    r"(?:[A-Za-z]+ )?(?:cell|whatsapp|mobile|phone|number|landline))",
    re.I,
)
_KEY = re.compile(  # {"callback":"6175520184"}, to=6175520184, emergencyContact: 6175520184
    r"(?:(?<![A-Za-z])|(?<=[a-z])(?-i:(?=[A-Z])))"
    r"(?:call_?back|cb|dest|destination|to|from|contact|alt|alternate|emergency|line|did|dnis|voice|caller|callee|"
    r"subscriber|outbound|inbound|notify|dial|text|sms|otp|reach(?:able)?_?(?:at|on)|on_?file|guest|rider|driver|"
    r"courier|consignee|recipient|sender|receiver|signal|viber|imessage|telegram|registered|phone|mobile|cell|tel)"
    r"(?:_?(?:number|no|num|nr|info|contact|dest|to|id|via))?"
    r"[\"']?\s?[:=]\s?[\"']?$",
    re.I,
)
_LONGEST_KEY = 48
_DIALLED = re.compile(r"(?:(?<!折)[打拨](?:了|过|通)?|[工农建交招]行|客服)(?:的是)?\s?$")
_NAME = re.compile(
    r"(?:^|[\n,;(|]|\b(?:for|to|from|by|with|and|is|contact|mr|mrs|ms|dr)\.?)\s?"
    r"(?-i:(?P<first>[A-Z][a-z]+)(?: [A-Z][a-z'’-]+){0,2})[,:;|-]?\s?\(?$",
    re.I,
)
_LONGEST_NAME = 48


def is_behind_name(text: str, start: int) -> bool:
    """Does a name stand right before it, as in a list of people: ``Grace Lee 617 552 0184``?"""
    found = _NAME.search(text, max(0, start - _LONGEST_NAME), start)
    first = found["first"].lower() if found else ""
    return first in lists().given and first not in lists().ordinary


def is_under_key(text: str, start: int) -> bool:
    """Is it the value of a key under which logs and calls of tools keep whom to reach?"""
    return _KEY.search(text, max(0, start - _LONGEST_KEY), start) is not None


def is_dialled(reading: Reading, start: int) -> bool:
    """Does a word of telephones, of dialling, or a bank's name stand right before a short code?"""
    cue = reading.cue_before(start, reach=5)
    said = cue is not None and cue.theme == "phone"
    return said or _DIALLED.search(reading.text, max(0, start - 6), start) is not None


def is_said(reading: Reading, start: int, end: int) -> bool:
    """Does a word of telephones announce it, or name it behind it?"""
    cue = reading.cue_before(start) or reading.cue_after(end)
    return cue is not None and cue.theme == "phone"


def is_harmless(reading: Reading, start: int) -> bool:
    """Does a word right before it say that it is nobody's, with no word of dialling between?"""
    cue = reading.cue_before(start, reach=6)
    return (
        cue is not None
        and cue.theme == "harmless"
        and _DIALLED.search(reading.text, max(cue.end, start - 6), start) is None
    )
