"""Personal data that takes several turns: numbers sent piece by piece, and names that answer a question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from sft_shared.data.desensitise.canonical import Canonical, read
from sft_shared.data.desensitise.cards import find_cards
from sft_shared.data.desensitise.chinese_name_labels import could_be_chinese_name
from sft_shared.data.desensitise.cues import Reading, Theme
from sft_shared.data.desensitise.digits import Number
from sft_shared.data.desensitise.disguises import GAP
from sft_shared.data.desensitise.documents import find_resident_ids
from sft_shared.data.desensitise.english_name_phrases import could_be_english_name
from sft_shared.data.desensitise.network import find_emails, may_hold_email
from sft_shared.data.desensitise.phones import is_valid_abroad, is_valid_anywhere
from sft_shared.data.desensitise.spans import Kind, Span

_PIECE = re.compile(r"[0-9](?:[ .·/-]{0,2}[0-9])*(?:[ -]?[Xx](?![A-Za-z]))?")
_BETWEEN_GROUPS = re.compile(GAP)
_MOST_TURNS = 12  # from the first piece of a number to its last
_MOST_DIGITS = 19
_LONGEST_PIECE, _LONGEST_WRITTEN = 60, 240  # characters of a turn as it is read, and as it was written
_BEGINS = re.compile(r"[^0-9]{0,6}(?:号|前面|前[三四]位|开头|先记)[^0-9]{0,4}[0-9]")
_MOBILE = re.compile(r"1[3-9]\d{9}")
_Place = tuple[int, int, int, str]  # turn, start and end in its original text, digits


def find_pieces(texts: Sequence[str]) -> Iterator[tuple[int, Span]]:
    """Cards, resident IDs, mobile numbers and e-mail addresses in pieces: (turn, span of its piece).

    A turn gives one piece, or none if somebody only says "go on".
    """
    yield from _mail(texts)
    pieces = [_piece(turn, text) for turn, text in enumerate(texts)]
    if sum(1 for piece in pieces if piece) < 2:
        return
    readings = [read(text)[1] for text in texts]
    themes: list[Theme | None] = [None] * len(texts)
    for turn, canonical in enumerate(readings):
        if any(pieces[turn : turn + 4]):  # a cue three turns before still counts
            said = [
                cue.theme for cue in Reading(canonical).cues if cue.theme in ("card", "resident_id", "phone")
            ]
            themes[turn] = said[-1] if said else None
    for first, start in enumerate(pieces):
        if start is None:
            continue
        theme = next((each for each in reversed(themes[max(0, first - 3) : first + 1]) if each), None)
        parts, digits, silent = [start], start[3], 0
        for following in pieces[first + 1 : first + _MOST_TURNS]:
            if following is None:
                silent += 1
                if silent > 2:
                    break
                continue
            silent = 0
            parts.append(following)
            digits += following[3]
            if len(digits) > _MOST_DIGITS:
                break
            begun = _BEGINS.match(readings[parts[0][0]].text) is not None
            kind = _kind(digits, theme, begun=begun)
            if kind:
                for turn, begin, end, _ in parts:
                    yield turn, Span(begin, end, kind, 0.9)


def _piece(turn: int, text: str) -> _Place | None:
    """The one number of a turn; also one in groups with little between them."""
    canonical = read(text)[1] if len(text) <= _LONGEST_WRITTEN else None
    if canonical is None or len(canonical.text) > _LONGEST_PIECE:
        return None
    found = list(_PIECE.finditer(canonical.text))
    if not found or not all(
        _BETWEEN_GROUPS.fullmatch(canonical.text, left.end(), right.start())
        for left, right in pairwise(found)
    ):
        return None
    start, end = canonical.original(found[0].start(), found[-1].end())
    digits = re.sub(r"[^0-9X]", "", "".join(each[0] for each in found).upper())
    return (turn, start, end, digits) if len(digits) < 18 else None


def _kind(digits: str, theme: Theme | None, *, begun: bool) -> Kind | None:
    """What the digits make together; without a cue only what a check digit or ``begun`` confirm."""
    if theme in (None, "phone") and _MOBILE.fullmatch(digits):
        return "phone" if theme or begun else None
    if "X" in digits[:-1]:
        return None  # a check digit ends a number
    if theme == "phone" and len(digits) in (10, 11) and is_valid_anywhere(digits):
        return "phone"
    if theme == "phone" and len(digits) in (11, 12, 13) and is_valid_abroad(digits):
        return "phone"
    text = digits
    number = Number(
        0, len(digits) - digits.endswith("X"), digits.removesuffix("X"), (len(digits),), frozenset(), True
    )
    reading = Reading(Canonical(text))
    if len(digits) in (15, 18) and theme in (None, "resident_id") and any(find_resident_ids(reading, number)):
        return "resident_id" if len(digits) == 18 or theme else None
    if digits.endswith("X") or theme not in (None, "card"):
        return None
    if any(True for _ in find_cards(reading, number)):
        return "card"
    return "card" if theme == "card" and 16 <= len(digits) <= 19 and digits.startswith("62") else None


_NEAR = 160  # characters of a turn that are looked through for an @
_SIGNS_OF_MAIL_TEXT = "@ ＠ & % 艾特 圈a at) at] at} at> #at# _at_"
_SIGNS_OF_MAIL = (*_SIGNS_OF_MAIL_TEXT.split(), " at ", " at\n", "\nat ")


def _mail(texts: Sequence[str]) -> Iterator[tuple[int, Span]]:
    """An address that breaks off at its @ or a dot and goes on in the next turn, or in that person's next."""
    for turn, goes_on in ((turn, turn + step) for turn in range(len(texts) - 1) for step in (1, 2)):
        if goes_on == len(texts):
            continue
        near = f"{texts[turn][-_NEAR:].rstrip()}\n{texts[goes_on][:_NEAR].lstrip()}".lower()
        if not any(map(near.__contains__, _SIGNS_OF_MAIL)):
            continue
        readings = {each: read(texts[each])[1] for each in (turn, goes_on)}
        left, right = readings[turn].text.rstrip(), readings[goes_on].text
        body = right.lstrip()
        skipped = len(right) - len(body)
        if (
            not left
            or not body
            or not (left[-1] in "@.-_" or body[0] in "@." or left.endswith(("艾特", " at", " dot", "点")))
        ):
            continue
        head, tail = left[-80:], body[:80]
        if not may_hold_email(head + tail):
            continue
        for span in find_emails(Reading(Canonical(head + tail))):
            if span.start < len(head) < span.end:
                offset = len(left) - len(head)
                yield turn, Span(*readings[turn].original(offset + span.start, len(left)), "email", 0.9)
                last = skipped + span.end - len(head)
                yield goes_on, Span(*readings[goes_on].original(skipped, last), "email", 0.9)


