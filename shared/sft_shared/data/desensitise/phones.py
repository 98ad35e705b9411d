"""Telephone numbers: Chinese, North American, British, and any other with a + or a cue."""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers

from sft_shared.data.desensitise.announced import announced_as_other
from sft_shared.data.desensitise.cues import Reading
from sft_shared.data.desensitise.dialling import is_valid_anywhere, is_valid_in
from sft_shared.data.desensitise.digits import Number, belongs_to_label, is_draw, is_quantity, stands_alone
from sft_shared.data.desensitise.spans import Span

_MOBILE = re.compile(r"1[3-9]\d{9}")
_MOBILE_GROUPS = re.compile(
    r"11|3,4,4|3,8|4,7|7,4|4,4,3|3,3,5|5,6|5,3,3|3,5,3|2,3,3,3|3,2,3,3|1(,1)+|2(,2)+,1|1(,2)+|"
    r"3,3,3,2|3,2,2,2,2"
)
_ABROAD = re.compile(r"(?:\+|\b00)(?!86)\d{1,3}[ -]?$")
_PREFIX = re.compile(r"(?:\(?(?:\+|00)\s?86\s?\)?|\(86\)|(?<!\d)86)[\s·.-]{0,2}(?:\(0\)\s?)?$")
_AREA = r"(?:10|2[0-57-9]|[3-9]\d{2})"
_LANDLINE = re.compile(
    rf"(?<![0-9A-Za-z.])(?:(?:\+|00)86[ -]?|86[ -])?(?:\(\s?0?{_AREA}\s?\)|(?<=86)0?{_AREA}|"
    rf"(?<=86[ -]){_AREA}|0{_AREA})(?:[ -]{{0,3}}| ?[./_] ?)"
    r"[2-8]\d{2,3}[ ._-]?\d{4}(?![0-9])"
    r"(?P<extension>\s{0,2},?\s?(?:转|ext\.?|x|分机号?|-|#)\s{0,2}\d{1,6}(?![0-9]))?",
    re.I,
)
_SERVICE = re.compile(
    r"(?<![0-9A-Za-z.])(?:400|800)(?:[ -]?\d{3}[ -]?\d{4}|[ -]?\d{4}[ -]?\d{3}|"
    r"\d-\d{3}-\d{3}|-\d-\d{3}-\d{3})(?![0-9A-Za-z])(?:\s?(?:转|ext\.?)\s?\d{1,5}(?!\d))?"
)
_EXTENSION = r"(?P<extension>[\s,;-]{0,3}(?:x|ext[.=]?|extension|转|#)\s{0,2}\d{1,6}(?![0-9]))?"
_AMERICAN = re.compile(
    rf"(?<![0-9A-Za-z.+$-])(?P<country>(?:\+|00)?1[ .-]{{1,2}})?"
    rf"(?:(?P<round>(?:[({{\[] ?)?[2-9]\d\d ?[)}}\]])[ .\n-]{{0,2}}|"
    rf"[2-9]\d\d(?:(?P<mark>[ .·/]| ?- ?)|/(?=\d{{3}}-)))"
    rf"(?:(?(round)\d|[2-9]))\d\d(?:(?(mark)(?:(?P=mark)|(?<= \d{{3}})-)|(?: ?[.-] ?| )))\d{{4}}"
    rf"(?![0-9A-DF-WYZa-df-wyz]){_EXTENSION}",
    re.I,
)
_BRITISH = re.compile(
    r"(?<![0-9A-Za-z.+-])(?:07\d{3}[ -]?\d{3}[ -]?\d{3}|07\d{3}[ -]?\d{6}|"
    r"020[ -]\d{4}[ -]\d{4}|\(020\)[ -]?\d{4}[ -]?\d{4}|01\d{2}1?[ -]\d{3}[ -]\d{4}|"
    r"\(?01\d{3}\)?[ -]\d{5,6}|01\d{3}[ -]\d{3}[ -]\d{3}|03\d{2}[ -]\d{3}[ -]\d{4}|"
    r"0800[ -]\d{3}[ -]\d{3,4}|447[4-9]\d{8})(?![0-9A-Za-z])"
)
_INTERNATIONAL = re.compile(
    rf"(?<![0-9A-Za-z])\(?(?:\+|"
    rf"00(?=\s?[1-9]\d{{0,2}}[ -]))\s?\(?[1-9](?:[ ./()-]{{0,3}}\d){{6,14}}(?![0-9]){_EXTENSION}",
    re.I,
)
_MAY_HOLD = re.compile(r"[\d(+][\d()}\] ./·_-]{5}[\d() ./·_-]*\d")
_HOURS = re.compile(r"(?:[01]\d|2[0-4])[0-5]\d ?- ?(?:[01]\d|2[0-4])[0-5]\d")
_STARTS = re.compile(  # of each of the patterns above
    r"(?<![0-9A-Za-z])(?:[+(0]|[48]00|447|1[ .-]|[({\[]?[2-9]\d\d[ ./·)}\]-])"
)
_DAY = re.compile(r"(?:19|20)\d{2}[-/. ]?\d{1,2}[-/. ]?\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)\d{2}")


