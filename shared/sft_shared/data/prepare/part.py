"""What a task of the later stages leaves: examples, their fingerprints, refusals and counts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sft_shared.data.hygiene.minhash import same_signature, signatures
from sft_shared.data.logs.intents import UNKNOWN
from sft_shared.data.prepare.sections import write_sections
from sft_shared.data.prepare.treatment import Treatment
from sft_shared.data.steps import Dropped, Rejected
from sft_shared.dialogue import Example

# The sections of a part's file.
EXAMPLES, NEGATIVES, REFUSED_TURNS, REFUSED_EXAMPLES, SIGNATURES = range(5)
UNSIGNED_BYTES = 1 << 18  # of examples whose fingerprints are made at once


class Part:
    """The examples of one bucket of sessions, or of one maker: selected, or at last protected."""

    def __init__(self, treatment: Treatment) -> None:
        self.counts: Counter[str] = Counter()
        self.turn_rules: Counter[str] = Counter()
        self.example_rules: Counter[str] = Counter()
        self.made_rules: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self._intents: Counter[str] = Counter()
        self._sections: tuple[list[bytes], ...] = ([], [], [], [], [])
        self._unsigned: list[tuple[int, Example]] = []  # place of the fingerprint, and of what it is
        self._unsigned_bytes = 0
        self._treatment = treatment
        self._tally = treatment.tally()

    def refuse_turn(self, where: str, rule: str, reason: str, fix: str) -> None:
        """Note a turn that is in no session."""
        self.turn_rules[rule] += 1
        self._sections[REFUSED_TURNS].append(rejection(where, rule, reason, fix))

    def refuse_example(self, where: str, rule: str, reason: str) -> None:
        """Note what could not be made an example."""
        self.example_rules[rule] += 1
        self._sections[REFUSED_EXAMPLES].append(rejection(where, rule, reason, ""))

    def refuse_made(self, made: Rejected) -> None:
        """Note what a maker could not make."""
        self.made_rules[made.rule] += 1
        self._sections[REFUSED_EXAMPLES].append(rejection(made.where, made.rule, made.detail, ""))

    def add(self, example: Example, *, negative: bool = False) -> None:
        """Take an example through the steps and keep what comes of it, raw as it is."""
        selected = self._treatment.select(example, tally=self._tally)
        if isinstance(selected, Dropped):
            self.refuse(self._treatment.name_of(example), selected)
            return
        self.counts["selected_negatives" if negative else "selected"] += 1
        self._keep(selected, None, negative=negative)

    def protect(self, example: Example, *, signature: bytes | None = None, negative: bool = False) -> None:
        """Take an example through desensitisation, augmentation and the gate and keep what comes of it.

        ``signature`` is the example's fingerprint, if it has one. Raises LeakError if personal data is left
        and the settings say stop.
        """
        kept, refused = self._treatment.protect(example, tally=self._tally, negative=negative)
        for name, dropped in refused:
            self.refuse(name, dropped)
        for each in kept:
            self.counts["negatives" if negative else each.provenance.split] += 1
            if not negative:
                self._intents[intent_of(each)] += 1
            self._keep(each, signature if same_signature(each, example) else None, negative=negative)

    def _keep(self, example: Example, signature: bytes | None, *, negative: bool) -> None:
        """File an example. One without a fingerprint gets it later, together with others: that is faster."""
        line = line_of(example)
        self._sections[NEGATIVES if negative else EXAMPLES].append(line)
        if negative:
            return
        self._sections[SIGNATURES].append(signature or b"")
        if signature is None:
            self._unsigned.append((len(self._sections[SIGNATURES]) - 1, example))
            self._unsigned_bytes += len(line)
            if self._unsigned_bytes >= UNSIGNED_BYTES:
                self._sign()

    def _sign(self) -> None:
        records = signatures(example for _, example in self._unsigned)
        for (place, _), record in zip(self._unsigned, records, strict=True):
            self._sections[SIGNATURES][place] = record.tobytes()
        self._unsigned, self._unsigned_bytes = [], 0

    def refuse(self, name: str, dropped: Dropped) -> None:
        """Note an example that a step dropped."""
        self._sections[REFUSED_EXAMPLES].append(rejection(name, dropped.rule, dropped.detail, ""))

    def write(self, path: Path) -> None:
        """Leave everything in ``path``."""
        self._sign()
        counts = {
            **self.counts,
            "refused_turns": self.turn_rules,
            "refused_examples": self.example_rules,
            "refused_made": self.made_rules,
            "outcomes": self.outcomes,
            "intents": self._intents,
            **self._tally.counted(),
        }
        write_sections(path, self._sections, counts=counts)


_examples = TypeAdapter(Example)


def line_of(example: Example) -> bytes:
    """An example as a line of JSON."""
    return _examples.dump_json(example, exclude_defaults=True) + b"\n"


def intent_of(example: Example) -> str:
    """The name that an example is counted under."""
    return example.intent.name if example.intent else UNKNOWN


def rejection(where: str, rule: str, reason: str, fix: str) -> bytes:
    """A line of rejected.jsonl."""
    values: dict[str, Any] = {"where": where, "rule": rule, "reason": reason, **({"fix": fix} if fix else {})}
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"
