"""What all metrics have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from sft_shared.config import Settings
from sft_shared.data.chat import answer_text
from sft_shared.data.toolcalls.structured import parse_structured
from sft_shared.dialogue import Example
from sft_shared.errors import DataError
from sft_shared.evaluation.pooling import Parts, Pooling, pooled

Part = Literal["answer", "response"]
"""What of an answer counts: all of it, or the ``response`` of one that is structured JSON."""


class MetricSettings(Settings):
    """Judges answers: 0 is the worst, 1 the best value of each."""

    higher_is_better: ClassVar[bool] = True
    binary: ClassVar[bool] = True  # each value is 0 or 1

    label: str | None = Field(default=None, pattern=r"^[\w.-]+$")  # takes the place of the name

    @abstractmethod
    def __call__(self, prediction: str, example: Example) -> float | None:
        """The value of one answer; None if the example has nothing to judge it by."""

    def load(self) -> None:
        """Read the files that it judges by, else the first answer does. Raises ConfigError or DataError."""

    @property
    def pooling(self) -> Pooling:
        """How the values of single answers become one of all."""
        return "mean"

    def parts(self, prediction: str, example: Example) -> Parts:
        """What an answer adds to a total that is no mean; asked for examples that have a value."""
        return {}

    @property
    def name(self) -> str:
        """The kind, and what tells two of a kind apart; the label if there is one."""
        return self.label or "-".join([str(getattr(self, "kind", "?")), *self._apart()])

    def _apart(self) -> tuple[str, ...]:
        """What tells two of this kind apart, in words of a name."""
        return ()

    def total(
        self, predictions: Sequence[str], examples: Sequence[Example], values: Sequence[float | None]
    ) -> float:
        """The value of all answers that have one: by ``pooling``.

        Raises DataError if none has, ValueError if the three are not one to one.
        """
        known = self._known(predictions, examples, values)
        if self.pooling == "mean":
            return sum(value for *_, value in known) / len(known)
        return pooled([self.parts(said, example) for said, example, _ in known], pooling=self.pooling)

    def _known(
        self, predictions: Sequence[str], examples: Sequence[Example], values: Sequence[float | None]
    ) -> list[tuple[str, Example, float]]:
        known = [
            (prediction, example, value)
            for prediction, example, value in zip(predictions, examples, values, strict=True)
            if value is not None
        ]
        if not known:
            raise DataError(
                f"metric {self.name!r}: none of {len(examples)} examples has what it judges by. "
                "Leave it out of the task, or give such examples."
            )
        return known


def reference_text(example: Example, *, part: Part = "answer") -> str | None:
    """What the reference answer says in words; None if it only calls tools."""
    content = example.answer.content
    if content is None or not content.strip():
        return None
    return shown_text(content, part=part)


def shown_text(answer: str, *, part: Part = "answer") -> str:
    """``answer``, or its response if ``part`` is that and it is structured JSON.

    >>> shown_text('{"intent": "greeting", "parameters": {}, "response": "Hello"}', part="response")
    'Hello'
    >>> shown_text("Hello", part="response")
    'Hello'
    """
    structured = parse_structured(answer) if part == "response" else None
    return answer if structured is None else structured.response


def whole_reference(example: Example) -> str:
    """The reference answer as a model would write it, tool calls as JSON."""
    return answer_text(example.answer)
