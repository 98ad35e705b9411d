"""Log lines and what they mean: pairs of a line and its diagnosis, from a table of known patterns."""

from __future__ import annotations

import random
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from sft_shared.config import LocalPath, Settings, load_yaml, refuse_twins
from sft_shared.data.operations.templates import MiningSettings, TemplateMiner
from sft_shared.data.steps import Rejected, rejected
from sft_shared.data.templating.rendering import fill
from sft_shared.data.templating.slots import Language
from sft_shared.dialogue import Example, Message, Provenance
from sft_shared.errors import ConfigError, DataError
from sft_shared.lines import BadLine, decode

Severity = Literal["info", "warning", "error", "critical"]
BothTexts = dict[Language, str]


class Pattern(Settings):
    """A kind of line. Its named groups stand in ``cause`` and ``action`` as ``{{ name }}``."""

    id: str = Field(min_length=1)
    pattern: str = Field(min_length=1)  # searched for in the line, with case
    severity: Severity
    cause: BothTexts = Field(min_length=1)
    action: BothTexts = Field(min_length=1)

    @model_validator(mode="after")
    def _is_a_pattern(self) -> Pattern:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern: {error}") from None
        if set(self.cause) != set(self.action):
            raise ValueError("cause: must be in the same languages as action")
        return self

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The pattern, ready to search with."""
        return re.compile(self.pattern)


class PatternTable(Settings):
    """Known patterns, the first that fits decides; and how to ask and answer.

    In ``questions`` stands ``{{ line }}``; in ``answers`` stand ``severity``, ``cause`` and ``action``.
    """

    patterns: tuple[Pattern, ...] = Field(min_length=1)
    severities: dict[Severity, BothTexts]
    questions: dict[Language, tuple[str, ...]] = Field(min_length=1)
    answers: dict[Language, tuple[str, ...]] = Field(min_length=1)

    @model_validator(mode="after")
    def _fit_together(self) -> PatternTable:
        refuse_twins("patterns", (each.id for each in self.patterns))
        for each in self.patterns:
            if each.severity not in self.severities:
                raise ValueError(f"severities: {each.severity!r} is missing, {each.id!r} has it")
        return self

    def find(self, line: str) -> tuple[Pattern, dict[str, str]] | None:
        """The first pattern in ``line`` with its named groups; None if it is of no known kind."""
        for each in self.patterns:
            match = each.compiled.search(line)
            if match is not None:
                return each, {name: value or "" for name, value in match.groupdict().items()}
        return None


class OperationsLog(Settings):
    """Examples of a log: a line is shown, the answer says how bad it is, why, and what to do.

    Of each pattern and template at most ``per_template`` lines are used, so that a flood of one line makes no
    flood of examples. A line of no known kind is rejected by ``no-pattern``, once a template.
    """

    kind: Literal["operations_log"] = "operations_log"
    file: LocalPath  # one line a record, UTF-8
    patterns: LocalPath
    languages: tuple[Language, ...] = Field(default=("zh", "en"), min_length=1)
    per_template: PositiveInt = 5
    mining: MiningSettings = MiningSettings()
    source: str = "operations_log"
    seed: int

    def examples(self) -> Iterator[Example | Rejected]:
        """The examples in the log's order, read as a stream. Raises ConfigError and DataError."""
        table = load_yaml(self.patterns, PatternTable)
        miner = TemplateMiner(self.mining)
        used: Counter[tuple[str, int]] = Counter()
        try:
            with self.file.open("rb") as file:
                for number, raw in enumerate(file, start=1):
                    where = f"{self.file}:{number}"
                    try:
                        line = decode(raw.removeprefix(BOM_UTF8) if number == 1 else raw).strip()
                    except BadLine as bad:
                        yield rejected(where, bad)
                        continue
                    if not line:
                        continue
                    line = line[: self.mining.max_chars]
                    found = table.find(line)
                    key = ("" if found is None else found[0].id, miner.add(line))
                    used[key] += 1
                    if found is None:
                        if used[key] == 1:
                            yield Rejected(
                                where, "no-pattern", "a line of no known kind; add a pattern for it"
                            )
                    elif used[key] <= self.per_template:
                        yield from self._pairs(table, found, line, number)
        except OSError as error:
            raise DataError(f"{self.file}: cannot be read: {error.strerror}. Give a text file.") from None
        except ConfigError as error:
            raise ConfigError(f"{self.patterns}: {error}") from None

    def _pairs(
        self,
        table: PatternTable,
        found: tuple[Pattern, dict[str, str]],
        line: str,
        number: int,
    ) -> Iterator[Example]:
        pattern, groups = found
        for language in self.languages:
            if (
                language not in pattern.cause
                or language not in table.questions
                or language not in table.answers
            ):
                continue
            rng = random.Random(f"{self.seed}:{language}:{number}")  # noqa: S311 (a phrasing, not a secret)
            context: dict[str, Any] = {
                "line": line,
                "severity": table.severities[pattern.severity].get(language, pattern.severity),
                "cause": fill(pattern.cause[language], groups),
                "action": fill(pattern.action[language], groups),
            }
            name = f"{self.source}-{number}-{language}"
            yield Example(
                id=name,
                messages=(
                    Message(
                        role="user",
                        content=str(fill(rng.choice(table.questions[language]), context)),
                    ),
                    Message(
                        role="assistant",
                        content=str(fill(rng.choice(table.answers[language]), context)),
                    ),
                ),
                category=pattern.id,
                provenance=Provenance(source=self.source, session=f"{self.source}-{number}"),
            )
