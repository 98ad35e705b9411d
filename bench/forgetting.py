"""What is left of task A after training on task B: `make bench-forgetting` or `python -m bench.forgetting`.

SmolLM2-135M learns A, tool calls (BFCL simple_python and multiple), then B, the topic of a question. B is
learnt four times from the same adapter: plain, with EWC towards A, with 5 % of the slots replaying A's
examples, with both. Then both are asked: held-out questions of A, judged by the AST match, and of B, where
the answer must be the topic's name. Split, first adapter and batches follow the seed.

Writes runs/bench/forgetting.json, also stdout's last line; finished parts are kept beside it.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from rich.table import Table

from bench.study_data import split_by_class, tool_calls, topic_examples, topic_questions
from bench.study_run import TUNING, Kept, Lab, run_study, study_parser
from sft_shared.data.bfcl import BfclCategory
from sft_shared.data.chat import DataSettings, tokenize_all
from sft_shared.data.replay import ReplaySettings
from sft_shared.evaluation.metrics.calls import calls_match
from sft_shared.evaluation.metrics.structure import json_valid
from sft_shared.models.adapters import load_adapter, save_adapter
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.models.tuned import AdapterState
from sft_shared.training.ewc import EwcSettings, load_ewc, save_ewc
from sft_shared.training.schedules import CosineSchedule
from sft_shared.training.settings import TrainingSettings

ARMS = ("none", "ewc", "replay", "both")
CATEGORIES: tuple[BfclCategory, ...] = ("simple_python", "multiple")
TRAIN_PER_TOPIC, TEST_PER_TOPIC = 14, 12


def main(arguments: list[str] | None = None) -> int:
    """Run the study and report; returns the exit code."""
    return run_study(_options(arguments), study, table)


def study(options: argparse.Namespace) -> dict[str, Any]:
    """All arms for all seeds: {arm: {"A": [...], "B": [...]}} and what they were measured with."""
    settings = {
        name: getattr(options, name)
        for name in ("steps_a", "steps_b", "learning_rate", "ewc_strength", "replay", "questions", "threads")
    }
    base = load_base(ModelSettings(device="cpu"))
    lab = Lab(base=base, data=DataSettings(max_tokens=256), threads=options.threads)
    # What A left does not depend on how it is protected afterwards, so it is kept under fewer settings.
    of_a = {name: settings[name] for name in ("steps_a", "learning_rate", "questions", "threads")}
    kept_a = Kept(options.out.with_suffix(""), of_a)
    kept = Kept(options.out.with_suffix(""), settings)
    arms: dict[str, dict[str, list[float]]] = {name: {"A": [], "B": []} for name in ("before", *options.arms)}
    sizes: dict[str, list[int]] = {"A": [], "B": []}
    for seed in options.seeds:
        one = _Seed(lab, options=options, seed=seed)
        before = kept_a.get(f"seed{seed}-before", partial(one.learn_a, kept_a.folder))
        found = {"before": before}
        for arm in options.arms:
            found[arm] = kept.get(f"seed{seed}-{arm}", partial(one.learn_b, arm, folder=kept_a.folder))
        for name, result in found.items():
            arms[name]["A"].append(result["A"])
            arms[name]["B"].append(result["B"])
        sizes["A"].append(before["n_a"])
        sizes["B"].append(before["n_b"])
    return {
        **arms,
        "seeds": options.seeds,
        "n": sizes,
        "settings": settings,
        "tuning": TUNING.model_dump(mode="json"),
        "model": base.name,
        "dtype": str(base.dtype).removeprefix("torch."),
    }


class _Seed:
    """Both tasks of one seed."""

    def __init__(self, lab: Lab, *, options: argparse.Namespace, seed: int) -> None:
        self.lab, self.options, self.seed = lab, options, seed
        tokenizer = lab.base.tokenizer
        train_a, self.test_a = tool_calls(
            tokenizer,
            categories=CATEGORIES,
            num_held_out=options.questions,
            seed=seed,
            settings=lab.data,
        )
        questions = topic_questions()
        train_b, self.test_b = split_by_class(
            topic_examples(questions),
            num_train=dict.fromkeys(questions, TRAIN_PER_TOPIC),
            max_test=TEST_PER_TOPIC,
            seed=seed,
        )
        self.rows_a = tokenize_all(train_a, tokenizer, lab.data)
        self.rows_b = tokenize_all(train_b, tokenizer, lab.data)

    def learn_a(self, folder: Path) -> dict[str, Any]:
        """Train A, keep its adapter and Fisher in ``folder``, and measure."""
        settings = self._settings(self.options.steps_a).model_copy(update={"ewc": EwcSettings()})
        initial = TUNING.initial(self.lab.base, seed=self.seed)
        result, _ = self.lab.fine_tune(
            initial, self.rows_a, settings=settings, title=f"seed {self.seed}, learning A"
        )
        assert result.ewc is not None
        own = folder / f"seed{self.seed}"
        save_adapter(own, result.state, settings=TUNING, base=self.lab.base)
        save_ewc(own, result.ewc)
        return {**self._measure(result.state), "n_a": len(self.test_a), "n_b": len(self.test_b)}

    def learn_b(self, arm: str, *, folder: Path) -> dict[str, Any]:
        """Train B from A's adapter with the protection ``arm``, and measure."""
        own = folder / f"seed{self.seed}"
        settings, general, ewc = self._settings(self.options.steps_b), [], None
        if arm in ("ewc", "both"):
            ewc = load_ewc(own)
            protection = EwcSettings(strength=self.options.ewc_strength, fisher_examples=1)
            settings = settings.model_copy(update={"ewc": protection})
        if arm in ("replay", "both"):
            general = self.rows_a
            replay = ReplaySettings(fraction=self.options.replay)
            settings = settings.model_copy(update={"replay": replay})
        result, records = self.lab.fine_tune(
            load_adapter(own),
            self.rows_b,
            settings=settings,
            general=general,
            ewc=ewc,
            title=f"seed {self.seed}, learning B, {arm}",
        )
        return {**self._measure(result.state), "penalty": records[-1].penalty, "seconds": result.seconds}

    def _settings(self, steps: int) -> TrainingSettings:
        return TrainingSettings(
            steps=steps,
            batch_size=4,
            learning_rate=self.options.learning_rate,
            schedule=CosineSchedule(warmup_steps=4, min_ratio=0.1),
            seed=self.seed,
            threads=self.options.threads,
        )

    def _measure(self, state: AdapterState) -> dict[str, float]:
        texts = self.lab.answers(state, self.test_a, max_new_tokens=96)
        pairs = list(zip(texts, self.test_a, strict=True))
        answers = self.lab.class_answers(state, self.test_b)
        right = sum(wanted == answer for wanted, answer in answers)
        return {
            "A": mean(calls_match(text, each) for text, each in pairs),
            "B": right / len(answers),
            "A_valid_json": mean(json_valid(text) for text, _ in pairs),
        }


