"""What the training studies share: the model, one training with its progress shown, and kept results."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sft_shared.data.chat import DataSettings, Row, render_prompt
from sft_shared.dialogue import Example
from sft_shared.errors import FedsftError
from sft_shared.files import write_atomic
from sft_shared.models.generate import generate
from sft_shared.models.load import Base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.threads import cpu_threads
from sft_shared.models.tuning import attached
from sft_shared.training.ewc import EwcState
from sft_shared.training.loop import TrainingResult, train
from sft_shared.training.records import StepRecord
from sft_shared.training.settings import TrainingSettings

TUNING = LoraSettings(rank=16, alpha=32.0)
LOG_EVERY = 20  # steps between two lines where there is no terminal for a bar
progress = Console(stderr=True, markup=False, highlight=False)


class Kept:
    """Results of finished parts, in a folder that is named after the study's settings.

    A killed study goes on behind its last finished part; other settings begin anew, beside it.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]
        self.folder = folder / key

    def get(self, name: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The kept result of ``name``, or that of ``compute``, which is then kept."""
        path = self.folder / f"{name}.json"
        if not path.is_file():
            value = json.loads(json.dumps(compute()))
            write_atomic(path, (json.dumps(value) + "\n").encode())
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        shown = ", ".join(f"{key} {value:.3g}" for key, value in found.items() if isinstance(value, float))
        progress.print(f"{name}: {shown}", soft_wrap=True)
        return found


@dataclass(frozen=True)
class Lab:
    """The base, and how this study renders, trains and answers on it."""

    base: Base
    data: DataSettings
    threads: int

    def fine_tune(
        self,
        parent: Mapping[str, torch.Tensor],
        rows: Sequence[Row],
        *,
        settings: TrainingSettings,
        title: str,
        general: Sequence[Row] = (),
        held_out: Sequence[Row] = (),
        ewc: EwcState | None = None,
    ) -> tuple[TrainingResult, list[StepRecord]]:
        """`train`, its steps on a progress bar and as a list."""
        records: list[StepRecord] = []
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=progress, transient=True, disable=not progress.is_terminal) as bar:
            task = bar.add_task(title, total=settings.steps)

            def on_step(record: StepRecord) -> None:
                records.append(record)
                says = f"{title}, loss {record.loss:.3f}"
                bar.update(task, completed=record.step, description=says)
                if not progress.is_terminal and record.step % LOG_EVERY == 0:
                    progress.print(f"step {record.step}: {says}", soft_wrap=True)

            result = train(
                self.base,
                parent,
                rows,
                tuning=TUNING,
                settings=settings,
                general=general,
                held_out=held_out,
                ewc=ewc,
                on_step=on_step,
            )
        return result, records

    def answers(
        self, state: Mapping[str, torch.Tensor], examples: Sequence[Example], *, max_new_tokens: int
    ) -> list[str]:
        """What the base with ``state`` writes to each prompt."""
        prompts = [render_prompt(example, self.base.tokenizer, self.data) for example in examples]
        with cpu_threads(self.threads), attached(self.base, TUNING, state):
            return generate(self.base, prompts, max_new_tokens=max_new_tokens, batch_size=64)

    def class_answers(
        self, state: Mapping[str, torch.Tensor], examples: Sequence[Example]
    ) -> list[tuple[str, str]]:
        """(class, what the model wrote) for each example."""
        texts = self.answers(state, examples, max_new_tokens=8)
        return [(example.category, text.strip()) for example, text in zip(examples, texts, strict=True)]


def recalls(answers: Sequence[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """Class -> (right, asked), from (class, answer) pairs; right is the class's very name.

    >>> recalls([("ai", "ai"), ("ai", "sports"), ("sports", "sports")])
    {'ai': (1, 2), 'sports': (1, 1)}
    """
    found: dict[str, tuple[int, int]] = {}
    for wanted, answer in answers:
        right, asked = found.get(wanted, (0, 0))
        found[wanted] = (right + (answer == wanted), asked + 1)
    return found


def macro_recall(counts: Mapping[str, Sequence[int]]) -> float:
    """Mean over classes of right / asked.

    >>> macro_recall({"ai": (1, 2), "sports": (1, 1)})
    0.75
    """
    return sum(right / asked for right, asked in counts.values()) / len(counts)


def study_parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    """The options that every study has; ``name`` is its module in bench/, ``doc`` that module's docstring."""
    assert doc is not None
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=doc.splitlines()[0])
    add = parser.add_argument
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: %(default)s)")
    add("--learning-rate", type=float, default=2e-3, help="(default: %(default)s)")
    add("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    add("--out", type=Path, default=Path(f"runs/bench/{name}.json"), help="(default: %(default)s)")
    return parser


def run_study(
    options: argparse.Namespace,
    study: Callable[[argparse.Namespace], dict[str, Any]],
    table: Callable[[dict[str, Any]], Table],
    *,
    draw: Callable[[dict[str, Any], Path], None] | None = None,
) -> int:
    """Run ``study``, draw and print what it found; returns the exit code.

    The result goes to ``options.out`` as JSON and is stdout's last line.
    """
    try:
        summary = study(options)
    except FedsftError as error:
        progress.print(f"error: {error}", soft_wrap=True)
        return error.exit_code
    if draw is not None:
        draw(summary, options.out.with_suffix(".png"))
    finish(options.out, summary, table(summary))
    return 0


def finish(out: Path, summary: Mapping[str, Any], table: Table) -> None:
    """Print the table, write the JSON to ``out`` and make it stdout's last line."""
    text = json.dumps(summary)
    write_atomic(out, (text + "\n").encode())
    Console().print(table)
    print(text, flush=True)
