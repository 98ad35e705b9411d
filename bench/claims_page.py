"""docs/results.md: the claims and what they were computed from, as `bench.claims` measured them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sft_shared.files import write_atomic


def write_page(path: Path, summary: Mapping[str, Any], *, command: str) -> None:
    """Write the page."""
    write_atomic(path, ("\n".join(_lines(summary, command)) + "\n").encode())


def _lines(summary: Mapping[str, Any], command: str) -> Iterator[str]:
    yield "# Results"
    yield ""
    yield f"Written by `{command}`: SmolLM2-135M, LoRA, two CPU cores, public data."
    yield "Differences are paired over the same questions; intervals are 95 %: Wilson for shares, bootstrap"
    yield "over questions for differences and ratios."
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
    if "cycle" in family:
        yield from _cycle(family["cycle"])


def _cycle(found: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "### A cycle against retraining"
    yield ""
    share = f"{found['new_share']:.0%} of all"
    yield f"{found['num_new']} new examples ({share}) of intents that the model has not seen."
    yield "Seconds are those of training alone."
    yield ""
    rows = [("before the cycle", found["before"])]
    rows += [(kind, point) for kind in ("cycle", "scratch") for point in found[kind]]
    yield from _table(
        ("run", "steps", "seconds", "right"),
        (
            (
                kind,
                point["steps"],
                f"{point['seconds']:.0f}",
                f"{sum(point['right']) / len(point['right']):.1%}",
            )
            for kind, point in rows
        ),
    )


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
