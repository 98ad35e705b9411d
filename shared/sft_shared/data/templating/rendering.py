"""Jinja2 templates in a sandbox: sentences that say where a slot's value ended up, and JSON to fill in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.environment import TemplateExpression
from jinja2.sandbox import SandboxedEnvironment
from pydantic import AfterValidator

from sft_shared.errors import ConfigError

_OPEN, _CLOSE = "\ue000", "\ue001"  # private-use characters: no text of a language holds them
_WHOLE = re.compile(r"\{\{((?:(?!\}\}).)*)\}\}", re.DOTALL)
_MARKS = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_OPEN}|{_CLOSE}")


class Value(str):
    """A slot's value as the templates see it: text that knows its slot, also after a filter of ours."""

    slot: str

    @classmethod
    def of(cls, slot: str, text: object) -> Value:
        """The value of a slot, as text."""
        value = cls(text)
        value.slot = slot
        return value


def _filter(change: Callable[[str], str]) -> Callable[[Any], Any]:
    def apply(value: Any) -> Any:
        changed = change(str(value))
        return Value.of(value.slot, changed) if isinstance(value, Value) else changed

    return apply


def _thousands(text: str) -> str:
    whole, point, rest = text.partition(".")
    return f"{int(whole):,}{point}{rest}" if re.fullmatch(r"-?\d+", whole) else text


FILTERS: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "capitalize": lambda text: text[:1].upper() + text[1:],
    "thousands": _thousands,  # 12500 -> 12,500
    "spaced": lambda text: " ".join(text[at : at + 4] for at in range(0, len(text), 4)),  # 6222 0200 1234
    "hanzi": lambda text: text.translate(str.maketrans("0123456789", "零一二三四五六七八九")),  # 一二三
    "full_width": lambda text: text.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
}
"""What templates may do to a value so that it still counts as the slot's."""


@cache
def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False, finalize=_mark
    )
    environment.filters |= {name: _filter(change) for name, change in FILTERS.items()}
    return environment


def _mark(value: Any) -> Any:
    return f"{_OPEN}{value.slot}{_OPEN}{value}{_CLOSE}" if isinstance(value, Value) else value


def _parses(source: str) -> str:
    try:
        parsed = _environment().parse(source)
        _compiled(source)
    except TemplateSyntaxError as error:
        line = f" (its line {error.lineno})" if "\n" in source else ""
        raise ValueError(f"not a Jinja2 template{line}: {error.message}") from None
    for used in parsed.find_all(nodes.Filter):
        if used.name not in FILTERS:  # it would make other text of a value, and its label would be lost
            raise ValueError(f"filter {used.name!r} is not allowed. Allowed: {', '.join(FILTERS)}")
    if _OPEN in source or _CLOSE in source:
        raise ValueError("holds a private-use character (U+E000, U+E001). Remove it")
    return source


Source = Annotated[str, AfterValidator(_parses)]
"""A sentence's template; one that does not parse, or uses other filters, is refused with its file:line."""


@cache
def slots_in(source: str) -> frozenset[str]:
    """The names that a template uses."""
    return frozenset(meta.find_undeclared_variables(_environment().parse(source)))


def render(source: str, values: Mapping[str, object]) -> tuple[str, list[tuple[str, int, int]]]:
    """The text, and (slot, start, end) of each slot's value in it, in the text's order.

    Raises ConfigError on what only shows when it is run, such as a sum of two words.

    >>> render("from {{ a }} to {{ b | upper }}", {"a": "Rome", "b": "Pisa"})
    ('from Rome to PISA', [('a', 5, 9), ('b', 13, 17)])
    """
    marked = str(_run(source, {name: Value.of(name, value) for name, value in values.items()}))
    text, last = "", 0
    places: list[tuple[str, int, int]] = []
    begun: list[tuple[str, int]] = []
    for mark in _MARKS.finditer(marked):
        text += marked[last : mark.start()]
        last = mark.end()
        if mark.group() == _CLOSE:
            if begun:
                slot, start = begun.pop()
                places.append((slot, start, len(text)))
        else:
            begun.append((mark[1], len(text)))
    text += marked[last:]
    lead = len(text) - len(text.lstrip())
    text = text.strip()
    inside = [(slot, max(start - lead, 0), min(end - lead, len(text))) for slot, start, end in places]
    return text, sorted((place for place in inside if place[1] < place[2]), key=lambda place: place[1])


def fill(template: Any, context: Mapping[str, Any]) -> Any:
    """``template`` with its slots filled: a text, or JSON whose texts are templates; all filters are allowed.

    A text that is one ``{{ expression }}`` gives the expression's value with its type, so that
    ``"{{ days }}"`` is the number 3. Raises ConfigError for a template that cannot be filled.
    """
    if isinstance(template, Mapping):
        return {key: fill(value, context) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, context) for value in template]
    if not isinstance(template, str) or "{" not in template:
        return template
    whole = _WHOLE.fullmatch(template.strip())
    return _run(template, context) if whole is None else _run(whole[1].strip(), context, alone=True)


def _run(source: str, context: Mapping[str, Any], *, alone: bool = False) -> Any:
    try:
        if not alone:
            return _compiled(source).render(context)
        value = _expression(source)(**context)
        if isinstance(value, StrictUndefined):
            raise TemplateError("it names something that is not declared")
        return value
    except _FAULTS as error:
        raise ConfigError(
            f"the template {source[:80]!r} cannot be filled: {type(error).__name__}: {error}. Mend it."
        ) from None


_FAULTS = (
    TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError,
)  # fmt: skip


@cache
def _compiled(source: str) -> Template:
    return _environment().from_string(source)


@cache
def _expression(source: str) -> TemplateExpression:
    return _environment().compile_expression(source, undefined_to_none=False)
