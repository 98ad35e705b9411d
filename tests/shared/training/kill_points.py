"""Kills trainings with -9 from outside, and lets another process go on (test_checkpoint.py).

    python kill_points.py MODEL ROWS FOLDER

One interpreter loads the model; every try is a forked child of it that waits for leave after each step, and
in the middle of writing each checkpoint. Prints one JSON line a try.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from sft_shared import files
from sft_shared.data.chat import Row
from sft_shared.data.replay import ReplaySettings
from sft_shared.data.sampling import CurriculumSampling
from sft_shared.models.adapters import sha256_of, to_bytes
from sft_shared.models.full import FullSettings
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.tuning import TuningSettings
from sft_shared.training.ewc import EwcSettings, EwcState
from sft_shared.training.loop import train
from sft_shared.training.records import StepRecord
from sft_shared.training.settings import TrainingSettings, ValidationSettings

PLAIN = TrainingSettings(steps=6, batch_size=4, learning_rate=1e-2, threads=1, checkpoint_every=2)
EVERYTHING = PLAIN.model_copy(
    update={
        "accumulation": 2,
        "sampling": CurriculumSampling(difficulty="loss"),
        "replay": ReplaySettings(fraction=0.3),
        "validation": ValidationSettings(every=1),
        "ewc": EwcSettings(strength=10.0, fisher_examples=4),
    }
)
VARIANTS: dict[str, tuple[str, TuningSettings, TrainingSettings]] = {
    "lora": ("fp32", LoraSettings(rank=4, dropout=0.3), EVERYTHING),
    "full": ("fp32", FullSettings(), PLAIN.model_copy(update={"learning_rate": 1e-3, "weight_decay": 0.1})),
    "fp16": ("fp16", LoraSettings(rank=4, dropout=0.3), PLAIN),
}
INIT_SCALE = 2.0**26  # so high that the first fp16 steps overflow


@contextmanager
def high_scale() -> Iterator[None]:
    """Let loss scaling begin with INIT_SCALE."""
    own = torch.amp.GradScaler
    torch.amp.GradScaler = lambda device, enabled: own(device, enabled=enabled, init_scale=INIT_SCALE)
    try:
        yield
    finally:
        torch.amp.GradScaler = own


def outcome(
    base: Base,
    rows: list[Row],
    variant: str,
    checkpoint: Path | None,
    *,
    on_step: Callable[[StepRecord], None] | None = None,
) -> dict[str, Any]:
    """All that a training leaves, as hashes and numbers."""
    _, tuning, settings = VARIANTS[variant]
    parent = tuning.initial(base, seed=1)
    before = EwcState(
        fisher={name: torch.full_like(tensor, 0.1) for name, tensor in parent.items()},
        anchor={name: tensor + 0.01 for name, tensor in parent.items()},
    )
    with high_scale():
        result = train(
            base,
            parent,
            rows[:8],
            tuning=tuning,
            settings=settings,
            cycle=2,
            general=rows[8:10],
            held_out=rows[10:],
            ewc=before if settings.ewc is not None else None,
            checkpoint=checkpoint,
            on_step=on_step,
        )
    found = {
        name: getattr(result, name)
        for name in ("steps", "num_examples", "tokens", "first_loss", "final_loss", "best_step")
    }
    found |= {"held_out_loss": result.held_out_loss, "num_skipped": result.num_skipped}
    found["state"] = sha256_of(to_bytes(result.state))
    found["ewc"] = None if result.ewc is None else sha256_of(result.ewc.to_bytes())
    if checkpoint is not None:
        found["trajectory"] = trajectory(checkpoint)
    return {**found, "resumed_at": result.resumed_at}


def trajectory(checkpoint: Path) -> str:
    """Hash of the last checkpoint: parameters, moments, random state, and all facts but the time."""
    with safe_open(checkpoint, framework="pt") as file:
        facts = json.loads(file.metadata()["fedsft"])
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a dict
    del facts["seconds"]
    return sha256_of(json.dumps(facts, sort_keys=True).encode() + to_bytes(tensors))


class Gate:
    """In the child: says where it is, and waits."""

    def __init__(self, say: int, hear: int) -> None:
        self.say, self.hear = say, hear
        self.writes = 0

    def wait(self, place: str) -> None:
        """Go on only with the parent's leave."""
        os.write(self.say, f"{place}\n".encode())
        os.read(self.hear, 1)

    def mine(self) -> None:
        """Stop in the middle of every write too: half of the bytes are in a file, under no name yet."""
        own = os.replace

        def replace(source: Any, target: Any) -> None:
            self.writes += 1
            whole = Path(source).read_bytes()
            os.truncate(source, len(whole) // 2)
            self.wait(f"write {self.writes}")
            Path(source).write_bytes(whole)
            own(source, target)

        files.os.replace = replace


def in_child(work: Callable[[Gate], dict[str, Any]], *, kill_at: str | None) -> dict[str, Any] | None:
    """What ``work`` returns in a forked child; None if it was killed at the place ``kill_at``."""
    (heard, say), (hear, leave) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            gate = Gate(say, hear)
            result = work(gate)
            os.write(say, (json.dumps(result) + "\n").encode())
        finally:
            os._exit(0)
    os.close(say)
    os.close(hear)
    result = None
    with os.fdopen(heard) as lines:
        for line in lines:
            if line.strip() == kill_at:
                os.kill(pid, signal.SIGKILL)
                break
            if line.startswith("{"):
                result = json.loads(line)
            else:
                os.write(leave, b".")
    os.close(leave)
    os.waitpid(pid, 0)
    return result


def main() -> None:
    model, rows_file, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    rows = [
        Row(**{name: tuple(value) if isinstance(value, list) else value for name, value in row.items()})
        for row in json.loads(rows_file.read_text())
    ]
    points = {
        "lora": ["step 1", "step 2", "step 3", "step 4", "step 5", "step 6", "write 1", "write 2"],
        "full": ["step 3", "step 4", "write 2"],
        "fp16": ["step 3", "step 5"],
    }
    for variant, (dtype, _, _) in VARIANTS.items():
        base = load_base(ModelSettings(name=model, dtype=dtype, device="cpu"))
        for point in points[variant]:
            path = folder / f"{variant}-{point.replace(' ', '-')}"

            def work(
                gate: Gate, base: Base = base, variant: str = variant, path: Path = path
            ) -> dict[str, Any]:
                gate.mine()
                return outcome(
                    base, rows, variant, path, on_step=lambda record: gate.wait(f"step {record.step}")
                )

            killed = in_child(work, kill_at=point) is None
            there = path.exists()
            result = in_child(work, kill_at=None)
            line = {"variant": variant, "point": point, "killed": killed, "there": there, "result": result}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
