"""Our tool-call match against BFCL's own AST checker: `python -m bench.judge_agreement`.

Both judge the same predictions: for every question of BFCL's eight Python categories four right answers from
its ground truth, and every seeded way to get them wrong that changes something (bench/judge_cases.py). Where
they differ, the reason is looked for in the prediction; what has none of `REASONS` is unexplained, and the
exit code is 1.

Writes runs/bench/judge-agreement.json, also stdout's last line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.table import Table

from bench.judge_cases import Call, Case, cases_of
from bench.judge_theirs import TheirChecker
from sft_shared.data.bfcl import BfclCategory, read_bfcl
from sft_shared.dialogue import Example, ToolCall
from sft_shared.errors import FedsftError
from sft_shared.evaluation.compare import wilson_interval
from sft_shared.evaluation.tools import compare_call, normalise_text, score_calls, values_match
from sft_shared.files import write_atomic

REASONS = {
    "pairing": "parallel calls: ours finds the pairing of calls; theirs gives each the first that fits",
    "number inside": "5 for 5.0 in a list, 5.0 for 5 in a list or dict: ours follows the schema at any depth",
    "truth inside": "true for 1 in a dict or list of lists: ours never takes one for the other",
    "text inside": "case and punctuation in a list in a dict or list: ours leaves them out at any depth",
    "other type": "the ground truth has another type than the function declares: ours judges by the truth",
}
"""Where the two differ on purpose, and how."""

_TYPES = {"string": str, "integer": int, "float": float, "boolean": bool, "array": list, "tuple": list}
_TYPES |= {"dict": dict, "any": str}


def main(arguments: list[str] | None = None) -> int:
    """Compare and report; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="bench.judge_agreement",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/bench/judge-agreement.json"))
    options = parser.parse_args(arguments)
    console = Console(stderr=True, highlight=False)
    try:
        summary = agreement(options.seeds)
    except FedsftError as error:
        console.print(f"error: {error}", soft_wrap=True)
        return error.exit_code
    text = json.dumps(summary)
    write_atomic(options.out, (text + "\n").encode())
    Console(width=max(120, Console().width)).print(table(summary))
    print(text)
    return 1 if summary["differ_unexplained"] else 0


def agreement(seeds: Sequence[int], *, categories: Sequence[BfclCategory] = ()) -> dict[str, Any]:
    """Counts over all cases; ``accepted`` and ``refused`` are those of both."""
    counts: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {}
    reasons: Counter[str] = Counter()
    unexplained: list[dict[str, Any]] = []
    for category in categories or get_args(BfclCategory):
        theirs = TheirChecker(category)
        for example in read_bfcl([category]):
            for case in (case for seed in seeds for case in cases_of(example, seed=seed)):
                ours, other = accepts(example, case.calls), theirs.accepts(case.id, case.calls)
                verdict = "accepted" if ours else "refused"
                word = verdict if ours == other else "differ"
                counts[word] += 1
                kinds.setdefault(case.kind, Counter())[word] += 1
                if ours != other:
                    reason = reason_of(example, case, theirs)
                    reasons[reason or "unexplained"] += 1
                    if reason is None:
                        unexplained.append({"id": case.id, "kind": case.kind, "calls": case.calls})
    n = sum(counts.values())
    same = n - counts["differ"]
    return {
        "n": n,
        "seeds": list(seeds),
        "agreement": same / n,
        "ci95": wilson_interval(same, num_total=n),
        **{word: counts[word] for word in ("accepted", "refused", "differ")},
        "reasons": {name: reasons[name] for name in REASONS},
        "differ_unexplained": unexplained,
        "kinds": {kind: dict(found) for kind, found in sorted(kinds.items())},
    }


def accepts(example: Example, calls: Sequence[Call]) -> bool:
    """Our verdict on a prediction, from its text."""
    return score_calls(json.dumps(calls), expected=example.expected_calls, tools=example.tools).match


