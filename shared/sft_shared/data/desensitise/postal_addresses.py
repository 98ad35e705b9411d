"""Addresses read backwards from their postal code, and streets as other countries write them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sft_shared.data.desensitise.spans import Span

_STATES = (
    r"(?:A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|RI|"
    r"S[CD]|T[NX]|UT|V[TA]|W[AVIY]|"
    r"NSW|VIC|QLD|SA|TAS|ACT|NT|ON|QC|BC|AB|MB|SK|NS|NB|PE|NL)"
)
NO_PHONE = (  # "12 High Street, Leeds 0161 496 0441": no code, but the start of a telephone number
    r"(?!(?:\d{4}[ -](?:\d{3}[ -]?\d{3,4}|\d{4})|\d{5}[ -](?:\d{3}[ -]?\d{3}|\d{5}))(?![ -]?\d))"
)
_CODE = re.compile(
    rf"(?<![\w-])(?:[A-Z]{{1,2}}\d[A-Z\d]? ?\d[A-Z]{{2}}|[A-Z]\d[A-Z] ?\d[A-Z]\d|{_STATES},? "
    rf"\d{{4,5}}(?:-\d{{4}})?|"
    rf"(?<=[A-Za-zà-ÿ)] ){NO_PHONE}\d{{4,6}}(?:-\d{{3}})?|(?<=, )\d{{6}}|Dublin \d{{1,2}}|\d{{5}} "
    rf"[A-ZÄÖÜ][\wÀ-ÿ-]+)(?![\w-]|[.,]\d)"
    r"(?:,? (?:UK|USA|India|Singapore|Ireland|Canada|Australia|New Zealand|Deutschland|Germany|France))?",
    re.I,
)
_HOUSE = (
    r"(?:(?:flat|apt\.?|apartment|unit|suite|ste|room|rm|shop|shed|block|blk|plot|house|door|"
    r"tower|level|floor|villa|kothi|"
    r"h\.? ?no\.?|no\.?|building|bldg|lot|site|rr|rural route|po box|p\.o\. box|"
    r"the)\s#?[\w./-]+|#\d[\w-]*|[A-Z]{1,2}-\d{1,4}|"
    r"\d{1,5}(?:st|nd|rd|th) floor|\d{1,3}/f|\d{1,6}[A-Za-z]?(?:[-/]\d{1,5}[A-Za-z]?){0,3})"
)
_BEGINS = re.compile(rf"(?<![\w.,/#-]){_HOUSE}(?![\w@])", re.I)
_PROSE = re.compile(
    r"\b(?:is|are|was|to|at|my|your|and|with|for|from|i|we|it|(?-i:on)|that|address|new|"
    r"mobile|details|name|has|have|please|send|deliver|order|ordered|call|"
    r"days?|hours?|minutes|items?|paid|card|number|code|by|will|phone|can|until|since|but|or|"
    r"not|cost|price)\b",
    re.I,
)
_STREETS = re.compile(
    r"\b(?:street|st|avenue|ave|road|rd|boulevard|blvd|drive|dr|lane|ln|court|ct|place|square|"
    r"sq|terrace|way|parkway|pkwy|"
    r"highway|hwy|close|crescent|cross|nagar|marg|sector|layout|colony|apartments?|gardens?|"
    r"hills?|quay|row|mews|grove|"
    r"park|floor|box|rue|rua|via|calle|avenida|plot|flat|apt|unit|suite|block|blk|tower|house|no|room|rd)\b",
    re.I,
)
_ABROAD = re.compile(
    r"(?<![\w/-])(?:\d{1,5}(?:,? ?(?:bis|ter))?,? (?:rue|avenue|boulevard|place|quai|chemin|"
    r"impasse|via|viale|piazza|calle|avenida|rua|travessa)"
    r" (?:(?:de|du|des|la|le|l['’]|d['’]|della|del|dos|da|do|los|las) "
    r"?){0,2}[A-ZÀ-Ý][\wÀ-ÿ'’-]+(?: [A-ZÀ-Ý][\wÀ-ÿ'’-]*){0,2}|"
    r"[A-ZÄÖÜ][\wÀ-ÿ-]+(?:straße|strasse|str\.|weg|platz|gasse|allee|ring|ufer|damm|straat|"
    r"laan|gatan|vägen|veien|gade) ?\d{1,4} ?[a-z]?(?!\w))"
    r"(?:, ?\d{4,5} [A-ZÄÖÜÀ-Ý][\wÀ-ÿ-]+|, ?[A-ZÀ-Ý][\wÀ-ÿ-]+(?: [A-ZÀ-Ý][\wÀ-ÿ-]+)? "
    r"?(?:\d{5}(?:-\d{3})?)?)?",
)
_SPOKEN = re.compile(
    r"(?:address(?:'s| is)|live at|i'm at|line of (?:your|the) address\W+|at)\s(?:uh |um "
    r")?(?P<value>(?:(?:twenty|thirty|forty|fifty|sixty|seventy|"
    r"eighty|ninety)(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|one|two|three|"
    r"four|five|six|seven|eight|nine|ten|"
    r"eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|"
    r"nineteen)\s(?:[a-z'’]+\s){1,3}(?:street|road|avenue|"
    r"lane|drive|court|close|grove|way|place|crescent|terrace|gardens|hill))\b",
    re.I,
)
_LONGEST = 130  # characters before a code that may belong to its address
_HINT = re.compile(
    r"\d(?:[A-Za-z]{2}\b|(?<![0-9A-Za-z]\d)\d{3,5}\b|(?<=\b[A-Za-z]\d)[A-Za-z]|(?<=ublin \d)|(?<=UBLIN \d))"
)
_THREE_LETTERS = re.compile("[A-Za-z]{3}")

_ABROAD_HINTS_TEXT = (  # of `_ABROAD`: a word before the name, or the end of one before the number
    "rue avenue boulevard place quai chemin impasse via viale piazza calle avenida rua travessa|"
    "straße strasse str. weg platz gasse allee ring ufer damm straat laan gatan vägen veien gade"
)
_BEFORE, _ENDS = (part.split() for part in _ABROAD_HINTS_TEXT.split("|"))
_ABROAD_HINTS = (*(f" {word} " for word in _BEFORE), *_ENDS)
_MAY_BE_ABROAD = re.compile(
    rf"\d,? ?\w*,? ?(?:{'|'.join(_BEFORE)}) |(?:{'|'.join(map(re.escape, _ENDS))}) ?\d"
)
_SPOKEN_HINTS = (
    "address is",
    "address's",
    "live at",
    "i'm at",
    "line of",
    *(  # and of `_SPOKEN`
        f"at {number}"
        for number in ["uh", "um", "tw", "th", "fo", "fi", "si", "se", "ei", "ni", "o", "te", "el"]
    ),
)


def find_postal_addresses(text: str) -> Iterator[Span]:
    """Everything from the house to the postal code; streets of other countries; addresses that are spoken."""
    if "," in text and _THREE_LETTERS.search(text) and _HINT.search(text):
        for found in _CODE.finditer(text):
            start = _begin(text, found.start())
            if start is not None:
                yield Span(start, found.end(), "address", 0.94)
    lower = text.lower()
    abroad = any(map(lower.__contains__, _ABROAD_HINTS)) and _MAY_BE_ABROAD.search(lower)
    for found in _ABROAD.finditer(text) if abroad else ():
        yield Span(found.start(), found.end(), "address", 0.93)
    for found in _SPOKEN.finditer(text) if any(map(lower.__contains__, _SPOKEN_HINTS)) else ():
        yield Span(found.start("value"), found.end("value"), "address", 0.6)


def _begin(text: str, code: int) -> int | None:
    """Where the address of a postal code begins: the first house or number with no prose after it."""
    floor = max(0, code - _LONGEST, text.rfind("\n\n", 0, code) + 1)
    for found in _BEGINS.finditer(text, floor, code):
        between = text[found.start() : code]
        rest = text[found.end() : code]
        if (
            "," not in between
            or _PROSE.search(rest)
            or re.search(r"[!?:;]|(?<![A-Z][a-z])\.\s(?![A-Z\d])", rest)
        ):
            continue
        if not _STREETS.search(between) or not re.search(r"[A-Za-z]{3}", rest):
            continue
        if found[0].lower().startswith("the ") and not found[0][4:5].isupper():
            continue
        return found.start()
    return None
