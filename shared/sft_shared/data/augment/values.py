"""Replace one value by another wherever an example means it, and nowhere else."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from typing import Any

from sft_shared.data.words import HAN, cut, has_han, is_han

LONG = 8  # characters from which a number is also spoken of by its last four
_GAPS = " -,，_"  # may stand inside a number without changing it
_NO_GAPS = dict.fromkeys(map(ord, _GAPS))
_LETTER = rf"[^\W_{HAN}]"  # or digit, of a script whose words have edges
_TIGHT = r"[.,:/_@-]"  # between digits these make one number, time or code: 12 is not in 12.5, 3:12, AB-12


class Ambiguous(Exception):
    """It cannot be told whether a place means the value; the example is better left as it is."""


class Replacement:
    """``old`` becomes ``new``; a longer value of ``others`` that holds ``old`` is left alone.

    Latin letters and digits count as ``old`` only when no other letter or digit is attached. Chinese text
    has no such edges: `Ambiguous` is raised where the dictionary's words do not begin and end with it (北京
    in 北京市 may mean it, 小红 in 小红帽 does not), as it is for another spelling (PARIS for Paris,
    6222 0200 for 62220200) and for the last four characters of a long number.
    """

    def __init__(self, old: str, new: str, *, others: Collection[str]) -> None:
        self.old, self.new = old, new
        self._core, self._tail = _squeezed(old), _tail_of(old)
        self._others = sorted((it for it in others if old in it and it != old), key=len, reverse=True)

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Where ``old`` stands in a text. Raises Ambiguous."""
        squeezed = _squeezed(text)
        if self._core not in squeezed and not (self._tail and self._tail in squeezed):
            return  # most texts; the search below costs a pattern of its own for every value
        for match in _finder(self.old, tuple(self._others)).finditer(text):
            if match.group() in self._others:
                continue
            if match.group() != self.old or _cuts_a_word(text, *match.span()):
                raise Ambiguous
            yield match.span()

    def in_text(self, text: str) -> str:
        """A text with every ``old`` replaced. Raises Ambiguous."""
        done, place = "", 0
        for start, end in self.places(text):
            done, place = done + text[place:start] + self.new, end
        return done + text[place:]

    def in_content(self, content: str) -> str:
        """A message's text; if it is JSON, its values and not its keys, laid out as before."""
        parsed = as_json(content)
        if parsed is None:
            return self.in_text(content)
        value, dump = parsed
        replaced = self.in_value(value)
        return content if replaced == value else dump(replaced)

    def in_value(self, value: Any) -> Any:
        """JSON: strings that are or hold ``old``, and the number that it spells. Intents keep their names."""
        if isinstance(value, dict):
            return {key: it if key == "intent" else self.in_value(it) for key, it in value.items()}
        if isinstance(value, list | tuple):
            return [self.in_value(it) for it in value]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return value
        if isinstance(value, str):
            if value == self.old:
                return self.new
            replaced = self.in_text(value)
            if replaced == value and same(value, self.old):
                raise Ambiguous  # 1,200 in the text and 1200 in the call: the new form is not ours to guess
            return replaced
        if not same(str(value), self.old):
            return value
        if str(value) != self.old:
            raise Ambiguous
        number = _number(self.new)
        if number is None or isinstance(number, float) is not isinstance(value, float):
            raise Ambiguous
        return number


def as_json(content: str) -> tuple[Any, Callable[[Any], str]] | None:
    """A JSON object or list, and how to write one in the same layout; None for other text."""
    if content.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    layouts: list[dict[str, Any]] = [{}, {"separators": (",", ":")}, {"indent": 2}, {"indent": 4}]
    for layout in layouts:
        for ascii_only in (False, True):
            if json.dumps(value, ensure_ascii=ascii_only, **layout) == content:
                return value, lambda it: json.dumps(it, ensure_ascii=ascii_only, **layout)  # noqa: B023
    return value, lambda it: json.dumps(it, ensure_ascii=False)


def same(left: str, right: str) -> bool:
    """Whether two spellings mean one value: width, case, spaces, commas and dashes aside."""
    return _plain(left) == _plain(right)


def is_chinese(text: str) -> bool:
    """Whether there is a Chinese character in it."""
    return has_han(text)


def _plain(text: str) -> str:
    text = re.sub(r"[\s,，_-]", "", unicodedata.normalize("NFKC", text).casefold())
    return re.sub(r"^(\d+)\.0+$", r"\1", text)


def _number(text: str) -> int | float | None:
    if re.fullmatch(r"-?(0|[1-9]\d{0,14})", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?(0|[1-9]\d{0,14})\.\d{1,6}", text) else None


@lru_cache(maxsize=256)
def _finder(old: str, others: tuple[str, ...]) -> re.Pattern[str]:
    """Finds ``others``, ``old``, and what may be ``old`` in another spelling, in this order."""
    spellings = [_bounded(value, re.escape(value)) for value in (*others, old)]
    if not has_han(old):
        letters = [re.escape(character) for character in old if character not in _GAPS]
        spellings.append("(?i:" + _bounded(old, f"[{re.escape(_GAPS)}]?".join(letters)) + ")")
        if _tail_of(old):
            spellings.append("(?i:" + _bounded(_tail_of(old), re.escape(_tail_of(old))) + ")")
    return re.compile("|".join(spellings))


def _tail_of(old: str) -> str:
    """The last four characters of a long number, by which people speak of it; of other values nothing."""
    is_long = len(_squeezed(old)) >= LONG and any(map(str.isdigit, old)) and not has_han(old)
    return _squeezed(old)[-4:] if is_long and old[-4:].isalnum() else ""


def _squeezed(text: str) -> str:
    return text.casefold().translate(_NO_GAPS)


def _bounded(value: str, pattern: str) -> str:
    before = after = ""
    if value[0].isalnum() and not is_han(value[0]):
        before = rf"(?<!{_LETTER})"
        if any(map(str.isdigit, value)):
            before += rf"(?<!{_LETTER}{_TIGHT})"
    if value[-1].isalnum() and not is_han(value[-1]):
        after = rf"(?!{_LETTER})"
        if any(map(str.isdigit, value)):
            after += rf"(?!{_TIGHT}{_LETTER})"
    return f"{before}{pattern}{after}"


def _cuts_a_word(text: str, start: int, end: int) -> bool:
    """Whether Chinese words do not end where a place does; others are bounded by their letters and digits."""
    edges, place = {0}, 0
    for word in cut(text) if is_han(text[start]) or is_han(text[end - 1]) else ():
        place += len(word)
        edges.add(place)
    return (is_han(text[start]) and start not in edges) or (is_han(text[end - 1]) and end not in edges)
