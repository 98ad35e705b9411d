"""Examples without personal data: found in every text of a dialogue, replaced alike throughout it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import accumulate, groupby
from typing import Any

from sft_shared.config import LocalPath, Settings
from sft_shared.content import PLACEHOLDER
from sft_shared.data.desensitise.audit import Audit, FieldName
from sft_shared.data.desensitise.chinese_name_labels import could_be_chinese_name
from sft_shared.data.desensitise.find import Finder, FindSettings
from sft_shared.data.desensitise.keyed import keyed_letters, load_key
from sft_shared.data.desensitise.known import Known
from sft_shared.data.desensitise.placeholders import FILLER, mask
from sft_shared.data.desensitise.replace import Replacement, TagReplacement
from sft_shared.data.desensitise.spans import Kind, Span, resolve
from sft_shared.data.desensitise.tags import Language, language_of
from sft_shared.data.desensitise.texts import Edit, Passage, apply_edits, passages_of, rewrite
from sft_shared.data.steps import Dropped
from sft_shared.dialogue import Example

MAX_PASSES = 20
"""What is replaced changes what stands beside the rest, so a dialogue is looked at until nothing is found.

One pass does nearly always, which a look at the sentences with placeholders tells; each leaves less that is
no placeholder.
"""

_UNMISTAKABLE: frozenset[Kind] = frozenset(
    {"card", "resident_id", "passport", "phone", "email", "plate", "ip", "mac", "api_key", "password"}
)
"""Kinds that are replaced in tools and ids too; a city in an enum is no one's address."""

_OF_SOMEBODY: frozenset[Kind] = frozenset({"name", "address"})
_MOST_REMEMBERED = 10_000
_PIECE = re.compile("[0-9]{1,14}[Xx]?")  # of a number
_SURE = 0.9
_TELLING = re.compile("[0-9@]")
_ENDING = re.compile(r"\.(?:png|jpe?g|webp|gif|bmp)$", re.I)
_HAN_WORD = re.compile("[\u3400-\u9fff]+")
_PICTURE = FILLER * len(PLACEHOLDER)


class DesensitiseSettings(Settings):
    """How personal data is found, and what takes its place."""

    key: LocalPath  # file of 32 random bytes, made if missing; who has it can tell which value a pseudonym is
    find: FindSettings = FindSettings()  # which kinds, and how sure a find must be; all else stays
    replacement: Replacement = TagReplacement()

    def open(self) -> Desensitiser:
        """The step that does it. Raises ConfigError if the key file cannot be made or is none."""
        return Desensitiser(self, key=load_key(self.key))