_ASKS = re.compile(
    r"姓名|名字|称呼|贵姓|尊姓|大名|叫什么|什么名|哪位|怎么叫|谁(?:来)?(?:收|接|签)|(?:联系人|收件人|收货人|户名|持卡人|乘客|入住人|患者|被保险人|"
    r"法人)[^。]{0,6}(?:是|呢|叫|谁|\?|$)|"
    r"\bname\b|who (?:am i|is this|are you|is it|should|shall|do i|may i|'s)|whom|call you|address you",
    re.I,
)
_MAY_ASK = re.compile("[名称姓叫位谁户人客患法]|[Nn][Aa][Mm][Ee]|[Ww][Hh][Oo]|[Cc][Aa][Ll][Ll]|[Aa][Dd][Dd]")
_ANSWER = re.compile(
    r"\s*(?:(?:好的?|嗯|哦|行|对|可以|没问题|ok(?:ay)?|sure|yes|yeah|yep|of course|certainly|hi|hello|"
    r"well|um|thanks)[\s,.!:]*)*"
    r"(?:我的?(?:名字|姓名)?(?:是|叫)|(?:名字|姓名|全名|本名)(?:是|叫|:)?|我|他|她|是|叫|写|就|免贵|本人|"
    r"免贵姓[\u3400-\u9fff],?(?:叫)?|姓[\u3400-\u9fff],?叫?|(?:it'?s|it is|this is|that'?s|"
    r"that would be|i'?m|i am|my name is|my name's|the name is|name's|name is|call me|under|"
    r"mr\.?|mrs\.?|ms\.?|miss|dr\.?)\s)?[\s:,]*"
    r"(?P<name>[\u3400-\u9fff]{2,4}(?:·[\u3400-\u9fff]{1,8})*|[^\W\d_](?:[^\W\d_]|"
    r"['’.-](?=[\w ]))*(?: [^\W\d_](?:[^\W\d_]|['’.-](?=[\w ]))*){0,4})"
    r"(?P<rest>\s*(?:[,.!?;。、~]|啊|呀|哦|的|吧|$|\s-|先生|女士|,|\n)|\s(?:and|here|but|please|thanks)\b)",
    re.I,
)


def find_answers(texts: Sequence[str]) -> Iterator[tuple[int, Span]]:
    """Names that answer "What is your name?" and its like: (turn, span)."""
    for turn in range(1, len(texts)):
        asked = read(texts[turn - 1])[0].text[-80:]
        if not _MAY_ASK.search(asked) or not _ASKS.search(asked):
            continue
        canonical = read(texts[turn])[0]
        found = _ANSWER.match(canonical.text)
        if found and (could_be_chinese_name(found["name"]) or could_be_english_name(found["name"])):
            yield turn, Span(*canonical.original(found.start("name"), found.end("name")), "name", 0.8)
