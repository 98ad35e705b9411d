"""Easy examples first, against shuffled ones: `make bench-curriculum` or `python -m bench.curriculum`.

SmolLM2-135M learns tool calls of one to many calls (BFCL simple_python, multiple, parallel and
parallel_multiple). The batches are shuffled, or a curriculum: by length, by rarity of the tokens or by the
model's loss before training, the share in use growing as a root; once by length, growing linearly. Reported
is the first measured step whose held-out loss is at most --slack times that of the shuffled run's last step.
Split, first adapter and batches follow the seed.

Writes runs/bench/curriculum.json, also stdout's last line, and curriculum.png; finished parts are kept.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from matplotlib.figure import Figure
from rich.table import Table

from bench.study_data import tool_calls
from bench.study_run import TUNING, Kept, Lab, run_study, study_parser
from sft_shared.data.bfcl import BfclCategory
from sft_shared.data.chat import DataSettings, tokenize_all
from sft_shared.data.sampling import CurriculumSampling, SamplingSettings, ShuffledSampling
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.training.schedules import CosineSchedule
from sft_shared.training.settings import TrainingSettings, ValidationSettings

CATEGORIES: tuple[BfclCategory, ...] = ("simple_python", "multiple", "parallel", "parallel_multiple")
MAX_TOKENS = 224  # of an example; longer ones are left out
SHUFFLED = "shuffled"  # the order that the others are compared with
ARMS: dict[str, SamplingSettings] = {
    SHUFFLED: ShuffledSampling(),
    "length": CurriculumSampling(difficulty="length", start_share=0.2),
    "rarity": CurriculumSampling(difficulty="rarity", start_share=0.2),
    "loss": CurriculumSampling(difficulty="loss", start_share=0.2),
    "length_linear": CurriculumSampling(difficulty="length", pacing="linear", start_share=0.2),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the study and report; returns the exit code."""
    return run_study(_options(arguments), study, table, draw=draw)


def study(options: argparse.Namespace) -> dict[str, Any]:
    """All arms for all seeds: held-out losses, and steps to the shuffled run's last one."""
    names = ("steps", "every", "learning_rate", "examples", "held_out", "threads")
    settings = {name: getattr(options, name) for name in names}
    settings |= {"max_tokens": MAX_TOKENS, "categories": list(CATEGORIES)}
    base = load_base(ModelSettings(device="cpu"))
    lab = Lab(base=base, data=DataSettings(max_tokens=MAX_TOKENS), threads=options.threads)
    kept = Kept(options.out.with_suffix(""), settings)
    arms = [arm for arm in ARMS if arm == SHUFFLED or arm in options.arms]
    curves: dict[str, list[list[list[float]]]] = {arm: [] for arm in arms}
    targets: list[float] = []
    for seed in options.seeds:
        for arm in arms:
            found = kept.get(f"seed{seed}-{arm}", partial(_train, lab, options, arm=arm, seed=seed))
            curves[arm].append(found["curve"])
        targets.append(options.slack * curves[SHUFFLED][-1][-1][1])
    return {
        **{arm: summarise(curves[arm], targets) for arm in arms},
        "targets": targets,
        "slack": options.slack,
        "seeds": options.seeds,
        "settings": settings,
        "tuning": TUNING.model_dump(mode="json"),
        "model": base.name,
        "dtype": str(base.dtype).removeprefix("torch."),
    }


def summarise(curves: Sequence[Sequence[Sequence[float]]], targets: Sequence[float]) -> dict[str, Any]:
    """Steps to the target and last loss, by seed, with the curves themselves."""
    return {
        "steps_to_target": [
            steps_to_reach(curve, target=target) for curve, target in zip(curves, targets, strict=True)
        ],
        "last_loss": [curve[-1][1] for curve in curves],
        "curves": [list(curve) for curve in curves],
    }


