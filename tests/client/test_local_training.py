"""Training without a server, and its equality with what the node does in a federation."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from sft_client.local_training import train_locally
from sft_shared.errors import ConfigError
from sft_shared.models.adapters import from_bytes, initial_adapter, load_adapter, to_bytes
from sft_shared.training.loop import StepRecord
from sft_shared.wire.adapter_pb2 import AdapterUpdate, Signed
from sft_shared.wire.codec import decode_tensors


def local(home: Any, *, out: Any, steps: int | None = None, num_cycles: int = 1) -> Any:
    """Train locally, noting the steps."""

    def note(label: str, record: StepRecord) -> None:
        home.said.append(label)
        home.steps.append(record)

    return train_locally(home.config, out=out, steps=steps, num_cycles=num_cycles, say=print, on_step=note)


def test_it_writes_an_adapter_a_result_and_a_log(home: Any) -> None:
    """All three are there, the numbers agree, and the adapter has moved from where it began."""
    out = home.folder / "out"
    result = local(home, out=out, num_cycles=2)
    saved = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert saved["steps"] == result.steps == len(home.steps) == 6
    assert saved["final_loss"] == home.steps[-1].loss
    assert saved["num_examples"] == 6
    events = [json.loads(line)["event"] for line in (out / "run.jsonl").read_text().splitlines()]
    assert events == ["start", *["step"] * 6, "finished"]
    start = initial_adapter(home.base, home.recipe().tuning, seed=0)
    assert any(not torch.equal(tensor, start[name]) for name, tensor in load_adapter(out).items())


def test_it_is_what_the_node_does_for_a_server(home: Any) -> None:
    """One local cycle gives, bit for bit, the adapter that an order for cycle 1 would add up to."""
    out = home.folder / "out"
    local(home, out=out)
    parent = initial_adapter(home.base, home.recipe().tuning, seed=0)
    signed = home.open().handle(home.order(parent=to_bytes(parent)), to_bytes(parent))
    update = AdapterUpdate.FromString(Signed.FromString(signed).body)
    expected = {name: tuple(tensor.shape) for name, tensor in parent.items()}
    delta = decode_tensors(update.tensors_zstd, raw_bytes=update.tensors_bytes, expected=expected)
    for name, tensor in load_adapter(out).items():
        assert torch.equal(tensor - parent[name], delta[name])
    assert from_bytes(to_bytes(load_adapter(out))).keys() == parent.keys()


def test_a_second_run_gives_the_same_adapter(home: Any) -> None:
    """Nothing but the recipe and the data decides."""
    for name in ("one", "two"):
        local(home, out=home.folder / name)
    one, two = ((home.folder / name / "adapter_model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_steps_override_the_recipe(home: Any) -> None:
    """--steps counts for each cycle."""
    assert local(home, out=home.folder / "out", steps=1, num_cycles=2).steps == 2


def test_steps_that_the_recipe_cannot_have_are_named(home: Any) -> None:
    """A warm-up longer than the training is an error, as it is in the recipe."""
    text = (home.folder / "recipe.yaml").read_text(encoding="utf-8")
    text = text.replace("kind: constant", "kind: cosine").replace("warmup_steps: 0", "warmup_steps: 2")
    (home.folder / "recipe.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"--steps 1: .*warmup_steps is 2"):
        local(home, out=home.folder / "out", steps=1)


def test_a_recipe_is_needed(home: Any) -> None:
    """Without one in client.yaml there is nothing to train by."""
    home.configure(recipe=None)
    with pytest.raises(ConfigError, match="recipe: missing"):
        local(home, out=home.folder / "out")
