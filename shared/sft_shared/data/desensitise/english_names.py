"""Names in English text: the US census, names of other places, and what stands before them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from sft_shared.data.desensitise.english_name_forms import find_named_by_form
from sft_shared.data.desensitise.english_name_lists import OPENERS, Lists, lists, plain_word
from sft_shared.data.desensitise.english_name_phrases import find_announced_names
from sft_shared.data.desensitise.lexicon import listed
from sft_shared.data.desensitise.spans import Span

_LETTER = r"[^\W\d_\u2e80-\uffff]"
_CAPITAL = r"[A-Z\u00c0-\u00de\u0100-\u017f\u1e00-\u1eff]"
_PARTICLE = r"(?:van|von|der|den|de|del|della|la|le|di|da|dos|du|bin|ibn|al|el|y|e)"
_NAME_TOKEN = rf"(?:(?:{_CAPITAL}\.){{1,3}}(?=[ ]?{_CAPITAL})|{_CAPITAL}(?:{_LETTER}|['’-](?={_LETTER}))*)"
_SEQUENCE = re.compile(
    rf"(?<![A-Za-z0-9_\u00c0-\u1eff'’@./\\-]){_NAME_TOKEN}"
    rf"(?:[ ]{{1,2}}(?:{_PARTICLE}[ ]){{0,2}}{_NAME_TOKEN}){{0,6}}"
)
_TITLE = re.compile(
    r"(?:mr|mrs|ms|miss|mx|dr|prof|professor|sir|madam|mme|mister|rev|capt|captain|officer|"
    r"nurse|doctor|herr|frau|señor|señora|monsieur)\.?\s$",
    re.I,
)
_SAYS = re.compile(
    r"(?:(?:tenant|customer|guest|contact|owner|caller|patient|passenger|applicant|"
    r"surname)(?: name)?\s|(?:my|his|her|their|the|your|full|first|last|real|legal|maiden|"
    r"birth|company|account|"
    r"card|cardholder|customer|guest|contact|recipient|passenger|patient|user|"
    r"display)?[ _]?name(?:'s|\s+is|\s+was|:|=|[\"']\s*:|\s*-)|"
    r"(?:name|recipient|receiver|consignee|customer|contact|guest|passenger|patient|owner|"
    r"holder|assignee|agent|sender|payee|payer|driver|employee|attn|attention|signed|"
    r"signature|from|to|cc|by|user|author|"
    r"approver|reviewer|manager|supervisor|technician|doctor|student|teacher|applicant|"
    r"beneficiary|insured|claimant|witness|tenant|landlord|cardholder|nominee|spouse|guardian|"
    r"operator)[\"']?\s*[:=]|"
    r"\b(?:named|called|nee|né[e]?|a\.?k\.?a\.?|call me|i go by|addressed to|made out to|"
    r"payable to|in the name of|under the name(?: of)?|under|regards,|sincerely,|cheers,|"
    r"wishes,|thanks,|yours,|truly,|best,|"
    r"registered to|belongs to|speaking to|speaking with|spoke to|spoke with|talked to|"
    r"talked with|chatting with|talking to|talking with|dealing with|assigned to|"
    r"reassigned from|transferred to|account holder is|holder is|signed by|served by|"
    r"helped by|handled by|delivered to|ship it to|send it to|sent to|deliver to|attention|"
    r"care of|c/o|on behalf of|i'?m|i am|this is|it'?s|it is|here is|we are|"
    r"am i speaking with|is this|ask for|tell|thank|thanks to))"
    r"\s*[\"'“]?\s*$",
    re.I,
)
_GREETS = re.compile(
    r"(?:^|[\s,.!?\"'“(\[>:-])(?:dear|hi|hello|hey|thanks|thank you|thx|cheers|morning|"
    r"afternoon|evening|regards|sincerely|best|yours|bye|goodbye|congratulations|welcome|"
    r"sorry|please|yes|no|ok|okay|hiya|greetings)(?: (?:there|again|so much|very much|"
    r"a lot))?[ ,!]{1,3}\n{0,2}$|(?:regards|sincerely|cheers|wishes|thanks|yours|truly|"
    r"faithfully|love)[,.!]?\s*\n+\s*$",
    re.I,
)
_LEADS = re.compile(
    r"(?:(?<!\w)(?:with|to|from|for|by|and|or|when|that|because|is|was|are|tell|ask|asked|told|saw|"
    r"met|meet|contact|call|called|email|emailed|know|see|let|give|gave|sent|send|met|helped|"
    r"thank|thanks|husband|wife|son|daughter|brother|sister|mother|father|mom|dad|boss|"
    r"colleague|friend|manager|agent|neighbor|neighbour|assistant|secretary|partner|roommate|"
    r"kid|child|uncle|aunt|cousin|daughter's|lawyer|representative|rep|but|if|&|than|as|says|"
    r"said|where|then|while|of|about|behalf of|against|has|have|did|does|can|could|will|w/)\s|"
    r"[,;:(\"“]\s?|^\s*|\n\s*|[-–—]\s)$",
    re.I,
)
_FOLLOWS = re.compile(
    r"\s+(?:here|speaking|said|says|told|asked|called|promised|wrote|replied|signed|confirmed|"
    r"was|is|has|will|from|at|and|lives|works|helped|never|did|didn't|doesn't|wants|needs|"
    r"paid|ordered|bought|sent|received|agreed|can|could|would|here\b)\b|['’]s\b|"
    r"\s*[,.;:!?)\"”<(\n]|\s*$"
)
_SYLLABLE = (
    r"(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?(?:iang|iong|uang|ueng|ang|eng|ing|ong|iao|ian|uai|"
    r"uan|van|ai|ei|ao|ou|an|en|in|un|ia|ie|iu|ua|uo|ui|ue|ve|a|o|e|i|u|v)"
)
_PINYIN = re.compile(rf"{_SYLLABLE}(?:['-]?{_SYLLABLE})?")
_TWO_SYLLABLES = re.compile(rf"{_SYLLABLE}{_SYLLABLE}")
_PINYIN_SURNAMES = frozenset(listed("pinyin_surnames.txt")[0].split())


def find_english_names(text: str) -> Iterator[Span]:
    """Names in capitals where they are known or announced, in any case after a phrase that tells a name."""
    for found in _SEQUENCE.finditer(text) if _ANY_CAPITAL.search(text) else ():
        if found[0].lower() not in lists().alone_never:
            start = max(0, found.start() - _READ_BEFORE)
            piece = text[start : found.end() + _READ_BEHIND]
            for span in _in_piece(piece, found.start() - start):
                yield Span(start + span.start, start + span.end, span.kind, span.confidence)
    yield from find_named_by_form(text)
    yield from find_announced_names(text)


_READ_BEFORE, _READ_BEHIND = 44, 20  # more than is read on either side of a sequence


@lru_cache(maxsize=8192)
def _in_piece(piece: str, start: int) -> tuple[Span, ...]:
    """What `_in_sequence` says, which is remembered: the same words stand around many a capital."""
    found = _SEQUENCE.match(piece, start)
    return tuple(_in_sequence(piece, found)) if found else ()


_ANY_CAPITAL = re.compile(_CAPITAL)


def _tokens(written: str, offset: int) -> list[tuple[int, int]]:
    return [(offset + part.start(), offset + part.end()) for part in re.finditer(r"[^ ]+", written)]


def _in_sequence(text: str, found: re.Match[str]) -> Iterator[Span]:
    tokens = _tokens(found[0], found.start())
    plain = [plain_word(text[start:end]) for start, end in tokens]
    while (
        tokens
        and plain[0] in OPENERS
        and not (len(plain[0]) == 1 and text[tokens[0][0] + 1 : tokens[0][0] + 2] == ".")
        and not (len(tokens) > 1 and plain[0] in lists().first and plain[0] in lists().ordinary)
    ):
        tokens.pop(0)
        plain.pop(0)
    names = lists()
    while (
        len(tokens) > 1
        and _is_only_a_word(names, plain[0])
        and plain[1] in names.first
        and text[tokens[0][1] - 1] != "."
    ):
        tokens.pop(0)  # "Call Shanice"
        plain.pop(0)
    if not tokens:
        return
    initial = len(tokens) > 1 and text[tokens[0][0] + 1] == "."  # K. Thornton
    kept = next((index for index in range(initial, len(plain)) if _breaks(names, plain, index)), len(plain))
    if (
        kept == 1 < len(plain) == 2
        and plain[1] in names.last
        and _SAYS.search(text, max(0, found.start() - 40), tokens[0][0])
    ):
        kept = 2  # "the account holder is Hye-won Park"
    while kept and plain[kept - 1] in ("de", "van", "von", "la", "al", "y", "e", "da", "di"):
        kept -= 1
    if kept < len(plain) and kept and (plain[kept] in _ORGANISATIONS):
        return
    if kept == 0 or " ".join(plain[:kept]) in names.brands or " ".join(plain[:2]) in names.brands:
        return
    tokens, plain = tokens[:kept], plain[:kept]
    start, end = tokens[0][0], tokens[-1][1]
    if f"{text[max(0, start - 3) : start].strip().lower()} {plain[0]}" in names.brands:  # Dr Pepper
        return
    if re.search(r"['’]s$", text[start:end]):
        end -= 2
    if (
        plain[-1] in _ORGANISATIONS or (len(plain) == 2 and plain[0] in _FIRST_OF_PLACES)
    ) and not _SAYS.search(text, max(0, start - 40), start):
        return
    confidence = _confidence(text, start, end, plain)
    if confidence and not (confidence < 0.93 and _GOODS.match(text, end)):
        yield Span(start, end, "name", confidence)


def _is_only_a_word(names: Lists, word: str) -> bool:
    return (
        (word in names.never or word in names.vocabulary)
        and word not in names.first
        and word not in names.last
    )


def _breaks(names: Lists, plain: list[str], index: int) -> bool:
    """Is the word at ``index`` none of a name's, in its place?"""
    word = plain[index]
    if len(word) == 1:
        return not 0 < index < len(plain) - 1
    if word not in names.never:
        return False
    if index == 0:
        return word not in names.first
    led = plain[0] in names.first and plain[0] not in names.ordinary and plain[0] not in names.never
    return not (led and (word in names.first or (word in names.last and index == len(plain) - 1)))


