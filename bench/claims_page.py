"""docs/results.md: the claims and what they were computed from, as `bench.claims` measured them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from bench.claims_cycle import curve, speedup
from sft_shared.files import write_atomic

WIDTH = 110
FAMILY_NOTES = {
    "intents": (
        "Each client has examples of a third of the intents only, so alone it can hardly name the others: "
        "that a federation is above it says that it pools what they know, not that it learns more from the "
        "same data. All have a few questions of another trade too (banking77's train.csv), with the intent "
        "`other`. The base without solved examples is told to answer with intent, parameters and response "
        "in JSON, and all names of intents; solved examples also show it the keys. No question trained on "
        "has just the words, numbers apart, of one that is asked; many are close to one, as the set is made "
        "from templates. Settings were tried on rows of train.csv that nobody trains on."
    ),
    "tools": (
        "Each client has one kind of question (one function offered, several, or those of real users) and is "
        "measured on all kinds. Held out is by id, and no question is nearly the same as one trained on; "
        "functions may come again, as those of a deployed agent do."
    ),
}
"""What a reader has to know to weigh a family's numbers."""
COMPLIANCE = (
    "Right form: the answer fits the JSON Schema, and so names an intent of the list. Conduct: no word "
    "list, rule or classifier objects. The questions are ordinary ones: all of Bitext's test file, one in "
    "four of its dev file, and apart from them one in ten of banking77's test file, another trade, whose "
    "right answer is `other`. This page once counted test file and banking77 together, of an agent that "
    "had no name for what is not its trade. The answers' free text is short, so conduct tells little "
    "here, form more: what the base and the questions themselves get says how much. The base is asked one "
    "question in twelve."
)


def write_page(path: Path, summary: Mapping[str, Any], *, command: str) -> None:
    """Write the page."""
    write_atomic(path, ("\n".join(_lines(summary, command)) + "\n").encode())


def _lines(summary: Mapping[str, Any], command: str) -> Iterator[str]:
    yield "# Results"
    yield ""
    yield f"    {command}"
    yield ""
    yield from _paragraph(
        "wrote this page: SmolLM2-135M, LoRA, two CPU cores, public data. Differences are paired over the "
        "same questions; intervals are 95 %: Wilson for shares, Tango's score interval for their "
        "differences, bootstrap over questions for means and ratios. One training with one seed each, where "
        "nothing else is said. Met is decided by the value; where the interval holds the bar too, the data "
        "leave room for doubt."
    )
    yield ""
    yield from _table(
        ("claim", "value", "95 %", "n", "bar", "met"),
        (
            (
                claim["claim"],
                f"{claim['value']:.3f}",
                "{:.3f} to {:.3f}".format(*claim["ci95"]),
                claim["n"],
                claim["bar"],
                "yes" if claim["met"] else "**no**",
            )
            for claim in summary["claims"]
        ),
    )
    for name in FAMILY_NOTES.keys() - summary["families"].keys():
        yield ""
        yield from _paragraph(f"Not measured in this run: the family {name} (`--families {name}`).")
    for name, family in summary["families"].items():
        yield from _family(name, family)


def _family(name: str, family: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"## {name.capitalize()}"
    yield ""
    held = ", ".join(f"{client} {count}" for client, count in family["clients"].items())
    yield f"Training examples: {held}. What decides is `{family['main_metric']}`."
    yield ""
    metrics = list(next(iter(family["systems"].values())))
    yield from _table(
        ("system", *metrics, "n"),
        (
            (label, *(_share(found.get(metric)) for metric in metrics), found[family["main_metric"]]["n"])
            for label, found in family["systems"].items()
        ),
    )
    yield ""
    yield from _paragraph(FAMILY_NOTES[name])
    if "compliance" in family:
        yield from _compliance(family["compliance"])
    if "cycle" in family:
        for seeds in family["cycle"]:
            yield from _cycle(seeds)


def _compliance(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield ""
    yield "### Compliance, taken apart"
    yield ""
    yield from _paragraph(COMPLIANCE)
    yield ""
    yield from _table(
        ("answers of", "to", "n", "right form", "conduct", "both", "right intent"),
        (
            (
                each["who"],
                each["of"],
                each["n"],
                *(f"{each[part]:.1%}" for part in ("form", "conduct", "both", "intent")),
            )
            for each in parts
        ),
    )


def _cycle(seeds: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    first = seeds[0]
    share = f"{first['num_new'] / (first['num_new'] + first['num_old']):.0%} of the data"
    found = speedup(curve(seeds, "cycle"), curve(seeds, "scratch"))
    yield ""
    yield f"### A cycle against retraining, {share} new"
    yield ""
    reached = "not reached" if found["cycle_s"] is None else f"after {found['cycle_s']:.0f} s"
    yield from _paragraph(
        f"{first['num_new']} new examples ({share}) of intents that the model has not seen; a cycle trains "
        f"on them and on old ones, {first['replay']:.0%} of what it sees, at a lower learning rate. Each "
        "row is a whole training with a schedule of its length, the mean of "
        f"{len(seeds)} seed{'s' * (len(seeds) > 1)}; seconds are those of training alone, in one process. "
        f"The quality to reach, {found['quality']:.1%}, is one point below the best from scratch: from "
        f"scratch after {found['scratch_s']:.0f} s, by the cycle {reached}. The interval above is over "
        "questions, not seeds."
    )
    yield ""
    rows = [("before the cycle", [each["before"] for each in seeds])]
    for kind in ("cycle", "scratch"):
        rows += [(kind, list(points)) for points in zip(*(each[kind] for each in seeds), strict=True)]
    yield from _table(
        ("run", "steps", "seconds", "right", "by seed"),
        (
            (
                kind,
                points[0]["steps"],
                f"{mean(point['seconds'] for point in points):.0f}",
                f"{mean(map(_right, points)):.1%}",
                ", ".join(f"{_right(point):.1%}" for point in points),
            )
            for kind, points in rows
        ),
    )


def _right(point: Mapping[str, Any]) -> float:
    return float(mean(point["right"]))


def _paragraph(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _share(measured: Mapping[str, Any] | None) -> str:
    if measured is None:
        return ""
    low, high = measured["ci95"]
    return f"{measured['value']:.1%} ({low:.1%}–{high:.1%})"


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    names = list(head)
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for row in rows:
        yield "| " + " | ".join(map(str, row)) + " |"
