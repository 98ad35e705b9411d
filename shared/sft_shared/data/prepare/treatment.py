"""What every example goes through: steps first; then desensitisation, augmentation and the leak gate."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sft_shared.data.desensitise.audit import Audit
from sft_shared.data.desensitise.gate import inspect, may_be_personal
from sft_shared.data.desensitise.keyed import name_for
from sft_shared.data.prepare.settings import PrepareSettings
from sft_shared.data.steps import Dropped
from sft_shared.dialogue import Example
from sft_shared.errors import LeakError

DESENSITISE = "desensitise"
GATE = "leak_gate"
Refused = list[tuple[str, Dropped]]  # name of the example, and why it goes no further


class Tally:
    """What the steps did to the examples of a part."""

    def __init__(self, names: list[str]) -> None:
        self.seen: Counter[str] = Counter()
        self.changed: Counter[str] = Counter()
        self.dropped: dict[str, Counter[str]] = {name: Counter() for name in names}
        self.copies: Counter[str] = Counter()
        self.suspects: Counter[str] = Counter()
        self.audit = Audit()

    def counted(self) -> dict[str, Any]:
        """All counts, for the manifest; never a value."""
        return {
            "steps": {
                name: {"in": self.seen[name], "changed": self.changed[name], "dropped": dropped}
                for name, dropped in self.dropped.items()
            },
            "copies": self.copies,
            "desensitised": self.audit.to_json(),
            "suspects": self.suspects,
        }


class Treatment:
    """The steps of the settings, ready to use. The same example always comes out the same."""

    def __init__(self, settings: PrepareSettings) -> None:
        self._settings = settings
        self._steps = [(f"{place}-{step.kind}", step) for place, step in enumerate(settings.steps, start=1)]
        self._key = settings.name_key()
        self._desensitiser = None if settings.desensitise is None else settings.desensitise.open()

    def tally(self) -> Tally:
        """Counts at zero, for one part."""
        names = [name for name, _ in self._steps]
        if self._desensitiser is not None:
            names.append(DESENSITISE)
        if self._settings.leak_gate != "off":
            names.append(GATE)
        return Tally(names)

    def select(self, example: Example, *, tally: Tally) -> Example | Dropped:
        """The example as the steps leave it, or why it goes no further."""
        current = example
        for name, step in self._steps:
            tally.seen[name] += 1
            after = step(current)
            if after is current:
                continue
            if isinstance(after, Dropped):
                tally.dropped[name][after.rule] += 1
                return after
            tally.changed[name] += after != current
            current = after
        return current

    def protect(self, example: Example, *, tally: Tally, negative: bool) -> tuple[list[Example], Refused]:
        """The example without personal data, and copies of it; and what was refused.

        Copies are made of training examples only. Raises LeakError if the gate is to stop at a hit.
        """
        current = example
        if self._desensitiser is not None:
            tally.seen[DESENSITISE] += 1
            after, audit = self._desensitiser.apply(current)
            tally.audit += audit
            tally.changed[DESENSITISE] += audit.changed
            if isinstance(after, Dropped):
                tally.dropped[DESENSITISE][after.rule] += 1
                return [], [(self.name_of(example), after)]
            current = after
        found = [current]
        if not negative and current.provenance.split == "train":
            for augmentation in self._settings.augment:
                copies = list(augmentation(current))
                tally.copies[augmentation.kind] += len(copies)
                found += copies
        return self._gated(found, tally)

    def _gated(self, found: list[Example], tally: Tally) -> tuple[list[Example], Refused]:
        if self._settings.leak_gate == "off":
            return found, []
        kept, refused = [], Refused()
        for each in found:
            tally.seen[GATE] += 1
            leaks = inspect(each)
            certain = [leak for leak in leaks if leak.certain]
            tally.suspects.update(leak.kind for leak in leaks if not leak.certain)
            if not certain:
                kept.append(each)
                continue
            place = f"{certain[0].where}: {certain[0].kind}"
            if self._settings.leak_gate == "stop":
                raise LeakError(
                    f"example {self.name_of(each)}, {place} is left after desensitising. "
                    "Widen `desensitise`, or set leak_gate to drop."
                )
            tally.dropped[GATE]["leak"] += 1
            refused.append((self.name_of(each), Dropped("leak", place)))
        return kept, refused

    def name_of(self, example: Example) -> str:
        """What an example is called outside of its file."""
        return name_of(example, key=self._key)


def name_of(example: Example, *, key: bytes | None) -> str:
    """The example's id, or a hash of it if the id itself may be personal."""
    return name_for(example.id, key=key) if may_be_personal(example.id) else example.id