_FIRST_OF_PLACES = frozenset(listed("organisation_words.txt")[1].split())
_GOODS = re.compile(
    r"(?:['’]s)?\s(?:jeans|boots|shoes|sneakers|burgers?|pizza|syrup|rice|coffee|perfume|"
    r"bags?|bra|watch(?:es)?|biography|books?|movies?|films?|songs?|"
    r"albums?|tickets|concert|plays|novels?|vaccine|airport|laptops?|phones?|store|soap|"
    r"crisps|ice cream|whiskey|beer|tea|candles?|"
    r"coronation|bridge|tower|statue|memorial|jersey|sneaker|collection|action figure|tour|"
    r"foundation|makeup|lipstick|toys?)\b|"
    r"(?:['’]s)? (?:Day|Tower|Bridge|Secret|Park|Street|Square|Memorial|Airport)\b",
    re.I,
)
_ORGANISATIONS = frozenset(listed("organisation_words.txt")[0].split())


def _confidence(text: str, start: int, end: int, plain: list[str]) -> float:
    """How sure it is that ``text[start:end]``, of the words ``plain``, is a person; 0 if it is none."""
    names = lists()
    before = text[max(0, start - 40) : start]
    titled, said, greeted = (
        bool(_TITLE.search(before)),
        bool(_SAYS.search(before)),
        bool(_GREETS.search(before)),
    )
    capitals = text[start:end].isupper() and end - start > 3
    first, last = plain[0], plain[-1]
    if len(plain) == 1:
        if len(first) < 2 or (capitals and not titled and not said):
            return 0.0
        known = (
            first in names.first
            or first in names.last
            or (len(first) > 4 and first not in names.never and bool(_TWO_SYLLABLES.fullmatch(first)))
        )
        if titled:
            return 0.9 if first in names.usual or first not in names.vocabulary or said else 0.0
        if known and first not in names.first and first not in names.last:
            foreign = re.search("[xq]|zh|ng", first) and _LEADS.search(before) and _FOLLOWS.match(text, end)
            return 0.7 if said or greeted else 0.52 if foreign else 0.0
        strange = first not in names.vocabulary and first not in names.never and len(first) > 2
        if (
            strange
            and text[end - 1].islower()
            and (
                _KIN.search(before)
                or _SIGNS.search(before)
                or (_DEAR.search(before) and _CLOSES.match(text, end))
            )
        ):
            return 0.6
        if _KOREAN.fullmatch(text, start, end):
            return 0.6
        if first in names.ordinary or not known:
            return 0.7 if said and _NAMES_SURELY.search(before) and first not in names.never else 0.0
        if said or greeted:
            return 0.85 if first in names.first else 0.6
        if (
            first in names.first
            and ((_LEADS.search(before) and _FOLLOWS.match(text, end)) or _KIN.search(before))
            and not before.rstrip().lower().endswith((" in", " of"))
        ):
            return 0.55
        if first in names.first and (
            (_VOCATIVE.match(text, end) and re.search(r"(?:^|[.!?\n])\s*$", before))
            or _KOREAN.fullmatch(text, start, end)
            or (not text[start:end].isascii() and not _PLACE.search(before))
        ):
            return 0.6
        if (
            first in names.first
            and strange
            and _AMID.search(before)
            and not _PLACE.search(before)
            and " ".join(map(plain_word, text[start : end + 20].split()[:2])) not in names.brands
            and not re.match(r"[ -][A-Z0-9]|['’]s [A-Z]", text[end : end + 4])
        ):
            return 0.53
        return 0.0
    if not titled and not any(
        word in names.given or word not in names.vocabulary for word in plain if len(word) > 1
    ):
        return 0.0
    if last in ("i", "a") or (capitals and len(text[start:end]) < 6):
        return 0.0
    strong_first = first in names.first and first not in names.ordinary
    strong_last = last in names.last and last not in names.ordinary
    initial = len(plain) == 2 and len(last) == 1
    pinyin = _is_pinyin(plain)
    if titled or (said and (strong_first or strong_last or pinyin or _NAMES_SURELY.search(before))):
        return 0.93
    if strong_first and (strong_last or initial):
        return 0.9
    if (first in names.first and strong_last) or (strong_first and last in names.last) or pinyin:
        return 0.8
    if strong_first or (strong_last and (said or greeted)):
        return 0.72
    odd = (
        not "".join(plain).isascii()
        or "-" in text[start:end]
        or any(ord(char) > 127 for char in text[start:end])
    )
    if (said or greeted) and len(plain) <= 4 and not capitals:
        return 0.65
    if strong_last and len(plain) <= 3 and not capitals and (_LEADS.search(before) or last in names.usual):
        return 0.6 if _LEADS.search(before) else 0.52
    if odd and len(plain) <= 5 and not capitals and _LEADS.search(before):
        return 0.6
    if first in names.first and last in names.last and _LEADS.search(before) and not capitals:
        return 0.55
    return 0.0


