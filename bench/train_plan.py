"""What every contender of `bench/train.py` trains on: the same tokens, order, adapter and settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from sft_shared.data.bfcl import BfclCategory, read_bfcl
from sft_shared.data.chat import DataSettings, Row, tokenize
from sft_shared.data.sampling import Pool, ShuffledSampling
from sft_shared.dialogue import Example, read_examples
from sft_shared.errors import DataError
from sft_shared.files import write_atomic
from sft_shared.models.adapters import to_bytes
from sft_shared.models.load import Base, ModelSettings
from sft_shared.models.lora import LoraSettings
from sft_shared.training.schedules import LinearSchedule
from sft_shared.training.settings import TrainingSettings

RANK, ALPHA = 16, 32.0
LEARNING_RATE = 1e-3
WITHOUT_LIMIT = 1 << 30

Batches = list[list[int]]  # row numbers of each step


@dataclass(frozen=True)
class Plan:
    """One measurement, as the parent gives it to each child.

    ``order`` holds the rows of each step as fedsft's own sampler draws them; ``grouped`` the same rows
    in batches of nearly equal length.
    """

    model: str
    steps: int
    batch_size: int
    warmup_steps: int  # first steps that are trained but not timed
    threads: int
    fp32: bool
    seed: int
    targets: tuple[str, ...]
    order: Batches
    grouped: Batches
    rows: list[Row]

    @property
    def tuning(self) -> LoraSettings:
        """The adapter of all contenders."""
        targets = "all-linear" if self.targets == ("all-linear",) else self.targets
        return LoraSettings(rank=RANK, alpha=ALPHA, targets=targets)

    @property
    def training(self) -> TrainingSettings:
        """fedsft's settings; TRL's own defaults for the schedule, weight decay and clipping are the same."""
        return TrainingSettings(
            steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=LEARNING_RATE,
            schedule=LinearSchedule(),
            weight_decay=0.0,
            clip_norm=1.0,
            seed=self.seed,
        )

    def model_settings(self) -> ModelSettings:
        """fedsft's model: the dtype that this machine is fastest at, unless all is to be fp32."""
        return ModelSettings(name=self.model, dtype="fp32" if self.fp32 else "auto", device="cpu")

    def tokens(self, order: Batches) -> list[int]:
        """Real tokens of each step of ``order``, padding not counted."""
        return [sum(len(self.rows[index].input_ids) for index in chosen) for chosen in order]

    def write(self, folder: Path, *, base: Base) -> Path:
        """Write plan.json and, beside it, the adapter that everyone starts from."""
        write_atomic(folder / "adapter.safetensors", to_bytes(self.tuning.initial(base, seed=self.seed)))
        write_atomic(folder / "plan.json", json.dumps(asdict(self)).encode())
        return folder / "plan.json"


def read_plan(path: Path) -> Plan:
    """Read what ``Plan.write`` wrote."""
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        Row(
            input_ids=tuple(row["input_ids"]),
            labels=tuple(row["labels"]),
            example_id=row["example_id"],
        )
        for row in values.pop("rows")
    ]
    return Plan(**{**values, "targets": tuple(values["targets"]), "rows": rows})


def choose_rows(
    tokenizer: Any, *, data: Path | None, max_tokens: int, num_rows: int, batch_size: int, seed: int
) -> list[Row]:
    """Tokenise once, with fedsft's own mask, and draw ``num_rows`` of the rows up to ``max_tokens`` long.

    Raises DataError if the data is missing or fewer than ``batch_size`` rows fit.
    """
    examples: Sequence[Example] = list(
        read_bfcl(list(get_args(BfclCategory))) if data is None else read_examples(data)
    )
    shuffled = np.random.default_rng(seed).permutation(len(examples)).tolist()
    settings = DataSettings(max_tokens=WITHOUT_LIMIT)
    rows: list[Row] = []
    for index in shuffled:
        row = tokenize(examples[index], tokenizer, settings)
        if len(row.input_ids) <= max_tokens:
            rows.append(row)
        if len(rows) == num_rows:
            return rows
    if len(rows) < batch_size:
        raise DataError(
            f"{data or 'BFCL'}: {len(rows)} of {len(examples)} examples have up to {max_tokens} tokens, "
            f"but a batch takes {batch_size}. Raise --max-tokens or lower --batch-size."
        )
    return rows


def make_plan(rows: list[Row], *, model: str, **settings: Any) -> Plan:
    """Fix the order of the rows for all contenders; ``settings`` are the other fields of Plan."""
    steps, batch_size, seed = settings["steps"], settings["batch_size"], settings["seed"]
    pool = Pool(categories=(None,) * len(rows), sources=("",) * len(rows), difficulty=None)
    order = list(ShuffledSampling()(pool, batch_size=batch_size, steps=steps, seed=seed, cycle=1))
    return Plan(
        model=model,
        rows=rows,
        order=order,
        grouped=grouped_by_length(order, rows=rows, seed=seed),
        **settings,
    )


def grouped_by_length(order: Batches, *, rows: Sequence[Row], seed: int) -> Batches:
    """The rows of ``order`` sorted by length and cut into batches of the same sizes; the batches shuffled.

    transformers' ``group_by_length`` sorts windows of 50 batches of a large set, but at most a quarter
    of the set. This short a set would get windows of a few batches and more padding than a real one has;
    sorting all of it gives TRL the least padding that grouping can reach.
    """
    flat = sorted(
        (index for chosen in order for index in chosen), key=lambda index: len(rows[index].input_ids)
    )
    size = len(order[0])
    cut = [flat[start : start + size] for start in range(0, len(flat), size)]
    return [cut[place] for place in torch.randperm(len(cut), generator=torch.Generator().manual_seed(seed))]
