"""The tuning methods on the real model: each learns, and comes off without a trace."""

from __future__ import annotations

import pytest
import torch

from sft_shared.data.chat import DataSettings, tokenize_all
from sft_shared.dialogue import Example
from sft_shared.models.bottleneck import BottleneckSettings
from sft_shared.models.full import FullSettings
from sft_shared.models.load import ModelSettings, load_base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.prefix import PrefixSettings
from sft_shared.models.tuned import Tuning
from sft_shared.training.loop import train
from sft_shared.training.settings import TrainingSettings

# (method, learning rate, share of the first loss that may be left after 12 steps on four examples)
METHODS = {
    "lora": (LoraSettings(), 2e-3, 0.3),
    "dora": (LoraSettings(dora=True), 2e-3, 0.3),
    "pissa": (LoraSettings(init="pissa", targets=("q_proj", "v_proj")), 1e-3, 0.6),
    "lora-and-head": (LoraSettings(modules_to_save=("lm_head",)), 1e-3, 0.3),
    "full": (FullSettings(), 2e-4, 0.3),
    "adapter": (BottleneckSettings(), 2e-3, 0.5),
    "prefix": (PrefixSettings(), 1e-1, 0.8),
}


@pytest.mark.slow
@pytest.mark.parametrize(("tuning", "learning_rate", "left"), METHODS.values(), ids=METHODS.keys())
def test_the_loss_of_the_real_model_falls(
    tuning: Tuning,
    learning_rate: float,
    left: float,
    examples: list[Example],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the machine's fastest dtype; the base's logits are the same to the bit before and after."""
    monkeypatch.delenv("FEDSFT_CACHE")  # the model that other runs have converted
    base = load_base(ModelSettings(name="smollm2-135m"))
    rows = tokenize_all(examples[:4], base.tokenizer, DataSettings())
    ids = torch.tensor([rows[0].input_ids])
    with torch.no_grad():
        before = base.model(input_ids=ids).logits
    result = train(
        base,
        tuning.initial(base, seed=0),
        rows,
        tuning=tuning,
        settings=TrainingSettings(steps=12, batch_size=4, learning_rate=learning_rate),
    )
    assert result.final_loss < left * result.first_loss
    with torch.no_grad():
        assert torch.equal(base.model(input_ids=ids).logits, before)
