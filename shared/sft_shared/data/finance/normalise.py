"""A step that brings finance terms to their standard form, or only labels them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pydantic import Field

from sft_shared.config import LocalPath, Settings
from sft_shared.data.finance.terms import Hit, TermTable, cuts_no_word, folded, read_terms
from sft_shared.data.finance.typos import TypoFinder
from sft_shared.dialogue import Entity, Example, Message, Role

_LATIN = re.compile(r"[a-z0-9]")


@dataclass(frozen=True)
class Edit:
    """``text[start:end]`` becomes ``new``."""

    start: int
    end: int
    new: str


class NormaliseTerms(Settings):
    """Find finance terms, synonyms and typos in the messages of ``roles``.

    ``rewrite`` puts the standard term in their place, and labels on the message move along; ``annotate``
    leaves the text and adds an entity for each. A synonym that reaches over one end of a label stays.
    Tool results and structured JSON are not for rewriting: keep to user and, for plain answers,
    assistant.
    """

    kind: Literal["finance_terms"] = "finance_terms"
    file: LocalPath
    mode: Literal["rewrite", "annotate"]
    roles: tuple[Role, ...] = Field(default=("user",), min_length=1)
    typos: bool = True
    entity_type: str = Field(default="term", min_length=1)
    name_standard: bool = False  # the type is ``term:基金``, so that a label says what it stands for

    @cached_property
    def table(self) -> TermTable:
        """The file's terms, read once."""
        return read_terms(self.file)

    @cached_property
    def typo_finder(self) -> TypoFinder:
        """For the same terms."""
        return TypoFinder(self.table)

    def find(self, text: str) -> list[Hit]:
        """Terms, synonyms and, if ``typos``, typos, in the text's order."""
        hits = self.table.find(text)
        if not self.typos:
            return hits
        typos = self.typo_finder.find(text, hits)
        kept = [hit for hit in hits if not any(it.start <= hit.start and hit.end <= it.end for it in typos)]
        return sorted([*kept, *typos], key=_start)

    def __call__(self, example: Example) -> Example:
        """The example with its terms in standard form, or labelled. Raises DataError for a wrong file."""
        messages: list[Message] = list(example.messages)
        entities: list[Entity] = list(example.entities)
        for index, message in enumerate(messages):
            if message.role not in self.roles or not message.content:
                continue
            hits = self.find(message.content)
            if self.mode == "annotate":
                entities += self._labels(hits, message.content, index, entities)
                continue
            here = [entity for entity in entities if entity.message == index]
            edits = [
                Edit(hit.start, hit.end, hit.standard)
                for hit in hits
                if hit.how != "standard" and not any(_crosses(hit, entity) for entity in here)
            ]
            edits = _without_doubles(message.content, edits, here)
            if edits:
                text, moved = apply_edits(message.content, edits, here)
                messages[index] = message.model_copy(update={"content": text})
                entities = [entity for entity in entities if entity.message != index] + moved
        if messages == list(example.messages) and entities == list(example.entities):
            return example
        provenance = example.provenance.model_copy(
            update={"steps": (*example.provenance.steps, f"finance_terms:{self.mode}")}
        )
        return example.model_copy(
            update={
                "messages": tuple(messages),
                "entities": tuple(sorted(entities, key=lambda each: (each.message, each.start, each.end))),
                "provenance": provenance,
            }
        )

    def _labels(self, hits: list[Hit], text: str, index: int, known: Sequence[Entity]) -> list[Entity]:
        seen = {(each.type, each.message, each.start, each.end) for each in known}
        labels = []
        for hit in hits:
            kind = f"{self.entity_type}:{hit.standard}" if self.name_standard else self.entity_type
            if (kind, index, hit.start, hit.end) not in seen:
                value = text[hit.start : hit.end]
                labels.append(Entity(type=kind, value=value, message=index, start=hit.start, end=hit.end))
        return labels


