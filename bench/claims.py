"""What fedsft claims, measured: `make bench-claims BENCH_ARGS="--bitext FOLDER --banking77 FOLDER"`.

Two task families on SmolLM2-135M: customers' intents (Bitext, its own test file) and tool calls (BFCL, held
out by id). Each is trained by a federation of three clients that know different things, by each client alone,
and on all data in one place, with the same number of examples seen; see `bench.claims_family`. Then:

- accuracy: federated against the base, which gets the better of its two prompts (with solved examples or not)
- compliance: answers of the right form that break no rule of conduct, to questions of the sets' test files,
  as the model writes them, and held to the answer's JSON Schema
- a cycle against retraining from scratch (`bench.claims_cycle`)
- federated against each client alone and against all data in one place

Writes runs/bench/claims.json (also stdout's last line) and docs/results.md. Finished parts are kept in the
run folder, so a killed run goes on. Exit code 0 also where a bar is missed: the table says so.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from bench.bitext import draw_per_intent, intent_example, read_bitext
from bench.claims_cycle import CyclePlan, race, speedup
from bench.claims_data import intents, listing, tools
from bench.claims_family import BASE, CENTRAL, FEDERATED, FEW_SHOT, FamilyRun
from bench.claims_page import write_page
from bench.study_run import TUNING, Kept, Lab, finish
from sft_shared.data.chat import DataSettings
from sft_shared.dialogue import Example
from sft_shared.errors import DataError, FedsftError
from sft_shared.evaluation.compare import paired_bootstrap, wilson_interval
from sft_shared.evaluation.results import System, read_system
from sft_shared.models.load import ModelSettings, load_base

COMMAND = 'make bench-claims BENCH_ARGS="--bitext FOLDER --banking77 FOLDER"'
NEW_INTENTS = 3  # of 27, whose examples arrive in the cycle
NUM_RESAMPLES = 2000
BANKING_EVERY = 5  # of its test questions, one in so many is asked


def main(arguments: list[str] | None = None) -> int:
    """Measure all claims and report; returns the exit code."""
    options = _options(arguments)
    try:
        summary = measure(options)
    except FedsftError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    write_page(options.page, summary, command=COMMAND)
    finish(options.out, summary["claims"], table(summary["claims"]))
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All claims, and what they were computed from. Raises FedsftError."""
    folder: Path = options.out.with_suffix("")
    evaluation = {"max_new_tokens": 96, "batch_size": 40, "threads": options.threads}
    model = {"model": {"name": "smollm2-135m"}, "tuning": TUNING.model_dump(mode="json")}
    runs = {}
    if "intents" in options.families:
        recipe = {**model, **_training(steps=12, batch_size=16, cycles=6, threads=options.threads)}
        recipe |= {"data": {"max_tokens": 384}, "evaluation": evaluation}
        family = intents(options.bitext, per_intent=options.per_intent, recipe=recipe, num_cycles=6)
        runs["intents"] = FamilyRun(family, folder / "intents")
    if "tools" in options.families:
        recipe = {**model, **_training(steps=28, batch_size=4, cycles=4, threads=options.threads)}
        recipe |= {"data": {"max_tokens": 320}, "evaluation": evaluation}
        tokenizer = load_base(ModelSettings(device="cpu")).tokenizer
        family = tools(tokenizer, num_held_out=options.num_tool_questions, recipe=recipe, num_cycles=4)
        runs["tools"] = FamilyRun(family, folder / "tools")
    claims: list[dict[str, Any]] = []
    families = {}
    for name, run in runs.items():
        run.prepare()
        measured = run.measure(run.train())
        run.compare(measured)
        systems = {label: read_system(place) for label, place in measured.items()}
        claims += accuracy_claims(run, systems)
        families[name] = described(run, systems)
    if "intents" in runs:
        claims += compliance_claims(runs["intents"], options)
        found = Kept(folder / "cycle", {"steps": options.cycle_steps, "per_intent": options.per_intent}).get(
            "race", lambda: cycle_race(options)
        )
        claims.append(cycle_claim(found))
        families["intents"]["cycle"] = found
    return {"claims": claims, "families": families}


