"""How much personal data the recognisers find, and how much else: `make bench-pii` or `python -m bench.pii`.

Items in Chinese and English, generated and written by hand, each with all its personal data marked, and hard
negatives that hold none. Two halves with no template and no value in common: recognisers may be tuned on dev,
test is only looked at. A value is recalled if finds of its own kind hold all of it; a find is right if it
shares at least half of its union with a value of its kind. F2 = 5PR / (4P + R).

Writes runs/bench/pii.json, also stdout's last line.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from bench.pii_items import HALVES, load_all
from bench.pii_measure import export, misses, run, summarise, table
from bench.study_run import finish, progress
from sft_shared.data.desensitise.find import Finder, FindSettings
from sft_shared.errors import FedsftError


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and report; returns the exit code, 0 also when a bar is missed."""
    options = _options(arguments)
    try:
        halves = load_all(options.seed)
        if options.export_dev:
            export(halves["dev"], options.export_dev)
            return 0
        finder = Finder(FindSettings())
        results = {half: run(finder, items) for half, items in halves.items()}
    except FedsftError as error:
        progress.print(f"error: {error}", soft_wrap=True)
        return error.exit_code
    finds = {half: found for half, (found, _) in results.items()}
    summary = summarise(halves, finds)
    chars = sum(counts["chars"] for counts in summary["counts"].values())
    summary |= {"seed": options.seed, "chars_per_s": chars / sum(seconds for _, seconds in results.values())}
    console = Console(markup=False, highlight=False)
    if options.show_misses:
        for line in misses(halves[options.show_misses], finds[options.show_misses]):
            console.print(line, soft_wrap=True)
    for bar in summary["bars"]:
        verdict = "met   " if bar["met"] else "missed"
        console.print(f"{verdict} {bar['half']:4} {bar['bar']}: {bar['found']:.2%}", soft_wrap=True)
    console.print(table(summary, "dev"))
    finish(options.out, summary, table(summary, "test"))
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m bench.pii", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--seed", type=int, default=0, help="of the made-up values (default: %(default)s)")
    add("--show-misses", choices=HALVES, help="print each item of a half that is not wholly right")
    add("--export-dev", type=Path, metavar="DIR", help="write the dev half as JSON lines, and stop")
    add("--out", type=Path, default=Path("runs/bench/pii.json"), help="(default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