class Desensitiser:
    """Replaces the personal data of examples, one by one. Doing so twice is doing so once.

    The same example, settings and key give the same result, in any order and in any process.
    """

    def __init__(self, settings: DesensitiseSettings, *, key: bytes) -> None:
        self._settings = settings
        self._finder = Finder(settings.find)
        self._key = key
        self._tool_texts: dict[str, list[Span]] = {}
        self._telling: dict[str, bool] = {}

    def __call__(self, example: Example) -> Example | Dropped:
        """The example without personal data; see `apply`."""
        return self.apply(example)[0]

    def apply(self, example: Example) -> tuple[Example | Dropped, Audit]:
        """The example without personal data, and what was replaced in it.

        A value is replaced alike wherever it stands in the dialogue: in messages, in the arguments of calls
        and in what they return, as text or as number. Dropped is an example with a picture whose path tells
        of a person, for files keep their names; one with a tool or an argument called by a person's name or
        number; and one whose arguments are nested so deeply that not all of them can be looked at.
        """
        if any(map(self._tells, _paths(example))):
            detail = "the path of a picture tells of a person; give the file another name"
            return Dropped("personal-path", detail), Audit.of([])
        if any(map(self._tells, _keys(example))):
            detail = "the name of a tool or of an argument tells of a person; give it another"
            return Dropped("personal-key", detail), Audit.of([])
        session = example.provenance.session
        finds: list[tuple[FieldName, Kind]] = []
        language = cache(lambda: language_of(message.content or "" for message in example.messages))
        try:
            current = example
            for _ in range(MAX_PASSES):
                current, found, settled = self._pass(current, session=session, language=language)
                finds += found
                if settled:
                    break
        except RecursionError:
            detail = "arguments are nested too deeply to look at all of them"
            return Dropped("too-nested", detail), Audit.of([])
        if finds:
            step = f"desensitise:{self._settings.replacement.kind}"
            steps = (*current.provenance.steps, step)
            provenance = current.provenance.model_copy(update={"steps": steps})
            current = current.model_copy(update={"provenance": provenance})
        return current, Audit.of(finds)

    def text(self, text: str, *, session: str) -> str:
        """``text`` without personal data, as a turn by itself."""
        language = partial(language_of, [text])
        for _ in range(MAX_PASSES):
            passages = [Passage(text, "content", turn=True)]
            edits, _found = self._edits(passages, session=session, language=language)
            if not edits[0]:
                break
            text = apply_edits(text, edits[0])
        return text

    def _tells(self, text: str) -> bool:
        """Does a path, a key or the name of a tool tell of a person?"""
        if text not in self._telling:
            if len(self._telling) >= _MOST_REMEMBERED:
                self._telling.clear()
            parts = "\n".join(re.split(r"[/\\]+", _ENDING.sub("", text)))
            self._telling[text] = _names_somebody(text) or any(
                span.kind in _UNMISTAKABLE or (span.kind in _OF_SOMEBODY and not parts.isascii())
                for span in self._finder.find(mask(parts))
            )
        return self._telling[text]

    def _pass(
        self, example: Example, *, session: str, language: Callable[[], Language]
    ) -> tuple[Example, list[tuple[FieldName, Kind]], bool]:
        """The example after one look, the finds, and whether another look would find no more."""
        passages = passages_of(example)
        edits, finds = self._edits(passages, session=session, language=language)
        if not finds:
            return example, finds, True
        remaining = iter(edits)
        changed = rewrite(example, lambda passage: next(remaining))
        return changed, finds, self._is_settled(passages, edits)

    def _is_settled(self, passages: Sequence[Passage], edits: Sequence[Sequence[Edit]]) -> bool:
        """Does nothing come to light beside what was replaced, in its sentence and in the turns around it?"""
        masked = [mask(apply_edits(each.text, made)) for each, made in zip(passages, edits, strict=True)]
        for passage, made, text in zip(passages, edits, masked, strict=True):
            if made and not passage.whole and self._shows_more(passage, text):
                return False
        turns = [(passage, text) for passage, text in zip(passages, masked, strict=True) if passage.turn]
        across = self._finder.find_across([text for _, text in turns])
        return not any(self._wanted(*turn, spans) for turn, spans in zip(turns, across, strict=True) if spans)

    def _shows_more(self, passage: Passage, masked: str) -> bool:
        before = f"{passage.cue}: " if passage.cue else ""
        for sentence in _SENTENCES.findall(masked):
            if FILLER in sentence and len(sentence.strip(_NOTHING)) > 1:
                spans = self._finder.find(before + sentence)
                if self._wanted(passage, before + sentence, spans):
                    return True
        return False

    def _edits(
        self, passages: Sequence[Passage], *, session: str, language: Callable[[], Language]
    ) -> tuple[list[list[Edit]], list[tuple[FieldName, Kind]]]:
        masked = [mask(passage.text).replace(PLACEHOLDER, _PICTURE) for passage in passages]
        found = self._found(passages, masked)
        if not any(found):
            return [[] for _ in passages], []
        tongue = language()
        known = Known(
            (passage.text[span.start : span.end], span)
            for passage, spans in zip(passages, found, strict=True)
            for span in spans
        )
        edits: list[list[Edit]] = []
        finds: list[tuple[FieldName, Kind]] = []
        for passage, bare, spans in zip(passages, masked, found, strict=True):
            everything = resolve([*spans, *known.places(bare, alone=not passage.turn)])
            if passage.whole and everything:
                hidden = keyed_letters(self._key, "id", passage.text, length=32)
                edits.append([Edit(0, len(passage.text), hidden)])
                finds.append((passage.field, everything[0].kind))
                continue
            values = [passage.text[span.start : span.end] for span in everything]
            kinds = [known.kind(value, span.kind) for value, span in zip(values, everything, strict=True)]
            written = [
                self._settings.replacement(kind, value, key=self._key, session=session, language=tongue)
                for kind, value in zip(kinds, values, strict=True)
            ]
            tags = [self._settings.replacement.tag(kind, tongue) for kind in kinds]
            edits.append(_recognisable(passage.text, everything, written, tags))
            finds += [(passage.field, kind) for kind in kinds]
        return edits, finds

    def _found(self, passages: Sequence[Passage], masked: Sequence[str]) -> list[list[Span]]:
        """What the finder finds in each passage, but for what stands in a placeholder."""
        found: list[list[Span]] = [[] for _ in passages]
        turns = [index for index, passage in enumerate(passages) if passage.turn]
        for index, spans in zip(
            turns, self._finder.find_in_turns([masked[index] for index in turns]), strict=True
        ):
            found[index] = list(spans)
        values: list[int] = []
        ids: list[int] = []
        for index, passage in enumerate(passages):
            if passage.turn:
                continue
            if passage.field == "tools":
                found[index] = self._in_tool(masked[index])
            else:
                (ids if passage.field == "ids" else values).append(index)
        for group in (values, ids):  # ids apart: they seldom change from pass to pass
            if group:
                read = self._in_values([(passages[index].cue, masked[index]) for index in group])
                for index, spans in zip(group, read, strict=True):
                    found[index] = spans
        return [
            self._wanted(passage, text, spans) if spans or passage.whole else []
            for passage, text, spans in zip(passages, masked, found, strict=True)
        ]

    def _in_tool(self, text: str) -> list[Span]:
        """Tools are the same in thousands of examples."""
        if text not in self._tool_texts:
            if len(self._tool_texts) >= _MOST_REMEMBERED:
                self._tool_texts.clear()
            self._tool_texts[text] = list(self._finder.find(text))
        return self._tool_texts[text]

    def _in_values(self, values: Sequence[tuple[str, str]]) -> list[list[Span]]:
        """Finds in values, each read behind its key as people write it: ``phone: 138...``."""
        found: list[list[Span]] = []
        for cue, text in values:
            before = f"{cue}: " if cue else ""
            length = len(before)
            spans = self._finder.find(before + text) if text and not text.isspace() else []
            found.append(
                [
                    Span(max(start - length, 0), end - length, kind, confidence)
                    for start, end, kind, confidence in spans
                    if end > length
                ]
            )
        for index, span in self._in_rows([text for _, text in values]):
            found[index].append(span)
        return found

    def _in_rows(self, texts: Sequence[str]) -> Iterator[tuple[int, Span]]:
        """Numbers whose groups are values of their own, one behind the other: (index, span of its group)."""
        are_pieces = [_PIECE.fullmatch(text) is not None for text in texts]
        if sum(are_pieces) < 2:
            return
        for digits, group in groupby(range(len(texts)), key=are_pieces.__getitem__):
            row = list(group)
            if not digits or len(row) < 2:
                continue
            starts = list(accumulate((len(texts[index]) + 1 for index in row), initial=0))
            for span in self._finder.find("-".join(texts[index] for index in row)):
                inside = [
                    index for index, start in zip(row, starts, strict=False) if span.start <= start < span.end
                ]
                if span.kind in ("card", "resident_id") and span.confidence >= _SURE and len(inside) > 1:
                    for index in inside:
                        yield index, Span(0, len(texts[index]), span.kind, span.confidence)

    @staticmethod
    def _wanted(passage: Passage, masked: str, spans: Sequence[Span]) -> list[Span]:
        """The finds to follow: in tools and ids unmistakable ones only; nowhere a placeholder."""
        strict = passage.field in ("tools", "ids")
        if passage.field == "ids":
            spans = [span for span in spans if span.kind in _UNMISTAKABLE | _OF_SOMEBODY]
            if not spans and _names_somebody(masked):
                return [Span(0, len(masked), "name", 0.6)]
        if passage.field == "labels":  # change_pin and BEN are labels, and nobody's
            spans = [
                span for span in spans if " " in masked or not masked.isascii() or _TELLING.search(masked)
            ]
            spans = [span for span in spans if span.kind not in ("password", "account")]
        return [
            piece
            for span in spans
            if not strict or passage.field == "ids" or span.kind in _UNMISTAKABLE
            for piece in _outside_placeholders(masked, span)
        ]


