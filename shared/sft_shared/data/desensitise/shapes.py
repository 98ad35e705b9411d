"""What the shape of a text says of its finds: logs say the same sentence again with other numbers.

The shape is the text with a 1 for each digit. What a recogniser asks of digits is seldom which they are. So
one look at the shape tells which recognisers can find anything in the texts of that shape, and all that
others find there. A recogniser is of one of three sorts:

exact       no question of which digits: what it finds in the shape, it finds in the texts
willing     its questions of which digits only turn finds down, and it turns none down in the shape: if it
            finds nothing in the shape, it finds nothing in the texts
particular  it looks for certain digits; what it needs beside them is asked of the shape
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from sft_shared.data.desensitise import (
    accounts,
    cards,
    credentials,
    dates,
    documents,
    network,
    passwords,
    phones,
    plates,
)
from sft_shared.data.desensitise.blocks import MOST_SHAPES
from sft_shared.data.desensitise.canonical import ALIKE
from sft_shared.data.desensitise.chinese_addresses import find_chinese_addresses
from sft_shared.data.desensitise.chinese_names import find_chinese_names
from sft_shared.data.desensitise.cues import WITH_DIGITS, Reading
from sft_shared.data.desensitise.digits import Number, chains, numbers
from sft_shared.data.desensitise.english_addresses import find_english_addresses
from sft_shared.data.desensitise.english_names import find_english_names
from sft_shared.data.desensitise.folding import Canonical
from sft_shared.data.desensitise.spans import Span

Recogniser = Callable[[Reading], Iterator[Span]]
Judge = Callable[[Reading, Number], Iterator[Span]]

_FEWEST_DIGITS = 7
_DIGIT = re.compile("[0-9]")
_NO_DIGITS = re.compile("[^0-9]+")
_EXACT: tuple[Recogniser, ...] = (network.find_emails,)
_WILLING: tuple[Recogniser, ...] = (accounts.find_cued, passwords.find_passwords)
_PARTICULAR: tuple[tuple[Callable[[Reading], bool], Recogniser], ...] = (
    (network.may_hold_machines, network.find_machines),
    (credentials.may_hold_keys, credentials.find_keys),
    (dates.may_hold_birth_dates, dates.find_birth_dates),
)
_WILLING_WITH_DIGITS: tuple[Recogniser, ...] = (documents.find_documents, plates.find_plates)
_PARTICULAR_WITH_DIGITS: tuple[tuple[Callable[[Reading], bool], Recogniser], ...] = (
    (phones.may_hold_phones, phones.find_phones),
    (accounts.may_hold_ibans, accounts.find_ibans),
)
_EXACT_JUDGE: Judge = documents.find_said_ids
_JUDGES: tuple[tuple[Callable[[Reading, Number], bool], Judge], ...] = (
    (cards.may_be_card, cards.find_cards),
    (documents.may_be_resident_id, documents.find_resident_ids),
    (phones.may_be_mobile, phones.find_mobiles),
)
_TELLING_DIGITS = frozenset(word.translate(ALIKE) for word in (*WITH_DIGITS, "1/2", "2fa", "mp3", "mp4"))
"""Which digits they hold is asked for by an exact or a willing recogniser, or by a cue."""


class _Shape(NamedTuple):
    spans: tuple[Span, ...]  # that every text of the shape holds
    reading: Reading
    recognisers: tuple[Recogniser, ...]  # that may find more
    numbers: tuple[tuple[Number, tuple[Judge, ...]], ...]  # candidates, and who may find something in them


def find_alone(text: str) -> list[Span]:
    """All finds in a text that is folded and holds no digits in words; they may overlap.

    As `find_by_all`, with less to do for the second text of a shape.
    """
    shape = _shape(text.translate(ALIKE))
    if shape is None:
        canonical = Canonical(text)
        return [*find_written(text), *find_by_all(canonical, digits=_DIGIT.search(text) is not None)]
    spans = list(shape.spans)
    if not (shape.recognisers or shape.numbers):
        return spans
    reading = Reading(Canonical(text), like=shape.reading)
    for recognise in shape.recognisers:
        spans += recognise(reading)
    for like, judges in shape.numbers:
        digits = text[like.start : like.end]
        if len(like.sizes) > 1:
            digits = _NO_DIGITS.sub("", digits)
        number = Number(like.start, like.end, digits, like.sizes, like.marks, like.whole)
        for judge in judges:
            spans += judge(reading, number)
    return spans


def find_written(plain: str) -> list[Span]:
    """Names and addresses: which digits stand there makes no difference to them."""
    spans: list[Span] = []
    if not plain.isascii():
        spans += find_chinese_names(plain)
        spans += find_chinese_addresses(plain)
    spans += find_english_names(plain)
    if _DIGIT.search(plain):
        spans += find_english_addresses(plain)
    return spans


def find_by_all(canonical: Canonical, *, digits: bool) -> list[Span]:
    """What all the other recognisers find in a text; without ``digits`` only those that need none."""
    reading = Reading(canonical)
    spans: list[Span] = []
    particular = (*_PARTICULAR, *(_PARTICULAR_WITH_DIGITS if digits else ()))
    for recognise in (*_EXACT, *_WILLING, *(_WILLING_WITH_DIGITS if digits else ())):
        spans += recognise(reading)
    for _may, recognise in particular:
        spans += recognise(reading)
    for number in _numbers(canonical.text) if digits else ():
        spans += _EXACT_JUDGE(reading, number)
        for may, judge in _JUDGES:
            if may(reading, number):
                spans += judge(reading, number)
    return spans


def _numbers(text: str) -> Iterator[Number]:
    for chain in chains(text):
        if chain[-1][1] - chain[0][0] >= _FEWEST_DIGITS:
            yield from numbers(text, chain, fewest=_FEWEST_DIGITS)


@lru_cache(maxsize=MOST_SHAPES)
def _shape(text: str) -> _Shape | None:
    """What there is to say of a shape; None if its digits may tell something to all."""
    reading = Reading(Canonical(text))
    if any(map(reading.lower.__contains__, _TELLING_DIGITS)):
        return None
    digits = _DIGIT.search(text) is not None
    spans = find_written(text)
    for recognise in _EXACT:
        spans += recognise(reading)
    willing = (*_WILLING, *(_WILLING_WITH_DIGITS if digits else ()))
    particular = (*_PARTICULAR, *(_PARTICULAR_WITH_DIGITS if digits else ()))
    if not accounts.asks_for_digits(reading):
        spans += accounts.find_cued(reading)
        willing = tuple(each for each in willing if each is not accounts.find_cued)
    judged: list[tuple[Number, tuple[Judge, ...]]] = []
    for number in _numbers(text) if digits else ():
        spans += _EXACT_JUDGE(reading, number)
        judges = tuple(judge for may, judge in _JUDGES if may(reading, number))
        if judges:
            judged.append((number, judges))
    return _Shape(
        spans=tuple(spans),
        reading=reading,
        recognisers=(
            *(recognise for recognise in willing if next(iter(recognise(reading)), None)),
            *(recognise for may, recognise in particular if may(reading)),
        ),
        numbers=tuple(judged),
    )
