"""Telephone numbers: Chinese, North American, British, and any other with a + or a cue."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sft_shared.data.desensitise.announced import announced_as_other
from sft_shared.data.desensitise.cues import Reading
from sft_shared.data.desensitise.dialling import is_valid_abroad, is_valid_anywhere, is_valid_in
from sft_shared.data.desensitise.digits import Number, belongs_to_label, is_draw, is_quantity, stands_alone
from sft_shared.data.desensitise.phone_context import (
    ASKS_TO_CALL,
    is_behind_name,
    is_dialled,
    is_harmless,
    is_said,
    is_under_key,
)
from sft_shared.data.desensitise.phone_parts import (
    in_brackets,
    in_parts,
    local_ones,
    may_be_in_parts,
    may_hold_vanity,
    second,
    stated_local_ones,
    vanity,
    with_addition,
)
from sft_shared.data.desensitise.phones_abroad import international, national, with_country
from sft_shared.data.desensitise.spans import Span

_MOBILE = re.compile(r"1[3-9]\d{9}")
_MOBILE_GROUPS = re.compile(
    r"11|3,4,4|3,8|4,7|7,4|4,4,3|3,3,5|5,6|5,3,3|3,5,3|2,3,3,3|3,2,3,3|1(,1)+|2(,2)+,1|1(,2)+|"
    r"3,3,3,2|3,2,2,2,2"
)
_ABROAD = re.compile(r"(?:\+|\b(?:0011|011|00) ?)(?!86)\d{1,3}[ -]?(?:\(0\)[ -]?)?$")
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
    rf"(?:(?<![0-9A-Za-z.+$-])|(?<=[a-z])(?=\())(?P<country>\(?(?:\+|00)?1\)?(?:[ ./-]{{1,2}}|(?=\()))?"
    rf"(?:(?P<round>(?:[({{\[] ?)?[2-9]\d\d ?[)}}\]])[ .\n-]{{0,2}}|"
    rf"(?:[2-9]\d\d|123(?=.456.))(?:(?P<mark>[ .·/]| ?- ?)|/(?=\d{{3}}-)))"
    rf"(?:(?(round)\d|(?:[2-9]|(?<=\d-)\d|(?<=555.)\d)))\d\d"
    rf"(?:(?(mark)(?:(?P=mark)|(?<= \d{{3}})-)|(?(round)(?: ?[.-] ?|[ \n])?|(?: ?[.-] ?| ))))\d{{4}}"
    rf"(?![0-9A-DF-WYZa-df-wyz]){_EXTENSION}",
    re.I,
)
_BRITISH = re.compile(
    r"(?<![0-9A-Za-z.+-])(?:(?:0|44[ -]?)7\d{3}[ -]?\d{3}[ -]?\d{3}|"
    r"020[ -]\d{4}[ -]\d{4}|\(020\)[ -]?\d{4}[ -]?\d{4}|01\d{2}1?[ -]\d{3}[ -]\d{4}|"
    r"\(?01\d{3}\)?[ -]\d{5,6}|01\d{3}[ -]\d{3}[ -]\d{3}|03\d{2}[ -]\d{3}[ -]\d{4}|"
    r"0800[ -]\d{3}[ -]\d{3,4})(?!(?!x{1,3}(?!\w))[0-9A-Za-z])"
)
_MAY_HOLD = re.compile(r"[\d(+][\d()}\] ./·_-]{5}[\d() ./·_-]*\d")
_HOURS = re.compile(r"(?:[01]\d|2[0-4])[0-5]\d ?- ?(?:[01]\d|2[0-4])[0-5]\d")
_STARTS = re.compile(  # of each of the patterns above and of those of `phones_abroad`
    r"(?<![0-9A-Za-z])(?:[+(0]|[Pp]lus |[48]00|44[ -]?7|[1-9]\d{1,2}[ -]\d|[1-9]\d{0,2} ?\(0|1(?:\(|[ .-])|"
    r"[({\[]?[2-9]\d\d[ ./·)}\]-])|[a-z]\([2-9]"
)
_DAY = re.compile(r"(?:19|20)\d{2}[-/. ]?\d{1,2}[-/. ]?\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ](?:19|20)\d{2}")


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
_GLUED_EXTENSION = re.compile(r"[xX]\d{1,6}(?![0-9A-Za-z])")
_AMERICAN_DIGITS = re.compile(r"(?:[2-9]\d\d[2-9]|555\d)\d{6}")
_NUMBER = re.compile(r"\bnumber(?:'s| is)?\s$", re.I)
_BARE_CUES = ("号码", "号码是")
_SHORT_CODE = re.compile(
    r"(?:9(?<![0-9A-Za-z.-]9)(?:[56]\d{3}|6\d{4})|1(?<![0-9A-Za-z.-]1)[02]\d{3})(?![0-9A-Za-z]|[.-]\d)"
)
_ANY_SHORT_CODE = re.compile(r"(?<![0-9A-Za-z.-])\d{5,6}(?![0-9A-Za-z]|[.-]\d)")
_STATED = re.compile(
    r"\b(?:(?:it'?s|it is|that'?s|number(?: is|'s)?|on|at|me|try|dial|ring|contact)\s|"
    r"(?:calls?|code|texts?|sms|otp|messages?|voicemail|sent|goes|went|texted|"
    r"called|rang|forwarded|ported)(?: is| was| it)? (?:to|from|at) |"
    r"(?:change[sd]?|switch(?:ed)?|moved?|came?|comes|arrived?)(?: it)? (?:to|from|on) |hit me up |hmu |"
    r"(?:call|text|contact|ping|msg|message|whatsapp) [A-Z][a-z]+(?: [A-Z][a-z]+)? ?[-:@] ?|"
    r"\bnumber [a-z ]{1,12}: ?|"
    r"(?:uk|us|usa|india|indian|british|american)(?: number| no\.?| mobile| cell)?:? |"
    r"(?:phone|tel|telephone|mobile|cell|fax)[:.]?\s{2,4}|me: |caller:? |(?:a|his|her|their|this) number: |"
    r"(?:recharge|top ?up|register)(?: [a-z0-9 ]{1,12})? |"
    r"(?:mum|mom|dad|wife|husband|son|daughter|sister|brother|gran|boss|shop|landlord|doctor|vet|driver|courier|"
    r"plumber|nurse|neighbou?r|school|reception|manager|agent|(?-i:[A-Z][a-z]+)'s)(?::| ?[-–])? |"
    r"(?:home|work|office|day|evening|daytime|primary|secondary|alternate|backup|emergency|recipient|contact|caller_?id|ani|"
    r"[hcwmtp])[\"']?[:=] ?[\"']?|(?:^|\n)(?:sure|yes|yeah|yep|ok|okay|hi|hello|thanks)[,:;.!]? )$",
    re.I,
)
_BEGINS = re.compile(r"(?:^|[A-Za-z:,(-] ?)$")
_PLUS_BEFORE = re.compile(r"(?:\+ ?|(?<![A-Za-z])plus )$", re.I)
_SENT_TO = re.compile(r"(?:sent|came?|comes|goes|went|delivered|arrived?)(?: it)? (?:to|on|at) $", re.I)
_LABELLED = re.compile(r"[\"'](?:number|no|num|nr|who|to|n)[\"']: ?[\"']?$", re.I)
_WORDS_BEFORE = re.compile(r"(?:\b[A-Za-z][a-z']*[,.;]? ){2}(?:- )?\(?$|(?:^|[.!?] )$")
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
    extension = _GLUED_EXTENSION.match(shape.text, end)
    whole = stands_alone(shape.text, start, extension.end() if extension else end)
    if not whole and not (said and cue is not None and cue.end == start):
        return False
    return not _is_called_otherwise(shape, start, end)


def find_mobiles(reading: Reading, number: Number) -> Iterator[Span]:
    """The Chinese mobile number that a number is, or the telephone number that a cue says it is.

    Of a number that `may_be_mobile`.
    """
    for span in _judged(reading, number):
        yield with_addition(reading.text, in_brackets(reading.text, span))


def _judged(reading: Reading, number: Number) -> Iterator[Span]:
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
    if mobile and not _ABROAD.search(text, max(0, start - 14), start):
        usual = _MOBILE_GROUPS.fullmatch(",".join(map(str, sizes)))
        if not usual and not (number.whole and (number.plain or said)):
            return
        if not said and (
            is_harmless(reading, start)
            or is_quantity(text, start, end)
            or ("\n" in number.marks and not (sizes == (3, 4, 4) and number.whole))
            or _CENTS.match(text, end)
            or digits.endswith("0000000")
            or (len(sizes) > 1 and _CODE_BEFORE.search(text, max(0, start - 7), start))
        ):
            return
        prefix = _PREFIX.search(text, max(0, start - 12), start)
        plus = _PLUS_BEFORE.search(text, max(0, start - 6), start)
        begin = prefix.start() if prefix else plus.start() if plus else start
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
        (
            len(digits) in (10, 11)
            and sizes in ((10,), (11,), (3, 3, 4), (5, 5))
            and number.whole
            and is_under_key(text, start)
            and is_valid_anywhere(digits)
        )
        or (
            (cue is None or cue.theme == "harmless")
            and 10 <= len(digits) <= 13
            and reading.is_dictated(start, end)
            and (is_valid_anywhere(digits) or (len(digits) > 10 and is_valid_abroad(digits)))
        )
        or (_is_spaced_out(number) and not is_harmless(reading, start))
    ):
        yield Span(start, end, "phone", 0.6)
    elif (
        (cue is None or said or _SENT_TO.search(text, max(0, start - 16), start))
        and (
            _AMERICAN_DIGITS.fullmatch(digits)
            or sizes == (5, 5)
            or (len(digits) == 11 and digits[0] == "1" and _AMERICAN_DIGITS.fullmatch(digits, 1))
            or (sizes in ((4, 6), (4, 3, 3)) and digits[0] == "7")
            or digits[0] == "0"
            or _NUMBER.search(text, max(0, start - 12), start)
        )
        and len(set(digits)) > 4
        and not (digits[0] in "09" and set(sizes) == {1})
        and number.whole
        and number.sizes in ((10,), (3, 3, 4), (3, 7), (5, 5), (4, 6), (4, 3, 3), (6, 4), (11,), (1,) * 10)
        and (
            _STATED.search(text, max(0, start - 24), start)
            or (said and _LABELLED.search(text, max(0, start - 14), start))
            or ASKS_TO_CALL.match(text, end)
            or (cue is None and is_behind_name(text, start))
            or _ALSO.search(text, max(0, start - 40), start)
            or (number.sizes == (3, 7) and number.marks == {"-"} and not is_harmless(reading, start))
            or (cue is None and _is_in_prose(text, start, end))
            or (
                cue is None
                and sizes == (5, 5)
                and digits[0] in "6789"
                and _BEGINS.search(text, max(0, start - 2), start)
            )
        )
        and not is_quantity(text, start, end)
        and is_valid_anywhere(digits)
    ):
        yield Span(start, end, "phone", 0.55 if len(sizes) == 1 else 0.7)


def _is_spaced_out(number: Number) -> bool:
    """Is it written digit by digit, and a number with its area code, or of North America?

    >>> _is_spaced_out(Number(0, 19, "5035550100", (1,) * 10, frozenset({" ", "-"}), whole=True))
    True
    """
    digits = number.digits
    return (
        set(number.sizes) == {1}
        and number.whole
        and (number.plain or number.marks == {" ", ","})
        and len(set(digits)) > (4 if digits[0] == "0" else 3)
        and digits not in "01234567890"
        and (
            (_AMERICAN_DIGITS.fullmatch(digits) is not None and is_valid_in("US", digits))
            or (len(digits) in (10, 11) and digits[0] == "0" and is_valid_anywhere(digits))
        )
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


def may_hold_phones(shape: Reading) -> bool:
    """May `find_phones` find anything in a text with other digits than ``shape``, where all are 1?"""
    if _MAY_HOLD.search(shape.text) or may_hold_vanity(shape.text) or may_be_in_parts(shape):
        return True
    return any(is_dialled(shape, found.start()) for found in _ANY_SHORT_CODE.finditer(shape.text))


def find_phones(reading: Reading) -> Iterator[Span]:
    """Landlines, service numbers, and numbers of other countries."""
    for span in _shaped(reading):
        if not _is_called_otherwise(reading, span.start, span.end):
            yield with_addition(reading.text, span)


def _shaped(reading: Reading) -> Iterator[Span]:
    text = reading.text
    for found in _SHORT_CODE.finditer(text):
        if is_dialled(reading, found.start()) and not is_quantity(text, found.start(), found.end()):
            yield Span(found.start(), found.end(), "phone", 0.6)
    yield from vanity(reading)
    yield from in_parts(reading)
    yield from stated_local_ones(reading)
    if not _MAY_HOLD.search(text) or not _STARTS.search(text):
        return
    for found in _LANDLINE.finditer(text):
        if _CODE_BEFORE.search(text, max(0, found.start() - 7), found.start()):
            continue
        yield Span(
            found.start(), found.end(), "phone", 0.85 if not is_harmless(reading, found.start()) else 0.3
        )
        yield from second(text, found.end())
    for found in _SERVICE.finditer(text):
        said = is_said(reading, found.start(), found.end())
        grouped = ("-" in found[0] or " " in found[0]) and not is_harmless(reading, found.start())
        other = _CODE_BEFORE.search(text, max(0, found.start() - 7), found.start())
        other = other or _ROUND.fullmatch(found[0])
        if not said and (other or is_quantity(text, found.start(), found.end())):
            continue
        if said or grouped or reading.cue_before(found.start()) is None:
            yield Span(found.start(), found.end(), "phone", 0.9 if said else 0.75)
    for found in _AMERICAN.finditer(text):
        if _ROUND.fullmatch(found[0]):
            continue
        if not is_harmless(reading, found.start()) and not is_quantity(text, found.start(), found.end()):
            yield Span(with_country(reading, found), found.end(), "phone", 0.9)
            yield from second(text, found.end())
            yield from local_ones(text, found.end())
    for found in _BRITISH.finditer(text):
        said = is_said(reading, found.start(), found.end())
        harmless = is_harmless(reading, found.start()) or is_quantity(text, found.start(), found.end())
        if said or not harmless:
            yield Span(found.start(), found.end(), "phone", 0.9 if said else 0.75)
    yield from national(reading)
    yield from international(reading)