_MOMENT = re.compile(  # Unix time from 2001 to 2033, in seconds or milliseconds; a date with what follows it
    r"1\d{9}(?:\d{3})?|20[0-4]\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{1,6}"
)
_LARGEST = ("2147483647", "4294967295")  # of 32 bits
_CENTS = re.compile(r"\.\d\d?(?![\d.])")
_CODE_BEFORE = re.compile(
    r"(?<![A-Za-z])(?!(?:TEL|FAX|MOB|PHONE|CELL|PH|[TMFP])-$)[A-Z]{1,6}-$"
)  # HT-0755-20261103
_ROUND = re.compile(r"\d+[ -]\d*00[ -]\d*00")
_MOST_DIGITS = 13
_TRUNK = re.compile(
    r"(?<![0-9A-Za-z_.+/$-])(?<!\d[ .:])(?:\(0\d{1,4}\)[ ./-]?|0\d{1,4}(?:[ ./-]| / ))\d{2,8}(?:[ "
    r"./-]\d{2,5}){0,4}(?![\d-]|[.:/]\d|[A-Za-z])"
)
_AMERICAN_DIGITS = re.compile(r"[2-9]\d\d[2-9]\d{6}")
_ASKS_TO_CALL = re.compile(
    r"\s?[,;-]?\s?(?:please )?(?:call me|text me|ring me|(?:is |still )+(?:my|your|his|her|the) "
    r"(?:[A-Za-z]+ )?(?:cell|whatsapp|mobile|phone|number|landline))",
    re.I,
)
_NUMBER = re.compile(r"\bnumber(?:'s| is)?\s$", re.I)
_FREE = re.compile(r"(?<![0-9A-Za-z.+-])1[38]00[ -]?\d{3}[ -]?\d{3}(?![0-9A-Za-z-])")
_BARE_CUES = ("号码", "号码是")
_SHORT_CODE = re.compile(
    r"(?:9(?<![0-9A-Za-z.-]9)(?:[56]\d{3}|6\d{4})|1(?<![0-9A-Za-z.-]1)[02]\d{3})(?![0-9A-Za-z]|[.-]\d)"
)
_ANY_SHORT_CODE = re.compile(r"(?<![0-9A-Za-z.-])\d{5,6}(?![0-9A-Za-z]|[.-]\d)")
_SECOND = re.compile(  # 0571-87028078/87023752: a number that shares its area code
    r"\s?(?:[/、,]|或者?|和|or|and|&)\s?(?P<local>[2-9]\d{2,3}[ -]?\d{4})(?![0-9A-Za-z.-])"
)
_LOCAL = re.compile(r"(?<= )(?<!\d )[2-9]\d\d-\d{4}(?![0-9A-Za-z-]|\.\d)")
_SAME_BREATH = 60  # characters behind a number in which another one may do without the area code
_VANITY = re.compile(  # 1-800-FLOWERS
    r"(?<![0-9A-Za-z-])1-8(?:00|33|44|55|66|77|88)-(?:\d{3}-[A-Z]{4}|[A-Z]{3,4}-?[A-Z]{3,4})(?![0-9A-Za-z])"
)
_DIALLED = re.compile(r"(?:(?<!折)[打拨](?:了|过|通)?|[工农建交招]行|客服)(?:的是)?\s?$")
_STATED = re.compile(
    r"\b(?:(?:it'?s|it is|number(?: is|'s)?|on|at|me|try|dial|ring|contact)\s|"
    r"(?:calls?|code|texts?|sms|otp|messages?|voicemail|sent|goes|went|texted|"
    r"called|rang|forwarded|ported)(?: is| was| it)? (?:to|from|at) |"
    r"(?:change[sd]?|switch(?:ed)?|moved?)(?: it)? (?:to|from) |hit me up |\bnumber [a-z ]{1,12}: ?|"
    r"(?:home|work|office|day|evening|daytime|primary|secondary|alternate|backup|emergency|[hcwmtp]): ?)$",
    re.I,
)
_WORDS_BEFORE = re.compile(r"(?:\b[A-Za-z][a-z']+[,.;]? ){2}\(?$|(?:^|[.!?] )$")
_SENTENCE_BEHIND = re.compile(r"\)?(?:[,.;!?](?:\s|$)|\s*$| [A-Za-z][a-z']*\b)")
_ALSO = re.compile(  # one more number, behind another: "at 713-256-3124 or 7026188392"
    r"(?:at|on|me|try|is|from|call|phone|cell|mobile|tel):?\s\(?[2-9]\d\d\)?[ .-]?[2-9]\d\d[ .-]?\d{4}"
    r"(?: or|,|;| and| &| to| /|/)(?: or| and)?\s?$",
    re.I,
)


