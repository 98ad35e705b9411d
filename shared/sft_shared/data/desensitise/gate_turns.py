"""The gate's look at what is split over turns: numbers in pieces, and addresses that break off."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from sft_shared.data.desensitise.gate_leak import Leak
from sft_shared.data.desensitise.gate_numbers import joined_kind, numbers
from sft_shared.data.desensitise.gate_words import words
from sft_shared.data.desensitise.numerals import plain
from sft_shared.data.desensitise.placeholders import mask
from sft_shared.data.desensitise.spans import Kind
from sft_shared.dialogue import Message

_TAIL = re.compile(r"([0-9][0-9 \-]*)[^0-9A-Za-z]{0,4}$")
_HEAD = re.compile(r"[^0-9A-Za-z]{0,12}?([0-9][0-9 \-]*[Xx]?)(?![0-9A-Za-z.年月])")
_MAY_BE_TAIL = re.compile(r"[0-9][0-9 \-]*(?:[^0-9A-Za-z]{0,4}|\[IP\])$")
_NEAR_TAIL = re.compile(r"[0-9 \-]")
_MOST_PARTS = 6
_REACH = 40


def over_turns(messages: Sequence[Message]) -> list[Leak]:
    """What begins in one turn and goes on in the next, or in the user's next: numbers and addresses."""
    leaks = {  # the last of those at a place stays, and certain ones come last
        (leak.where, leak.kind): leak
        for leak in sorted(
            (*_numbers(messages), *_pieces(messages), *_mails(messages)), key=lambda each: each.certain
        )
    }
    return list(leaks.values())


def _numbers(messages: Sequence[Message]) -> Iterator[Leak]:
    """Numbers that begin at the end of one turn and go on at the start of another."""
    if not _any_may_go_on(messages):
        return
    turns = [(number, plain(mask(message.content or ""))) for number, message in enumerate(messages, start=1)]
    users = [turn for turn, message in zip(turns, messages, strict=True) if message.role == "user"]
    seen: set[tuple[int, ...]] = set()
    for row in (turns, users):
        heads = [_HEAD.match(text[:_REACH]) for _, text in row]
        for first, (number, text) in enumerate(row[:-1]):
            tail = _TAIL.search(text[-_REACH:])
            if tail is None:
                continue
            parts, places = [_bare(tail[1])], [number]
            for (place, following), head in list(zip(row, heads, strict=True))[
                first + 1 : first + _MOST_PARTS
            ]:
                if head is None:
                    break
                parts.append(_bare(head[1]))
                places.append(place)
                found = joined_kind(parts)
                if found is not None and tuple(places) not in seen:
                    seen.add(tuple(places))
                    where = f"messages {' and '.join(map(str, places))}, where one number goes on"
                    yield Leak(where, found[0], found[1])
                if head.end() < len(following.rstrip(" .,。!")):
                    break  # more than the part stands in that turn


def _any_may_go_on(messages: Sequence[Message]) -> bool:
    """A quick look: does a number end a turn, and is a digit where the next begins, or the user's next?"""
    texts = [message.content or "" for message in messages]
    users = [text for text, message in zip(texts, messages, strict=True) if message.role == "user"]
    return any(
        _may_go_on(left) and _DIGIT.search(plain(right[:_FIRST]))
        for row in (texts, users)
        for left, right in pairwise(row)
    )


_DIGIT = re.compile("[0-9]")
_FIRST = 13  # characters of a turn, of which one is a digit if `_HEAD` matches
_GROUP = re.compile("[0-9]+[Xx]?(?![A-Za-z])")
_MOST_SAID = 60  # characters of a turn that gives pieces
_CALLED = re.compile("卡|账|帐|身份|证件|card|account|\\bid\\b", re.I)
_MOST_GROUPS = 6


def _pieces(messages: Sequence[Message]) -> Iterator[Leak]:
    """Numbers of which the user's turns give several pieces each, where one of them says what it is."""
    said = plain("\n".join([_short(message) for message in messages if message.role == "user"]))
    if sum(1 for text in said.split("\n") if _DIGIT.search(text)) < 2:
        return
    rows = [
        (number, text, [each[0] for each in _GROUP.finditer(text)])
        for number, message in enumerate(messages, start=1)
        if message.role == "user"
        for text in [plain(mask(_short(message)))]
    ]
    for first, (_, _, groups) in enumerate(rows):
        for skip in range(len(groups)):
            parts, last = groups[skip:], first
            while last + 1 < len(rows) and rows[last + 1][2] and len(parts) < _MOST_GROUPS:
                last += 1
                parts = parts + rows[last][2]
                kind = _usual(parts)
                if kind is None or len(rows[first : last + 1]) == len(parts):
                    continue  # one piece a turn is looked for by `over_turns`
                if not any(_CALLED.search(text) for _, text, _ in rows[max(0, first - 1) : last + 1]):
                    continue
                places = " and ".join(str(number) for number, _, _ in rows[first : last + 1])
                yield Leak(f"messages {places}, where one number goes on", kind, True)


def _short(message: Message) -> str:
    """What a turn says, if it is no longer than a turn that gives pieces."""
    content = message.content or ""
    return content if len(content) <= _MOST_SAID else ""


def _usual(parts: Sequence[str]) -> Kind | None:
    """The kind of a number in pieces that are the groups it is written in, and nothing else."""
    for hit in numbers("-".join(parts), strict=True):
        if hit.certain and hit.start == 0 and hit.end == len("-".join(parts)) and hit.kind != "phone":
            return hit.kind
    return None


_BREAKS_OFF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+-]{1,63}@?[A-Za-z0-9.-]{0,40}\s*$")
_GOES_ON = re.compile(
    r"\s*@?\s*[A-Za-z0-9][A-Za-z0-9.-]{0,60}\.(?:com|cn|net|org|edu|gov|io)(?![A-Za-z0-9])", re.I
)


def _mails(messages: Sequence[Message]) -> Iterator[Leak]:
    """An address whose @ ends or begins a turn."""
    written = [message.content for message in messages if message.content and "@" in message.content]
    if not any("@" in mask(text) for text in written) and not (
        written and any("＠" in (message.content or "") for message in messages)
    ):
        return
    turns = [
        (number, message.role, plain(mask(message.content or "")))
        for number, message in enumerate(messages, start=1)
    ]
    for index, (number, role, text) in enumerate(turns):
        left = _BREAKS_OFF.search(text[-100:])
        if left is None:
            continue
        same = next((turn for turn in turns[index + 1 :] if turn[1] == role), None)
        for place, _, following in dict.fromkeys([*turns[index + 1 : index + 2], *([same] if same else [])]):
            right = _GOES_ON.match(following[:100])
            whole = left[0].strip() + right[0].strip() if right else ""
            if whole.count("@") == 1 and any(hit.certain for hit in words(whole)):
                yield Leak(f"messages {number} and {place}, where one address goes on", "email", True)


def _may_go_on(text: str) -> bool:
    """May a number at the end of a turn go on in another? A quick look, before placeholders are known."""
    last = plain(text[-5:])
    if not (_NEAR_TAIL.search(last) or last.endswith("[IP]")):
        return False
    return _MAY_BE_TAIL.search(plain(text[-_REACH:])) is not None


def _bare(part: str) -> str:
    return re.sub("[ -]", "", part)