def table(summary: dict[str, Any]) -> Table:
    """One row an arm: mean and each seed, of A and of B."""
    count = {task: "/".join(str(n) for n in summary["n"][task]) for task in ("A", "B")}
    shown = Table(title=f"Right answers after learning B; questions by seed: A {count['A']}, B {count['B']}")
    for heading in ("protection", "A, mean", "A by seed", "B, mean", "B by seed"):
        shown.add_column(heading, justify="left" if heading == "protection" else "right")
    for name in (name for name in ("before", *ARMS) if name in summary):
        cells = []
        for task in ("A", "B"):
            values = summary[name][task]
            cells += [f"{mean(values):.1%}", " ".join(f"{value:.1%}" for value in values)]
        shown.add_row("(A only, before B)" if name == "before" else name, *cells)
    return shown


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = study_parser("forgetting", __doc__)
    add = parser.add_argument
    add("--arms", nargs="+", choices=ARMS, default=list(ARMS), metavar="NAME", help="some of them only")
    add("--steps-a", type=int, default=80, help="steps of 4 examples on A (default: %(default)s)")
    add("--steps-b", type=int, default=50, help="steps of 4 examples on B (default: %(default)s)")
    add("--ewc-strength", type=float, default=2000.0, help="lambda (default: %(default)s)")
    add("--replay", type=float, default=0.05, help="share of B's slots with A (default: %(default)s)")
    add("--questions", type=int, default=60, help="of A, held out (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
