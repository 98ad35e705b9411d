"""A merged model computes what base and adapter compute, and needs neither of us to be loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from sft_shared.errors import ModelError
from sft_shared.models.adapters import save_adapter
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.merge import merge_adapter
from sft_shared.models.quiet import quiet_transformers
from sft_shared.models.tiny import make_tiny_model
from sft_shared.models.tuned import AdapterState
from sft_shared.models.tuning import (
    BottleneckSettings,
    FullSettings,
    PrefixSettings,
    TuningSettings,
    attached,
)

IDS = torch.tensor([[5, 17, 40, 200, 3, 77]])


def moved(base: Base, tuning: TuningSettings) -> AdapterState:
    """An adapter that is far from where it began."""
    draw = torch.Generator().manual_seed(3)
    state = tuning.initial(base, seed=0)
    return {name: tensor + 0.1 * torch.randn(tensor.shape, generator=draw) for name, tensor in state.items()}


def saved(base: Base, tuning: TuningSettings, folder: Path) -> AdapterState:
    """`moved`, in a folder."""
    state = moved(base, tuning)
    save_adapter(folder, state, settings=tuning, base=base)
    return state


def logits(model: Any) -> torch.Tensor:
    """Of some tokens."""
    with torch.no_grad():
        return model(IDS, use_cache=False).logits.float()


@pytest.mark.parametrize(
    ("tuning", "tied"),
    [
        (LoraSettings(rank=4), True),
        (LoraSettings(rank=4, dora=True), True),
        (LoraSettings(rank=4, init="pissa"), True),
        (LoraSettings(rank=4, modules_to_save=("lm_head",)), False),
        (FullSettings(), True),
    ],
    ids=["lora", "dora", "pissa", "lora-and-head", "full"],
)
def test_a_merged_model_computes_what_base_and_adapter_do(
    tiny: Base, tmp_path: Path, tuning: TuningSettings, tied: bool
) -> None:
    """transformers loads it alone; a head trained apart from the input embedding unties it."""
    state = saved(tiny, tuning, tmp_path / "adapter")
    with attached(tiny, tuning, state) as tuned:
        expected = logits(tuned.model)
    assert float((expected - logits(tiny.model)).abs().max()) > 0.01

    merged = merge_adapter(tmp_path / "adapter", out=tmp_path / "merged")
    with quiet_transformers():
        model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", local_files_only=True)
    torch.testing.assert_close(logits(model.eval()), expected, atol=1e-4, rtol=0)
    assert model.dtype == torch.float32
    assert model.config.tie_word_embeddings is tied
    assert (model.lm_head.weight is model.model.embed_tokens.weight) is tied
    assert merged.method == tuning.kind
    assert merged.model == tiny.name
    assert merged.num_parameters == model.num_parameters()


def test_it_is_a_base_model_like_any_other(tiny: Base, tmp_path: Path) -> None:
    """Tokenizer and chat template come along; it can be trained on, and it is another base."""
    saved(tiny, LoraSettings(rank=4), tmp_path / "adapter")
    merge_adapter(tmp_path / "adapter", out=tmp_path / "merged")
    base = load_base(ModelSettings(name=str(tmp_path / "merged"), dtype="fp32", device="cpu"))
    assert base.fingerprint != tiny.fingerprint
    assert base.tokenizer.chat_template == tiny.tokenizer.chat_template
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged", local_files_only=True)
    assert tokenizer("Paris, please")["input_ids"] == tiny.tokenizer("Paris, please")["input_ids"]


def test_the_base_stays_as_it_was(tiny: Base, tmp_path: Path) -> None:
    """What is merged are copies."""
    before = logits(tiny.model)
    saved(tiny, LoraSettings(rank=4, modules_to_save=("lm_head",)), tmp_path / "adapter")
    merge_adapter(tmp_path / "adapter", out=tmp_path / "merged")
    assert torch.equal(logits(tiny.model), before)
    assert tiny.model.config.tie_word_embeddings


@pytest.mark.parametrize("tuning", [BottleneckSettings(), PrefixSettings()], ids=lambda tuning: tuning.kind)
def test_a_method_that_changes_no_weights_cannot_be_merged(
    tiny: Base, tmp_path: Path, tuning: TuningSettings
) -> None:
    """It says so, and writes nothing."""
    saved(tiny, tuning, tmp_path / "adapter")
    with pytest.raises(ModelError, match=f"'{tuning.kind}' cannot be merged"):
        merge_adapter(tmp_path / "adapter", out=tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_the_base_may_lie_elsewhere_but_must_be_the_same(tiny: Base, tmp_path: Path) -> None:
    """By fingerprint: a copy under another name will do, other weights will not."""
    saved(tiny, LoraSettings(rank=4), tmp_path / "adapter")
    copy = make_tiny_model(tmp_path / "copy")
    assert merge_adapter(tmp_path / "adapter", out=tmp_path / "merged", model=str(copy)).model == str(copy)
    other = make_tiny_model(tmp_path / "other", seed=1)
    with pytest.raises(ModelError, match="Give the right one with --model") as caught:
        merge_adapter(tmp_path / "adapter", out=tmp_path / "wrong", model=str(other))
    assert tiny.fingerprint in str(caught.value)
    assert not (tmp_path / "wrong").exists()


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", json.dumps({"tuning": {"kind": "x"}, "model": "m", "base_fingerprint": "f"})]
)
def test_a_damaged_folder_is_named(tmp_path: Path, content: str) -> None:
    """As is one without an adapter of ours."""
    with pytest.raises(ModelError, match=r"fedsft\.json: No such file"):
        merge_adapter(tmp_path, out=tmp_path / "merged")
    (tmp_path / "fedsft.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=r"fedsft\.json: damaged"):
        merge_adapter(tmp_path, out=tmp_path / "merged")
