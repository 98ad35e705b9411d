"""Account and order numbers: nothing in them says what they are, so a cue must."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum import iban

from sft_shared.data.desensitise.cues import Cue, Reading
from sft_shared.data.desensitise.digits import belongs_to_label, is_quantity
from sft_shared.data.desensitise.spans import Kind, Span

_TOKEN = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9]|[-_/.](?=[A-Za-z0-9])|(?<=\d)[ ](?=\d{2,}(?![A-Za-z\d]*[A-Za-z]))){2,39}"
)
_FILL = re.compile(
    r"(?:[\s:=“”\"'‘’()\[\]【】<>《》*`,#、是为即叫做号码的:：?？-]|编号|号码|如下|就是|"
    r"应该是|请问|多少|什么|告诉|提供|一下|我|您|你|这个|那个|单|也|"
    r"(?:number|no\.?|num|id|is|are|was|the|my|your|code|it's|its|it|as|named?|called|handle|"
    r"with|to|under|ending|starts?|s)(?![a-z0-9])|吗|呢|啊|呀|嘛|吧|了|哦|好|，|。|;|同号|名|"
    r"添加|加|搜索|搜)*",
    re.I,
)
_DATE_OR_TIME = re.compile(
    r"(?:19|20)\d{2}[-/.]\d{1,2}(?:[-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}(?:[-/.](?:19|20)?\d\d)?|"
    r"\d{1,2}:\d\d|\d+\.\d{1,2}"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
_IDENTIFIER = re.compile(r"(?=[A-Za-z0-9_-]*[0-9_-]|[A-Za-z]{5,})[A-Za-z][A-Za-z0-9_-]{3,29}|[1-9]\d{4,18}")
_PAIRED = re.compile(r"\s{0,2}(?:[,、/;]|和|与|及|以及|还有|and|or)\s{0,2}")


_MAY_TELL = re.compile(r"[A-Z][-_#]?\d[\dA-Z-]{3}|1Z")
_TELLING = re.compile(
    r"(?<![A-Za-z0-9_/-])(?:(?:ORD|ORDER|RMA|TKT|TKTNO|INC|REQ|CASE|TXN|SHP|CLM|PNR|WO|PO|SO|"
    r"INV|BKG|WEB|RES)[-_#]\d[\dA-Z-]{4,24}|"
    r"(?:ORD|RMA|INC|TXN|SHP|CLM|PUR|INV)\d{6,20}|1Z(?: ?[0-9A-Z]){16}|(?:SF|YT|JD[A-Z]{0,2}|"
    r"ZTO|STO|YD|EMS|DPK)\d{10,16})"
    r"(?![A-Za-z0-9_])"
)


def find_ibans(reading: Reading) -> Iterator[Span]:
    """International account numbers with the right check digits (ISO 13616)."""
    for found in _IBAN.finditer(reading.text):
        written = found[0]
        while len(written) >= 15:  # a word in capitals may follow
            if _leaves_one(written) and iban.is_valid(written):
                yield Span(found.start(), found.start() + len(written), "account", 1.0)
                break
            cut = max(written.rfind(" "), written.rfind("-"))
            written = written[: max(cut, 0)]


def may_hold_ibans(shape: Reading) -> bool:
    """May `find_ibans` find anything in a text with other digits than ``shape``?"""
    return _IBAN.search(shape.text) is not None


def _leaves_one(written: str) -> bool:
    """The check of ISO 7064 by itself, which is quicker than to look up the country's form."""
    bare = written.replace(" ", "").replace("-", "")
    return int("".join([str(int(sign, 36)) for sign in bare[4:] + bare[:4]])) % 97 == 1


def find_cued(reading: Reading) -> Iterator[Span]:
    """Account and order numbers after their cue, or before it: "2024051812345 是我的订单号"."""
    for found in _TELLING.finditer(reading.text) if _MAY_TELL.search(reading.text) else ():
        yield Span(found.start(), found.end(), "order", 0.7)
    for cue in reading.cues:
        if cue.theme == "account" or cue.theme == "order":
            yield from _after(reading, cue, cue.theme)
            yield from _before(reading, cue, cue.theme)


def asks_for_digits(shape: Reading) -> bool:
    """May what `find_cued` finds depend on which digits stand in a text of this shape: a year's, 1Z?"""
    return _YEAR_OR_PARCEL.search(shape.text) is not None


_YEAR_OR_PARCEL = re.compile(r"\d{4}[-/.]\d|\d[-/.]\d{4}|\dZ")


