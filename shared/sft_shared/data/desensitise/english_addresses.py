"""Addresses in English: streets, units, cities, ZIP codes and postcodes, boxes; Chinese ones too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sft_shared.data.desensitise.postal_addresses import NO_PHONE, find_postal_addresses
from sft_shared.data.desensitise.spans import Span

_SUFFIX = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Drive|Dr|Lane|Ln|Court|Ct|Place|Pl|"
    r"Square|Sq|Terrace|Ter|Way|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Trail|Trl|Crescent|Cres|"
    r"Close|Gardens|Grove|Hill|Mews|Row|Walk|"
    r"Alley|Loop|Pike|Path|Plaza|Run|Crossing|Broadway|Quay|Wharf|Esplanade|Parade|Rise|View|"
    r"Vale|Green|Heights|Park|Yard|Bend|Point|Ridge|Freeway|Expressway|Turnpike)"
)
_NUMBER = r"(?:No\.? ?)?\d{1,6}[A-Za-z]?(?:[-/]\d{1,5}[A-Za-z]?)?(?: ?1/2)?"
_WORD = r"(?:[A-Z0-9][\w'’.-]*|of|the|de|la|del|los|las|el|am|der)"
_WAY = r"(?:[NSEW]\.?|[NS]\.?[EW]\.?|North|South|East|West|Northeast|Northwest|Southeast|Southwest)"
_NUMBERED_WAY = (
    r"(?:(?:County|State|US|Old|Rural|Farm to Market|Interstate)\s)?(?:Road|Route|Highway|Hwy|"
    r"Rte|Rd)\s+\d{1,4}[A-Z]?\b"
)
_BARE_WAY = (
    r"(?:Broadway|Kingsway|Strand|Piccadilly|Whitehall|Pall Mall|Avenue [A-Z]|Avenue of the [A-Z]\w+)\b"
)
_NO_STREET = (
    r"(?!(?:Hours?|Days?|Weeks?|Months?|Years?|Min(?:ute)?s?|Stars?|Way|Percent|Items?|Packs?|Inch|Times?|"
    r"People|Miles?)\b)"
)
_STREET = (
    rf"(?:{_NUMBERED_WAY}|"
    rf"(?:{_WAY}\s+)?(?:{_WORD}\s+){{1,4}}?{_SUFFIX}\b\.?(?:\s+{_SUFFIX}\b\.?)*(?:\s+(?:{_WAY}(?![\w'])))?|"
    rf"{_BARE_WAY})"
)
_UNIT_WORD = (
    r"(?:Apt|Apartment|Suite|Ste|Unit|Flat|Room|Rm|Floor|Fl|Building|Bldg|Block|Tower|Level|"
    r"Lot|Studio|House|Bay)"
)
_UNIT = rf"(?:{_UNIT_WORD}\.?\s*#?\s?[A-Z0-9][\w-]{{0,6}}|#\s?[\w-]{{1,7}}|\d{{1,3}}(?:st|nd|rd|th)\s+Floor)"
_CODE = NO_PHONE + (
    r"(?:\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d|\d{4}(?!\d)|\d{6}(?!\d))"
)
_STATE = (
    r"(?:A[LKZR]|C[AOT]|D[EC]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|RI|"
    r"S[CD]|T[NX]|UT|V[TA]|W[AVIY]|NSW|VIC|QLD|WA|SA|TAS|ACT|NT|ON|QC|BC|AB|MB|SK|NS|NB|"
    r"Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|"
    r"Georgia|Hawaii|Idaho|Illinois|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|"
    r"Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|"
    r"Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|"
    r"North Dakota|Ohio|Oklahoma|Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|"
    r"Tennessee|Texas|Utah|Vermont|Virginia|Washington|West Virginia|Wisconsin|Wyoming|"
    r"Ontario|Quebec)"
)
_CITY = r"(?:[A-Z][A-Za-zÀ-ÿ.'’-]+(?:[ ](?:[A-Z][A-Za-zÀ-ÿ.'’-]+|upon|on|of|le|la|de|by)){0,3})"
_COUNTRY = (
    r"(?:USA|U\.S\.A\.|US|UK|United States|United Kingdom|England|Scotland|Wales|Ireland|"
    r"Canada|Australia|China|P\.?R\.? China|Hong Kong|Singapore|Germany|France|India|Japan)"
)
_COMMA = r"(?:\s?,\s*|\s*\n\s*)"
_SURE_TAIL = (
    rf"(?:{_COMMA}{_UNIT}){{0,3}}(?:{_COMMA}{_CITY}){{0,3}}?(?:(?:{_COMMA}|"
    rf"\s)(?:{_CITY}\s)?{_STATE}\b\.?)?(?:{_COMMA}|\s){_CODE}(?![\w-])(?:{_COMMA}{_COUNTRY}\b)?"
)
_STATE_TAIL = (
    rf"(?:{_COMMA}{_UNIT}){{0,3}}(?:{_COMMA}{_CITY}){{1,2}}?{_COMMA}{_STATE}(?!\w)(?:{_COMMA}{_COUNTRY}\b)?"
)
_PLACE_TAIL = (
    rf"(?:{_COMMA}{_UNIT}){{0,3}}(?:,\s*{_CITY}\s(?:District|County|Province|City|Township|"
    rf"Town)\b)+(?:,\s*{_CITY}(?=\s*(?:[,.;\"'\n)]|$)|\s[a-z])){{0,3}}(?:{_COMMA}{_COUNTRY}\b)?"
)
_SHORT_TAIL = (
    rf"(?:{_COMMA}{_UNIT}|\s{_UNIT}){{0,3}}(?:,\s*(?!Thanks|Thank|Please|Attn|Attention|Hi|"
    rf"Hello|But|And|So|The|It|I\b){_CITY}"
    r"(?=\s*(?:[,.;\"'\n)?!]|$)|\s[a-z]|\s[(+]?\d{2,5}\)?[ -]\d{3})){0,2}"
)
_HEAD = re.compile(rf"(?:{_UNIT}{_COMMA}?\s?){{1,4}}$")

_STREET_ADDRESS = re.compile(
    rf"{_NUMBER},?\s+{_NO_STREET}{_STREET}(?:\s{_UNIT})?(?:{_SURE_TAIL}|{_STATE_TAIL}|{_PLACE_TAIL}|{_SHORT_TAIL})"
)
_CODED = re.compile(
    rf"{_NUMBER},?\s+{_CITY}{_COMMA}(?:{_CITY}{_COMMA}){{0,2}}{_CITY}?\s?(?:{_STATE}\s)?"
    rf"(?:[A-Z]{{1,2}}\d[A-Z\d]? ?\d[A-Z]{{2}}|{_STATE},? \d{{5}}(?:-\d{{4}})?)(?![\w-])"
)
_BOX = re.compile(
    rf"(?<!\w)(?:P\.?\s?O\.?\s?Box|Post Office Box|GPO Box|"
    rf"Private Bag)\s+#?[\dA-Z-]+(?:{_SURE_TAIL}|{_STATE_TAIL}|{_SHORT_TAIL})",
    re.I,
)
_ANY_CASE = re.compile(
    rf"\d{{1,6}}[a-z]?\s+{_NO_STREET}(?:(?!(?:of|the|on|in|at|to|for|and|or|a|an|is|are|was|my|your|more|"
    rf"days?|hours?|minutes?|times|items?|people|years?|months?|weeks?|miles|off|per|from|with|"
    rf"by|down|up)\b)[A-Za-z0-9'.]+\s+){{1,3}}"
    r"(?:street|st|avenue|ave|road|rd|boulevard|blvd|drive|dr|lane|ln|court|ct|terrace|"
    r"crescent|parkway|pkwy|highway|hwy|square|close|gardens)\b\.?"
    rf"(?:,?\s(?:apt|apartment|suite|ste|unit|flat|room|"
    rf"#)\.?\s?#?\w{{1,6}})?(?:,?\s[a-z .]{{3,24}}?,?\s(?:{_STATE}),?\s\d{{5}}(?:-\d{{4}})?)?",
    re.I,
)
_UNIT_FIRST = re.compile(
    rf"(?<!\w)(?:{_UNIT}{_COMMA}){{2,4}}{_CITY}(?:,\s*{_CITY}){{0,4}}|"
    rf"(?<!\w){_UNIT}(?:{_COMMA}(?:{_NUMBER}\s)?{_CITY}){{1,5}}\s{_CODE}(?![\w-])"
)
_CUE = re.compile(
    r"(?:address|live[sd]?|living|stay(?:ing)?|resid\w+|located|deliver\w*|ship\w*|send|sent|"
    r"mail\w*|reroute\w*|redirect\w*|forward\w*|moved?|going|come|parcel|package|drop\w*|"
    r"pick\w*|home|house|office|warehouse|at|to|from|is)\b[^.!?\n]{0,24}$",
    re.I,
)
_POSTCODE = re.compile(
    r"\b(?:post ?code|zip(?: ?code)?)\s*(?:is|:|"
    r"=)?\s*(?P<code>[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|\d{5}(?:-\d{4})?)(?!\w)",
    re.I,
)
_NUMBER_STARTS = re.compile(
    r"(?<![\w$€£#:/-])(?<!\d\.)\d{1,6}(?=[A-Za-z]?(?:[-/ ][\dA-Za-z/]{1,5})?,?\s+[\w(])"
)
_NUMBER_HINT = re.compile(r"[0-9][A-Za-z]?(?:[-/ ][0-9A-Za-z/]{1,5})?,?\s")
_ENDS_PHONE = re.compile(r"(?:\d|\))[ .-]?$|(?:x|ext\.?|extension) ?$")  # "(303) 649-6872, 5 Main St"
_PHONE_FIRST = re.compile(  # "01632 960143 5 Main St"
    r"(?P<phone>\d{3,5}[ -](?:\d{3}[ -])?\d{3,6}),? \d{1,5} [A-Z]"
)
_NEXT_NUMBER = re.compile(r"(?:-\d{2,5})?,\s+\d")
_NO_BEFORE = re.compile(r"(?<!\w)No\.? ?$")
_UNIT_BEFORE = re.compile(rf"{_UNIT_WORD}\.?\s*#?\s?$")
_UNIT_WORDS = (
    "Ap",
    "Suite",
    "Ste",
    "Unit",
    "Flat",
    "Room",
    "Rm",
    "Fl",
    "Bl",
    "Tower",
    "Level",
    "Lot",
    "Studio",
    "House",
    "Bui",
    "Bay",
)
_UNIT_STARTS = re.compile(rf"(?<!\w){_UNIT_WORD}\b")


def find_english_addresses(text: str) -> Iterator[Span]:
    """Street addresses and boxes, as far as their city, state, code or country if these follow."""
    yield from find_postal_addresses(text)
    done = 0
    for number in _NUMBER_STARTS.finditer(text) if _NUMBER_HINT.search(text) else ():
        if number.start() < done or _UNIT_BEFORE.search(text, max(0, number.start() - 12), number.start()):
            continue
        if phone := _PHONE_FIRST.match(text, number.start()):
            done = phone.end("phone")
            continue
        if _ENDS_PHONE.search(text, max(0, number.start() - 6), number.start()) and _NEXT_NUMBER.match(
            text, number.end()
        ):
            continue
        abbreviated = _NO_BEFORE.search(text, max(0, number.start() - 4), number.start())
        start = abbreviated.start() if abbreviated else number.start()
        found, confidence = _STREET_ADDRESS.match(text, start) or _CODED.match(text, start), 0.92
        if not found:
            found, confidence = _ANY_CASE.match(text, start), 0.7
            if (
                found
                and not found[0][-1].isdigit()
                and not _CUE.search(text, max(0, found.start() - 48), found.start())
            ):
                found = None
        if found:
            head = _HEAD.search(text, max(0, found.start() - 48), found.start())
            done = found.start() + len(_trimmed(found[0]))
            yield Span(head.start() if head else found.start(), done, "address", confidence)
    for found in _BOX.finditer(text) if "ox" in text or "OX" in text else ():
        yield Span(found.start(), found.start() + len(_trimmed(found[0])), "address", 0.92)
    for unit in _UNIT_STARTS.finditer(text) if any(map(text.__contains__, _UNIT_WORDS)) else ():
        if found := _UNIT_FIRST.match(text, unit.start()):
            yield Span(found.start(), found.start() + len(_trimmed(found[0])), "address", 0.7)
    for found in _POSTCODE.finditer(text) if "code" in text or "zip" in text.lower() else ():
        yield Span(found.start("code"), found.end("code"), "address", 0.55)


def _trimmed(written: str) -> str:
    """Without what ends the sentence, but with the point of an abbreviation: "Elm St."."""
    written = written.rstrip(" ,\n")
    return (
        written
        if re.search(r"\b(?:St|Ave|Rd|Blvd|Dr|Ln|Ct|Pl|Sq|Apt|Ste)\.$", written)
        else written.rstrip(".")
    )
