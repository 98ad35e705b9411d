"""Prefix tuning is PEFT's, begun with the keys and values of a text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from sft_shared.errors import ModelError
from sft_shared.models.adapters import save_adapter
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.prefix import NAME, PrefixSettings
from sft_shared.models.tiny import make_tiny_model
from sft_shared.models.tuned import AdapterState
from sft_shared.models.tuning import TuningSettings, attached

IDS = (5, 60, 7, 300, 9, 11)
both = pytest.mark.parametrize("method", ["prefix", "prefix-qwen"], indirect=True)


@both
def test_peft_reads_the_saved_folder(
    base: Base,
    tuning: TuningSettings,
    state: AdapterState,
    tmp_path: Path,
    logits_of: Callable[..., torch.Tensor],
    read_by_peft: Callable[..., Any],
) -> None:
    """On the base's own files ``PeftModel.from_pretrained`` gives the same logits, to 1e-5."""
    with attached(base, tuning, state) as tuned:
        expected = logits_of(tuned, IDS)
    save_adapter(tmp_path, state, settings=tuning, base=base)
    with torch.no_grad():
        found = read_by_peft(base, tmp_path)(input_ids=torch.tensor([IDS])).logits[0]
        untouched = base.model(input_ids=torch.tensor([IDS])).logits[0]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (found - untouched).norm() > 0.05 * untouched.norm()


def test_a_prefix_longer_than_its_text_repeats_it(tiny: Base, logits_of: Callable[..., torch.Tensor]) -> None:
    """Fresh, it is the text over and over before the document."""
    ids = tiny.tokenizer("Be brief.", add_special_tokens=False)["input_ids"]
    wanted = 2 * len(ids) + 1
    tuning = PrefixSettings(num_virtual_tokens=wanted, text="Be brief.")
    with torch.no_grad():
        expected = tiny.model(input_ids=torch.tensor([[*ids, *ids, ids[0], *IDS]])).logits[0, wanted:]
    with attached(tiny, tuning) as tuned:
        torch.testing.assert_close(logits_of(tuned, IDS), expected, rtol=1e-5, atol=1e-5)


def test_every_number_of_the_prefix_matters(tiny: Base, logits_of: Callable[..., torch.Tensor]) -> None:
    """Each layer's keys and each layer's values, of the first and of the last virtual token."""
    tuning = PrefixSettings(num_virtual_tokens=3)
    state = tuning.initial(tiny, seed=0)
    width = state[NAME].shape[1] // 4  # two layers, keys and values
    with attached(tiny, tuning, state) as tuned:
        fresh = logits_of(tuned, IDS)
        for row in (0, 2):
            for part in range(4):
                changed = state[NAME].clone()
                changed[row, part * width : (part + 1) * width] += 1.0
                tuned.set_state({NAME: changed})
                assert (logits_of(tuned, IDS) - fresh).abs().max() > 1e-5


def test_it_cannot_be_merged(tiny: Base) -> None:
    """The message says what to do instead."""
    tuning = PrefixSettings(num_virtual_tokens=2)
    with pytest.raises(ModelError, match=r"'prefix' cannot be merged .* Serve it attached"):
        tuning.merged(tiny, tuning.initial(tiny, seed=0))


def test_a_model_of_unknown_dimensions_is_refused(tmp_path: Path) -> None:
    """GPT-2's settings do not say how many key-value heads there are."""
    folder = make_tiny_model(tmp_path)
    GPT2LMHeadModel(GPT2Config(vocab_size=470, n_embd=32, n_layer=1, n_head=2)).save_pretrained(folder)
    base = load_base(ModelSettings(name=str(folder), dtype="fp32", device="cpu"))
    with pytest.raises(ModelError, match="'num_key_value_heads', so the size of a prefix is unknown"):
        PrefixSettings().shapes(base)
