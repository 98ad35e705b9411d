"""What fedsft claims, measured: `make bench-claims BENCH_ARGS="--bitext FOLDER --banking77 FOLDER"`.

Two task families on SmolLM2-135M: customers' intents (Bitext, its own test file) and tool calls (BFCL, held
out by id). Each is trained by a federation of three clients that know different things, by each client alone,
and on all data in one place, with the same number of examples seen; see `bench.claims_family`. Then:

- accuracy: federated against the base at its best: without or with solved examples in its prompt, or with
  them and held to the right form
- compliance: answers of the right form that break no rule of conduct, to questions of the sets' test files,
  as the model writes them, and held to the answer's JSON Schema
- a cycle against retraining from scratch (`bench.claims_cycle`)
- federated against each client alone and against all data in one place

Writes runs/bench/claims.json (also stdout's last line) and docs/results.md. Finished parts are kept in the
run folder, so a killed run goes on. Exit code 0 also where a bar is missed: the table says so.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from rich.table import Table

from bench.bitext import draw_per_intent, read_bitext
from bench.claims_cycle import CyclePlan, curve, race, speedup
from bench.claims_data import banking_questions, conduct, intents, listing, tools, trainable
from bench.claims_family import BASE, CENTRAL, FEDERATED, FEW_SHOT, HELD, FamilyRun
from bench.claims_page import write_page
from bench.study_run import TUNING, Kept, Lab, finish
from sft_shared.data.chat import DataSettings
from sft_shared.dialogue import Example
from sft_shared.errors import FedsftError
from sft_shared.evaluation.compare import paired_shares, wilson_interval
from sft_shared.evaluation.metrics.conduct import Compliance
from sft_shared.evaluation.results import System, read_system
from sft_shared.models.load import ModelSettings, load_base

NEW_INTENTS = (1, 3)  # of 27, whose examples arrive in a cycle
NUM_RESAMPLES = 2000
RACE_BATCH = 8
SCRATCH_PARTS = (0.4, 0.65, 1.0)  # of the steps of the longest training from scratch
CYCLE_STEPS = (12, 20)
CYCLE = {  # gentler steps than from scratch, and most of what is seen is old
    "learning_rate": 1e-3,
    "schedule": {"kind": "cosine", "warmup_steps": 4},
    "replay": {"fraction": 0.85},
}
OWN_TRADE, OTHER_TRADE = "the trade's questions", "another trade's questions"
DEV_EVERY, BANKING_EVERY = 4, 10  # of Bitext's dev and banking77's test questions, one in so many is asked
BASE_EVERY = 12  # of all questions, the base, which is slow, is asked one in so many


def main(arguments: list[str] | None = None) -> int:
    """Measure all claims and report; returns the exit code."""
    options = options_of(arguments)
    try:
        summary = measure(options)
    except FedsftError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    write_page(options.page, summary, command=command(options))
    finish(options.out, summary["claims"], table(summary["claims"]))
    return 0


def command(options: argparse.Namespace) -> str:
    """What was typed to get these numbers, but for the folders' places."""
    plain = vars(options_of(["--bitext", ".", "--banking77", "."]))
    changed = [
        f"--{name.replace('_', '-')} {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in vars(options).items()
        if value != plain[name] and name not in ("bitext", "banking77", "out", "page")
    ]
    arguments = " ".join(["--bitext FOLDER --banking77 FOLDER", *changed])
    return f'make bench-claims BENCH_ARGS="{arguments}"'


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All claims, and what they were computed from. Raises FedsftError."""
    folder: Path = options.out.with_suffix("")
    runs = {}
    if "intents" in options.families:
        recipe = _recipe(options, steps=4, batch_size=4, cycles=36, max_tokens=384)
        family = intents(
            options.bitext,
            banking=options.banking77,
            per_intent=options.per_intent,
            recipe=recipe,
            num_cycles=36,
        )
        runs["intents"] = FamilyRun(family, folder / "intents")
    if "tools" in options.families:
        recipe = _recipe(options, steps=6, batch_size=4, cycles=16, max_tokens=320)
        tokenizer = load_base(ModelSettings(device="cpu")).tokenizer
        family = tools(tokenizer, num_held_out=options.num_tool_questions, recipe=recipe, num_cycles=16)
        runs["tools"] = FamilyRun(family, folder / "tools")
    claims: list[dict[str, Any]] = []
    families = {}
    for run in runs.values():
        run.prepare()
    adapters = {}
    for name, run in runs.items():
        trained = run.train()
        adapters[name] = trained[FEDERATED]
        measured = run.measure(trained)
        run.compare(measured)
        systems = {label: read_system(place) for label, place in measured.items()}
        claims += accuracy_claims(run, systems, command=command(options))
        families[name] = described(run, systems)
    if "intents" in runs:
        more, parts = compliance_claims(runs["intents"], adapters["intents"], options)
        found = cycle_race(options, folder / "cycle")
        claims += [*more, *(cycle_claim(seeds, command=command(options)) for seeds in found)]
        families["intents"] |= {"compliance": parts, "cycle": found}
    return {"claims": claims, "families": families}


def _recipe(
    options: argparse.Namespace, *, steps: int, batch_size: int, cycles: int, max_tokens: int
) -> dict[str, Any]:
    """Of a family. Its trainings take one thread each, as many at once as there are cores."""
    return {
        "model": {"name": "smollm2-135m"},
        "tuning": TUNING.model_dump(mode="json"),
        "training": _training(steps=steps, batch_size=batch_size, cycles=cycles),
        "data": {"max_tokens": max_tokens},
        "evaluation": {"max_new_tokens": 96, "batch_size": 40, "threads": options.threads},
    }


def _training(*, steps: int, batch_size: int, cycles: int, threads: int = 1) -> dict[str, Any]:
    schedule = {"kind": "cosine", "warmup_steps": 2, "min_ratio": 0.1, "span_cycles": cycles}
    values = {"steps": steps, "batch_size": batch_size, "learning_rate": 2e-3, "threads": threads}
    return {**values, "schedule": schedule}


def values_of(system: System, metric: str) -> dict[str, float]:
    """Id -> the metric's value, of the system's one task."""
    (rows,) = system.rows.values()
    return {row.id: value for row in rows if (value := row.values[metric]) is not None}


def accuracy_claims(run: FamilyRun, systems: Mapping[str, System], *, command: str) -> list[dict[str, Any]]:
    """Federated against the base at its best, against each client alone, and against central."""
    family, metric = run.family, run.family.main_metric
    values = {label: values_of(system, metric) for label, system in systems.items()}
    ids = sorted(values[FEDERATED])
    best_base = max((BASE, FEW_SHOT, HELD), key=lambda label: sum(values[label].values()))
    claims = []
    for rival, bar in ((best_base, 0.30), *((name, 0.0) for name in family.clients), (CENTRAL, -0.02)):
        ours, theirs = ([values[label][key] for key in ids] for label in (FEDERATED, rival))
        found = paired_shares(ours, theirs)
        above = rival in family.clients
        claims.append(
            {
                "claim": f"{family.name}: federated minus {rival}",
                "value": found.difference,
                "ci95": [found.low, found.high],
                "n": len(ids),
                "bar": f"{'>' if above else '>='} {bar:.2f}",
                "met": found.difference > bar if above else found.difference >= bar,
                "command": command,
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


def compliance_claims(
    run: FamilyRun, adapter: Path, options: argparse.Namespace
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Share of answers that have the right form and break no rule of conduct, free and held to the form.

    For the trade's questions and another's apart. Also the parts of it, and those of the base and of the
    questions sent back: what are they worth?
    """
    names = list(run.family.answer_schema["properties"]["intent"]["enum"]) if run.family.answer_schema else []
    sets = {
        OWN_TRADE: [
            *run.family.held_out,
            *listing(read_bitext(options.bitext / "dev.csv")[::DEV_EVERY], names),
        ],
        OTHER_TRADE: banking_questions(options.banking77 / "test.csv", names)[::BANKING_EVERY],
    }
    asked = [example for examples in sets.values() for example in examples]
    plans: list[tuple[str, dict[str, Any]]] = [
        (BASE, {"adapter": None}),
        (FEW_SHOT, {"adapter": None, "shots": True}),
        ("SFT alone", {"adapter": adapter}),
        ("SFT, constrained", {"adapter": adapter, "constrained": "json"}),
    ]
    parts = [_echoed(examples, of=of) for of, examples in sets.items()]
    claims = []
    for how, arguments in plans:
        name = f"compliance-{how.replace(', ', '-').replace(' ', '-').lower()}"
        tuned = arguments["adapter"] is not None
        system = read_system(run.measure_more(name, asked if tuned else asked[::BASE_EVERY], **arguments))
        values = {kind: values_of(system, kind) for kind in ("schema_valid", "compliance", "intent")}
        for of, examples in sets.items():
            ids = [example.id for example in examples if example.id in values["compliance"]]
            form, behaved, right = ([values[kind][key] for key in ids] for kind in values)
            good = sum(a == b == 1 for a, b in zip(form, behaved, strict=True))
            low, high = wilson_interval(good, num_total=len(ids))
            part = {"form": mean(form), "conduct": mean(behaved), "both": good / len(ids)}
            parts.append({"who": how, "of": of, "n": len(ids), **part, "intent": mean(right)})
            if tuned:
                claims.append(
                    {
                        "claim": f"compliance, {how}, {of}",
                        "value": good / len(ids),
                        "ci95": [low, high],
                        "n": len(ids),
                        "bar": ">= 0.99",
                        "met": good / len(ids) >= 0.99,
                        "command": command(options),
                    }
                )
    return claims, parts


