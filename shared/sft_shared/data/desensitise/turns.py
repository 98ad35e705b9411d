"""Personal data that takes several turns: numbers sent piece by piece, and names that answer a question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from sft_shared.data.desensitise.blocks import of_late
from sft_shared.data.desensitise.canonical import read
from sft_shared.data.desensitise.cards import find_cards
from sft_shared.data.desensitise.chinese_name_labels import could_be_chinese_name
from sft_shared.data.desensitise.cues import Reading, Theme
from sft_shared.data.desensitise.dialling import is_valid_abroad, is_valid_anywhere, is_valid_in
from sft_shared.data.desensitise.dictation import read_few
from sft_shared.data.desensitise.digits import Number
from sft_shared.data.desensitise.disguises import GAP
from sft_shared.data.desensitise.documents import find_resident_ids
from sft_shared.data.desensitise.english_name_phrases import could_be_english_name
from sft_shared.data.desensitise.folding import Canonical
from sft_shared.data.desensitise.network import find_emails, may_hold_email
from sft_shared.data.desensitise.spans import Kind, Span

_PIECE = re.compile(r"[0-9](?:[ .·/-]{0,2}[0-9])*(?:[ -]?[Xx](?![A-Za-z]))?")
_BETWEEN_GROUPS = re.compile(GAP)
_MOST_TURNS = 12  # from the first piece of a number to its last
_MOST_DIGITS = 19
_SHORT = 60  # characters of a turn in which a number needs no word of telephones
_LONG, _LONGEST = 200, 600  # characters of a turn with one number anywhere, and with one at its ends
_BEFORE_IT, _BEHIND_IT = re.compile(r"[\s\"'(+]*"), re.compile(r"[\s.,;:!?。…~\"')-]*")  # at a turn's ends
_BEGINS = re.compile(r"[^0-9]{0,6}(?:号|前面|前[三四]位|开头|先记)[^0-9]{0,4}[0-9]")
_MOBILE = re.compile(r"1[3-9]\d{9}")
_COUNTS = re.compile(r"多少|几[个件台箱]|数量|价|元|块|how (?:many|much)|quantit|price|amount", re.I)
_AMERICAN_PARTS = ((3, 7), (3, 3, 4), (6, 4))
_USUAL_PARTS = ((3, 4, 4), (3, 8), (7, 4), (4, 4, 3), (4, 7), (4, 3, 4))
_Place = tuple[int, int, str]  # start and end in the original text of a turn, digits


def find_over_turns(texts: Sequence[str]) -> Iterator[tuple[int, Span]]:
    """What takes several turns: (turn, span of its part).

    Cards, resident IDs, mobile numbers and e-mail addresses in pieces, and names that answer "What is your
    name?" and its like.
    """
    looks = [_look_at(text) for text in texts]
    pieces = [look.piece for look in looks]
    said = "\n".join([text.strip() for text in texts]).lower()
    if any(map(said.__contains__, _SIGNS_OF_MAIL if "at" in said else _SIGNS_WITHOUT_AT)):
        yield from _mail(texts)
    if pieces.count(None) < len(pieces) - 1:
        yield from _numbers(texts, pieces)
        yield from _read_back(texts, pieces)
    for turn, look in enumerate(looks[:-1], start=1):
        if look.asks:
            yield from _answer(turn, texts[turn])


def _numbers(texts: Sequence[str], pieces: Sequence[_Place | None]) -> Iterator[tuple[int, Span]]:
    """A turn gives one piece, or none if somebody only says "go on"."""
    themes = [  # a cue three turns before still counts
        _theme(text) if any(pieces[turn : turn + 4]) else None for turn, text in enumerate(texts)
    ]
    for first, start in enumerate(pieces):
        if start is None:
            continue
        theme = next((each for each in reversed(themes[max(0, first - 3) : first + 1]) if each), None)
        parts, digits, silent = [(first, start)], start[2], 0
        for turn, following in enumerate(pieces[first + 1 : first + _MOST_TURNS], start=first + 1):
            if following is None:
                silent += 1
                if silent > 2:
                    break
                continue
            silent = 0
            parts.append((turn, following))
            digits += following[2]
            if len(digits) > _MOST_DIGITS:
                break
            begun = _BEGINS.match(read(texts[first])[1].text) is not None
            kind = _kind(digits, theme, begun=begun) or _phone_in_usual_parts(texts, parts, theme)
            if kind:
                for number, (place, (begin, end, _)) in enumerate(parts):
                    begin, end = _with_marks(
                        texts[place], begin, end, is_first=number == 0, is_last=number == len(parts) - 1
                    )
                    plus = kind == "phone" and texts[place][begin - 1 : begin] in ("+", "＋")
                    yield place, Span(begin - plus, end, kind, 0.9)


def _with_marks(text: str, begin: int, end: int, *, is_first: bool, is_last: bool) -> tuple[int, int]:
    """With the mark at which a number is cut, before the part or behind it.

    >>> _with_marks("on 415-673-", 3, 10, is_first=True, is_last=False)
    (3, 11)
    """
    mark = "." if "." in text[begin:end] else "-"
    if not is_first and text[begin - 1 : begin] == mark:
        begin -= 1
    if not is_last and text[end : end + 1] == mark:
        end += 1
    return begin, end


def _read_back(texts: Sequence[str], pieces: Sequence[_Place | None]) -> Iterator[tuple[int, Span]]:
    """Numbers of which each piece is said once more by the other one, who takes them down."""
    echoes = {
        turn: piece
        for turn, (before, piece) in enumerate(pairwise(pieces), start=1)
        if piece and before and piece[2] == before[2]
    }
    if not echoes:
        return
    for turn, span in _numbers(
        texts, [None if turn in echoes else piece for turn, piece in enumerate(pieces)]
    ):
        yield turn, span
        if echo := echoes.get(turn + 1):
            yield turn + 1, Span(echo[0], echo[1], span.kind, span.confidence)


class _Look(NamedTuple):
    """What a turn may have a part in."""

    piece: _Place | None
    asks: bool  # does it end with a question for a name?


@of_late
def _look_at(text: str) -> _Look:
    folded, canonical = read(text)
    asked = folded.text[-80:]
    lower = asked.lower()
    return _Look(
        piece=_piece(read_few(canonical)) if len(text) <= _LONGEST else None,
        asks=any(map(lower.__contains__, _WORDS_THAT_ASK)) and _ASKS.search(asked) is not None,
    )


@of_late
def _theme(text: str) -> Theme | None:
    """Of cards, identity and telephone numbers, what a turn speaks of last."""
    for cue in reversed(Reading(read(text)[1]).cues):
        if cue.theme in ("card", "resident_id", "phone"):
            return cue.theme
    return None


def _piece(canonical: Canonical) -> _Place | None:
    """The one number of a turn; also one in groups with little between them.

    Of a turn that says more, the number that it ends with, or begins with.
    """
    runs: list[list[re.Match[str]]] = []
    for group in _PIECE.finditer(canonical.text):
        if runs and _BETWEEN_GROUPS.fullmatch(canonical.text, runs[-1][-1].end(), group.start()):
            runs[-1].append(group)
        else:
            runs.append([group])
    if not runs:
        return None
    is_only_one = len(runs) == 1 and len(canonical.text) <= _LONG
    if is_only_one or _BEHIND_IT.fullmatch(canonical.text, runs[-1][-1].end()):
        run = runs[-1]
    elif _BEFORE_IT.fullmatch(canonical.text, 0, runs[0][0].start()):
        run = runs[0]
    else:
        return None
    start, end = canonical.original(run[0].start(), run[-1].end())
    digits = re.sub(r"[^0-9X]", "", "".join(each[0] for each in run).upper())
    return (start, end, digits) if len(digits) < 18 else None


def _phone_in_usual_parts(
    texts: Sequence[str], parts: Sequence[tuple[int, _Place]], theme: Theme | None
) -> Kind | None:
    """A telephone number that nobody names, but that is split as people split one.

    It begins with + or 00 and a country, is a Chinese landline behind its area code, or a mobile number in
    its usual groups; and no turn of it speaks of another number, nor the one before it of a quantity.
    """
    asked = max(0, parts[0][0] - 1)
    if any(map(_COUNTS.search, texts[asked : parts[-1][0] + 1])):
        return None
    if any(len(texts[turn]) > _SHORT for turn, _ in parts):
        return None
    if theme not in (None, "phone") or any(
        Reading(read(texts[turn])[1]).themes - {"phone"} for turn, _ in parts
    ):
        return None
    turn, (start, _end, head) = parts[0]
    sizes = tuple(len(digits) for _, (_, _, digits) in parts)
    digits = "".join(digits for _, (_, _, digits) in parts)
    if texts[turn][:start].rstrip().endswith(("+", "＋")) or head.startswith("00"):
        return "phone" if is_valid_abroad(digits.removeprefix("00")) else None
    if _MOBILE.fullmatch(digits):
        return "phone" if sizes in _USUAL_PARTS else None
    if sizes in _AMERICAN_PARTS and is_valid_in("US", digits):
        return "phone"
    is_landline = sizes[0] in (3, 4) and head[0] == "0" and len(digits) in (10, 11, 12)
    is_british = head[0] == "0" and len(head) > 2 and len(digits) == 11 and is_valid_in("GB", digits)
    return "phone" if is_british or (is_landline and is_valid_in("CN", digits)) else None


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
_SIGNS_WITHOUT_AT = tuple(sign for sign in _SIGNS_OF_MAIL if "at" not in sign)


@of_late
def _near_its_ends(text: str) -> tuple[bool, bool]:
    """Is there a sign of an address near the start of a turn, and near its end?"""
    head, tail = "\n" + text[:_NEAR].lstrip().lower(), text[-_NEAR:].rstrip().lower() + "\n"
    return any(map(head.__contains__, _SIGNS_OF_MAIL)), any(map(tail.__contains__, _SIGNS_OF_MAIL))


def _mail(texts: Sequence[str]) -> Iterator[tuple[int, Span]]:
    """An address that breaks off at its @ or a dot and goes on in the next turn, or in that person's next."""
    signs = [_near_its_ends(text) for text in texts]
    for turn, goes_on in ((turn, turn + step) for turn in range(len(texts) - 1) for step in (1, 2)):
        if goes_on == len(texts) or not (signs[turn][1] or signs[goes_on][0]):
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
_WORDS_THAT_ASK_TEXT = (  # one of them stands in all that `_ASKS` finds
    "姓名 名字 称呼 贵姓 尊姓 大名 叫什么 什么名 哪位 怎么叫 谁 联系人 收件人 收货人 户名 持卡人 乘客 "
    "入住人 患者 被保险人 法人 name who call addre"
)
_WORDS_THAT_ASK = tuple(_WORDS_THAT_ASK_TEXT.split())
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


def _answer(turn: int, text: str) -> Iterator[tuple[int, Span]]:
    """The name that a turn gives, asked for it by the one before."""
    canonical = read(text)[0]
    found = _ANSWER.match(canonical.text)
    if found and (could_be_chinese_name(found["name"]) or could_be_english_name(found["name"])):
        yield turn, Span(*canonical.original(found.start("name"), found.end("name")), "name", 0.8)
