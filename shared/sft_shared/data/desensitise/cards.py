"""Bank cards: Luhn's check digit and the issuer's first digits, or a cue."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sft_shared.data.desensitise.cues import Reading
from sft_shared.data.desensitise.digits import Number, is_quantity, passes_luhn, stands_alone
from sft_shared.data.desensitise.spans import Span

_ISSUERS = re.compile(
    r"62\d{14,17}|4\d{15}(?:\d{3})?|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|"
    r"720)\d{12}|3[47]\d{13}"
    r"|35(?:2[89]|[3-8]\d)\d{12,15}|3(?:0[0-59]|[68]\d)\d{11}|6(?:011|4[4-9]\d|"
    r"5\d\d)\d{12,15}|955[89]\d{12,15}|(?:60|68|69)\d{14,17}|9\d{18}"
)
"""First digits and lengths: UnionPay, Visa, Mastercard, Amex, JCB, Diners, Discover, older Chinese cards."""

_BY_FOURS = re.compile(
    r"4,4,4,(?:[1-4]|4,[1-3])|4,6,[45]|6,(?:6,[1-7]|1[0-3])|6,4,4,[1-5]|4,4,4,4,[1-3]|"
    r"4,1[1-5]|8,8|5,5,5,[14]|6,[1-9],[1-9]|1(,1)+"
)


def may_be_card(_shape: Reading, number: Number) -> bool:
    """May a number be a card, by how long it is and how it is written?"""
    return 12 <= len(number.digits) <= 19 and _one_writing(number)


def find_cards(reading: Reading, number: Number) -> Iterator[Span]:
    """The card that a number is: certain with check digit and issuer, likely with a cue."""
    if not may_be_card(reading, number):
        return
    digits, start, end = number.digits, number.start, number.end
    cue = reading.cue_before(start, reach=24) or reading.cue_after(end)
    said = cue is not None and cue.theme == "card"
    if not said and not stands_alone(reading.text, start, end):
        return
    if passes_luhn(digits) and len(set(digits)) > 1:
        if _ISSUERS.fullmatch(digits):
            other = cue is not None and cue.theme == "harmless" and start - cue.end <= 4
            if said or not other:
                yield Span(start, end, "card", 1.0 if said else 0.99 if _natural(number) else 0.8)
        elif said:
            yield Span(start, end, "card", 0.9)
    elif said and (number.whole or len(number.sizes) == 1) and not is_quantity(reading.text, start, end):
        yield Span(start, end, "card", 0.7 if len(digits) >= 15 else 0.6)


def _one_writing(number: Number) -> bool:
    """Only one kind of mark between the groups, spaces and line ends aside."""
    marks = number.marks - {" ", "\n"}
    return len(marks) <= 1 and not (marks & {","} and set(number.sizes[1:]) == {3})


def _natural(number: Number) -> bool:
    """Written as cards are, and not cut out of a longer run of groups."""
    return (
        number.whole or len(number.sizes) == 1 or bool(_BY_FOURS.fullmatch(",".join(map(str, number.sizes))))
    )
