"""Numbers as people write them: groups of digits, with something between that does not end the number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

_GROUP = re.compile(r"[0-9]+")
_LINK = re.compile(r"[ \t]{0,2}[-./·_,、|]{0,2}[ \t]{0,2}(?:\n[ \t]*)?")
_WIDEST_LINK = 5
_MANY = re.compile(r"[0-9](?:[^0-9]{0,5}[0-9]){6}")  # as many as a number has
_MOST_DIGITS = 19
_LONG_CHAIN = 48  # groups; in a longer chain, such as a table, a number has at most _MOST_GROUPS groups
_MOST_GROUPS = 6


class Number(NamedTuple):
    """A candidate: ``digits`` from ``start`` to ``end``, in groups of ``sizes`` with ``marks`` between.

    ``whole``: no further group with the same mark stands beside it.
    """

    start: int
    end: int
    digits: str
    sizes: tuple[int, ...]
    marks: frozenset[str]
    whole: bool

    @property
    def plain(self) -> bool:
        """Is it one group, or groups with nothing but spaces, or nothing but dashes between?"""
        return self.marks <= {" ", "-"}


def chains(text: str) -> Iterator[list[tuple[int, int]]]:
    """Groups of digits (start, end) that may be parts of one number, in the text's order."""
    if not _MANY.search(text):
        return
    chain: list[tuple[int, int]] = []
    for group in _GROUP.finditer(text):
        start, end = group.span()
        if chain:
            before = chain[-1][1]
            if start - before > _WIDEST_LINK or not _LINK.fullmatch(text, before, start):
                yield chain
                chain = []
        chain.append((start, end))
    if chain:
        yield chain


def numbers(text: str, chain: list[tuple[int, int]], *, fewest: int) -> Iterator[Number]:
    """All runs of groups of a chain with ``fewest`` to 19 digits."""
    marks = [_mark(text[left[1] : right[0]]) for left, right in pairwise(chain)]
    most = _MOST_DIGITS if len(chain) <= _LONG_CHAIN else _MOST_GROUPS
    for first in range(len(chain)):
        total = 0
        for last in range(first, min(first + most, len(chain))):
            total += chain[last][1] - chain[last][0]
            if total > _MOST_DIGITS:
                break
            if total < fewest:
                continue
            inside = frozenset(marks[first:last])
            outside = {marks[first - 1] if first else "", marks[last] if last < len(marks) else ""}
            groups = chain[first : last + 1]
            yield Number(
                groups[0][0],
                groups[-1][1],
                "".join(text[start:end] for start, end in groups),
                tuple(end - start for start, end in groups),
                inside,
                not (outside - {""}) & (inside or {" ", "-"}),
            )


def _mark(gap: str) -> str:
    """What joins two groups, spaces aside; a space if that is all."""
    return "\n" if "\n" in gap else gap.strip() or " "


def stands_alone(text: str, start: int, end: int) -> bool:
    """Is ``text[start:end]`` no part of a longer word, number or decimal?"""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (
        (before.isascii() and before.isalnum())
        or (after.isascii() and after.isalnum())
        or before in ("$", "¥", "£", "€", "￡")
    )


def passes_luhn(digits: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1) of a number that includes its check digit."""
    odd = sum(map(int, digits[-1::-2]))
    even = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (odd + even) % 10 == 0


_LABEL = re.compile(r"(?P<label>[A-Za-z_][\w.-]*|[\u3400-\u9fff]{2,8})[\"']?\s?[=:]\s?[\"']?$")


def belongs_to_label(text: str, cue_end: int, start: int) -> bool:
    """Has the value at ``start`` a label of its own, after the cue: "phone ok, ts=1718092211"?"""
    found = _LABEL.search(text, max(cue_end, start - 28), start)
    return found is not None and found.start("label") > cue_end


_UNIT = re.compile(
    r"\s*(?:(?<=0)多)?(?:元(?!旦|月|宵)|块(?![打回接给联])|万(?![一能请分])|亿|千(?!万)|圆|美元|人民币|角(?!色)|次(?![日要序])|个(?![人位])|件|"
    r"条(?!件)|人(?![在不工员家名接是])|字|份|台(?![湾北州上里办])|套|只(?![能有接是收用打要在限发会可需支])|辆|吨|公斤|克(?!制)|千克|"
    r"米(?![女先小])|公里|平方|平米|立方|公顷|亩|千瓦时|字节|[毫微纳]秒|"
    r"笔(?!记)|单(?![位据号独身子纯元])|秒(?![回接挂])|分钟|小时(?!候)|天(?![天津河])|股(?!东)|手(?![机头动写])|点赞|%|‰|°|"
    r"(?:rmb|cny|usd|eur|yuan|dollars|bytes|kb|mb|gb|ms|rows|records|items|units|views|people|"
    r"users|times|points|plays|likes|clicks|[nµ]s|pcs|km|kg|seconds|requests|followers|shares)"
    r"(?![a-z]))",
    re.I,
)
_COUNT_BEFORE = re.compile(
    r"(?:[¥$£€￡]|rmb|usd|cny|eur|共|约|近|超过|达到?|总计|合计|金额为?|"
    r"余额为?|人口|读数|总数|产量|销量|市值|营收|成交量|成交额|gdp|"
    r"costs?|about|over|around|nearly|total of)\s*$",
    re.I,
)


def is_quantity(text: str, start: int, end: int) -> bool:
    """Does a unit follow the number, or a currency go before it?"""
    return bool(_UNIT.match(text, end) or _COUNT_BEFORE.search(text, max(0, start - 10), start))


def is_draw(digits: str, sizes: Sequence[int]) -> bool:
    """Five or more numbers of two digits that go up, as a lottery draws them?

    >>> is_draw("0408131923", (2, 2, 2, 2, 2)), is_draw("0642345678", (2, 2, 2, 2, 2))
    (True, False)
    """
    pairs = [digits[place : place + 2] for place in range(0, len(digits), 2)]
    return set(sizes) == {2} and len(pairs) > 4 and sorted(set(pairs)) == pairs
