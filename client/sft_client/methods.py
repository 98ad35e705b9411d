"""``sft-client methods``: the tuning methods side by side, each measured in a process of its own."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from sft_shared.data.chat import IGNORED, Row
from sft_shared.errors import FedsftError, TrainingError
from sft_shared.files import write_atomic
from sft_shared.models.adapters import to_bytes
from sft_shared.models.bottleneck import BottleneckSettings
from sft_shared.models.full import FullSettings
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.memory import peak_memory_bytes
from sft_shared.models.prefix import PrefixSettings
from sft_shared.models.tuning import TuningSettings
from sft_shared.training.loop import train
from sft_shared.training.plan import Plan
from sft_shared.training.records import StepRecord
from sft_shared.training.settings import TrainingSettings

METHODS: dict[str, TuningSettings] = {
    "full": FullSettings(),
    "lora": LoraSettings(),
    "adapter": BottleneckSettings(),
    "prefix": PrefixSettings(),
}
LENGTHS = (96, 320)  # tokens of an example, as short tool-calling dialogues have
ANSWER = 0.25  # share of them that is supervised


@dataclass(frozen=True)
class MethodRow:
    """One method's measurements on this machine."""

    method: str
    trainable: int  # numbers that training moves
    share: float  # of the base's
    tokens_per_s: float
    peak_memory_bytes: int  # of the whole process
    adapter_bytes: int  # saved in fp32


def measure_methods(
    model: str, *, steps: int, batch_size: int, out: Path, say: Callable[[str], None]
) -> list[MethodRow]:
    """Train ``steps`` steps by each method, one process after another, and write the rows to ``out``.

    Raises ModelError or TrainingError if a method fails.
    """
    load_base(ModelSettings(name=model))  # a wrong name is told before the first process
    rows = []
    for method in METHODS:
        say(f"measuring {method}")
        child = subprocess.run(
            [sys.executable, "-m", "sft_client.methods", model, method, str(steps), str(batch_size)],
            capture_output=True,
            text=True,
            check=False,
        )
        if child.returncode:
            last = (child.stderr.strip().splitlines() or ["no message"])[-1]
            raise TrainingError(f"method {method} failed: {last.removeprefix('error: ')}")
        rows.append(MethodRow(**json.loads(child.stdout.splitlines()[-1])))
    write_atomic(out, (json.dumps([asdict(row) for row in rows], indent=2) + "\n").encode())
    return rows


def measure_method(model: str, method: str, *, steps: int, batch_size: int) -> MethodRow:
    """Measure one method in this process, on random tokens: neither time nor memory depends on the text."""
    base = load_base(ModelSettings(name=model))
    tuning = METHODS[method]
    plans: list[Plan] = []
    records: list[StepRecord] = []
    parent = tuning.initial(base, seed=0)
    adapter_bytes = len(to_bytes(parent))
    train(
        base,
        parent,
        _random_rows(len(base.tokenizer), number=(steps + 1) * batch_size),
        tuning=tuning,
        settings=TrainingSettings(steps=steps + 1, batch_size=batch_size, learning_rate=1e-4),
        on_plan=plans.append,
        on_step=records.append,
    )
    measured = records[1:]  # the first step warms up
    return MethodRow(
        method=method,
        trainable=plans[0].num_trained,
        share=plans[0].share,
        tokens_per_s=sum(r.tokens for r in measured) / sum(r.seconds for r in measured),
        peak_memory_bytes=peak_memory_bytes(base.device),
        adapter_bytes=adapter_bytes,
    )


def _random_rows(vocabulary: int, *, number: int) -> list[Row]:
    chance = random.Random(0)  # noqa: S311 - not for secrets
    rows = []
    for index in range(number):
        length = chance.randint(*LENGTHS)
        ids = tuple(chance.randrange(vocabulary) for _ in range(length))
        prompt = length - int(length * ANSWER)
        rows.append(Row(ids, (IGNORED,) * prompt + ids[prompt:], example_id=f"random-{index}"))
    return rows


def _main() -> None:
    model, method, steps, batch_size = sys.argv[1:]
    try:
        row = measure_method(model, method, steps=int(steps), batch_size=int(batch_size))
    except FedsftError as error:
        sys.exit(f"error: {error}")
    print(json.dumps(asdict(row)))


if __name__ == "__main__":
    _main()