_SIGNS = re.compile(
    r"(?:regards|sincerely|cheers|wishes|thanks|thank you|yours|truly|faithfully|best|love)[,.!]?\s*\n+\s*$",
    re.I,
)
_DEAR = re.compile(r"(?:^|\n|\s)(?:dear|hi|hello|hey)\s$", re.I)
_CLOSES = re.compile(r"\s?[,!\n]|\s*$")
_VOCATIVE = re.compile(
    r",\s(?:can|could|please|pls|did|do|are|you|have|would|will|thanks|thank|what|when|how|"
    r"where|why|i|i'm|we|let|don't|it)\b",
    re.I,
)
_KOREAN_PART = (
    "seo|yeon|ji|hoon|min|jun|joon|hyun|hyeon|woo|soo|su|young|yeong|eun|hye|won|jin|kyung|"
    "kyoung|sang|sung|seong|seung|tae|dong|jae|"
    "hee|hwa|mi|na|ri|ah|bin|ho|hwan|cheol|chul|gyu|kyu|gi|ki|in|jung|jeong|mee|sook|suk|"
    "yoon|yun|ha|ra|rin|chan|byung|byeong|yong|il"
)
_KOREAN = re.compile(rf"(?:{_KOREAN_PART})-(?:{_KOREAN_PART})", re.I)
_AMID = re.compile(r"[a-z]\s$")  # in the middle of a sentence
_PLACE = re.compile(
    r"\b(?:in|of|near|around|visit\w*|outside|downtown|via|to|from|at|the|a|an|my|your|our|"
    r"this|that|new|buy|bought|use|using)\s$",
    re.I,
)
_KIN = re.compile(
    r"\b(?:husband|wife|son|daughter|brother|sister|mother|father|mum|mom|dad|boss|colleague|"
    r"friend|manager|agent|neighbou?r|assistant|secretary|partner|roommate|uncle|aunt|cousin|"
    r"lawyer|fianc[eé]e?|girlfriend|boyfriend|nurse|doctor|teacher|driver|courier|technician|"
    r"tenant|customer|passenger|patient|landlord|therapist|surname|"
    r"deputy|intern|barista|plumber|attendant|buddy|mate|coworker|co-worker|supervisor),?\s$",
    re.I,
)
_NAMES_SURELY = re.compile(
    r"(?:name[\"']?\s*(?:is|'s|was|:|=)|named|called|call me|go by|recipient|cardholder|"
    r"consignee|guest|passenger|patient|signed|signature|payee|\bi'?m|\bi am|attn|"
    r"speaking (?:to|with)|chatting with|talking (?:to|with)|spoke (?:to|with))[^.?!]{0,6}$",
    re.I,
)


def _is_pinyin(plain: list[str]) -> bool:
    """Zhang Wei, Li Xiaoming, Wei Zhang."""
    if len(plain) not in (2, 3) or not all(_PINYIN.fullmatch(word.replace("-", "")) for word in plain):
        return False
    return plain[0] in _PINYIN_SURNAMES or plain[-1] in _PINYIN_SURNAMES