def may_be_mobile(shape: Reading, number: Number) -> bool:
    """May a number be a telephone number, by all but its digits: its length, and what stands around it?"""
    start, end, length = number.start, number.end, len(number.digits)
    if length > _MOST_DIGITS and length != len("0086") + 11:
        return False
    cue = shape.cue_before(start) or shape.cue_after(end)
    said = cue is not None and cue.theme == "phone"
    if not said and length not in (10, 11, 13, 15):
        return False
    if not stands_alone(shape.text, start, end) and not (said and cue is not None and cue.end == start):
        return False
    return not _is_called_otherwise(shape, start, end)


def find_mobiles(reading: Reading, number: Number) -> Iterator[Span]:
    """The Chinese mobile number that a number is, or the telephone number that a cue says it is.

    Of a number that `may_be_mobile`.
    """
    text, start, end, digits = reading.text, number.start, number.end, number.digits
    if len(digits) == 13 and digits.startswith("86") and number.sizes[0] in (2, 13) and number.plain:
        digits, sizes = digits[2:], (number.sizes[1:] if number.sizes[0] == 2 else (11,))
    elif len(digits) == 15 and digits.startswith("0086"):
        digits, sizes = digits[4:], (number.sizes[1:] if number.sizes[0] == 4 else (11,))
    else:
        sizes = number.sizes
    if len(digits) > _MOST_DIGITS:
        return
    cue = reading.cue_before(start) or reading.cue_after(end)
    said = cue is not None and cue.theme == "phone"
    mobile = _MOBILE.fullmatch(digits) is not None
    if not (mobile or said or len(digits) in (10, 11)):
        return
    beside = cue is not None and cue.end >= start - 2
    if len(sizes) == 1 and not beside and (_MOMENT.fullmatch(digits) or digits in _LARGEST):
        return
    if mobile and not _ABROAD.search(text, max(0, start - 6), start):
        usual = _MOBILE_GROUPS.fullmatch(",".join(map(str, sizes)))
        if not usual and not (number.whole and (number.plain or said)):
            return
        if not said and (
            _is_harmless(reading, start)
            or is_quantity(text, start, end)
            or ("\n" in number.marks and not (sizes == (3, 4, 4) and number.whole))
            or _CENTS.match(text, end)
            or digits.endswith("0000000")
            or (len(sizes) > 1 and _CODE_BEFORE.search(text, max(0, start - 7), start))
        ):
            return
        prefix = _PREFIX.search(text, max(0, start - 12), start)
        plus = text[start - 1 : start] == "+"
        begin = prefix.start() if prefix else start - 1 if plus else start
        if cue is not None and cue.theme == "order" and sizes not in ((11,), (3, 4, 4)):
            yield Span(begin, end, "phone", 0.55)
            return
        yield Span(begin, end, "phone", 0.98 if said or prefix or len(digits) < len(number.digits) else 0.92)
    elif (
        said
        and 7 <= len(digits) <= 13
        and cue is not None
        and start - cue.end <= 20
        and number.whole
        and number.marks <= {" ", "-", ".", "/"}
        and not is_quantity(text, start, end)
        and not text.startswith(":", end)
        and not digits.endswith("0000")
        and not (belongs_to_label(text, cue.end, start) and text[start - 1] == "=")
        and not _HOURS.fullmatch(text, start, end)
        and not _DAY.fullmatch(text, start, end)
        and not (is_draw(number.digits, number.sizes) and text[cue.start : cue.end] in _BARE_CUES)
    ):
        yield Span(start, end, "phone", 0.6 if abs(start - cue.end) > 6 else 0.7)
    elif (
        (cue is None or cue.theme == "harmless")
        and 10 <= len(digits) <= 11
        and reading.is_dictated(start, end)
        and is_valid_anywhere(digits)
    ) or (_is_spaced_out(number) and not _is_harmless(reading, start)):
        yield Span(start, end, "phone", 0.6)
    elif (
        (cue is None or said)
        and (_AMERICAN_DIGITS.fullmatch(digits) or _NUMBER.search(text, max(0, start - 12), start))
        and len(set(digits)) > 4
        and number.whole
        and number.sizes in ((10,), (3, 3, 4), (3, 7), (6, 4), (1,) * 10)
        and (
            _STATED.search(text, max(0, start - 24), start)
            or _ASKS_TO_CALL.match(text, end)
            or _ALSO.search(text, max(0, start - 40), start)
            or (number.sizes == (3, 7) and number.marks == {"-"} and not _is_harmless(reading, start))
            or (cue is None and _is_in_prose(text, start, end))
        )
        and not is_quantity(text, start, end)
        and is_valid_anywhere(digits)
    ):
        yield Span(start, end, "phone", 0.55)


