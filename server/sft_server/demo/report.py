"""``report.html``: one file without any outside request, readable on a phone and on paper."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sft_server.demo.plots import draw_all, label
from sft_server.demo.result import (
    BASE,
    FEDERATED,
    FEW_SHOT,
    DemoResult,
    reasons,
    right_by_id,
    texts_by_id,
)
from sft_shared.data.pages import data_uri, write_page
from sft_shared.dialogue import Example
from sft_shared.evaluation.results import System

MAX_GAINED, MAX_LOST = 4, 3


@dataclass(frozen=True)
class Flip:
    """A question that one model gets right and the other does not."""

    question: str
    expected: str
    before: str
    after: str
    gained: bool
    reason: str | None  # of the one that is wrong


def write_report(result: DemoResult, *, flips: Sequence[Flip], folder: Path) -> Path:
    """Write the figures and ``report.html`` into ``folder``; return the report's path."""
    figures = {path.stem: data_uri(path) for path in draw_all(result, folder=folder)}
    path = folder / "report.html"
    write_page(
        path,
        Path(__file__).with_name("report.html.j2"),
        result=result,
        figures=figures,
        flips=flips,
        order=_in_order(result),
        label=lambda name: label(name, num_shots=result.num_shots),
        federated=FEDERATED,
        categories=sorted(result.scores[FEDERATED].by_category),
        reasons=_reasons(result),
        unseen=result.unseen_function_examples,
    )
    return path


def find_flips(examples: Sequence[Example], *, before: System, after: System) -> list[Flip]:
    """The first questions, by id, that changed sides between two models: gained ones, then lost ones."""
    right_before, right_after = right_by_id(before), right_by_id(after)
    texts_before, texts_after = texts_by_id(before), texts_by_id(after)
    why_before, why_after = reasons(before, examples), reasons(after, examples)
    gained: list[Flip] = []
    lost: list[Flip] = []
    for example in sorted(examples, key=lambda example: example.id):
        if right_before[example.id] == right_after[example.id]:
            continue
        flip = Flip(
            question=str(example.prompt[-1].content),
            expected=_calls(example),
            before=texts_before[example.id],
            after=texts_after[example.id],
            gained=right_after[example.id],
            reason=(why_before if right_after[example.id] else why_after).get(example.id),
        )
        (gained if flip.gained else lost).append(flip)
    return [*gained[:MAX_GAINED], *lost[:MAX_LOST]]


def _in_order(result: DemoResult) -> list[str]:
    others = [name for name in result.scores if name not in (BASE, FEW_SHOT, FEDERATED)]
    return [BASE, FEW_SHOT, *others, FEDERATED]


def _reasons(result: DemoResult) -> list[str]:
    found: Mapping[str, None] = {
        reason: None for score in result.scores.values() for reason in sorted(score.failures)
    }
    return sorted(found)


def _calls(example: Example) -> str:
    calls = [{"name": call.name, "arguments": call.arguments} for call in example.answer.tool_calls]
    return json.dumps(calls, ensure_ascii=False)
