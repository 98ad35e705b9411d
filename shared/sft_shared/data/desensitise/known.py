"""What was found once in a dialogue is found wherever it stands, also where nothing says what it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sft_shared.data.desensitise.name_parts import is_called, parts_of
from sft_shared.data.desensitise.numerals import plain
from sft_shared.data.desensitise.pseudonyms import canonical
from sft_shared.data.desensitise.spans import Kind, Span

_RUN = re.compile(r"(?<![0-9])[0-9](?:[ \-._·\u200b]{0,2}[0-9]){5,30}(?![0-9])")
_SIX_DIGITS = re.compile("[0-9](?:[^0-9]{0,2}[0-9]){5}")
_FEWEST_DIGITS = 6
_LONGEST_VALUE = 300
_PART = 0.5  # how sure a part of a name is: whatever else is found there counts more
_ALSO_WORDS_TEXT = (
    "will may mark rose grace hope bill rich frank art dawn faith joy june april august summer "
    "autumn jack drew grant chase chance miles page sue pat penny ray rob skip van victor wade "
    "young long king bishop park brown white black green gray stone wood woods banks rivers field "
    "fields price sales day may best good case cook baker smith hunter ruby amber pearl ivy lily "
    "violet olive jasmine holly heather ginger sky star angel christian guy dean earl major max "
    "gene dale glen cliff lane brook"
)
_ALSO_WORDS = frozenset(_ALSO_WORDS_TEXT.split())
"""English words that are names too: alone, they are followed only as the whole value of an argument."""


class Known:
    """The values found in one dialogue; each has one kind, that of its most confident find."""

    def __init__(self, finds: Iterable[tuple[str, Span]]) -> None:
        self._best: dict[str, Span] = {}
        self._forms: dict[str, Span] = {}
        self._parts: dict[str, Span] = {}
        self._numeric = False
        for text, span in finds:
            value = canonical(text)
            best = self._best.get(value)
            if best is None or (span.confidence, span.kind) > (best.confidence, best.kind):
                self._best[value] = span
            self._numeric = self._numeric or any(map(str.isdigit, value))
            if _may_be_followed(text, span.kind):
                self._forms[text] = span
                if span.kind == "name":
                    for part in parts_of(text, confidence=span.confidence):
                        self._parts.setdefault(part, span)

    def kind(self, text: str, found_as: Kind) -> Kind:
        """The kind of a value, which is one throughout the dialogue."""
        best = self._best.get(canonical(text))
        return found_as if best is None else best.kind

    def places(self, text: str, *, alone: bool) -> Iterator[Span]:
        """Where known values stand in ``text``; ``alone``: the text is a value by itself."""
        if not self._best:
            return
        if alone and len(text) <= _LONGEST_VALUE:
            bare = text.strip()
            best = self._best.get(canonical(bare))
            if best is not None and _is_telling(bare):
                start = text.index(bare)
                yield Span(start, start + len(bare), best.kind, best.confidence)
        flat = plain(text) if self._numeric else ""
        for run in _RUN.finditer(flat) if _SIX_DIGITS.search(flat) else ():
            best = self._best.get(canonical(run[0]))
            if best is not None:
                yield Span(run.start(), run.end(), best.kind, best.confidence)
        whole: list[tuple[int, int]] = []
        for form, span in self._forms.items():
            for start, end in _places(form, text) if form in text else ():
                whole.append((start, end))
                yield Span(start, end, span.kind, span.confidence)
        for part, span in self._parts.items():
            for start, end in _places(part, text) if part in text else ():
                inside = any(first <= start and end <= last for first, last in whole)
                if not inside and is_called(text, start, end):
                    yield Span(start, end, span.kind, min(span.confidence, _PART))


def _places(form: str, text: str) -> Iterator[tuple[int, int]]:
    """Where ``form`` stands, and neither a word nor a number goes on."""
    start = text.find(form)
    while start >= 0:
        end = start + len(form)
        if _is_bounded(text, start, end):
            yield start, end
        start = text.find(form, end)


def _is_telling(text: str) -> bool:
    """Is the value so long that it does not stand there by chance?"""
    flat = plain(text)
    if flat.isascii() and any(map(str.isdigit, flat)):
        return sum(map(str.isalnum, flat)) >= _FEWEST_DIGITS
    return len(text) >= (2 if not text.isascii() else 3)


def _may_be_followed(text: str, kind: Kind) -> bool:
    if not _is_telling(text):
        return False
    if kind in ("name", "password"):
        return (
            not text.isascii() or not text.isalpha() or (kind == "name" and text.lower() not in _ALSO_WORDS)
        )
    return True


def _is_bounded(text: str, start: int, end: int) -> bool:
    """Does no word in Latin letters, and no number, go on at either end?"""
    return not (
        (start and _goes_on(text[start - 1], text[start]))
        or (end < len(text) and _goes_on(text[end - 1], text[end]))
    )


def _goes_on(left: str, right: str) -> bool:
    if not (left.isascii() and right.isascii()):
        return False
    return (left.isalpha() and right.isalpha()) or (left.isdigit() and right.isdigit())
