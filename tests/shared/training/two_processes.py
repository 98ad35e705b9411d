"""Trains some variants with the processes that a launcher started (test_launch.py).

    LAUNCHER two_processes.py MODEL ROWS OUT

MODEL is a tiny model's folder, ROWS a JSON file of `Row`s; the first process writes one folder a variant.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from sft_shared.data.chat import Row
from sft_shared.models.adapters import to_bytes
from sft_shared.models.full import FullSettings
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.lora import LoraSettings
from sft_shared.training.ewc import EwcSettings, EwcState
from sft_shared.training.launch import Processes, launched
from sft_shared.training.loop import train
from sft_shared.training.settings import TrainingSettings, ValidationSettings

PLAIN = TrainingSettings(steps=6, batch_size=5, learning_rate=1e-2, threads=1)
LORA = LoraSettings(rank=4, alpha=8)
VARIANTS = {
    "lora": (LORA, PLAIN),
    "few-rows-a-part": (LORA, PLAIN.model_copy(update={"accumulation": 4})),  # one process has none at times
    "ewc": (LORA, PLAIN.model_copy(update={"ewc": EwcSettings(strength=50.0), "accumulation": 2})),
    "validation": (LORA, PLAIN.model_copy(update={"validation": ValidationSettings(every=2)})),
    "full": (FullSettings(), PLAIN.model_copy(update={"learning_rate": 1e-3, "weight_decay": 0.1})),
}


def run_variants(
    base: Base, rows: list[Row], *, processes: Processes
) -> dict[str, tuple[list[float], bytes]]:
    """Losses and penalties by step, and the bytes of the state (with what EWC leaves), by variant."""
    results = {}
    for name, (tuning, settings) in VARIANTS.items():
        parent = tuning.initial(base, seed=1)
        curve: list[float] = []
        before = EwcState(
            fisher={name: torch.full_like(tensor, 0.1) for name, tensor in parent.items()},
            anchor={name: tensor + 0.01 for name, tensor in parent.items()},
        )
        result = train(
            base,
            parent,
            rows[:10],
            tuning=tuning,
            settings=settings,
            held_out=rows[10:],
            ewc=before if settings.ewc is not None else None,
            processes=processes,
            on_step=lambda record, curve=curve: curve.extend(
                [record.loss, record.penalty, record.gradient_norm, record.held_out_loss or 0.0]
            ),
        )
        state = dict(result.state)
        if result.ewc is not None:
            state |= {f"fisher.{name}": tensor for name, tensor in result.ewc.fisher.items()}
        results[name] = (curve, to_bytes(state))
    return results


if __name__ == "__main__":
    model, rows_file, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    rows = [
        Row(**{name: tuple(value) if isinstance(value, list) else value for name, value in row.items()})
        for row in json.loads(rows_file.read_text())
    ]
    processes = launched()
    results = run_variants(
        load_base(ModelSettings(name=model, dtype="fp32", device="cpu")), rows, processes=processes
    )
    if processes.is_first:
        for name, (curve, data) in results.items():
            (out / f"{name}.json").write_text(json.dumps([processes.number, curve]))
            (out / f"{name}.safetensors").write_bytes(data)
