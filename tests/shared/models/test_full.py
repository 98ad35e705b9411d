"""Full fine-tuning trains every weight once, and its state is a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from sft_shared.models.full import FullSettings
from sft_shared.models.load import Base
from sft_shared.models.tuned import AdapterState
from sft_shared.models.tuning import TuningSettings, attached

IDS = (5, 60, 7, 300, 9, 11)


@pytest.mark.parametrize("method", ["full-tied", "full-untied"], indirect=True)
def test_merged_weights_are_a_model_of_transformers(
    base: Base,
    tuning: TuningSettings,
    state: AdapterState,
    tmp_path: Path,
    logits_of: Callable[..., torch.Tensor],
) -> None:
    """Written with ``save_pretrained`` and read again it gives the attached model's logits, to 1e-4."""
    with attached(base, tuning, state) as tuned:
        expected = logits_of(tuned, IDS)
    merged = tuning.merged(base, state)
    assert merged.keys() == dict(base.model.named_parameters()).keys()
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base.name), dtype=torch.float32)
    model.load_state_dict(merged, strict=False)
    model.save_pretrained(tmp_path)
    read = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with torch.no_grad():
        found = read(input_ids=torch.tensor([IDS])).logits[0]
        untouched = base.model(input_ids=torch.tensor([IDS])).logits[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (found - untouched).norm() > 0.05 * untouched.norm()


def test_tied_weights_are_one_and_stay_tied(tiny: Base, qwen: Base) -> None:
    """Input and output embedding are one tensor in the state and, while attached, in the model."""
    assert "lm_head.weight" not in FullSettings().shapes(tiny)
    assert "lm_head.weight" in FullSettings().shapes(qwen)
    with attached(tiny, FullSettings()) as tuned:
        ends = tiny.model.get_input_embeddings().weight, tiny.model.get_output_embeddings().weight
        assert ends[0] is ends[1] is tuned.parameters["model.embed_tokens.weight"]
        assert tuned.num_trained == tiny.num_parameters
    assert f"{tiny.num_parameters:,} numbers" in FullSettings().note(tiny)