def _is_spaced_out(number: Number) -> bool:
    """Is it written digit by digit, and a number of China with its area code or of North America?

    >>> _is_spaced_out(Number(0, 19, "5035550100", (1,) * 10, frozenset({" ", "-"}), whole=True))
    True
    """
    digits = number.digits
    return (
        set(number.sizes) == {1}
        and number.whole
        and number.plain
        and len(set(digits)) > 3
        and is_valid_in("CN" if digits[0] == "0" else "US", digits)
        and (_AMERICAN_DIGITS.fullmatch(digits) is not None or (len(digits) == 11 and digits[0] == "0"))
    )


_FORMATTED = re.compile(r"\+|\(\d{3,4}\)|[2-9]\d\d([-. ])\d{3}\1\d{4}(?!\d)")
_NUMBERED = re.compile(
    r"(?:\b(?:no|num|number|code|id|serial|s/?n|sku|isbn|imei|part|model|lot|batch)\b|[#:=号码])[^\w\n]{0,3}\Z",
    re.I,
)


def _is_in_prose(text: str, start: int, end: int) -> bool:
    """Does it stand in an English sentence, between words and signs of it?"""
    return bool(_WORDS_BEFORE.search(text, max(0, start - 40), start) and _SENTENCE_BEHIND.match(text, end))


def _is_called_otherwise(reading: Reading, start: int, end: int) -> bool:
    """Does a noun say that it is no telephone number, and no word of telephones stand nearer?"""
    noun = announced_as_other(reading.text, start, end)
    if noun is None or (_FORMATTED.match(reading.text, start) and not _NUMBERED.search(reading.text[:start])):
        return False
    cue = reading.cue_before(start) or reading.cue_after(end)
    if cue is None or cue.theme != "phone" or cue.end <= noun:
        return True
    return noun < cue.start and reading.text[cue.start : cue.end] in _BARE_CUES  # 开奖号码


def _is_harmless(reading: Reading, start: int) -> bool:
    cue = reading.cue_before(start, reach=6)
    return (
        cue is not None
        and cue.theme == "harmless"
        and _DIALLED.search(reading.text, max(cue.end, start - 6), start) is None
    )


def may_hold_phones(shape: Reading) -> bool:
    """May `find_phones` find anything in a text with other digits than ``shape``, where all are 1?"""
    if _MAY_HOLD.search(shape.text) or "1-111-" in shape.text:
        return True
    return any(_is_dialled(shape, found.start()) for found in _ANY_SHORT_CODE.finditer(shape.text))


def find_phones(reading: Reading) -> Iterator[Span]:
    """Landlines, service numbers, and numbers of other countries."""
    for span in _shaped(reading):
        if not _is_called_otherwise(reading, span.start, span.end):
            yield span