def apply_edits(text: str, edits: Sequence[Edit], labels: Sequence[Entity]) -> tuple[str, list[Entity]]:
    """The edited text, and the labels where their values now stand.

    ``edits`` do not overlap; each lies inside of a label, outside of it, or covers it (which then grows to
    what is put in its place).

    >>> apply_edits("买货基吗", [Edit(1, 3, "货币市场基金")], [])[0]
    '买货币市场基金吗'
    """
    pieces: list[str] = []
    starts: dict[int, int] = {}  # place in the old text -> place in the new one
    ends: dict[int, int] = {}
    old = new = 0
    for edit in [*sorted(edits, key=lambda each: each.start), Edit(len(text), len(text), "")]:
        for place in range(old, edit.start + 1):
            starts[place] = ends[place] = new + place - old
        pieces += [text[old : edit.start], edit.new]
        new += edit.start - old
        for place in range(edit.start + 1, edit.end):
            starts[place], ends[place] = new, new + len(edit.new)
        starts[edit.start] = new
        new += len(edit.new)
        old = edit.end
        starts[edit.end] = ends[edit.end] = new
    changed = "".join(pieces)
    moved = []
    for label in labels:
        start, end = starts[label.start], ends[label.end]
        moved.append(label.model_copy(update={"start": start, "end": end, "value": changed[start:end]}))
    return changed, moved


def _without_doubles(text: str, edits: Sequence[Edit], labels: Sequence[Entity]) -> list[Edit]:
    """Edits that take in what the text itself says of the standard term around them.

    ETF基金 becomes 交易型开放式指数基金, not ...基金基金; ``net NAV`` becomes ``net asset value``. Only whole
    words are taken in, and neither a piece of a label nor of another edit.
    """
    flat = folded(text)
    wider: list[Edit] = []
    for edit in edits:
        others = [other for other in edits if other is not edit]
        for place in (_end_of_double(flat, edit), _start_of_double(flat, edit)):
            grown = Edit(min(edit.start, place), max(edit.end, place), edit.new)
            taken = (each for each in (*others, *wider) if each.start != edit.start)
            clear = not any(grown.start < each.end and each.start < grown.end for each in taken)
            if clear and not any(_crosses(grown, label) for label in labels):
                edit = grown
        wider.append(edit)
    return wider


def _end_of_double(flat: str, edit: Edit) -> int:
    """Where what follows ``edit`` and ends its new text ends; ``edit.end`` if nothing does."""
    new = folded(edit.new)
    begin = edit.end + len(flat[edit.end :]) - len(flat[edit.end :].lstrip(" "))
    for length in range(len(new) - 1, 1, -1):
        end = begin + length
        is_double = flat[begin:end] == new[-length:] and _is_whole(flat, begin, end)
        if is_double and _is_whole(new, len(new) - length, len(new)):
            return end
    return edit.end


def _start_of_double(flat: str, edit: Edit) -> int:
    """Where what precedes ``edit`` and begins its new text starts; ``edit.start`` if nothing does."""
    new = folded(edit.new)
    end = len(flat[: edit.start].rstrip(" "))
    for length in range(min(len(new) - 1, end), 1, -1):
        start = end - length
        if flat[start:end] == new[:length] and _is_whole(flat, start, end) and _is_whole(new, 0, length):
            return start
    return edit.start


def _is_whole(flat: str, start: int, end: int) -> bool:
    """Whether no word reaches over an end of ``flat[start:end]``, in Chinese or in a script with spaces."""
    inside = flat[start:end]
    joins_before = start > 0 and _LATIN.match(flat[start - 1]) and _LATIN.match(inside[0])
    joins_after = end < len(flat) and _LATIN.match(flat[end]) and _LATIN.match(inside[-1])
    return not joins_before and not joins_after and cuts_no_word(flat, start, end)


def _crosses(hit: Hit | Edit, label: Entity) -> bool:
    """Whether a hit overlaps a label and neither holds the other."""
    overlaps = hit.start < label.end and label.start < hit.end
    holds = hit.start <= label.start and label.end <= hit.end
    is_held = label.start <= hit.start and hit.end <= label.end
    return overlaps and not holds and not is_held


def _start(hit: Hit) -> int:
    return hit.start
