"""How many of the parameters in a structured answer are right."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Literal

from sft_shared.data.logs.signs import fold
from sft_shared.data.toolcalls.structured import parse_structured
from sft_shared.dialogue import Example
from sft_shared.evaluation.metrics.metric import MetricSettings
from sft_shared.evaluation.metrics.structure import read_json
from sft_shared.evaluation.pooling import Parts, Pooling, SlotCounts

Slot = tuple[str, str]


def slots_of(parameters: Mapping[str, Any]) -> Counter[Slot]:
    """(name, value) of all parameters, as often as each is there; lists and objects are taken apart.

    Values are compared as text without case, width and doubled spaces, so 2 and "2.0" are one.

    >>> sorted(slots_of({"city": "New  York", "days": [2, "3.0"], "to": {"zip": "１0"}}))
    [('city', 'new york'), ('days', '2'), ('days', '3'), ('to.zip', '10')]
    """
    return Counter((name, value) for name, value in _slots("", parameters) if value)


def _slots(path: str, value: Any) -> Iterator[Slot]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _slots(f"{path}.{name}" if path else str(name), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _slots(path, inner)
    elif value is not None:
        yield path, _plain_value(value)


def _plain_value(value: Any) -> str:
    text = " ".join(fold(str(value)).split())
    if re.fullmatch(r"[+-]?\d{1,15}(?:\.\d+)?", text) and (text == "0" or not text.startswith("0")):
        return f"{float(text):.15g}"
    return text


def compare_slots(predicted: Mapping[str, Any], wanted: Mapping[str, Any]) -> SlotCounts:
    """How many slots of ``predicted`` are right.

    Of two predicted slots one is right, and one of three is found: P 1/2, R 1/3, F1 2*1/(2+3) = 0.4.

    >>> counts = compare_slots({"city": "Rome", "day": 2}, {"city": "rome", "day": 3, "unit": "C"})
    >>> counts.precision, round(counts.recall, 3), counts.f1
    (0.5, 0.333, 0.4)
    """
    ours, theirs = slots_of(predicted), slots_of(wanted)
    return SlotCounts(right=(ours & theirs).total(), predicted=ours.total(), wanted=theirs.total())


def reference_slots(example: Example) -> dict[str, Any] | None:
    """The parameters of a structured reference answer, else the user's entities; None without either."""
    structured = parse_structured(example.answer.content or "")
    if structured is not None:
        return structured.parameters
    found: dict[str, Any] = {}
    for entity in example.entities:
        if example.messages[entity.message].role == "user":
            values = found.setdefault(entity.type, [])
            if entity.value not in values:
                values.append(entity.value)
    return found or None


class SlotF1(MetricSettings):
    """How many parameters are right: F1 of each answer, and of all slots together (micro).

    An answer that is no JSON object with an intent or parameters gets 0.
    """

    binary: ClassVar[bool] = False
    kind: Literal["slot_f1"] = "slot_f1"
    figure: Literal["f1", "precision", "recall"] = "f1"
    fence: bool = True  # whether a Markdown code fence around it is allowed

    @property
    def name(self) -> str:
        """The label, else ``slot_`` and the figure."""
        return self.label or f"slot_{self.figure}"

    def __call__(self, prediction: str, example: Example) -> float | None:
        """0 to 1; None if the example has no slots to be compared with."""
        wanted = reference_slots(example)
        if wanted is None:
            return None
        predicted = self._predicted(prediction)
        return 0.0 if predicted is None else self._of(compare_slots(predicted, wanted))

    @property
    def pooling(self) -> Pooling:
        """Over the slots of all examples; if there is not one, the share of answers that could be read."""
        return self.figure

    def parts(self, prediction: str, example: Example) -> Parts:
        """Right, predicted and wanted slots."""
        predicted = self._predicted(prediction)
        counts = compare_slots(predicted or {}, reference_slots(example) or {})
        return {**asdict(counts), "read": int(predicted is not None), "answers": 1}

    def _predicted(self, prediction: str) -> dict[str, Any] | None:
        parsed = read_json(prediction, fence=self.fence)
        if parsed is None or not isinstance(parsed.value, dict):
            return None
        if "intent" not in parsed.value and "parameters" not in parsed.value:
            return None
        parameters = parsed.value.get("parameters", {})
        return parameters if isinstance(parameters, dict) else None

    def _of(self, counts: SlotCounts) -> float:
        return {"f1": counts.f1, "precision": counts.precision, "recall": counts.recall}[self.figure]
