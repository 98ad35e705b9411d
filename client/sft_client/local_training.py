"""``sft-client train``: the node's own data alone, without a server. What a federation has to beat."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from sft_client.config import ClientConfig
from sft_client.dataset import Dataset
from sft_shared.config import load_yaml
from sft_shared.errors import ConfigError
from sft_shared.files import write_atomic
from sft_shared.models.adapters import initial_adapter, save_adapter
from sft_shared.models.load import load_base
from sft_shared.recipe import Recipe
from sft_shared.runlog import RunLog
from sft_shared.training.loop import StepRecord, TrainingResult, train


@dataclass(frozen=True)
class LocalResult:
    """What a local training was and gave; the content of ``result.json``."""

    node: str
    model: str
    base_fingerprint: str
    dtype: str
    recipe_sha256: str
    num_examples: int  # in the file; those seen are at most these
    num_cycles: int
    steps: int  # over all cycles
    tokens: int
    supervised_tokens: int
    first_loss: float
    final_loss: float
    train_s: float
    wall_s: float  # with loading and saving

    @property
    def tokens_per_s(self) -> float:
        """Tokens of whole examples a second of training."""
        return self.tokens / self.train_s


def train_locally(
    config: ClientConfig,
    *,
    out: Path,
    steps: int | None,
    num_cycles: int,
    say: Callable[[str], None],
    on_step: Callable[[str, StepRecord], None],
) -> LocalResult:
    """Train from the initial adapter for ``num_cycles`` cycles, as the node would if it were alone.

    Batches, schedule and seeds are those of the cycles 1 to ``num_cycles`` of a federation with the same
    recipe. ``steps`` overrides the recipe's steps a cycle. Writes the adapter (loadable by PEFT), result.json
    and run.jsonl into ``out``.

    Raises ConfigError, DataError, ModelError or TrainingError.
    """
    start = time.perf_counter()
    recipe = _recipe(config, steps=steps)
    dataset = Dataset(config.train)
    num_examples = len(dataset.read().examples)
    say(f"{num_examples} examples in {dataset.path}; loading base model {recipe.model.name}")
    base = load_base(recipe.model)
    rows = dataset.rows(base, recipe.data)
    out.mkdir(parents=True, exist_ok=True)
    log = RunLog(out / "run.jsonl")
    log.write("start", node=config.name, examples=len(rows), recipe_sha256=recipe.sha256())
    state = initial_adapter(base, recipe.tuning, seed=recipe.training.seed)
    results: list[TrainingResult] = []
    for cycle in range(1, num_cycles + 1):

        def note(record: StepRecord, cycle: int = cycle) -> None:
            log.write("step", cycle=cycle, **asdict(record))
            on_step(f"cycle {cycle}/{num_cycles}", record)

        result = train(
            base, state, rows, tuning=recipe.tuning, settings=recipe.training, cycle=cycle, on_step=note
        )
        state = result.state
        results.append(result)
    save_adapter(out, state, settings=recipe.tuning, base=base)
    summary = LocalResult(
        node=config.name,
        model=base.name,
        base_fingerprint=base.fingerprint,
        dtype=str(base.dtype).removeprefix("torch."),
        recipe_sha256=recipe.sha256(),
        num_examples=len(rows),
        num_cycles=num_cycles,
        steps=sum(result.steps for result in results),
        tokens=sum(result.tokens for result in results),
        supervised_tokens=sum(result.supervised_tokens for result in results),
        first_loss=results[0].first_loss,
        final_loss=results[-1].final_loss,
        train_s=sum(result.seconds for result in results),
        wall_s=time.perf_counter() - start,
    )
    write_atomic(out / "result.json", (json.dumps(asdict(summary), indent=2) + "\n").encode())
    log.write("finished", **asdict(summary))
    return summary


def _recipe(config: ClientConfig, *, steps: int | None) -> Recipe:
    if config.recipe is None:
        raise ConfigError("recipe: missing in the client's settings. Training without a server needs one.")
    recipe = load_yaml(config.recipe, Recipe)
    if steps is None:
        return recipe
    values = recipe.model_dump()
    values["training"]["steps"] = steps
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"--steps {steps}: {error.errors()[0]['msg']}.") from None