def steps_to_reach(curve: Sequence[Sequence[float]], *, target: float) -> int | None:
    """The first step of ``curve``, (step, loss) pairs, whose loss is at most ``target``; None: never.

    >>> steps_to_reach([(4, 0.9), (8, 0.5), (12, 0.6)], target=0.5)
    8
    """
    return next((int(step) for step, loss in curve if loss <= target), None)


def table(summary: dict[str, Any]) -> Table:
    """One row an arm: steps to the target by seed, and the last held-out loss."""
    shown = Table(
        title=f"Steps, of {summary['settings']['steps']}, to {summary['slack']:g} x the shuffled run's last "
        f"held-out loss, measured every {summary['settings']['every']}"
    )
    for heading in ("order", "steps by seed", "mean", "last loss, mean", "last loss by seed"):
        shown.add_column(heading, justify="left" if heading == "order" else "right")
    for arm in (arm for arm in ARMS if arm in summary):
        found = summary[arm]
        steps = found["steps_to_target"]
        shown.add_row(
            arm,
            " ".join("never" if step is None else str(step) for step in steps),
            "" if None in steps else f"{mean(steps):.1f}",
            f"{mean(found['last_loss']):.4f}",
            " ".join(f"{loss:.4f}" for loss in found["last_loss"]),
        )
    return shown


def draw(summary: dict[str, Any], path: Path) -> None:
    """Held-out loss over steps: the mean over seeds, and each seed thin."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for number, arm in enumerate(arm for arm in ARMS if arm in summary):
        curves = summary[arm]["curves"]
        steps = [step for step, _ in curves[0]]
        losses = [[loss for _, loss in curve] for curve in curves]
        for of_seed in losses:
            axes.plot(steps, of_seed, color=f"C{number}", linewidth=0.6, alpha=0.4)
        axes.plot(
            steps, [mean(column) for column in zip(*losses, strict=True)], color=f"C{number}", label=arm
        )
    axes.set(xlabel="step", ylabel="held-out loss (nats a supervised token)")
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _train(lab: Lab, options: argparse.Namespace, *, arm: str, seed: int) -> dict[str, Any]:
    """One training; its curve of (step, held-out loss)."""
    training, held_out = tool_calls(
        lab.base.tokenizer,
        categories=CATEGORIES,
        num_held_out=options.held_out,
        seed=seed,
        settings=lab.data,
    )
    rows = tokenize_all(training, lab.base.tokenizer, lab.data)
    spread = rows[:: max(1, len(rows) // options.examples)][: options.examples]
    settings = TrainingSettings(
        steps=options.steps,
        batch_size=4,
        learning_rate=options.learning_rate,
        schedule=CosineSchedule(warmup_steps=4, min_ratio=0.1),
        sampling=ARMS[arm],
        validation=ValidationSettings(every=options.every),
        seed=seed,
        threads=options.threads,
    )
    result, records = lab.fine_tune(
        TUNING.initial(lab.base, seed=seed),
        spread,
        settings=settings,
        held_out=tokenize_all(held_out, lab.base.tokenizer, lab.data),
        title=f"seed {seed}, {arm}",
    )
    curve = [(record.step, record.held_out_loss) for record in records if record.held_out_loss is not None]
    tokens = sum(record.tokens for record in records)
    return {"curve": curve, "last_loss": curve[-1][1], "tokens": tokens, "seconds": result.seconds}


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = study_parser("curriculum", __doc__)
    add = parser.add_argument
    add("--arms", nargs="+", choices=ARMS, default=list(ARMS), metavar="NAME", help="some of them only")
    add("--steps", type=int, default=20, help="steps of 4 examples (default: %(default)s)")
    add("--every", type=int, default=2, help="steps between two measurements (default: %(default)s)")
    add("--slack", type=float, default=1.02, help="times the shuffled run's last loss (default: %(default)s)")
    add("--examples", type=int, default=160, help="to train on (default: %(default)s)")
    add("--held-out", type=int, default=10, help="examples (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