def _after(reading: Reading, cue: Cue, kind: Kind) -> Iterator[Span]:
    text = reading.text
    point = text.startswith(".", cue.end)  # "account no. 1234"
    fill = _FILL.match(text, cue.end + point, min(len(text), cue.end + 40))
    assert fill is not None  # it may be empty
    position, confidence = fill.end(), 0.85
    while position > cue.end and text[position - 1].isascii() and text[position - 1].isalnum():
        if position < len(text) and text[position].isascii() and text[position].isalnum():
            position -= 1  # the filler ended inside a word: "no" of "notes2"
        else:
            break
    found = _TOKEN.match(text, position)
    if not found or not _is_value(text, cue, found, kind):
        found, confidence = _far(reading, cue, kind), 0.6
    while found:
        yield Span(found.start(), found.end(), kind, confidence)
        confidence = min(confidence, 0.7)  # less than that of a telephone number
        pair = _PAIRED.match(text, found.end())
        found = _TOKEN.match(text, pair.end()) if pair else None
        if found and not (_is_value(text, cue, found, kind) and sum(map(str.isdigit, found[0])) >= 6):
            found = None


def _far(reading: Reading, cue: Cue, kind: Kind) -> re.Match[str] | None:
    """A long number later in the sentence, with no other cue between."""
    text = reading.text
    for found in _TOKEN.finditer(text, cue.end, min(len(text), cue.end + 64)):
        if found.start() - cue.end > 32:
            return None
        long = sum(map(str.isdigit, found[0])) >= 8 and _begins(text, found.start())
        if belongs_to_label(text, cue.end, found.start()):
            continue
        if long and reading.cue_before(found.start()) == cue and _is_value(text, cue, found, kind):
            return found
    return None


def _before(reading: Reading, cue: Cue, kind: Kind) -> Iterator[Span]:
    text = reading.text
    if not _SAID.search(reading.lower, max(0, cue.start - 16), cue.start):
        return  # nothing that `cue_after` takes stands between
    for found in _TOKEN.finditer(text, max(0, cue.start - 56), cue.start):
        said = cue.start - found.end() <= 16 and reading.cue_after(found.end()) == cue
        if said and _begins(text, found.start()) and _is_value(text, cue, found, kind):
            yield Span(found.start(), found.end(), kind, 0.75)


_SAID = re.compile("[是为(这那该此]|is|was|as")


def _begins(text: str, start: int) -> bool:
    """Does a token begin at ``start``, not in the middle of a word?"""
    return start == 0 or not (text[start - 1].isascii() and text[start - 1].isalnum())


def _is_value(text: str, cue: Cue, found: re.Match[str], kind: Kind) -> bool:
    """May the token be a number of this kind, not an amount, a date, a count or a word?"""
    written = found[0]
    digits = sum(map(str.isdigit, written))
    if is_quantity(text, found.start(), found.end()) or _DATE_OR_TIME.fullmatch(written):
        return False
    if (
        found.end() < len(text)
        and text[found.end()] in "@:"
        and text[found.end() + 1 : found.end() + 2].strip()
    ):
        return False
    if digits >= 5:
        return True
    if kind == "order":
        if digits >= 4 and len(written) >= 6 and any(map(str.isalpha, written)):
            return True
        return bool(_NUMBERED.search(text[cue.start : cue.end].lower())) and bool(
            (digits >= 3 and len(written) >= 4 and _CLOSE.fullmatch(text, cue.end, found.start()))
            or (_LOCATOR.fullmatch(written) and _CLOSE.fullmatch(text, cue.end, found.start()))
        )
    handle = _IDENTIFIER.fullmatch(written)
    named = text[cue.start : cue.end].lower()
    if not handle or not (digits or "_" in written or "-" in written):
        return bool(
            handle
            and _HANDLES.search(named)
            and _TIGHT.fullmatch(text, cue.end, found.start())
            and len(written) >= 5
        )
    return True


_NUMBERED = re.compile(
    r"(?:号码?|编号|码|no\.?|number|num|id|#|ref\.?|code|pnr|reservation|booking|confirmation|"
    r"conf|reference)$"
)
_LOCATOR = re.compile(r"(?=[A-Z0-9]*[0-9])(?=[A-Z0-9]*[A-Z])[A-Z0-9]{5,8}|[A-Z]{6}")
_HANDLES = re.compile(
    r"微信|vx|v信|wechat|weixin|薇信|威信|user|用户名|登录名|login|telegram|skype|qq|支付宝|alipay|会员|id$"
)
_TIGHT = re.compile(r"(?:号|id|名|账号|handle)?\s*(?::|=|是|为|is\b|->)+[\s\"'“‘]*", re.I)
_CLOSE = re.compile(r"(?:号|id|名|账号|handle)?\s*(?::|=|是|为|is\b|->|#|no\b\.?|number\b)*[\s\"'“‘#]*", re.I)