def _echoed(examples: Sequence[Example], *, of: str) -> dict[str, Any]:
    judge = Compliance.model_validate(conduct())
    values = [judge(str(example.prompt[-1].content), example) or 0.0 for example in examples]
    part = {"form": 0.0, "conduct": mean(values), "both": 0.0, "intent": 0.0}
    return {"who": "the questions themselves", "of": of, "n": len(examples), **part}


def cycle_race(options: argparse.Namespace, folder: Path) -> list[list[dict[str, Any]]]:
    """The curves of `bench.claims_cycle` on Bitext, for each number of new intents and each seed."""
    rows = draw_per_intent(trainable(options.bitext), count=options.per_intent, seed=0)
    names = sorted({example.category for example in rows})
    examples = listing(rows, names)
    arriving = [names[:: len(names) // count][:count] for count in NEW_INTENTS]
    test = listing(read_bitext(options.bitext / "test.csv"), names)
    chosen = test[:: max(1, len(test) // options.race_questions)][: options.race_questions]
    training = _training(steps=4, batch_size=RACE_BATCH, cycles=1, threads=options.threads)
    plan = CyclePlan(
        before=options.cycle_steps,
        scratch=[round(options.cycle_steps * part) for part in SCRATCH_PARTS],
        cycle=CYCLE_STEPS,
        training=training,
        cycle_training={**training, **CYCLE},
    )
    settings = {
        **vars(plan),
        "per_intent": options.per_intent,
        "questions": len(chosen),
        "arriving": arriving,
    }
    kept = Kept(folder, settings)
    lab = Lab(
        base=load_base(ModelSettings(device="cpu")),
        data=DataSettings(max_tokens=384),
        threads=options.threads,
    )
    seeds = [
        kept.get(f"seed-{seed}", partial(race, lab, examples, arriving, chosen, plan=plan, seed=seed))[
            "races"
        ]
        for seed in options.race_seeds
    ]
    return [list(share) for share in zip(*seeds, strict=True)]


def cycle_claim(seeds: Sequence[Mapping[str, Any]], *, command: str) -> dict[str, Any]:
    """The ratio of times; its interval from drawing the questions anew."""
    found = speedup(curve(seeds, "cycle"), curve(seeds, "scratch"))
    draws = np.random.default_rng(0)
    n = len(seeds[0]["before"]["right"])
    ratios = []
    for _ in range(NUM_RESAMPLES):
        drawn = draws.integers(0, n, n).tolist()
        ratios.append(speedup(curve(seeds, "cycle", drawn), curve(seeds, "scratch", drawn))["ratio"])
    low, high = np.quantile(ratios, [0.025, 0.975])
    share = seeds[0]["num_new"] / (seeds[0]["num_new"] + seeds[0]["num_old"])
    said = f"{found['quality']:.1%}, {share:.0%} of the data new"
    return {
        "claim": f"a cycle against retraining to {said}: times faster",
        "value": found["ratio"],
        "ci95": [float(low), float(high)],
        "n": n,
        "bar": ">= 5",
        "met": found["ratio"] >= 5,
        "command": command,
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


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.claims", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--bitext", type=Path, required=True, help="folder of Bitext's train.csv, dev.csv and test.csv")
    add("--banking77", type=Path, required=True, help="folder of banking77's train.csv and test.csv")
    add("--families", nargs="+", choices=("intents", "tools"), default=["intents", "tools"])
    add("--per-intent", type=int, default=45, help="Bitext's examples of each intent (default: %(default)s)")
    add("--num-tool-questions", type=int, default=300, help="BFCL's held out (default: %(default)s)")
    add(
        "--race-questions",
        type=int,
        default=300,
        help="asked at each point of the race (default: %(default)s)",
    )
    add("--race-seeds", type=int, nargs="+", default=[0, 1], help="(default: %(default)s)")
    add(
        "--cycle-steps", type=int, default=120, help="steps of a training from scratch (default: %(default)s)"
    )
    add(
        "--threads",
        type=int,
        default=2,
        help="CPU threads of the race and of answering (default: %(default)s)",
    )
    add("--out", type=Path, default=Path("runs/bench/claims.json"), help="(default: %(default)s)")
    add("--page", type=Path, default=Path("docs/results.md"), help="(default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
