"""Gates: what a candidate must show before it may replace what is served.

What is missing, not a number or not measured on enough examples holds the candidate; nothing passes in
silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator

from sft_shared.config import Settings
from sft_shared.evaluation.canaries import Canaries
from sft_shared.evaluation.results import Measured, Role, SliceName, System, TaskName, TaskResult
from sft_shared.evaluation.verdicts import Check, Evidence, Verdict, verdict

Sure = Literal["point", "interval"]
"""``point``: the measured value decides. ``interval``: the bad end of its 95 % interval decides."""

ROUNDING = 1e-9  # 0.60 - 0.58 is a little more than 0.02


class NoWorse(Settings):
    """Hold a candidate that loses more than ``max_loss`` of a metric on a task.

    Without ``tasks`` and ``roles`` every task counts that has the metric and the slice, without ``metric``
    every metric of them. With ``slice`` each value of it counts by itself, such as each language.
    """

    kind: Literal["no_worse"] = "no_worse"
    tasks: tuple[TaskName, ...] = ()
    roles: tuple[Role, ...] = ()
    metric: str | None = None
    slice: SliceName | None = None
    max_loss: float = 0.02  # of a share: 0.02 is 2 points
    sure: Sure = "point"  # interval: held unless the data show that the loss is not beyond max_loss
    min_n: PositiveInt = 1  # fewer examples hold the candidate

    @field_validator("max_loss")
    @classmethod
    def _can_be_exceeded(cls, max_loss: float) -> float:
        return _require_share(max_loss, fits=0 <= max_loss < 1)

    @property
    def name(self) -> str:
        """The gate in a few words."""
        where = ", ".join((*self.roles, *self.tasks)) or "all tasks"
        by = f" by {self.slice}" if self.slice else ""
        return f"no worse: {self.metric or 'all metrics'} on {where}{by}"

    @property
    def is_everywhere(self) -> bool:
        """Whether it names no task and no role."""
        return not (self.tasks or self.roles)

    def __call__(self, evidence: Evidence) -> Verdict:
        """Judge every metric that either system was measured with."""
        if evidence.against is None:
            return verdict(self.name, [Check("there is nothing to compare with", held=True)], "")
        checks = list(self._checks(evidence, evidence.against))
        if not checks:
            checks = [Check("there is no such task or metric", held=True)]
        share = f"no more than {_amount(self.max_loss, share=True)} lost"
        return verdict(self.name, checks, share + (" for sure" if self.sure == "interval" else ""))

    def _checks(self, evidence: Evidence, against: System) -> Iterator[Check]:
        own = {task.name: task for task in evidence.ours.result.tasks}
        rivals = {task.name: task for task in against.result.tasks}
        chosen = {
            name: task
            for name, task in {**own, **rivals}.items()
            if name in self.tasks
            or task.role in self.roles
            or (self.is_everywhere and any(self._measured(each.get(name)) for each in (own, rivals)))
        }
        for name in (*chosen, *(name for name in self.tasks if name not in chosen)):
            yield from self._of_task(name, own.get(name), rivals.get(name), evidence)
        for role in self.roles:
            if all(task.role != role for task in chosen.values()):
                yield Check(f"no task of the role {role} was measured", held=True)

    def _measured(self, task: TaskResult | None) -> bool:
        if task is None:
            return False
        has_metric = self.metric is None or self.metric in task.metrics
        return has_metric and (self.slice is None or self.slice in task.slices)

    def _of_task(
        self, name: str, own: TaskResult | None, rival: TaskResult | None, evidence: Evidence
    ) -> Iterator[Check]:
        if own is None or rival is None:
            who = "the candidate" if own is None else "its rival"
            yield Check(f"{who} was not measured on {name}", held=True)
            return
        compared = evidence.comparison.task(name) if evidence.comparison else None
        parts = list(self._parts(own, rival))
        if not parts:
            yield Check(f"{name} was not measured by {self.slice}", held=True)
        for value, mine, other in parts:
            where = f"{name} ({self.slice} {value})" if self.slice else name
            metrics = (self.metric,) if self.metric else tuple({**other, **mine})
            if not metrics:
                yield Check(f"nothing was measured on {where}", held=True)
            for metric in metrics:
                pair = (mine.get(metric), other.get(metric))
                if compared is None:
                    found = None
                elif self.slice:
                    found = compared.slices.get(self.slice, {}).get(value, {}).get(metric)
                else:
                    found = compared.metrics.get(metric)
                yield self._check(f"{metric} on {where}", *pair, found.gain_ci95[0] if found else None)

    def _parts(
        self, own: TaskResult, rival: TaskResult
    ) -> Iterator[tuple[str, dict[str, Measured], dict[str, Measured]]]:
        if self.slice is None:
            yield "", own.metrics, rival.metrics
            return
        mine, other = own.slices.get(self.slice, {}), rival.slices.get(self.slice, {})
        for value in sorted({*mine, *other}):
            yield value, mine.get(value, {}), other.get(value, {})

    def _check(self, what: str, mine: Measured | None, other: Measured | None, low: float | None) -> Check:
        if mine is None or other is None:
            return Check(f"{what} was not measured for both", held=True)
        gain = (mine.value - other.value) * (1 if mine.higher_is_better else -1)
        share = max(mine.value, other.value) <= 1
        ends = f"{_value(other.value, share=share)} to {_value(mine.value, share=share)}, n={mine.n}"
        worst = gain
        if self.sure == "interval":
            worst = math.nan if low is None else min(low, gain)
            ends += f"; {_bound(low, share=share)} at 95 %"
        if mine.n != other.n:
            return Check(f"{what} was measured on {mine.n} and on {other.n} examples", held=True)
        if mine.n < self.min_n:
            return Check(f"{what} has {mine.n} examples, fewer than {self.min_n}", held=True)
        word = "lost" if gain < 0 else "gained"
        text = f"{what} {word} {_amount(abs(gain), share=share)} ({ends})"
        fine = math.isfinite(gain) and worst >= -self.max_loss - ROUNDING
        return Check(text, held=not fine, margin=worst)


class _Bar(Settings):
    """A bar that one metric of one task must clear, whatever was there before."""

    task: TaskName
    metric: str = Field(min_length=1)
    bar: float  # a share
    sure: Sure = "point"
    min_n: PositiveInt = 1  # fewer examples hold the candidate

    def _judge(self, evidence: Evidence, *, name: str, up: bool) -> Verdict:
        task = evidence.ours.result.task(self.task)
        measured = task.metrics.get(self.metric) if task else None
        if measured is None:
            check = Check(f"{self.metric} on {self.task} was not measured", held=True)
            return verdict(name, [check], "")
        share = measured.value <= 1
        low, high = (_value(each, share=share) for each in measured.ci95)
        found = measured.value if self.sure == "point" else measured.ci95[0 if up else 1]
        cleared = found >= self.bar - ROUNDING if up else found <= self.bar + ROUNDING
        held = not cleared or not math.isfinite(measured.value) or measured.n < self.min_n
        end = "the value" if self.sure == "point" else "the whole interval"
        text = (
            f"{self.metric} on {self.task} is {_value(measured.value, share=share)} "
            f"({low} to {high}, n={measured.n}); {'at least' if up else 'at most'} "
            f"{_value(self.bar, share=share)} is asked of {end}"
        )
        if measured.n < self.min_n:
            text += f" on {self.min_n} examples or more"
        return verdict(name, [Check(text, held=held)], "")


class AtLeast(_Bar):
    """Hold a candidate whose metric is below ``bar``, such as compliance below 0.99."""

    kind: Literal["at_least"] = "at_least"

    @field_validator("bar")
    @classmethod
    def _can_be_missed(cls, bar: float) -> float:
        return _require_share(bar, fits=0 < bar <= 1)

    @property
    def name(self) -> str:
        """The gate in a few words."""
        return f"at least: {self.metric} on {self.task}"

    def __call__(self, evidence: Evidence) -> Verdict:
        """Judge the value, or with ``sure: interval`` the lower end of its interval."""
        return self._judge(evidence, name=self.name, up=True)


class AtMost(_Bar):
    """Hold a candidate whose metric is above ``bar``, such as refusals of allowed questions above 0.02."""

    kind: Literal["at_most"] = "at_most"

    @field_validator("bar")
    @classmethod
    def _can_be_exceeded(cls, bar: float) -> float:
        return _require_share(bar, fits=0 <= bar < 1)

    @property
    def name(self) -> str:
        """The gate in a few words."""
        return f"at most: {self.metric} on {self.task}"

    def __call__(self, evidence: Evidence) -> Verdict:
        """Judge the value, or with ``sure: interval`` the upper end of its interval."""
        return self._judge(evidence, name=self.name, up=False)


Gate = Annotated[NoWorse | AtLeast | AtMost | Canaries, Field(discriminator="kind")]

DEFAULT_GATES: tuple[Gate, ...] = (NoWorse(),)
"""Where a suite names none: no loss of more than 2 points anywhere."""


def judge_gates(gates: Sequence[Gate], evidence: Evidence) -> list[Verdict]:
    """What every gate says, in their order."""
    return [gate(evidence) for gate in gates]


def _require_share(value: float, *, fits: bool) -> float:
    """Every metric is a share: a gate beyond it would let everything pass, or nothing."""
    if not fits:
        raise ValueError("Every candidate would pass, or none. Give a share: 2 points are 0.02")
    return value


def _bound(low: float | None, *, share: bool) -> str:
    if low is None:
        return "what it may lose is not known"
    if low < 0:
        return f"it may have lost {_amount(-low, share=share)}"
    return f"it gained {_amount(low, share=share)} or more"


def _value(value: float, *, share: bool) -> str:
    return f"{100 * value:.1f} %" if share else f"{value:.3g}"


def _amount(value: float, *, share: bool) -> str:
    return f"{100 * value:.1f} points" if share else f"{value:.3g}"
