"""How fast fedsft fine-tunes, against TRL's SFTTrainer: `make bench-train` or `python -m bench.train`.

Same model (SmolLM2-135M), same tokens and labels, same batches, same first LoRA adapter (r=16, alpha 32, on
the attention's projections), same AdamW, linear schedule and clipping. The contenders are fedsft; TRL with
its defaults (fp32 weights under bf16 autocast, gradient checkpointing, padding); and TRL's faster settings:
padding-free and length-grouped, with and without checkpointing. The fastest of these is TRL's best. Beside
them stands length-grouped with its weights loaded in bf16, which is no training setting but another dtype of
the model. Each runs in a fresh process, in turn, the whole turn --repeats times; medians are compared.

Data: by default a seeded draw from all eight single-turn categories of BFCL, of the examples up to 768
tokens: prompts with one function to dozens of them, 111 to 768 tokens long, about 320 on average, of which
some 60 are the answer. The length-grouped contenders train on the same rows, sorted (see train_plan), so
their losses are another curve.

tokens/s: the real tokens of the timed steps (padding never counts) over their wall time; the first step is
warm-up for everyone. Peak memory: VmHWM of the whole process, libraries and loading included.
A run that got much less of its cores than the others (cpu_share) was disturbed: measure on a quiet machine.
With --fp32 all compute in fp32: the loss curves then agree to rounding, which shows that the work is equal.

Writes runs/bench/train.json and train.png; the JSON is also stdout's last line. A mistake gives exit code 2.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from bench.train_child import CONTENDERS
from bench.train_plan import LEARNING_RATE, choose_rows, make_plan
from bench.train_summary import OURS, TRL_DEFAULT, summarise
from sft_shared.errors import ConfigError, FedsftError
from sft_shared.files import write_atomic
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.models.precision import processor_name

TRL_VERSION = "1.16."
PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets")

progress = Console(stderr=True, markup=False, highlight=False)


def main(arguments: list[str] | None = None) -> int:
    """Measure and report; returns the exit code."""
    options = _options(arguments)
    try:
        summary = measure(options)
    except FedsftError as error:
        progress.print(f"error: {error}", soft_wrap=True)
        return error.exit_code
    draw(summary, path=options.out.with_suffix(".png"))
    text = json.dumps(summary)
    write_atomic(options.out, (text + "\n").encode())
    Console(width=max(120, Console().width)).print(table(summary))
    print(text)
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Prepare the plan, run every contender ``repeats`` times in turn, and summarise."""
    if options.warmup_steps >= options.steps:
        raise ConfigError(
            f"--steps is {options.steps}, of which --warmup-steps {options.warmup_steps} are not timed. "
            "Give more steps."
        )
    versions = _versions(need_trl=set(options.only) != {OURS})
    folder = options.out.with_suffix("")
    base = load_base(ModelSettings(name=options.model, dtype="fp32", device="cpu"))
    rows = choose_rows(
        base.tokenizer,
        data=options.data,
        max_tokens=options.max_tokens,
        num_rows=options.steps * options.batch_size,
        batch_size=options.batch_size,
        seed=options.seed,
    )
    plan = make_plan(
        rows,
        model=options.model,
        steps=options.steps,
        batch_size=options.batch_size,
        warmup_steps=options.warmup_steps,
        threads=options.threads,
        fp32=options.fp32,
        seed=options.seed,
        targets=tuple(options.targets),
    )
    path = plan.write(folder, base=base)
    lengths = [len(row.input_ids) for row in rows]
    progress.print(
        f"{len(rows)} rows of {min(lengths)} to {max(lengths)} tokens, {options.steps} steps of "
        f"{options.batch_size}, {options.threads} threads",
        soft_wrap=True,
    )
    records = []
    for repeat in range(1, options.repeats + 1):
        for name in options.only:
            record = _run_child(path, name, out=folder / f"{name}-{repeat}.json", threads=options.threads)
            progress.print(
                f"{repeat}/{options.repeats} {name:34}{record['tokens_per_s']:7.0f} tokens/s "
                f"{record['peak_memory_bytes'] / 1e9:5.1f} GB   last loss {record['losses'][-1]:.4f}   "
                f"{record['cpu_share']:4.0%} of its cores",
                soft_wrap=True,
            )
            records.append(record)
    return {
        **summarise(records),
        "cpu": processor_name(),
        "threads": options.threads,
        "model": options.model,
        "data": str(options.data or "BFCL, eight single-turn categories"),
        "num_rows": len(rows),
        "tokens_per_row": {"min": min(lengths), "mean": sum(lengths) / len(lengths), "max": max(lengths)},
        "supervised_tokens_per_row": sum(row.num_supervised for row in rows) / len(rows),
        "steps": options.steps,
        "warmup_steps": options.warmup_steps,
        "batch_size": options.batch_size,
        "fp32": options.fp32,
        "learning_rate": LEARNING_RATE,
        "tuning": plan.tuning.model_dump(mode="json"),
        "versions": versions,
    }


