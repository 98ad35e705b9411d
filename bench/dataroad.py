"""Training data with and without the pipeline: `make bench-dataroad BENCH_ARGS="--bitext FOLDER"`.

SmolLM2-135M learns to answer a customer with JSON: intent, parameters, response. A few rows of each
intent of Bitext's customer-service set (see bench/bitext.py) stand for a node's data. They are trained on
as they are, and after `sft-client prepare` filtered and augmented them. In a second condition a third of
the rows is what logs hold besides (`soil`: hammered questions, wrong encodings, apologies), which is
ours, not the set's; it is trained on as it is, filtered, and filtered and augmented. All arms take the
same number of steps, and none sees the set's test file, which measures: an answer is right if it is valid
JSON with the right intent.

Writes runs/bench/dataroad.json, also stdout's last line; finished parts are kept beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from rich.table import Table

from bench.bitext import draw_per_intent, read_bitext, soil
from bench.study_run import TUNING, Kept, Lab, run_study, study_parser
from sft_shared.data.augment.entities import Entities
from sft_shared.data.augment.noise import Noise, NoiseWeights
from sft_shared.data.augment.voice import Voice
from sft_shared.data.chat import DataSettings, tokenize_all
from sft_shared.data.hygiene.dataset import DatasetSettings
from sft_shared.data.prepare.run import prepare
from sft_shared.data.prepare.settings import PrepareSettings
from sft_shared.dialogue import Example, read_examples, write_examples
from sft_shared.evaluation.compare import wilson_interval
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.training.schedules import CosineSchedule
from sft_shared.training.settings import TrainingSettings

ARMS = ("raw", "augmented", "soiled raw", "soiled filtered", "soiled augmented")
SOILED_SHARE = 1 / 3
MISSPELT = "Z"  # the set's own tag of questions with slips
MAX_ANSWER_TOKENS = 64
SLICES = ("all", "misspelt", "others")


def main(arguments: list[str] | None = None) -> int:
    """Run the study and report; returns the exit code."""
    return run_study(_options(arguments), study, table)


def study(options: argparse.Namespace) -> dict[str, Any]:
    """All arms for all seeds: intent-JSON accuracy by slice, and what was trained on."""
    names = ("per_intent", "test_rows", "steps", "batch_size", "copies", "learning_rate", "threads")
    settings = {name: getattr(options, name) for name in names}
    rows, test = read_bitext(options.bitext / "train.csv"), read_bitext(options.bitext / "test.csv")
    every = max(1, len(test) // options.test_rows)
    test = test[::every][: options.test_rows]
    base = load_base(ModelSettings(device="cpu"))
    lab = Lab(base=base, data=DataSettings(max_tokens=256), threads=options.threads)
    kept = Kept(options.out.with_suffix(""), settings)
    results: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for seed in options.seeds:
        clean = draw_per_intent(rows, count=options.per_intent, seed=seed)
        soiled = soil(clean, share=SOILED_SHARE, seed=seed)
        for arm in ARMS:
            drawn = soiled if arm.startswith("soiled") else clean
            compute = partial(_train, lab, options, drawn, test, arm=arm, seed=seed)
            results[arm].append(kept.get(f"seed{seed}-{arm.replace(' ', '-')}", compute))
    return {
        **{arm: summarise(results[arm]) for arm in ARMS},
        "seeds": options.seeds,
        "test_rows": len(test),
        "settings": settings,
        "tuning": TUNING.model_dump(mode="json"),
        "model": base.name,
        "dtype": str(base.dtype).removeprefix("torch."),
    }


def treated(examples: Sequence[Example], *, arm: str, copies: int, seed: int) -> list[Example]:
    """The examples as ``arm`` trains on them."""
    if arm.endswith("raw"):
        return list(examples)
    values: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        for entity in example.entities:
            values[entity.type].add(entity.value)
    augment = (
        Entities(lexicon={name: tuple(sorted(found)) for name, found in values.items()}, seed=seed),
        Voice(strength=1.0, seed=seed),
        Noise(strength=0.15, copies=copies, weights=NoiseWeights(width=0), seed=seed),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write_examples(path, examples)
        settings = PrepareSettings(
            makers=(DatasetSettings(path=path),),
            out=Path(folder) / "out",
            desensitise=None,  # order numbers are what is asked for; the set is public
            leak_gate="off",
            augment=augment if arm.endswith("augmented") else (),
            workers=1,
        )
        prepare(settings, report=_Unseen())
        return list(read_examples(settings.out / "examples.jsonl"))


class _Unseen:
    """A report that nobody reads: the pipeline takes a moment here."""

    def stage(self, label: str, *, total_bytes: int) -> None: ...

    def advance(self, num_bytes: int) -> None: ...


def is_right(example: Example, answer: str) -> bool:
    """Whether ``answer`` is a JSON object with the intent of ``example``.

    >>> is_right(intent_example("a", utterance="hi", intent="greet", entity=None), '{"intent": "greet"}')
    True
    """
    try:
        value = json.loads(answer)
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("intent") == example.category


def summarise(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """By slice: accuracy of each seed, their mean, and the pooled answers' 95 % interval."""
    summary: dict[str, Any] = {"examples": [each["examples"] for each in found]}
    for name in SLICES:
        right = [each["right"][name] for each in found]
        asked = [each["asked"][name] for each in found]
        by_seed = [one / total for one, total in zip(right, asked, strict=True)]
        interval = wilson_interval(sum(right), num_total=sum(asked))
        summary[name] = {"accuracy": mean(by_seed), "by_seed": by_seed, "ci95": interval, "n": asked}
    return summary


