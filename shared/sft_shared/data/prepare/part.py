"""What a task of the later stages leaves: examples, their fingerprints, refusals and counts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from sft_shared.data.hygiene.minhash import signature
from sft_shared.data.logs.intents import UNKNOWN
from sft_shared.data.prepare.sections import write_sections
from sft_shared.data.prepare.treatment import Treatment
from sft_shared.data.steps import Dropped, Rejected
from sft_shared.dialogue import Example

# The sections of a part's file.
EXAMPLES, NEGATIVES, REFUSED_TURNS, REFUSED_EXAMPLES, SIGNATURES = range(5)


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
        self._sections[NEGATIVES if negative else EXAMPLES].append(line_of(selected))
        self.counts["selected_negatives" if negative else "selected"] += 1
        if not negative:
            self._sections[SIGNATURES].append(signature(selected).tobytes())

    def protect(self, example: Example, *, negative: bool = False) -> None:
        """Take an example through desensitisation, augmentation and the gate and keep what comes of it.

        Raises LeakError if personal data is left and the settings say stop.
        """
        kept, refused = self._treatment.protect(example, tally=self._tally, negative=negative)
        for name, dropped in refused:
            self.refuse(name, dropped)
        for each in kept:
            self._sections[NEGATIVES if negative else EXAMPLES].append(line_of(each))
            self.counts["negatives" if negative else each.provenance.split] += 1
            if not negative:
                self._intents[intent_of(each)] += 1
                self._sections[SIGNATURES].append(signature(each).tobytes())

    def refuse(self, name: str, dropped: Dropped) -> None:
        """Note an example that a step dropped."""
        self._sections[REFUSED_EXAMPLES].append(rejection(name, dropped.rule, dropped.detail, ""))

    def write(self, path: Path) -> None:
        """Leave everything in ``path``."""
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


_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


def line_of(example: Example) -> bytes:
    """An example as a line of JSON."""
    return _encode(example.model_dump(exclude_defaults=True)).encode() + b"\n"


def intent_of(example: Example) -> str:
    """The name that an example is counted under."""
    return example.intent.name if example.intent else UNKNOWN


def rejection(where: str, rule: str, reason: str, fix: str) -> bytes:
    """A line of rejected.jsonl."""
    values: dict[str, Any] = {"where": where, "rule": rule, "reason": reason, **({"fix": fix} if fix else {})}
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"