def table(summary: dict[str, Any]) -> Table:
    """One row a contender, ours against each."""
    best = summary["trl_best"]
    shown = Table(
        title=f"{summary['cpu']}, {summary['threads']} threads, median of {summary['repeats']}",
        caption="ours: fedsft over the row's contender. (order): other batches, so its loss is another curve",
    )
    shown.add_column("contender", no_wrap=True)
    for heading in ("tokens/s", "ours x faster", "peak GB", "ours / its peak", "first loss", "last loss"):
        shown.add_column(heading, justify="right")
    for name, entry in summary["contenders"].items():
        speedup, memory = summary["speedup_vs"].get(name), summary["peak_memory_vs"].get(name)
        shown.add_row(
            f"{name} (best)" if name == best else name,
            f"{entry['tokens_per_s']:.0f}",
            "" if speedup is None else f"{speedup:.2f}",
            f"{entry['peak_memory_bytes'] / 1e9:.2f}",
            "" if memory is None else f"{memory:.2f}",
            f"{entry['losses'][0]:.4f}" if entry["same_order"] else "(order)",
            f"{entry['losses'][-1]:.4f}" if entry["same_order"] else "(order)",
            style="bold" if name == OURS else None,
        )
    return shown


def draw(summary: dict[str, Any], *, path: Path) -> None:
    """The loss of each step, for the contenders that saw the same batches."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, entry in summary["contenders"].items():
        if entry["same_order"]:
            style = {OURS: "-", TRL_DEFAULT: "--"}.get(name, ":")
            axes.plot(range(1, len(entry["losses"]) + 1), entry["losses"], style, label=name)
    axes.set(xlabel="step", ylabel="loss (nats a supervised token)")
    if axes.lines:
        axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _run_child(plan: Path, name: str, *, out: Path, threads: int) -> dict[str, Any]:
    log = out.with_suffix(".log")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    with log.open("w", encoding="utf-8") as file:
        command = [sys.executable, "-m", "bench.train_child", str(plan), name, str(out)]
        status = subprocess.run(command, env=environment, stdout=file, stderr=subprocess.STDOUT, check=False)
    if status.returncode != 0:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["nothing was said"]
        raise ConfigError(f"{name} ended with exit code {status.returncode}: {said[-1]} (all of it: {log})")
    record: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return record


def _versions(*, need_trl: bool) -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    missing = [name for name, version in versions.items() if version is None]
    if missing and need_trl:
        raise ConfigError(f"the package {missing[0]} is not installed. Run: make bench-train")
    if need_trl and not str(versions["trl"]).startswith(TRL_VERSION):
        raise ConfigError(f"found trl {versions['trl']}, expected {TRL_VERSION}*. Run: make bench-train")
    return versions


def _options(arguments: list[str] | None) -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m bench.train", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME", help="contenders")
    add("--steps", type=_positive, default=8, help="optimizer steps of each run (default: %(default)s)")
    add("--warmup-steps", type=_positive, default=1, help="first steps, not timed (default: %(default)s)")
    add("--batch-size", type=_positive, default=8, help="examples a step (default: %(default)s)")
    add("--repeats", type=_positive, default=3, help="runs of each contender (default: %(default)s)")
    add("--threads", type=_positive, default=os.cpu_count() or 1, help="torch threads (default: all cores)")
    add("--data", type=Path, metavar="FILE.jsonl", help="fedsft examples instead of BFCL")
    add(
        "--max-tokens",
        type=_positive,
        default=768,
        help="longer examples are left out (default: %(default)s)",
    )
    add("--model", default="smollm2-135m", help="known model or folder (default: %(default)s)")
    add("--targets", nargs="+", default=["q_proj", "k_proj", "v_proj", "o_proj"], help="layers with LoRA")
    add("--seed", type=int, default=0, help="of the draw, the order and the adapter (default: %(default)s)")
    add("--fp32", action="store_true", help="compute everything in fp32, to compare the loss curves")
    add("--out", type=Path, default=Path("runs/bench/train.json"), help="result (default: %(default)s)")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"found {number}, expected 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
