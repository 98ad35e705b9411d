"""Constrained decoding: only tokens that can still become an answer of a JSON Schema are allowed.

The grammar engine is xgrammar (arXiv:2411.15100). A schema's properties come in the order in which it
lists them. What a grammar cannot say (`not`, references elsewhere, a pattern's lookaheads) is not enforced.
"""

from __future__ import annotations

import json
import re
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from sft_shared.dialogue import Tool
from sft_shared.errors import DataError
from sft_shared.models.load import Base

ANY_JSON = json.dumps({"anyOf": [{"type": "object"}, {"type": "array"}]})
"""The schema of any JSON object or array."""

MAX_WHITESPACE = 32  # in a row: an indented answer fits, a model that writes spaces for ever does not

MAX_KEPT = 64  # compiled schemas a model; with tools of their own, examples have many
_OPTIONS: dict[str, Any] = {"strict_mode": False, "max_whitespace_cnt": MAX_WHITESPACE}
_WHERE_IN_XGRAMMAR = re.compile(r"^\[[\d:]+\] \S+:\d+: ")


def calls_schema(tools: Sequence[Tool]) -> str:
    """The JSON Schema of a list of calls of ``tools``; the empty list is how nothing is called.

    Each call is ``{"name": ..., "arguments": {...}}``; objects with listed properties take no others unless
    the tool's schema says that they do.

    >>> schema = json.loads(calls_schema([Tool(name="ping")]))
    >>> schema["items"]["anyOf"][0]["properties"]["name"]
    {'const': 'ping'}
    """
    places = [f"#/$defs/tool{number}" for number in range(len(tools))]
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": tool.name}, "arguments": {"$ref": place}},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool, place in zip(tools, places, strict=True)
    ]
    definitions = {
        place.rpartition("/")[2]: _moved(tool.parameters, place)
        for tool, place in zip(tools, places, strict=True)
    }
    return json.dumps({"type": "array", "items": {"anyOf": calls}, "$defs": definitions}, ensure_ascii=False)


def _moved(schema: Any, place: str) -> Any:
    """A schema that now stands at ``place``: its references follow, its objects are closed."""
    if isinstance(schema, list):
        return [_moved(item, place) for item in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {key: _moved(value, place) for key, value in schema.items()}
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        moved["$ref"] = place + reference[1:]
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        moved.setdefault("additionalProperties", False)
    return moved


def require_grammar(schema: str) -> None:
    """Raises DataError if no grammar can be made of the JSON Schema's text."""
    import xgrammar

    try:
        xgrammar.Grammar.from_json_schema(schema, **_OPTIONS)
    except (RuntimeError, ValueError) as error:
        reason = _WHERE_IN_XGRAMMAR.sub("", str(error).strip().splitlines()[0]).strip().rstrip(".")
        raise DataError(
            f"answers cannot be constrained to this JSON Schema: {reason}. Mend the schema, or generate "
            "without constraint."
        ) from None


class Grammars:
    """Compiled schemas for one model's tokens."""

    def __init__(self, base: Base, *, ends: frozenset[int]) -> None:
        """``ends`` are the tokens that end an answer."""
        import xgrammar

        self.vocabulary = base.model.config.get_text_config().vocab_size
        self.forbidden_ids = frozenset(base.tokenizer.all_special_ids) - ends  # no part of any text
        self.forbidden = torch.tensor(sorted(self.forbidden_ids), dtype=torch.long, device=base.device)
        tokens = xgrammar.TokenizerInfo.from_huggingface(
            base.tokenizer, vocab_size=self.vocabulary, stop_token_ids=sorted(ends)
        )
        self._compiler = xgrammar.GrammarCompiler(tokens, max_threads=1, cache_enabled=False)
        self._compiled: dict[str, Any] = {}

    def compile(self, schema: str) -> Any:
        """The grammar of a JSON Schema's text. Raises DataError if none can be made of it."""
        if schema not in self._compiled:
            require_grammar(schema)
            if len(self._compiled) >= MAX_KEPT:
                del self._compiled[next(iter(self._compiled))]
            self._compiled[schema] = self._compiler.compile_json_schema(schema, **_OPTIONS)
        return self._compiled[schema]

    def matchers(self, schemas: Sequence[str | None]) -> Matchers:
        """The state of one batch's answers; those of schema None are free."""
        return Matchers(self, schemas)


def grammars_of(base: Base, *, ends: frozenset[int]) -> Grammars:
    """The `Grammars` of a base, made once: its vocabulary takes a while to read."""
    by_ends = _grammars.setdefault(base, {})
    if ends not in by_ends:
        by_ends[ends] = Grammars(base, ends=ends)
    return by_ends[ends]


_grammars: weakref.WeakKeyDictionary[Base, dict[frozenset[int], Grammars]] = weakref.WeakKeyDictionary()


class Matchers:
    """How far each answer of a batch has come in its grammar."""

    def __init__(self, grammars: Grammars, schemas: Sequence[str | None]) -> None:
        import xgrammar

        self._grammars = grammars
        self._matchers: Mapping[int, Any] = {
            number: xgrammar.GrammarMatcher(grammars.compile(schema))
            for number, schema in enumerate(schemas)
            if schema is not None
        }
        self.stuck: set[int] = set()  # answers whose grammar no token continues

    def choose(self, logits: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
        """Move each answer on by its most likely token that its grammar allows: [n] of ``logits[n, V]``.

        ``rows[n]`` is the answer that a row of logits continues; a negative number is one that is finished.
        """
        chosen = logits.argmax(-1)
        constrained = [place for place, answer in enumerate(rows) if answer in self._matchers]
        if not constrained:
            return chosen
        # xgrammar's masks leave out some tokens that its matcher takes ("}}]" behind a number): so the
        # model's own choice is tried before the mask, and an answer that fits is never changed.
        tokens = chosen.tolist()
        refused = [place for place in constrained if not self._accept(rows[place], tokens[place])]
        if refused:
            places = torch.tensor(refused, device=logits.device)
            masked = logits[places].masked_fill(
                ~self._allowed([rows[place] for place in refused]), -torch.inf
            )
            masked[:, self._grammars.forbidden] = -torch.inf
            chosen = chosen.index_copy(0, places, masked.argmax(-1))
            tokens = chosen.tolist()
            self.stuck |= {rows[place] for place in refused if not self._accept(rows[place], tokens[place])}
        return chosen

    def _accept(self, answer: int, token: int) -> bool:
        return token not in self._grammars.forbidden_ids and bool(self._matchers[answer].accept_token(token))

    def _allowed(self, answers: Sequence[int]) -> torch.Tensor:
        """[n, V]: which tokens may follow; a bit each in what xgrammar gives."""
        import xgrammar

        size = self._grammars.vocabulary
        bits: torch.Tensor = xgrammar.allocate_token_bitmask(len(answers), size)
        for number, answer in enumerate(answers):
            self._matchers[answer].fill_next_token_bitmask(bits, number)
        allowed = ((bits[:, :, None] >> torch.arange(32, dtype=torch.int32)) & 1).bool().flatten(1)
        return allowed[:, :size].to(self._grammars.forbidden.device)
