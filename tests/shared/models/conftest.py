"""Every tuning method and option, each on a base that has what it trains, with a state that matters."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM

from sft_shared.models.adapters import save_adapter
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.packed import packed
from sft_shared.models.tiny import make_tiny_model
from sft_shared.models.tuned import AdapterState, Tuned
from sft_shared.models.tuning import TuningSettings

LORA = {"kind": "lora", "rank": 4, "alpha": 8}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "lora": ("tiny", LORA),
    "lora-qwen": ("qwen", LORA),
    "rslora": ("tiny", {**LORA, "rslora": True}),
    "dora": ("tiny", {**LORA, "dora": True, "rslora": True}),
    "dora-qwen": ("qwen", {**LORA, "dora": True}),
    "pissa": ("tiny", {**LORA, "init": "pissa"}),
    "pissa-rslora": ("tiny", {**LORA, "init": "pissa", "rslora": True}),
    "biases": ("qwen", {**LORA, "bias": "lora_only"}),
    "head-tied": ("tiny", {**LORA, "modules_to_save": ["lm_head"]}),
    "head-untied": ("qwen", {**LORA, "modules_to_save": ["lm_head"]}),
    "all-of-lora": ("qwen", {**LORA, "dora": True, "bias": "lora_only", "modules_to_save": ["lm_head"]}),
    "full-tied": ("tiny", {"kind": "full"}),
    "full-untied": ("qwen", {"kind": "full"}),
    "pfeiffer": ("tiny", {"kind": "adapter", "width": 8}),
    "houlsby": ("qwen", {"kind": "adapter", "width": 8, "placement": "houlsby", "activation": "silu"}),
    "prefix": ("tiny", {"kind": "prefix", "num_virtual_tokens": 5}),
    "prefix-qwen": ("qwen", {"kind": "prefix", "num_virtual_tokens": 3}),
}


@pytest.fixture(scope="session")
def qwen(tmp_path_factory: pytest.TempPathFactory, tiny: Base) -> Base:
    """A model with other parts: norms on queries and keys, biases, untied head, five groups of heads."""
    folder = make_tiny_model(tmp_path_factory.mktemp("qwen") / "model")
    config = Qwen3Config(
        vocab_size=tiny.model.config.vocab_size,
        hidden_size=40,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=5,
        num_key_value_heads=1,
        head_dim=16,
        attention_bias=True,
        tie_word_embeddings=False,
        bos_token_id=tiny.tokenizer.bos_token_id,
        eos_token_id=tiny.tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = Qwen3ForCausalLM(config)
        for parameter in model.parameters():
            if parameter.ndim == 1:  # biases begin at zero and norms at one, which would hide mistakes
                parameter.add_(0.1 * torch.randn(parameter.shape))
    model.save_pretrained(folder)
    return load_base(ModelSettings(name=str(folder), dtype="fp32", device="cpu"))


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    """A name in METHODS; a test of some of them parametrises this one indirectly."""
    return str(request.param)


@pytest.fixture
def base(method: str, tiny: Base, qwen: Base) -> Base:
    """The base that the method is tried on."""
    return {"tiny": tiny, "qwen": qwen}[METHODS[method][0]]


@pytest.fixture
def tuning(method: str) -> TuningSettings:
    """The method's settings."""
    settings: TuningSettings = TypeAdapter(TuningSettings).validate_python(METHODS[method][1])
    return settings


@pytest.fixture
def state(base: Base, tuning: TuningSettings) -> AdapterState:
    """The fresh state with noise on every tensor, so that none can be forgotten unnoticed."""
    generator = torch.Generator().manual_seed(11)
    return {
        name: tensor + 0.05 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in tuning.initial(base, seed=0).items()
    }


@pytest.fixture(scope="session")
def logits_of() -> Callable[[Tuned, Sequence[int]], torch.Tensor]:
    """A function: the logits [T, V] of one document, by the computation that training uses."""

    def logits(tuned: Tuned, ids: Sequence[int]) -> torch.Tensor:
        with torch.no_grad(), packed(tuned.base.model, prefix=tuned.prefix) as network:
            places = torch.arange(len(ids))[None]
            hidden = network.hidden(
                torch.tensor([list(ids)]), position_ids=places, lengths=(len(ids),), prefix=0
            )
            return network.logits(hidden)

    return logits


@pytest.fixture(scope="session")
def read_by_peft() -> Callable[..., Any]:
    """A function: PEFT's own model of a saved folder, on a base read anew; PEFT must ignore no tensor."""

    def read(base: Base, folder: Path) -> Any:
        from peft import PeftModel, load_peft_weights, set_peft_model_state_dict

        fresh = AutoModelForCausalLM.from_pretrained(base.name, dtype=torch.float32)
        with warnings.catch_warnings():  # PEFT asks transformers for properties that it deprecates
            warnings.filterwarnings("ignore", category=FutureWarning)
            warnings.filterwarnings("ignore", message=".*deprecated.*")
            warnings.filterwarnings("ignore", message=".*tie_word_embeddings.*")
            model = PeftModel.from_pretrained(fresh, folder).eval()
        if model.active_peft_config.peft_type == "LORA":
            tensors = load_peft_weights(str(folder), device="cpu")
            assert set_peft_model_state_dict(model, tensors).unexpected_keys == []
        return model

    return read


@pytest.fixture
def slow_model(tmp_path: Path, read_by_peft: Callable[..., Any]) -> Callable[[Tuned, TuningSettings], Any]:
    """A function: what computes the same slowly, by transformers' and PEFT's own forward.

    That is the attached model itself; for a prefix, which only the packed forward knows, PEFT's own.
    """

    def slow(tuned: Tuned, tuning: TuningSettings) -> Any:
        if tuned.prefix is None:
            return tuned.model
        save_adapter(tmp_path / "prefix", tuned.state(), settings=tuning, base=tuned.base)
        model = read_by_peft(tuned.base, tmp_path / "prefix").requires_grad_(False)
        model.prompt_encoder.requires_grad_(True)
        return model

    return slow
