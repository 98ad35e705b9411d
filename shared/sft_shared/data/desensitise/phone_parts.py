"""Telephone numbers in parts, with words on their keys, and with an extension or a second number behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from sft_shared.data.desensitise.cues import Reading
from sft_shared.data.desensitise.dialling import is_valid_abroad, is_valid_anywhere, is_valid_in
from sft_shared.data.desensitise.dictation import NUMBER_WORD
from sft_shared.data.desensitise.digits import is_quantity
from sft_shared.data.desensitise.phone_context import is_harmless
from sft_shared.data.desensitise.spans import Span

_INSIDE = (
    r"(?:(?:x-?|×|ext?\.?[=:-]?|ext(?:ension|n)\.?[=:-]?|转|分机号?|#)\s{0,2}(?:(?:number|no\.?|is|是)\s?|[:#])?|"
    r"(?:press|option|opt\.?|dial)\s)(?:\d{1,6}(?![0-9A-Za-z])#?|"
    rf"{NUMBER_WORD}(?:[ -]{NUMBER_WORD}){{0,5}})"
)
_EXTENSION = re.compile(
    rf",{{1,3}}\d{{3,11}}#|\s?\({_INSIDE}\)|"
    rf"[\s,;:/-]{{0,3}}(?:(?:and|then|on|at|with|ask for|it['’]?s|my|the)\s){{0,3}}{_INSIDE}",
    re.I,
)
_TAIL = re.compile(  # 020 7946 0387/8, 415-555-0145 or -0146
    r"(?: ?/ ?\d{1,5}| ?(?:,|or|and|&|或|和) ?-\d{2,4}|"
    r"(?: (?:or|&|thru|through) | ?或者? ?)(?!19|20)\d{4}){1,4}"
    r"(?![0-9A-Za-z/:%-]|[ .,]\d| ?[ap]m\b| ?[点号月日年楼栋室层])"
)
_SECOND = re.compile(  # 0571-87028078/87023752: a number that shares its area code
    r"\s?(?:[/、,]|或者?|和|or|and|&)\s?(?P<local>[2-9]\d{2,3}[ -]?\d{4})(?![0-9A-Za-z.-])"
)
_LOCAL = re.compile(r"(?<= )(?<!\d )[2-9]\d\d-\d{4}(?![0-9A-Za-z-]|\.\d)")
_STATED_LOCAL = re.compile(
    r"\b(?:try|ring|dial|(?:reach |get |hit )?(?:me|us|him|her|them)(?: up)? (?:at|on)|number(?:'s| is)?) "
    r"(?P<local>[1-9]\d\d(?P<mark>[-.]?)\d{4})(?![0-9A-Za-z-]|\.\d)",
    re.I,
)
_ASKED_LOCAL = re.compile(
    r"(?<![0-9A-Za-z.+/$-])(?<!\d )[1-9]\d\d-\d{4}"
    r"(?=,? (?:please |and |just )*(?:ask for|call me|text me|ring me)\b)",
    re.I,
)
_IN_FICTION = re.compile(r"(?<![0-9A-Za-z.+/-])(?<!\d[ .])555(?P<mark>[- ]?)01\d\d(?![0-9A-Za-z-]|[.,]\d)")
_SAME_BREATH = 60  # characters behind a number in which another one may do without the area code


def with_addition(text: str, span: Span) -> Span:
    """The span of a number, and of the extension or the other last digits behind it.

    >>> with_addition("0800 328 4471 extension 204", Span(0, 13, "phone", 0.9)).end
    27
    """
    found = _EXTENSION.match(text, span.end) or _TAIL.match(text, span.end)
    if found is None or is_quantity(text, *found.span()):
        return span
    return span._replace(end=found.end())


def second(text: str, end: int) -> Iterator[Span]:
    """The number behind the one that ends at ``end``, written without the area code that both have."""
    found = _SECOND.match(text, end)
    if found and not is_quantity(text, *found.span("local")):
        yield Span(*found.span("local"), "phone", 0.7)


def local_ones(text: str, end: int) -> Iterator[Span]:
    """Numbers without an area code in the same breath as the one that ends at ``end``."""
    for found in _LOCAL.finditer(text, end, end + _SAME_BREATH):
        yield Span(*found.span(), "phone", 0.55)


def stated_local_ones(reading: Reading) -> Iterator[Span]:
    """Numbers without an area code behind words that state one, "try 555-0142", or of films only."""
    text = reading.text
    for found in _IN_FICTION.finditer(text):
        if found["mark"] or reading.is_dictated(*found.span()):
            yield Span(*found.span(), "phone", 0.55)
    for found in _ASKED_LOCAL.finditer(text):
        yield Span(*found.span(), "phone", 0.55)
    for found in _STATED_LOCAL.finditer(text):
        written = found["mark"] or reading.is_dictated(*found.span("local"))
        if written and not is_quantity(text, *found.span("local")):
            yield Span(*found.span("local"), "phone", 0.55)


_TOLL_FREE = r"8(?:00|33|44|55|66|77|88)"
_KEYS = r"(?=[A-Z0-9-]{0,9}[A-Z]{3})[A-Z0-9](?:-?[A-Z0-9]){5,9}(?![0-9A-Za-z])"
_VANITY = re.compile(  # 1-800-FLOWERS, 1 (888) GO-FEDEX
    rf"(?<![0-9A-Za-z-])1[-. ]\(?{_TOLL_FREE}\)?[-. ]{_KEYS}"
)
_CALLED_VANITY = re.compile(  # behind a cue: 415-CALL-NOW, 0800 REVERSE
    rf"(?<![0-9A-Za-z-])(?:\(?{_TOLL_FREE}\)?[-. ]|0800[ -]|1[38]00[ -]){_KEYS}|(?<![0-9A-Za-z-])(?:1[-. ])?"
    r"\(?[2-9]\d\d\)?[-. ](?:[A-Z]{4}[- ]?[A-Z]{3}|[A-Z]{3}[- ]?[A-Z]{4}|\d{3}-[A-Z]{4})(?![0-9A-Za-z])"
)
_MAY_BE_VANITY = re.compile(r"\d\d\d\)?[-. ](?=[A-Z0-9-]{0,9}[A-Z]{3})")


def may_hold_vanity(text: str) -> bool:
    """May `vanity` find anything in a text with other digits than ``text``?"""
    return _MAY_BE_VANITY.search(text) is not None


def vanity(reading: Reading) -> Iterator[Span]:
    """Numbers with words on their keys."""
    text = reading.text
    if not may_hold_vanity(text):
        return
    for found in _VANITY.finditer(text):
        yield Span(*found.span(), "phone", 0.85)
    for found in _CALLED_VANITY.finditer(text) if "phone" in reading.themes else ():
        cue = reading.cue_before(found.start(), reach=12)
        if cue is not None and cue.theme == "phone":
            yield Span(*found.span(), "phone", 0.7)


_CHUNK = re.compile(r"\d(?:[ -]?\d)*")
_JOINT = re.compile(
    r"[^\w\n]{1,6}|[ \n,.;:…*~_|=)/\\[\](){}\"'-]{1,4}"
    r"(?:(?:and|then|the|rest|is|are|it|its|it's|followed by|next|first|last|second|half|part|bit|other|"
    r"final|remaining|(?:ends?|ending|finish(?:es|ing)?)(?: in| with)?|number|local|digits|area code|plus|"
    r"dash|hyphen|dot|point|slash|um|uh|er|hmm|ok|okay|yeah|sorry|wait|hang on|let me see|three|four|five|"
    r"six|seven|eight)[ ,.;:…-]{1,3}){0,6}[({\[]?",
    re.I,
)
_WRAPS = re.compile(r" ?\n ?|[^\w\n]{1,6}")
_ODD_MARKS = re.compile(  # 415... 673... 0928, 415*673*0928, (415)(673)(0928)
    r"\([2-9]\d\d\)[ .-]?\(\d{3}\)[ .-]?\(\d{4}\)|(?<![0-9A-Za-z.+/$-])(?<!\d )"
    r"[2-9]\d\d(?P<pair>[ .-])\d{3}(?P=pair)\d\d(?P=pair)\d\d(?![0-9A-Za-z-]|[ .,]\d)|"
    r"(?<![0-9A-Za-z.+$*:~-])(?<!\d )[2-9]\d\d(?P<mark> ?(?:\.{2,3}|…|[*:~]) ?|\. )\d{3}(?P=mark)\d{4}"
    r"(?![0-9A-Za-z]|[*:~]\d)"
)
_MAY_HAVE_ODD_MARKS = re.compile(
    r"\d{3}([ .-])\d{3}\1\d\d\1\d\d|\(\d{3}\)[ .-]?\(\d{3}\)[ .-]?\(\d{4}\)|"
    r"\d{3} ?[.…*:~][.…*:~ ]{0,3}\d{3} ?[.…*:~][.…*:~ ]{0,3}\d{4}"
)
_FARTHEST, _CLOSE = 40, 8  # characters from one part to the next, at most and of one value
_MOST_PARTS = 4
_FEWEST_DIGITS, _MOST_DIGITS = 10, 13
_LONGEST_PART = 9  # digits


def may_be_in_parts(shape: Reading) -> bool:
    """May `in_parts` find anything in a text with other digits than ``shape``?"""
    if _MAY_HAVE_ODD_MARKS.search(shape.text):
        return True
    if "phone" not in shape.themes and "+" not in shape.text:
        return False
    return next(_rows(shape.text), None) is not None or _BACKWARDS.search(shape.text) is not None


def in_parts(reading: Reading) -> Iterator[Span]:
    """The parts of a number that a cue or a + announces: "area code 646, and the rest is 555 0106".

    Together they must reach somebody.
    """
    for found in _ODD_MARKS.finditer(reading.text):
        if is_valid_in("US", re.sub(r"\D", "", found[0])) and not is_harmless(reading, found.start()):
            yield Span(*found.span(), "phone", 0.6)
    yield from _behind_code(reading.text)
    if "phone" not in reading.themes and "+" not in reading.text:
        return
    yield from _backwards(reading)
    for row in _rows(reading.text):
        cues = [reading.cue_before(part.start()) for part in row[:2]]
        said = any(cue is not None and cue.theme == "phone" for cue in cues)
        digits = re.sub(r"\D", "", "".join([part[0] for part in row]))
        if reading.text.endswith("+", 0, row[0].start()):
            if not (is_valid_abroad(digits) and _WRAPS.fullmatch(reading.text, row[0].end(), row[1].start())):
                continue
        elif not (said and _reaches_somebody(digits)):
            continue
        if all(right.start() - left.end() <= _CLOSE for left, right in pairwise(row)):
            yield in_brackets(reading.text, Span(row[0].start(), row[-1].end(), "phone", 0.75))
        else:
            yield from (Span(*part.span(), "phone", 0.59) for part in row)


_NAMED_CODE = re.compile(  # area code 617, the 617 area, (617) then
    r"\b(?:(?:area|country)[ -]?code(?:['’]s| is|[:=])?|area) ?\(?\+?(?P<code>\d{1,3})\)?(?!\d)|"
    r"(?<![0-9A-Za-z.+/$-])\(?(?P<area>\d{3})\)?(?: area\b|,? (?:and )?then\b)",
    re.I,
)
_REST = re.compile(r"(?<![0-9A-Za-z.+/$-])\d{3,5}(?:[-. ]?\d{3,6}){1,2}(?![0-9A-Za-z-]|[.,]\d)")


def _behind_code(text: str) -> Iterator[Span]:
    """A code that is called one, and the rest of the number near it, before or behind."""
    for found in _NAMED_CODE.finditer(text):
        name = "code" if found["code"] else "area"
        for rest in _REST.finditer(text, max(0, found.start() - _FARTHEST), found.end() + _FARTHEST):
            digits = found[name] + re.sub(r"\D", "", rest[0])
            is_country = found[0].lower().startswith("country")
            if is_valid_abroad(digits) if is_country else is_valid_in("US", digits):
                yield Span(*found.span(name), "phone", 0.59)
                yield Span(*rest.span(), "phone", 0.59)


_BACKWARDS = re.compile(  # ends in 0928 and starts with 415673
    r"\b(?:ends?|ending|finish(?:es|ing)?|last (?:four|4|part|half)(?: digits)?)(?: is| are| in| with)? "
    r"(?P<tail>\d{3,7})[ ,.;]{1,3}(?:and |it |then )*"
    r"(?:starts?|starting|begins?|beginning|first (?:six|6|three|3|five|5|part|half)(?: digits)?|area code|"
    r"front)(?: is| are| in| with)? (?P<head>\d[\d -]{1,7}\d)(?!\d)",
    re.I,
)


def _backwards(reading: Reading) -> Iterator[Span]:
    """The two halves of a number, the last one first."""
    for found in _BACKWARDS.finditer(reading.text):
        if _reaches_somebody(re.sub(r"\D", "", found["head"]) + found["tail"]):
            yield from (Span(*found.span(half), "phone", 0.59) for half in ("tail", "head"))


def _reaches_somebody(digits: str) -> bool:
    if digits[0] == "0":
        return is_valid_anywhere(digits)
    return is_valid_in("US", digits) or is_valid_in("IN", digits) or is_valid_abroad(digits)


def in_brackets(text: str, span: Span) -> Span:
    """With the brackets at its ends of which it holds the other: (617)-(555)-(0106)."""
    inside = text[span.start : span.end]
    before, after = text[max(0, span.start - 1) : span.start], text[span.end : span.end + 1]
    opened = before == "+" or (before, ")" in inside) == ("(", True) or (before, "]" in inside) == ("[", True)
    closed = (after, "(" in inside) == (")", True) or (after, "[" in inside) == ("]", True)
    return span._replace(start=span.start - opened, end=span.end + closed)


def _rows(text: str) -> Iterator[list[re.Match[str]]]:
    """Groups of digits with only words between them that lead from one part to the next."""
    chunks = list(_CHUNK.finditer(text))
    sizes = [sum(map(str.isdigit, chunk[0])) for chunk in chunks]
    gaps = [(left.end(), right.start()) for left, right in pairwise(chunks)]
    joined = [
        sizes[place + 1] <= _LONGEST_PART
        and end - start <= _FARTHEST
        and bool(_JOINT.fullmatch(text, start, end))
        for place, (start, end) in enumerate(gaps)
    ]
    first = 0
    for last in range(len(chunks)):
        if last < len(joined) and joined[last]:
            continue
        row, digits = chunks[first : last + 1], sum(sizes[first : last + 1])
        if 1 < len(row) <= _MOST_PARTS and _FEWEST_DIGITS <= digits <= _MOST_DIGITS and sizes[first] > 1:
            yield row
        first = last + 1
