"""The plain English clauses that can be turned around, as patterns: who, did, what, and when or where."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sft_shared.data.augment.english_verbs import BY_BASE, BY_PARTICIPLE, BY_PAST

_DET = r"(?:my|your|his|her|our|their|the|this|that|these|those|a|an)"
_WORD = r"[A-Za-z0-9#][\w#'’-]*"
_OF = rf"(?: of {_DET} {_WORD})?"
_NP = rf"{_DET} (?:{_WORD} ){{0,3}}?{_WORD}{_OF}"
_STAFF = (
    r"(?:courier|driver|carrier|agent|representative|rep|advisor|adviser|operator|manager|assistant|technician|"
    r"engineer|seller|merchant|vendor|retailer|supplier|store|shop|company|team|department|bank|system|app|application|"
    r"website|site|bot|warehouse|office|staff|supervisor|administrator|admin|customer|neighbou?r|colleague|boss|husband|"
    r"wife|son|daughter|brother|sister|mother|father|friend|roommate|landlord|hotel|airline|restaurant|clinic|"
    r"hospital|doctor|nurse|pharmacy|provider|platform|server|software|update|postman|cashier|teller|broker|"
    r"accountant|lawyer|teacher|school)"
)
_AGENT_NP = rf"(?:my|your|his|our|their|the|this|that|a|an) (?:{_WORD} ){{0,2}}{_STAFF}s?"
_AGENT_BARE = r"(?:customer service|customer support|tech support|support|someone|somebody|DHL|UPS|FedEx)"
_BY = rf"(?P<agent>me|you|him|her|us|them|{_AGENT_NP}|{_AGENT_BARE})"
_DOER = rf"(?P<agent>I|you|he|she|we|they|{_AGENT_NP}|{_AGENT_BARE})"
_ACTED_ON = rf"(?P<thing>{_NP}|me|you|him|her|us|them|it)"
_PATIENT = rf"(?P<thing>{_NP}|I|you|he|she|we|they|it)"
_ADVERB = (
    r"(?:(?P<adverb>already|just|recently|finally|accidentally|mistakenly|wrongly|wrongfully|incorrectly|immediately|"
    r"automatically|suddenly|promptly|simply|also|deliberately|quickly) )?"
)
_WEEKDAY = r"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_TIME = (
    rf"today|yesterday|last (?:night|week|month|year|{_WEEKDAY})|"
    r"this (?:morning|afternoon|evening|week|month)|twice|(?:two|three|four|several|\d+) times|"
    r"again|too late|late|early|on time|"
    r"(?:a|an|one|two|three|four|five|six|seven|ten|\d+|a few|several) "
    rf"(?:minute|hour|day|week|month|year)s? ago|on {_WEEKDAY}|"
    r"(?:on|in) (?:january|february|march|april|may|june|july|august|september|october|november|"
    r"december)(?: \d{1,2})?"
)
PLACE = rf"(?:to|from|with|without|before|after|into) {_DET} (?:{_WORD} ){{0,2}}?{_WORD}"
_TAIL = rf"(?P<tail>(?: (?:{_TIME}|{PLACE}))*)"
_PREFIX = (
    r"(?P<prefix>(?:(?:hi|hello|hey|sorry|unfortunately|however|but|so|and|actually|yesterday|today|"
    r"last week|this morning|hi there|excuse me|because)(?: ?, | ))?)"
)
_REST = (
    r"(?P<rest>(?:,? and (?:i|you|we|they|he|she|it|now|nobody) .*|"
    r",? (?:but|so|because) (?:i|you|we|they|he|she|it|the|my|your|there|nobody|now|"
    r"why|"
    r"how) .*|, (?:please|can|could|would|why|what|when|where|how|is|are|do|does|did|i|you|it|"
    r"thanks|thank you)\b.*)?)"
)
_WHY = r"(?P<why>(?:why|when|how) )?"


def _forms(words: Iterable[str]) -> str:
    return rf"(?P<verb>{'|'.join(sorted(words, key=len, reverse=True))})"


_PAST, _BASE, _DONE = _forms(BY_PAST), _forms(BY_BASE), _forms(BY_PARTICIPLE)
_NOT = r"(?P<aux>did not|didn['’]t)"
_ACTIVE = {
    "past": rf"{_DOER} {_ADVERB}{_PAST} {_ACTED_ON}",
    "negative": rf"{_DOER} {_NOT} {_BASE} {_ACTED_ON}",
    "perfect": rf"{_DOER}(?P<aux> have| has|['’]ve) {_ADVERB}{_DONE} {_ACTED_ON}",
    "future": rf"{_DOER} (?P<aux>will|will not|won['’]t) {_BASE} {_ACTED_ON}",
    "did": rf"{_WHY}(?P<aux>did) {_DOER} {_BASE} {_ACTED_ON}",
    "has": rf"{_WHY}(?P<aux>have|has) {_DOER} {_ADVERB}{_DONE} {_ACTED_ON}",
}
_PASSIVE = {
    "past": rf"{_PATIENT} (?P<aux>was|were) {_ADVERB}{_DONE}(?P<tail2>(?: (?:{_TIME}|{PLACE}))?) by {_BY}",
    "negative": rf"{_PATIENT} (?P<aux>was not|were not|wasn['’]t|weren['’]t) {_DONE} by {_BY}",
    "perfect": rf"{_PATIENT} (?P<aux>has|have) {_ADVERB}been {_DONE} by {_BY}",
    "future": rf"{_PATIENT} (?P<aux>will be|will not be|won['’]t be) {_DONE} by {_BY}",
    "did": rf"{_WHY}(?P<aux>was|were) {_PATIENT} {_DONE} by {_BY}",
    "has": rf"{_WHY}(?P<aux>has|have) {_PATIENT} {_ADVERB}been {_DONE} by {_BY}",
}


def _compiled(forms: dict[str, str]) -> dict[str, re.Pattern[str]]:
    return {name: re.compile(_PREFIX + form + _TAIL + _REST, re.IGNORECASE) for name, form in forms.items()}


FORMS = {"active": _compiled(_ACTIVE), "passive": _compiled(_PASSIVE)}
