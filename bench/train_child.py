"""One contender of `bench/train.py` in a process of its own: `python -m bench.train_child PLAN NAME OUT`."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bench.train_plan import ALPHA, LEARNING_RATE, RANK, Batches, Plan, read_plan
from bench.train_summary import OURS, TRL_BF16_WEIGHTS, TRL_DEFAULT
from sft_shared.errors import FedsftError
from sft_shared.files import write_atomic
from sft_shared.models.adapters import from_bytes
from sft_shared.models.load import load_base
from sft_shared.models.memory import peak_memory_bytes
from sft_shared.models.sources import model_folder
from sft_shared.training.loop import train
from sft_shared.training.records import StepRecord


@dataclass(frozen=True)
class Variant:
    """What a TRL contender sets besides what all must share; ``options`` go to SFTConfig."""

    grouped: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


_MIXED = {"bf16": True}  # fp32 weights under bf16 autocast, as TRL loads a model unless told otherwise
# On a CPU padding-free batches are right with sdpa, the default: without an attention mask, transformers
# tells the documents apart by their position_ids and masks them from each other, so nothing leaks. With
# --fp32 the losses are those of padded batches to 1e-5. TRL wants max_length None; no row is over it anyway.
_PADDING_FREE = {"padding_free": True, "max_length": None, **_MIXED}
_BF16_WEIGHTS = {"model_init_kwargs": {"dtype": "bfloat16"}, **_MIXED}
TRL = {
    TRL_DEFAULT: Variant(),
    "trl-padding-free": Variant(options={**_PADDING_FREE, "gradient_checkpointing": False}),
    "trl-padding-free-checkpointing": Variant(options={**_PADDING_FREE, "gradient_checkpointing": True}),
    "trl-length-grouped": Variant(grouped=True, options={**_MIXED, "gradient_checkpointing": False}),
    "trl-length-grouped-checkpointing": Variant(
        grouped=True, options={**_MIXED, "gradient_checkpointing": True}
    ),
    TRL_BF16_WEIGHTS: Variant(grouped=True, options={**_BF16_WEIGHTS, "gradient_checkpointing": False}),
}
CONTENDERS = (OURS, *TRL)


@dataclass
class Trace:
    """What was seen while training; ``ends`` are the times at which the steps ended, wall and CPU."""

    ends: list[float] = field(default_factory=list)
    cpu_ends: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    resident_before_bytes: int = 0

    def step_ended(self) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())
        self.cpu_ends.append(time.process_time())


def run(name: str, plan: Plan, *, adapter: Path) -> dict[str, Any]:
    """Train contender ``name`` and return its record.

    A step is timed from the end of the one before to its own end, so that sampling, collating and
    logging count for everyone. Peak memory is the most that the process ever held in RAM: interpreter,
    libraries, the loading of the model and training.
    """
    torch.set_num_threads(plan.threads)
    parent = from_bytes(adapter.read_bytes())
    order = plan.grouped if name in TRL and TRL[name].grouped else plan.order
    trace = _ours(plan, parent) if name == OURS else _trl(TRL[name], plan, parent, order)
    assert len(trace.ends) == len(trace.losses) == plan.steps
    tokens = plan.tokens(order)
    seconds = trace.ends[-1] - trace.ends[plan.warmup_steps - 1]
    return {
        "name": name,
        "same_order": order is plan.order,
        "tokens": sum(tokens[plan.warmup_steps :]),
        "seconds": seconds,
        "tokens_per_s": sum(tokens[plan.warmup_steps :]) / seconds,
        "cpu_share": (trace.cpu_ends[-1] - trace.cpu_ends[plan.warmup_steps - 1]) / (seconds * plan.threads),
        "step_s": [after - before for before, after in zip(trace.ends, trace.ends[1:], strict=False)],
        "step_tokens": tokens,
        "losses": trace.losses,
        "peak_memory_bytes": peak_memory_bytes(torch.device("cpu")),
        "resident_before_training_bytes": trace.resident_before_bytes,
        "threads": torch.get_num_threads(),
        "settings": trace.settings,
    }


def _ours(plan: Plan, parent: Mapping[str, torch.Tensor]) -> Trace:
    trace = Trace()
    base = load_base(plan.model_settings())
    expected = plan.tokens(plan.order)

    def on_step(record: StepRecord) -> None:
        trace.step_ended()
        trace.losses.append(record.loss)
        assert record.tokens == expected[record.step - 1], "fedsft's batches are not those of the plan"

    trace.settings = {"model_dtype": str(base.dtype), "schedule": "linear", "optimizer": "torch.optim.AdamW"}
    trace.resident_before_bytes = _status_bytes("VmRSS")
    train(base, parent, plan.rows, tuning=plan.tuning, settings=plan.training, on_step=on_step)
    return trace


def _trl(variant: Variant, plan: Plan, parent: Mapping[str, torch.Tensor], order: Batches) -> Trace:
    """TRL's usual way: the model by its path, SFTConfig and a peft LoraConfig; then our first adapter."""
    from datasets import Dataset
    from peft import LoraConfig, set_peft_model_state_dict
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    trace = Trace()

    class Watch(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        def on_step_end(self, *_: Any, **__: Any) -> None:
            trace.step_ended()

        def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, Any], **__: Any) -> None:
            if "loss" in logs:
                trace.losses.append(float(logs["loss"]))

    targets = plan.tuning.targets
    options = dict(variant.options)
    if plan.fp32:
        options |= {"bf16": False}
        options.pop("model_init_kwargs", None)
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder,
            use_cpu=True,
            max_steps=plan.steps,
            per_device_train_batch_size=len(order[0]),
            learning_rate=LEARNING_RATE,
            train_sampling_strategy="sequential",
            seed=plan.seed,
            logging_steps=1,
            report_to="none",
            save_strategy="no",
            **options,
        )
        rows = [plan.rows[index] for chosen in order for index in chosen]
        columns = {
            "input_ids": [list(row.input_ids) for row in rows],
            "labels": [list(row.labels) for row in rows],
        }
        trainer = SFTTrainer(
            model=str(model_folder(plan.model)),
            args=config,
            train_dataset=Dataset.from_dict(columns),
            peft_config=LoraConfig(
                task_type="CAUSAL_LM",
                r=RANK,
                lora_alpha=ALPHA,
                lora_dropout=0.0,
                target_modules=targets if targets == "all-linear" else list(targets),
            ),
            callbacks=[Watch()],
        )
        set_peft_model_state_dict(trainer.model, dict(parent))
        base = trainer.model.get_base_model()
        trace.settings = {
            "model_dtype": str(base.dtype),
            "attention": base.config._attn_implementation,
            "bf16_autocast": config.bf16,
            "gradient_checkpointing": config.gradient_checkpointing,
            "padding_free": config.padding_free,
            "length_grouped": variant.grouped,
            "schedule": str(config.lr_scheduler_type),
            "optimizer": str(config.optim),
            "weight_decay": config.weight_decay,
            "max_grad_norm": config.max_grad_norm,
        }
        trace.resident_before_bytes = _status_bytes("VmRSS")
        trainer.train()
    return trace


def _status_bytes(key: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), 0)


def main(plan: str, name: str, out: str) -> None:
    """Write the record of contender ``name`` to ``out``; one line and exit code 2 on a FedsftError."""
    try:
        record = run(name, read_plan(Path(plan)), adapter=Path(plan).with_name("adapter.safetensors"))
    except FedsftError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    write_atomic(Path(out), json.dumps(record).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