def _names_somebody(text: str) -> bool:
    """Is a word in Han, by itself, a name?"""
    return any(map(could_be_chinese_name, _HAN_WORD.findall(text)))


def _keys(example: Example) -> Iterator[str]:
    """Names of tools and of arguments, at any depth."""
    roots: list[Any] = [tool.parameters for tool in example.tools]
    calls = [call for message in example.messages for call in message.tool_calls]
    yield from (call.name for call in calls)
    yield from (expected.name for expected in example.expected_calls)
    roots += [call.arguments for call in calls]
    roots += [expected.arguments for expected in example.expected_calls]
    yield from (tool.name for tool in example.tools)
    while roots:
        value = roots.pop()
        if isinstance(value, dict):
            yield from map(str, value)
            roots += value.values()
        elif isinstance(value, list):
            roots += value


def _paths(example: Example) -> list[str]:
    return [image.path for message in example.messages for image in message.images if image.path is not None]


_SENTENCES = re.compile(r"(?:[^。！？!?\n]|[!?](?=\S))+[。！？!?\n]*")
_NOTHING = FILLER + " \t\n.,:;!?。，：；！？、\"'()（）“”"


def _recognisable(
    text: str, spans: Sequence[Span], written: Sequence[str], tags: Sequence[str]
) -> list[Edit]:
    """The edits, with a tag in place of each pseudonym that is none any more beside its neighbours."""
    edits = [Edit(span.start, span.end, new) for span, new in zip(spans, written, strict=True)]
    if written == tags:
        return edits
    masked, grown = mask(apply_edits(text, edits)), 0
    for index, edit in enumerate(edits):
        start = edit.start + grown
        grown += len(edit.text) - (edit.end - edit.start)
        if masked[start : start + len(edit.text)].strip(FILLER):
            edits[index] = Edit(edit.start, edit.end, tags[index])
    return edits


def _outside_placeholders(masked: str, span: Span) -> list[Span]:
    """The parts of a span that are in no placeholder, without the space around them."""
    pieces, start = [], span.start
    for part in masked[span.start : span.end].split(FILLER):
        bare = part.strip(" ,，。;；:：\t\n")
        if bare and (bare == masked[span.start : span.end].strip() or sum(map(str.isalnum, bare)) > 1):
            first = start + part.index(bare)
            pieces.append(Span(first, first + len(bare), span.kind, span.confidence))
        start += len(part) + 1
    return pieces