def _training(*, steps: int, batch_size: int, cycles: int, threads: int) -> dict[str, Any]:
    schedule = {"kind": "cosine", "warmup_steps": 2, "min_ratio": 0.1, "span_cycles": cycles}
    values = {"steps": steps, "batch_size": batch_size, "learning_rate": 2e-3, "threads": threads}
    return {"training": {**values, "schedule": schedule}}


def values_of(system: System, metric: str) -> dict[str, float]:
    """Id -> the metric's value, of the system's one task."""
    (rows,) = system.rows.values()
    return {row.id: value for row in rows if (value := row.values[metric]) is not None}


def accuracy_claims(run: FamilyRun, systems: Mapping[str, System]) -> list[dict[str, Any]]:
    """Federated against the base at its better prompt, against each client alone, and against central."""
    family, metric = run.family, run.family.main_metric
    values = {label: values_of(system, metric) for label, system in systems.items()}
    ids = sorted(values[FEDERATED])
    best_base = max((BASE, FEW_SHOT), key=lambda label: sum(values[label].values()))
    claims = []
    for rival, bar in ((best_base, 0.30), *((name, 0.0) for name in family.clients), (CENTRAL, -0.02)):
        ours, theirs = ([values[label][key] for key in ids] for label in (FEDERATED, rival))
        found = paired_bootstrap(ours, theirs, seed=0)
        above = rival in family.clients
        claims.append(
            {
                "claim": f"{family.name}: federated minus {rival}",
                "value": found.difference,
                "ci95": [found.low, found.high],
                "n": len(ids),
                "bar": f"{'>' if above else '>='} {bar:.2f}",
                "met": found.difference > bar if above else found.difference >= bar,
                "command": COMMAND,
            }
        )
    return claims


def described(run: FamilyRun, systems: Mapping[str, System]) -> dict[str, Any]:
    """Value, interval and n of each metric of each system, and what each client had."""
    return {
        "systems": {
            label: {
                name: {"value": each.value, "ci95": list(each.ci95), "n": each.n}
                for name, each in system.result.tasks[0].metrics.items()
            }
            for label, system in systems.items()
        },
        "clients": {name: len(share) for name, share in run.family.clients.items()},
        "seconds": {name: run.seconds(name) for name in run.finished()},
        "main_metric": run.family.main_metric,
    }