def table(summary: dict[str, Any]) -> Table:
    """One row an arm: examples, and accuracy by slice with each seed's."""
    seeds = len(summary["seeds"])
    shown = Table(title=f"Intent-JSON accuracy, {seeds} seeds, {summary['test_rows']} test questions each")
    for heading in ("trained on", "examples", *SLICES, "95 %", "by seed"):
        shown.add_column(heading, justify="left" if heading == "trained on" else "right")
    for arm in ARMS:
        found = summary[arm]
        low, high = found["all"]["ci95"]
        shown.add_row(
            arm,
            " ".join(map(str, found["examples"])),
            *(f"{found[name]['accuracy']:.1%}" for name in SLICES),
            f"{low:.1%}-{high:.1%}",
            " ".join(f"{value:.1%}" for value in found["all"]["by_seed"]),
        )
    return shown


def _train(
    lab: Lab,
    options: argparse.Namespace,
    drawn: Sequence[Example],
    test: Sequence[Example],
    *,
    arm: str,
    seed: int,
) -> dict[str, Any]:
    """One training and what it gets right."""
    examples = treated(drawn, arm=arm, copies=options.copies, seed=seed)
    settings = TrainingSettings(
        steps=options.steps,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        schedule=CosineSchedule(warmup_steps=4, min_ratio=0.1),
        seed=seed,
        threads=options.threads,
    )
    rows = tokenize_all(examples, lab.base.tokenizer, lab.data)
    parent = TUNING.initial(lab.base, seed=seed)
    result, _ = lab.fine_tune(parent, rows, settings=settings, title=f"seed {seed}, {arm}")
    answers = lab.answers(result.state, test, max_new_tokens=MAX_ANSWER_TOKENS)
    right, asked = dict.fromkeys(SLICES, 0), dict.fromkeys(SLICES, 0)
    for example, answer in zip(test, answers, strict=True):
        style = example.provenance.session.rpartition("-")[2]
        for name in ("all", "misspelt" if MISSPELT in style else "others"):
            asked[name] += 1
            right[name] += is_right(example, answer)
    accuracy = right["all"] / asked["all"]
    return {"right": right, "asked": asked, "examples": len(examples), "accuracy": accuracy}


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = study_parser("dataroad", __doc__)
    add = parser.add_argument
    add("--bitext", type=Path, required=True, metavar="FOLDER", help="with train.csv and test.csv")
    add("--per-intent", type=int, default=5, help="rows of each intent (default: %(default)s)")
    add("--test-rows", type=int, default=300, help="of the test file (default: %(default)s)")
    add("--steps", type=int, default=48, help="(default: %(default)s)")
    add("--batch-size", type=int, default=16, help="(default: %(default)s)")
    add("--copies", type=int, default=3, help="noisy copies of a row (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
