"""How well log templates are mined: `make bench-logtemplates` or `python -m bench.logtemplates`.

Without --labels it makes lines of 19 kinds of system (bench/log_corpus.py) with the template of each. The
miner's settings were chosen on 14 of them ("tuned"); 5 were written afterwards and nothing was changed for
them ("held out"). These are imitations, each of 7 to 14 templates: real logs have hundreds, and are harder.
With --labels it measures on your files: CSV with the columns Content and EventId, as LogHub has them
(https://github.com/logpai/loghub, the files *_structured.csv).

GA is the share of lines whose group holds exactly the lines of their label (Zhu et al. 2019,
arXiv:1811.03509); FGA the F1 of whole groups, so that rare templates count as much as frequent ones.
Terms are mined from each system too; the most frequent are shown. One settings object for all systems.

Writes runs/bench/logtemplates.json, and the terms to runs/bench/logterms.csv; the JSON is also stdout's last
line. A mistake gives exit code 2.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.log_corpus import HELD_OUT, SYSTEMS, lines
from sft_shared.data.operations.grouping import agreement
from sft_shared.data.operations.templates import MiningSettings, mine
from sft_shared.data.operations.terms import TermSettings, find_terms, to_csv
from sft_shared.errors import DataError, FedsftError
from sft_shared.files import write_atomic

progress = Console(stderr=True, markup=False, highlight=False)
SHOWN_TERMS = 8


def main(arguments: list[str] | None = None) -> int:
    """Measure and report; returns the exit code."""
    options = _options(arguments)
    settings = MiningSettings(similarity=options.similarity, depth=options.depth, variety=options.variety)
    try:
        logs = read_labels(options.labels) if options.labels else made_logs(options.lines, seed=options.seed)
        systems = {name: measure(pairs, settings) for name, pairs in logs.items()}
    except FedsftError as error:
        progress.print(f"error: {error}", soft_wrap=True)
        return error.exit_code
    summary: dict[str, Any] = {
        "source": "labels" if options.labels else "generated",
        "settings": settings.model_dump(),
        "systems": systems,
        "mean": mean(list(systems.values())),
    }
    if not options.labels:
        summary["tuned"] = mean([systems[name] for name in SYSTEMS])
        summary["held_out"] = mean([systems[name] for name in HELD_OUT])
    terms, _ = find_terms(
        (line for pairs in logs.values() for line, _ in pairs), TermSettings(mining=settings)
    )
    write_atomic(options.out.parent / "logterms.csv", to_csv(terms).encode())
    summary["num_terms"] = len(terms)
    text = json.dumps(summary, ensure_ascii=False)
    write_atomic(options.out, (text + "\n").encode())
    Console(width=max(120, Console().width)).print(table(summary))
    print(text)
    return 0


def measure(pairs: Sequence[tuple[str, str]], settings: MiningSettings) -> dict[str, Any]:
    """Agreement with the labels, lines a second, and the first terms of one system."""
    started = time.perf_counter()
    found, _ = mine((line for line, _ in pairs), settings)
    seconds = time.perf_counter() - started
    terms, _ = find_terms((line for line, _ in pairs), TermSettings(mining=settings))
    return {
        **asdict(agreement(found, [label for _, label in pairs])),
        "lines_per_s": round(len(pairs) / seconds),
        "terms": [term.text for term in terms[:SHOWN_TERMS]],
        "num_terms": len(terms),
    }


def mean(systems: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Each system counts the same, whatever its size."""
    return {key: sum(each[key] for each in systems) / len(systems) for key in ("ga", "fga", "lines_per_s")}


def made_logs(num_lines: int, *, seed: int) -> dict[str, list[tuple[str, str]]]:
    """System -> (line, template) pairs."""
    return {name: list(lines(name, num_lines=num_lines, seed=seed)) for name in (*SYSTEMS, *HELD_OUT)}


def read_labels(paths: Sequence[Path]) -> dict[str, list[tuple[str, str]]]:
    """File name -> (line, label) pairs. Raises DataError with the place of what is wrong."""
    logs: dict[str, list[tuple[str, str]]] = {}
    for path in paths:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                missing = {"Content", "EventId"} - set(reader.fieldnames or ())
                if missing:
                    raise DataError(f"{path}:1: no column {' and '.join(sorted(missing))}. Add it.")
                pairs = [(row["Content"] or "", row["EventId"] or "") for row in reader]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path}: cannot be read: {error}. Give a CSV file in UTF-8.") from None
        if not pairs:
            raise DataError(f"{path}: no lines in it. Give a file with at least one.")
        logs[path.stem] = pairs
    return logs


def table(summary: dict[str, Any]) -> Table:
    """One row a system."""
    shown = Table(title=f"templates mined from {summary['source']} logs")
    shown.add_column("system", no_wrap=True)
    for heading in ("lines", "templates", "found", "GA", "FGA", "lines/s"):
        shown.add_column(heading, justify="right")
    shown.add_column("terms", overflow="ellipsis", no_wrap=True, max_width=40)
    for name, each in summary["systems"].items():
        shown.add_row(
            f"{name} (held out)" if name in HELD_OUT else name,
            *(str(each[key]) for key in ("num_lines", "num_labelled", "num_found")),
            f"{each['ga']:.3f}",
            f"{each['fga']:.3f}",
            str(each["lines_per_s"]),
            ", ".join(each["terms"]),
        )
    for name in ("tuned", "held_out", "mean"):
        if name in summary:
            each = summary[name]
            row = (f"{each['ga']:.3f}", f"{each['fga']:.3f}", f"{each['lines_per_s']:.0f}")
            shown.add_row(name, "", "", "", *row, "", style="bold")
    return shown


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.logtemplates", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = MiningSettings()
    parser.add_argument("--labels", type=Path, nargs="+", metavar="FILE", help="CSV with Content and EventId")
    parser.add_argument("--lines", type=int, default=2000, help="made of each system")
    parser.add_argument("--similarity", type=float, default=defaults.similarity)
    parser.add_argument("--depth", type=int, default=defaults.depth)
    parser.add_argument("--variety", type=int, default=defaults.variety)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/logtemplates.json"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