def compliance_claims(run: FamilyRun, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Share of answers that have the right form and break no rule of conduct, free and held to the form."""
    family = run.family
    names = sorted({example.category for share in family.clients.values() for example in share})
    asked = [*family.held_out, *banking_questions(options.banking77, names)]
    claims = []
    for constrained, how in (("off", "SFT alone"), ("json", "constrained")):
        folder = run.measure_more(f"compliance-{constrained}", asked, constrained=constrained)
        system = read_system(folder)
        form, conduct = values_of(system, "schema_valid"), values_of(system, "compliance")
        good = sum(form[key] == 1 and conduct[key] == 1 for key in conduct)
        low, high = wilson_interval(good, num_total=len(conduct))
        claims.append(
            {
                "claim": f"compliance, {how}",
                "value": good / len(conduct),
                "ci95": [low, high],
                "n": len(conduct),
                "bar": ">= 0.99",
                "met": good / len(conduct) >= 0.99,
                "command": COMMAND,
            }
        )
    return claims


def banking_questions(folder: Path, names: Sequence[str]) -> list[Example]:
    """Questions from another trade, in the same prompt. Raises DataError."""
    path = folder / "test.csv"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            texts = [row["text"] for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, KeyError) as error:
        raise DataError(
            f"{path}: cannot be read: {error}. Give the folder of banking77's CSV files."
        ) from None
    chosen = texts[::BANKING_EVERY]
    made = [
        intent_example(f"banking-{number}", utterance=text, intent=names[0], entity=None)
        for number, text in enumerate(chosen)
    ]
    return listing(made, names)


def cycle_race(options: argparse.Namespace) -> dict[str, Any]:
    """The curves of `bench.claims_cycle` on Bitext."""
    lab = Lab(
        base=load_base(ModelSettings(device="cpu")),
        data=DataSettings(max_tokens=384),
        threads=options.threads,
    )
    rows = read_bitext(options.bitext / "train.csv")
    names = sorted({example.category for example in rows})
    examples = listing(draw_per_intent(rows, count=options.per_intent, seed=0), names)
    arriving = set(names[:: len(names) // NEW_INTENTS][:NEW_INTENTS])
    test = listing(read_bitext(options.bitext / "test.csv"), names)
    training = _training(steps=1, batch_size=16, cycles=1, threads=options.threads)["training"]
    return race(
        lab,
        TUNING.initial(lab.base, seed=0),
        [example for example in examples if example.category not in arriving],
        [example for example in examples if example.category in arriving],
        test[:: max(1, len(test) // options.race_questions)][: options.race_questions],
        plan=CyclePlan(
            before=options.cycle_steps,
            scratch=[options.cycle_steps // part for part in (8, 4, 2, 1)],
            cycle=[3, 6, 12],
            training=training,
        ),
    )


def cycle_claim(found: Mapping[str, Any]) -> dict[str, Any]:
    """The ratio of times; its interval from drawing the questions anew."""
    ratio = speedup(found)
    draws = np.random.default_rng(0)
    n = len(found["before"]["right"])
    ratios = []
    for _ in range(NUM_RESAMPLES):
        drawn = draws.integers(0, n, n)
        again = {
            name: [{**point, "right": [point["right"][at] for at in drawn]} for point in found[name]]
            for name in ("cycle", "scratch")
        }
        ratios.append(speedup(again)["ratio"])
    low, high = np.quantile(ratios, [0.025, 0.975])
    share, quality = found["new_share"], ratio["quality"]
    return {
        "claim": f"a cycle against retraining to {quality:.1%}, {share:.0%} of the data new: times faster",
        "value": ratio["ratio"],
        "ci95": [float(low), float(high)],
        "n": n,
        "bar": ">= 5",
        "met": ratio["ratio"] >= 5,
        "command": COMMAND,
    }


def table(claims: Sequence[Mapping[str, Any]]) -> Table:
    """Each claim with its interval and bar."""
    shown = Table(title="claims")
    for name in ("claim", "value", "95 %", "n", "bar", "met"):
        shown.add_column(name)
    for claim in claims:
        low, high = claim["ci95"]
        cells = (f"{claim['value']:.3f}", f"{low:.3f} to {high:.3f}", str(claim["n"]), claim["bar"])
        shown.add_row(claim["claim"], *cells, "yes" if claim["met"] else "NO")
    return shown


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.claims", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--bitext", type=Path, required=True, help="folder of Bitext's train.csv and test.csv")
    add("--banking77", type=Path, required=True, help="folder of banking77's test.csv")
    add("--families", nargs="+", choices=("intents", "tools"), default=["intents", "tools"])
    add("--per-intent", type=int, default=12, help="Bitext's examples of each intent (default: %(default)s)")
    add("--num-tool-questions", type=int, default=300, help="BFCL's held out (default: %(default)s)")
    add(
        "--race-questions",
        type=int,
        default=300,
        help="asked at each point of the race (default: %(default)s)",
    )
    add("--cycle-steps", type=int, default=96, help="steps of a training from scratch (default: %(default)s)")
    add("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    add("--out", type=Path, default=Path("runs/bench/claims.json"), help="(default: %(default)s)")
    add("--page", type=Path, default=Path("docs/results.md"), help="(default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