def _shaped(reading: Reading) -> Iterator[Span]:
    text = reading.text
    for found in _SHORT_CODE.finditer(text):
        if _is_dialled(reading, found.start()) and not is_quantity(text, found.start(), found.end()):
            yield Span(found.start(), found.end(), "phone", 0.6)
    for found in _VANITY.finditer(text) if "1-8" in text else ():
        yield Span(found.start(), found.end(), "phone", 0.85)
    if not _MAY_HOLD.search(text) or not _STARTS.search(text):
        return
    for found in _LANDLINE.finditer(text):
        if _CODE_BEFORE.search(text, max(0, found.start() - 7), found.start()):
            continue
        yield Span(
            found.start(), found.end(), "phone", 0.85 if not _is_harmless(reading, found.start()) else 0.3
        )
        yield from _second(text, found.end())
    for found in _SERVICE.finditer(text):
        said = _is_said(reading, found.start(), found.end())
        grouped = ("-" in found[0] or " " in found[0]) and not _is_harmless(reading, found.start())
        other = _CODE_BEFORE.search(text, max(0, found.start() - 7), found.start())
        other = other or _ROUND.fullmatch(found[0])
        if not said and (other or is_quantity(text, found.start(), found.end())):
            continue
        if said or grouped or reading.cue_before(found.start()) is None:
            yield Span(found.start(), found.end(), "phone", 0.9 if said else 0.75)
    for found in _AMERICAN.finditer(text):
        if _ROUND.fullmatch(found[0]):
            continue
        if not _is_harmless(reading, found.start()) and not is_quantity(text, found.start(), found.end()):
            yield Span(found.start(), found.end(), "phone", 0.9)
            yield from _second(text, found.end())
            for local in _LOCAL.finditer(text, found.end(), found.end() + _SAME_BREATH):
                yield Span(*local.span(), "phone", 0.55)
    for found in _BRITISH.finditer(text):
        said = _is_said(reading, found.start(), found.end())
        harmless = _is_harmless(reading, found.start()) or is_quantity(text, found.start(), found.end())
        if said or not harmless:
            yield Span(found.start(), found.end(), "phone", 0.9 if said else 0.75)
    yield from _national(reading)
    for found in _INTERNATIONAL.finditer(text):
        yield from _international(reading, found)


def _second(text: str, end: int) -> Iterator[Span]:
    """The number behind the one that ends at ``end``, written without the area code that both have."""
    found = _SECOND.match(text, end)
    if found and not is_quantity(text, *found.span("local")):
        yield Span(*found.span("local"), "phone", 0.7)


def _national(reading: Reading) -> Iterator[Span]:
    """Numbers in the form of their own country, and short ones of firms with a cue."""
    text = reading.text
    for found in (*_TRUNK.finditer(text), *_FREE.finditer(text)):
        start, end = found.span()
        digits = re.sub(r"\D", "", found[0])
        if 8 <= len(digits) <= 12 and not _is_harmless(reading, start) and not is_quantity(text, start, end):
            said = _is_said(reading, start, end)
            said = said or _ASKS_TO_CALL.match(text, end) is not None
            other = None if said else reading.cue_before(start, reach=20)
            sizes = [len(group) for group in re.findall(r"\d+", found[0])]
            pairs = (
                found[0][0] != "("
                and (sizes[0] < 4 or sizes == [4, 4])
                and all(size % 2 == 0 for size in sizes)
            )
            if is_draw(digits, sizes):
                continue
            if (said and not (pairs and len(digits) != 10)) or (
                other is None and not pairs and is_valid_anywhere(digits)
            ):
                yield Span(start, end, "phone", 0.8 if said else 0.66)


def _is_dialled(reading: Reading, start: int) -> bool:
    """Does a word of telephones, of dialling, or a bank's name stand right before a short code?"""
    cue = reading.cue_before(start, reach=5)
    said = cue is not None and cue.theme == "phone"
    return said or _DIALLED.search(reading.text, max(0, start - 6), start) is not None


def _is_said(reading: Reading, start: int, end: int) -> bool:
    cue = reading.cue_before(start) or reading.cue_after(end)
    return cue is not None and cue.theme == "phone"


def _international(reading: Reading, found: re.Match[str]) -> Iterator[Span]:
    """A number with + and a country: sure if its length is possible there, else only with a cue."""
    written = found[0].lstrip("(")
    digits = "+" + re.sub(r"\D", "", written.split("x")[0]).removeprefix("00")
    start = (
        found.end() - len(found[0].lstrip("("))
        if found[0].startswith("(") and ")" not in found[0]
        else found.start()
    )
    try:
        parsed = phonenumbers.parse(digits, None)
        possible, valid = phonenumbers.is_possible_number(parsed), phonenumbers.is_valid_number(parsed)
    except phonenumbers.NumberParseException:
        possible = valid = False
    if written.startswith("00") and not (valid or _is_said(reading, start, found.end())):
        return
    if possible or _is_said(reading, found.start(), found.end()):
        yield Span(start, found.end(), "phone", 0.95 if possible else 0.75)
