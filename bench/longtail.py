"""Rare classes, with and without help: `make bench-longtail` or `python -m bench.longtail`.

SmolLM2-135M learns to name the topic of a question. Five topics are frequent, four have a few training
examples each. Four ways to train, of the same number of steps: plain; every class drawn equally often
(class_weighted, power 1); focal loss (gamma 2); focal loss with the balanced class factors. The recall of
each class is measured on questions not trained on. Split, first adapter and batches follow the seed.

Writes runs/bench/longtail.json, also stdout's last line; finished parts are kept beside it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import mean
from typing import Any

from rich.table import Table

from bench.study_data import split_by_class, topic_examples, topic_questions
from bench.study_run import TUNING, Kept, Lab, macro_recall, recalls, run_study, study_parser
from sft_shared.data.chat import DataSettings, tokenize_all
from sft_shared.data.sampling import ClassWeightedSampling
from sft_shared.evaluation.compare import wilson_interval
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.training.losses import FocalLoss
from sft_shared.training.schedules import CosineSchedule
from sft_shared.training.settings import TrainingSettings

FREQUENT = {"trivia": 80, "coding": 70, "psychology": 45, "ai": 45, "emotion": 35}
RARE = ("literature", "movies", "science", "sports")
TEST_PER_CLASS = 25
ARMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "resampled": {"sampling": ClassWeightedSampling(power=1.0)},
    "focal": {"loss": FocalLoss(gamma=2.0)},
    "focal_balanced": {"loss": FocalLoss(gamma=2.0, alpha="balanced")},
}
Counts = Mapping[str, Sequence[int]]  # class -> (right, asked)


def main(arguments: list[str] | None = None) -> int:
    """Run the study and report; returns the exit code."""
    return run_study(_options(arguments), study, table)


def study(options: argparse.Namespace) -> dict[str, Any]:
    """All arms for all seeds, and what they were measured with."""
    settings = {
        name: getattr(options, name) for name in ("steps", "learning_rate", "rare_examples", "threads")
    }
    settings |= {"frequent": FREQUENT, "test_per_class": TEST_PER_CLASS}
    base = load_base(ModelSettings(device="cpu"))
    lab = Lab(base=base, data=DataSettings(max_tokens=256), threads=options.threads)
    kept = Kept(options.out.with_suffix(""), settings)
    results: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for seed in options.seeds:
        for arm in ARMS:
            found = kept.get(f"seed{seed}-{arm}", partial(_train, lab, options, arm=arm, seed=seed))
            results[arm].append(found)
    return {
        **{arm: summarise([found["recalls"] for found in results[arm]]) for arm in ARMS},
        "seeds": options.seeds,
        "rare": list(RARE),
        "train_examples": {**FREQUENT, **dict.fromkeys(RARE, options.rare_examples)},
        "settings": settings,
        "tuning": TUNING.model_dump(mode="json"),
        "model": base.name,
        "dtype": str(base.dtype).removeprefix("torch."),
    }


def summarise(by_seed: Sequence[Counts]) -> dict[str, Any]:
    """Macro recall, and recall on rare and on frequent classes: by seed, pooled, with Wilson's interval."""
    summary: dict[str, Any] = {"macro": [macro_recall(counts) for counts in by_seed]}
    for group, rare in (("rare", True), ("frequent", False)):
        pairs = [[pair for name, pair in counts.items() if (name in RARE) is rare] for counts in by_seed]
        right = [sum(pair[0] for pair in of_seed) for of_seed in pairs]
        asked = [sum(pair[1] for pair in of_seed) for of_seed in pairs]
        summary[group] = {
            "by_seed": [one / total for one, total in zip(right, asked, strict=True)],
            "pooled": sum(right) / sum(asked),
            "ci95": wilson_interval(sum(right), num_total=sum(asked)),
            "right": right,
            "n": asked,
        }
    summary["recalls"] = [dict(counts) for counts in by_seed]
    return summary


def table(summary: dict[str, Any]) -> Table:
    """One row an arm: rare, frequent and macro recall."""
    n = {group: sum(summary["plain"][group]["n"]) for group in ("rare", "frequent")}
    shown = Table(title=f"Recall over {len(summary['seeds'])} seeds; answers: {n}")
    for heading in ("training", "rare", "95 %", "rare by seed", "frequent", "95 %", "macro", "macro by seed"):
        shown.add_column(heading, justify="left" if heading == "training" else "right")
    for arm in ARMS:
        found, cells = summary[arm], []
        for group in ("rare", "frequent"):
            low, high = found[group]["ci95"]
            cells += [f"{found[group]['pooled']:.1%}", f"{low:.0%}-{high:.0%}"]
            if group == "rare":
                cells.append(" ".join(f"{value:.0%}" for value in found[group]["by_seed"]))
        cells += [f"{mean(found['macro']):.1%}", " ".join(f"{value:.0%}" for value in found["macro"])]
        shown.add_row(arm, *cells)
    return shown


def _train(lab: Lab, options: argparse.Namespace, *, arm: str, seed: int) -> dict[str, Any]:
    """One training and its recalls."""
    training, test = split_by_class(
        topic_examples(topic_questions()),
        num_train={**FREQUENT, **dict.fromkeys(RARE, options.rare_examples)},
        max_test=TEST_PER_CLASS,
        seed=seed,
    )
    settings = TrainingSettings(
        steps=options.steps,
        batch_size=8,
        learning_rate=options.learning_rate,
        schedule=CosineSchedule(warmup_steps=4, min_ratio=0.1),
        seed=seed,
        threads=options.threads,
        **ARMS[arm],
    )
    result, _ = lab.fine_tune(
        TUNING.initial(lab.base, seed=seed),
        tokenize_all(training, lab.base.tokenizer, lab.data),
        settings=settings,
        title=f"seed {seed}, {arm}",
    )
    counts = recalls(lab.class_answers(result.state, test))
    return {"recalls": counts, "macro": macro_recall(counts), "seconds": result.seconds}


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = study_parser("longtail", __doc__)
    add = parser.add_argument
    add("--steps", type=int, default=24, help="steps of 8 examples (default: %(default)s)")
    add("--rare-examples", type=int, default=6, help="of each rare topic (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
