"""The leak gate: a second, independent look for personal data in what is about to be trained on.

It shares no pattern with the recognisers; both know placeholders, where a text may be cut, and what sign is
which digit. A certain hit is one that a check digit or an unmistakable form proves; it stops. What may be
personal and may not is a suspect; it is counted. Tags and pseudonyms pass.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

from sft_shared.data.desensitise.gate_blocks import HIDES, HOLDS, signs_of, signs_of_block
from sft_shared.data.desensitise.gate_leak import Leak
from sft_shared.data.desensitise.gate_numbers import Hit, numbers
from sft_shared.data.desensitise.gate_reveal import (
    across,
    in_json,
    in_values,
    may_hide,
    may_hold_numbers,
    revealed,
)
from sft_shared.data.desensitise.gate_turns import over_turns
from sft_shared.data.desensitise.gate_words import words
from sft_shared.data.desensitise.numerals import plain
from sft_shared.data.desensitise.placeholders import mask
from sft_shared.data.desensitise.spans import Kind
from sft_shared.dialogue import Example
from sft_shared.errors import LeakError

_HAN = re.compile("[\u3400-\u9fff]")
_END = "\x1e"  # between two texts; no pattern reaches over it


def require_clean(examples: Iterable[Example], path: Path) -> Counter[Kind]:
    """Count the suspects by kind. Raises LeakError if there is one certain hit.

    The message says how many there are and the place of the first; ``path`` is the file of the examples.
    """
    suspects: Counter[Kind] = Counter()
    places, first, found_in = 0, "", 0
    for number, example in enumerate(examples, start=1):
        certain = []
        for leak in inspect(example):
            if leak.certain:
                certain.append(leak)
            else:
                suspects[leak.kind] += 1
        if certain:
            name = f"number {number}" if may_be_personal(example.id) else repr(example.id)
            first = first or f"{path}: example {name}, {certain[0].where}: {certain[0].kind}"
            places, found_in = places + len(certain), found_in + 1
    if places:
        raise LeakError(
            f"{first}. Found {_plural(places, 'such place')} in {_plural(found_in, 'example')}, so nothing "
            "is trained on. Desensitise the file again, or mend or remove them."
        )
    return suspects


def inspect(example: Example) -> list[Leak]:
    """All hits in an example: in its messages, also over several turns, in calls, tools, labels and ids."""
    texts = list(_texts(example))
    joined = _END.join(text for _, text in texts)
    leaks, flat = [], plain(joined)
    signs = signs_of([text for where, text in texts if where not in _NAMES])
    signs |= signs_of_block(_END.join(text for where, text in texts if where in _NAMES))
    if (signs & HOLDS or may_hold_numbers(flat)) and next(chain(_scan(flat), across(flat)), None):
        bare = [(where, mask(text)) for where, text in texts]
        starts = list(accumulate((len(text) + 1 for _, text in bare), initial=0))
        flat = plain(_END.join(text for _, text in bare))
        seen = list(_scan(flat))
        taken = {hit.start for hit in seen if hit.certain}
        seen += [hit for hit in across(flat) if not any(hit.start <= start < hit.end for start in taken)]
        leaks += [_leak(bare, hit, starts=starts) for hit in seen]
    known = {(leak.where.partition(", characters")[0], leak.kind) for leak in leaks if leak.certain}
    for where, hit in _hidden(example, texts, bool(signs & HIDES) and may_hide(flat)):
        if (where, hit.kind) not in known:
            leaks.append(Leak(where, hit.kind, hit.certain))
            known.add((where, hit.kind))
    leaks += over_turns(example.messages)
    return leaks


def _hidden(example: Example, texts: Sequence[tuple[str, str]], escaped: bool) -> Iterator[tuple[str, Hit]]:
    """Hits behind markup, escapes and words, and over the values of arguments or of JSON."""
    if escaped:
        for where, text in texts:
            read = revealed(text)
            if read is not None and read != text:
                flat = plain(mask(read))
                for hit in chain(_scan(flat), across(flat)):
                    yield where, hit
    for number, message in enumerate(example.messages, start=1):
        for hit in in_json(message.content or ""):
            yield f"message {number}", hit
        for index, call in enumerate(message.tool_calls, start=1):
            for hit in in_values(call.arguments):
                yield f"message {number}, call {index}", hit
    for number, expected in enumerate(example.expected_calls, start=1):
        for hit in in_values(expected.arguments):
            yield f"expected call {number}", hit


def may_be_personal(text: str) -> bool:
    """Whether an id is better not told: it holds a hit, certain or not, or Han, as names do."""
    if _HAN.search(text):
        return True
    flats = [plain(each) for each in (text, revealed(text)) if each is not None]
    return any(True for flat in flats for _ in chain(_scan(flat), across(flat)))


def _scan(flat: str) -> Iterator[Hit]:
    yield from numbers(flat)
    yield from words(flat)


def _leak(texts: Sequence[tuple[str, str]], hit: Hit, *, starts: Sequence[int]) -> Leak:
    index = bisect_right(starts, hit.start) - 1
    first = hit.start - starts[index] + 1
    where = texts[index][0]
    if where != _ID:
        where += f", characters {first}-{hit.end - starts[index]}"
    return Leak(where, hit.kind, hit.certain)


_ID, _ORIGIN = "its id", "its provenance"
_NAMES = frozenset({_ID, _ORIGIN})  # of which there are no two alike


def _texts(example: Example) -> Iterator[tuple[str, str]]:
    """(where, text) of every text of an example; keys count as texts."""
    yield _ID, example.id
    for number, message in enumerate(example.messages, start=1):
        if message.content:
            yield f"message {number}", message.content
        for index, image in enumerate(message.images, start=1):
            if image.path is not None:
                yield f"message {number}, the path of picture {index}", image.path
        if message.tool_call_id:
            yield f"message {number}, the id of the call", message.tool_call_id
        for index, call in enumerate(message.tool_calls, start=1):
            place = f"message {number}, call {index}"
            yield f"{place}, its name", call.name
            if call.id:
                yield f"{place}, its id", call.id
            yield from _values(f"{place}, value", call.arguments)
    for number, expected in enumerate(example.expected_calls, start=1):
        yield f"expected call {number}, its name", expected.name
        yield from _values(f"expected call {number}, value", expected.arguments)
    for number, tool in enumerate(example.tools, start=1):
        yield f"tool {number}, its name", tool.name
        yield f"tool {number}, its description", tool.description
        yield from _values(f"tool {number}, value", tool.parameters)
    for number, entity in enumerate(example.entities, start=1):
        yield f"entity {number}", f"{entity.type}{_END}{entity.value}"
    yield "its category", example.category
    if example.intent is not None:
        yield "its intent", f"{example.intent.name}{_END}{example.intent.by}"
    yield "its outcome", _END.join(example.outcome.reasons if example.outcome else ())
    origin = example.provenance
    yield _ORIGIN, _END.join([origin.source, origin.session, origin.origin or "", *origin.steps])


def _values(where: str, root: Any) -> Iterator[tuple[str, str]]:
    """Strings, numbers and keys under ``root``, numbered in their order; any depth."""
    number, stack = 0, [root]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            for key, inner in reversed(value.items()):
                stack += [inner, str(key)]
        elif isinstance(value, list):
            stack += reversed(value)
        elif value is not None and not isinstance(value, bool):
            number += 1
            whole = isinstance(value, float) and value.is_integer()
            yield f"{where} {number}", str(int(value)) if whole else str(value)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")