def reason_of(example: Example, case: Case, theirs: TheirChecker) -> str | None:
    """Why the verdicts differ, one of `REASONS`; None if it is none of them."""
    if len(case.calls) != len(example.expected_calls):
        return None
    places = range(len(case.calls))
    fits = [[theirs.accepts_call(case.id, call, place=place) for call in case.calls] for place in places]
    if fits == _fits_by_ours(example, case):
        paired = any(all(fits[place][order[place]] for place in places) for order in permutations(places))
        return "pairing" if paired and accepts(example, case.calls) else None
    found = set()
    for place, call, name, value in _arguments(example, case):
        expected = example.expected_calls[place].arguments[name]
        schemas = {tool.name: tool.parameters["properties"] for tool in example.tools}
        ours = any(values_match(value, right, schema=schemas[call["name"]][name]) for right in expected)
        if ours != theirs.accepts_value(case.id, name, value, place=place):
            found |= _reasons_of_value(
                value, expected, declared=theirs.declared(case.id, name, place=place)
            ) or {"unexplained"}
    return None if not found or "unexplained" in found else min(found)


def _fits_by_ours(example: Example, case: Case) -> list[list[bool]]:
    """For every place of the ground truth, which calls are right there."""
    schemas = {tool.name: tool.parameters for tool in example.tools}
    return [
        [
            compare_call(ToolCall(**call), expected, schema=schemas[expected.name]) is None
            for call in case.calls
        ]
        for expected in example.expected_calls
    ]


def _arguments(example: Example, case: Case) -> Iterable[tuple[int, Call, str, Any]]:
    """Every argument of every call, with every place of the ground truth where it could belong."""
    for place, expected in enumerate(example.expected_calls):
        for call in case.calls:
            if call["name"] == expected.name:
                for name, value in call["arguments"].items():
                    if name in expected.arguments:
                        yield place, call, name, value


def _reasons_of_value(value: Any, allowed: Sequence[Any], *, declared: str) -> set[str]:
    """What of `REASONS` is in an argument's value that the two judge differently."""
    types = [type(right) for right in allowed if right != ""]
    if types and types[0] is not _TYPES[declared] and not (declared == "float" and types[0] is int):
        return {"other type"}
    if not isinstance(value, list | dict):
        return set()
    close = [found for right in allowed if (found := differences(value, right)) is not None]
    return {f"{found} inside" for found in min(close, key=len, default=set())}


def differences(value: Any, right: Any) -> set[str] | None:
    """By which kinds of leaves ``value`` is not literally ``right``; None if by more than that.

    >>> sorted(differences([[1.0, "a-b"], True], [[1, "AB"], True])), differences([1], [2])
    (['number', 'text'], None)
    """
    if isinstance(value, list) and isinstance(right, list):
        if len(value) != len(right):
            return None
        return _union(differences(*pair) for pair in zip(value, right, strict=True))
    if isinstance(value, dict) and isinstance(right, dict):
        choices = {key: inner if isinstance(inner, list) else [inner] for key, inner in right.items()}
        missing = [key for key in choices if key not in value and "" not in choices[key]]
        if missing or not value.keys() <= choices.keys():
            return None
        return _union(_closest(value[key], choices[key]) for key in value)
    if isinstance(value, str) and isinstance(right, str) and normalise_text(value) == normalise_text(right):
        return set() if value == right else {"text"}
    if isinstance(value, bool | int | float) and isinstance(right, bool | int | float) and value == right:
        if type(value) is type(right):
            return set()
        return {"truth" if isinstance(value, bool) or isinstance(right, bool) else "number"}
    return set() if value is None and right is None else None


def _closest(value: Any, allowed: Sequence[Any]) -> set[str] | None:
    found = [each for right in allowed if (each := differences(value, right)) is not None]
    return min(found, key=len, default=None)


def _union(parts: Iterable[set[str] | None]) -> set[str] | None:
    together: set[str] = set()
    for part in parts:
        if part is None:
            return None
        together |= part
    return together


def table(summary: dict[str, Any]) -> Table:
    """A row a way to make predictions."""
    low, high = summary["ci95"]
    found = Table(
        title=f"{summary['agreement']:.2%} of {summary['n']:,} verdicts agree ({low:.2%} to {high:.2%})",
        caption=", ".join(f"{name} {count}" for name, count in summary["reasons"].items())
        + f"; unexplained {len(summary['differ_unexplained'])}",
    )
    for name in ("prediction", "both accept", "both refuse", "differ"):
        found.add_column(name, justify="left" if name == "prediction" else "right")
    for kind, counts in summary["kinds"].items():
        found.add_row(kind, *(f"{counts.get(word, 0):,}" for word in ("accepted", "refused", "differ")))
    return found


if __name__ == "__main__":
    sys.exit(main())
