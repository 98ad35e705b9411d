"""Everything that a killed training needs to go on to the same bits."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as write_tensors

from sft_shared.data.chat import Row
from sft_shared.errors import TrainingError
from sft_shared.files import write_lasting
from sft_shared.models.tuned import Tuned
from sft_shared.training.watch import WINDOW, Best, Levels

MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # what AdamW keeps for a parameter


@dataclass
class Progress:
    """How far a training is, besides the parameters, the optimizer and the random state."""

    step: int = 0  # steps done
    seen: set[int] = field(default_factory=set)  # rows trained on
    tokens: int = 0
    supervised_tokens: int = 0
    first_loss: float = 0.0
    final_loss: float = 0.0
    seconds: float = 0.0  # of all processes that worked on it
    num_skipped: int = 0  # steps without an update, since the gradient overflowed (fp16)
    levels: Levels = field(default_factory=Levels)
    best: Best = field(default_factory=Best)


def training_key(*parts: object, rows: Sequence[Row], tensors: Mapping[str, torch.Tensor]) -> str:
    """Hex SHA-256 of all that decides a training's bits: settings (as ``parts``), rows, and the parent."""
    digest = hashlib.sha256(json.dumps([str(part) for part in parts]).encode())
    for row in rows:
        digest.update(repr((row.input_ids, row.labels, row.category, row.source)).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].cpu().reshape(-1).contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def random_state(device: torch.device) -> torch.Tensor:
    """The state of torch's generators, the CPU's and then, on a CUDA device, that one's, as bytes [n]."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return torch.cat(states)


def set_random_state(state: torch.Tensor, device: torch.device) -> None:
    """Undo what was drawn since `random_state`."""
    own = len(torch.get_rng_state())
    torch.set_rng_state(state[:own])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[own:], device)


def write_checkpoint(
    path: Path,
    *,
    key: str,
    tuned: Tuned,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    progress: Progress,
    random_states: Sequence[torch.Tensor],
) -> None:
    """Write one safetensors file, durably and whole or not at all; `random_state` of every process."""
    tensors = {f"random.{index}": state for index, state in enumerate(random_states)}
    for name, parameter in tuned.parameters.items():
        tensors[f"parameter.{name}"] = parameter.detach().cpu().contiguous()
        for moment in MOMENTS:
            if moment in optimizer.state[parameter]:
                tensors[f"{moment}.{name}"] = optimizer.state[parameter][moment].cpu().contiguous()
    tensors |= {f"best.{name}": tensor for name, tensor in progress.best.state.items()}
    facts = {
        "key": key,
        "step": progress.step,
        "seen": sorted(progress.seen),
        "tokens": progress.tokens,
        "supervised_tokens": progress.supervised_tokens,
        "first_loss": progress.first_loss,
        "final_loss": progress.final_loss,
        "seconds": progress.seconds,
        "num_skipped": progress.num_skipped,
        "recent": list(progress.levels.recent),
        "lowest": progress.levels.lowest,
        "best": [progress.best.loss, progress.best.step, progress.best.num_since],
        "scaler": scaler.state_dict(),
        "sha256": training_key(rows=(), tensors=tensors),
    }
    write_lasting(path, write_tensors(tensors, metadata={"fedsft": json.dumps(facts)}))


def read_checkpoint(
    path: Path,
    *,
    key: str,
    tuned: Tuned,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    index: int,
) -> Progress | None:
    """Put everything back as `write_checkpoint` found it, the random state as that of process ``index``.

    Returns None if there is no checkpoint of this training: one of another (other settings, rows or parent)
    is left alone and not used. Raises TrainingError if the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("fedsft", "{}"))
            if facts.get("key") != key:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if facts["sha256"] != training_key(rows=(), tensors=tensors):
            raise ValueError("its tensors are not those that were written")
        set_random_state(tensors[f"random.{index}"], tuned.base.device)
        return _restore(facts, tensors, tuned=tuned, optimizer=optimizer, scaler=scaler)
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError, OSError) as error:
        raise TrainingError(
            f"{path}: the checkpoint is damaged ({error}). Remove it; the training then begins anew."
        ) from None


def _restore(
    facts: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    *,
    tuned: Tuned,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> Progress:
    with torch.no_grad():
        for name, parameter in tuned.parameters.items():
            parameter.copy_(tensors[f"parameter.{name}"])
            moments = {
                moment: tensors[f"{moment}.{name}"] for moment in MOMENTS if f"{moment}.{name}" in tensors
            }
            optimizer.state[parameter] = {
                moment: value if moment == "step" else value.to(parameter.device)
                for moment, value in moments.items()
            }
    tuned.publish()
    scaler.load_state_dict(facts["scaler"])
    best_loss, best_step, num_since = facts["best"]
    state = {
        name.removeprefix("best."): tensor
        for name, tensor in sorted(tensors.items())
        if name.startswith("best.")
    }
    return Progress(
        step=facts["step"],
        seen=set(facts["seen"]),
        tokens=facts["tokens"],
        supervised_tokens=facts["supervised_tokens"],
        first_loss=facts["first_loss"],
        final_loss=facts["final_loss"],
        seconds=facts["seconds"],
        num_skipped=facts["num_skipped"],
        levels=Levels(recent=deque(facts["recent"], maxlen=WINDOW), lowest=facts["lowest"]),
        best=Best(loss=best_loss, step=best_step, state=state, num_since=num_since),
    )
