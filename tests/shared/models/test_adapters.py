"""Adapter states survive bytes and folders, and whatever does not fit is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.errors import ModelError
from sft_shared.models.adapters import (
    add,
    from_bytes,
    load_adapter,
    save_adapter,
    sha256_of,
    subtract,
    to_bytes,
)
from sft_shared.models.load import Base
from sft_shared.models.tuned import AdapterState, state_shapes
from sft_shared.models.tuning import LoraSettings

TUNING = LoraSettings(rank=4, alpha=8, rslora=True)


@pytest.fixture
def state(tiny: Base) -> AdapterState:
    generator = torch.Generator().manual_seed(0)
    shapes = TUNING.shapes(tiny)
    return {name: torch.randn(shape, generator=generator) * 0.1 for name, shape in shapes.items()}


def test_the_saved_folder_is_the_same_every_time(tiny: Base, state: AdapterState, tmp_path: Path) -> None:
    """Weights and configuration are equal bytes, and the configuration names no path of this machine."""
    for name in ("a", "b"):
        save_adapter(tmp_path / name, dict(reversed(state.items())), settings=TUNING, base=tiny)
    for file in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert config["target_modules"] == sorted(config["target_modules"])
    assert (config["r"], config["lora_alpha"], config["use_rslora"]) == (4, 8, True)


@given(st.integers(0, 2**16), st.integers(1, 4), st.integers(1, 5))
def test_bytes_keep_every_bit(seed: int, rows: int, columns: int) -> None:
    """States of any values and shapes come back as they were; their digest does not depend on order."""
    generator = torch.Generator().manual_seed(seed)
    state = {name: torch.randn(rows, columns, generator=generator) for name in ("b.w", "a.w")}
    data = to_bytes(state)
    back = from_bytes(data, expected=state_shapes(state))
    assert list(back) == ["a.w", "b.w"]
    assert all(torch.equal(back[name], state[name]) for name in state)
    assert sha256_of(data) == sha256_of(to_bytes(dict(reversed(state.items()))))


@given(st.binary(max_size=64))
def test_bytes_that_are_no_adapter_are_a_model_error(junk: bytes) -> None:
    """Whatever the bytes, the answer is one ModelError."""
    with pytest.raises(ModelError):
        from_bytes(junk, expected={"a.w": (1, 1)})


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        ({"a.w": torch.ones(2, 2, dtype=torch.float16)}, "has torch.float16"),
        ({"a.w": torch.full((2, 2), float("nan"))}, "not finite"),
        ({"a.w": torch.ones(2, 3)}, r"has shape \[2, 3\], expected \[2, 2\]"),
        ({"a.w": torch.ones(2, 2), "b.w": torch.ones(1)}, "has 'b.w' in it"),
        ({}, "lacks 'a.w'"),
    ],
)
def test_a_misfit_is_named(tensors: dict[str, torch.Tensor], complaint: str) -> None:
    """Type, values, shape and names are each checked."""
    with pytest.raises(ModelError, match=complaint):
        from_bytes(safetensors.torch.save(tensors), expected={"a.w": (2, 2)})


def test_a_delta_added_to_its_parent_is_the_child(tiny: Base, state: AdapterState) -> None:
    """To rounding; and only states of one form can be combined."""
    parent = TUNING.initial(tiny, seed=0)
    child = add(parent, subtract(state, parent))
    for name, tensor in state.items():
        torch.testing.assert_close(child[name], tensor)
    with pytest.raises(ModelError, match="does not fit"):
        subtract(state, dict(list(parent.items())[1:]))


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(ModelError, match=r"adapter_model.safetensors: No such file"):
        load_adapter(tmp_path / "nothing")
