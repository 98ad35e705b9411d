"""LoRA and its variants are PEFT's: names, scaling and files, with PiSSA as plain LoRA."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoConfig, AutoModelForCausalLM

from sft_shared.errors import ModelError
from sft_shared.models.adapters import save_adapter
from sft_shared.models.load import Base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.packed import packed
from sft_shared.models.tuned import AdapterState
from sft_shared.models.tuning import TuningSettings, attached

IDS = (5, 60, 7, 300, 9, 11)
VARIANTS = (
    "lora",
    "lora-qwen",
    "rslora",
    "dora",
    "dora-qwen",
    "pissa",
    "pissa-rslora",
    "biases",
    "head-tied",
    "head-untied",
    "all-of-lora",
)
variants = pytest.mark.parametrize("method", VARIANTS, indirect=True)


@variants
def test_peft_reads_the_saved_folder(
    base: Base,
    tuning: TuningSettings,
    state: AdapterState,
    tmp_path: Path,
    logits_of: Callable[..., torch.Tensor],
    read_by_peft: Callable[..., Any],
) -> None:
    """On the base's own files ``PeftModel.from_pretrained`` gives the same logits, to 1e-5."""
    with attached(base, tuning, state) as tuned, torch.no_grad():
        slow = tuned.model(input_ids=torch.tensor([IDS])).logits[0]
        fast = logits_of(tuned, IDS)
    save_adapter(tmp_path, state, settings=tuning, base=base)
    theirs = read_by_peft(base, tmp_path)
    with torch.no_grad():
        found = theirs(input_ids=torch.tensor([IDS])).logits[0]
        untouched = base.model(input_ids=torch.tensor([IDS])).logits[0]
    torch.testing.assert_close(found, slow, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found, fast, rtol=1e-5, atol=1e-5)
    assert (found - untouched).norm() > 0.05 * untouched.norm()


@pytest.mark.parametrize(
    ("method", "part"),
    [
        ("all-of-lora", ".lora_magnitude_vector"),
        ("all-of-lora", ".base_layer.bias"),
        ("all-of-lora", "lm_head.weight"),
        ("head-tied", "lm_head.weight"),
        ("pissa", ".lora_A.weight"),
        ("pissa", ".lora_B.weight"),
    ],
    indirect=["method"],
)
def test_peft_takes_every_kind_of_tensor(
    base: Base, tuning: TuningSettings, part: str, tmp_path: Path, read_by_peft: Callable[..., Any]
) -> None:
    """A change of this part alone changes PEFT's logits as it changes ours."""
    state = tuning.initial(base, seed=0)
    names = [name for name in state if name.endswith(part)]
    assert names
    for name in names:
        generator = torch.Generator().manual_seed(1)
        state[name] = state[name] + 0.05 * torch.randn(state[name].shape, generator=generator)
    save_adapter(tmp_path, state, settings=tuning, base=base)
    with torch.no_grad():
        plain = base.model(input_ids=torch.tensor([IDS])).logits
        found = read_by_peft(base, tmp_path)(input_ids=torch.tensor([IDS])).logits
        with attached(base, tuning, state) as tuned:
            expected = tuned.model(input_ids=torch.tensor([IDS])).logits
    assert (found - plain).norm() > 0.01 * plain.norm()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@variants
def test_merged_weights_are_the_attached_model(
    base: Base, tuning: TuningSettings, state: AdapterState, logits_of: Callable[..., torch.Tensor]
) -> None:
    """A model of transformers with the merged tensors, untied where the head was trained, to 1e-4."""
    with attached(base, tuning, state) as tuned:
        expected = logits_of(tuned, IDS)
    merged = tuning.merged(base, state)
    config = AutoConfig.from_pretrained(base.name)
    if isinstance(tuning, LoraSettings) and tuning.modules_to_save:
        config.tie_word_embeddings = False
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    assert set(merged) == {name for name, _ in model.named_parameters()}
    model.load_state_dict(merged, strict=False)
    with torch.no_grad():
        found = model(input_ids=torch.tensor([IDS])).logits[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_head_trained_on_a_tied_model_leaves_the_input_embedding(tiny: Base) -> None:
    """Only the copy moves; the note says that there is one."""
    tuning = LoraSettings(rank=2, modules_to_save=("lm_head",))
    name = "base_model.model.lm_head.weight"
    embedding = tiny.model.get_input_embeddings().weight
    with attached(tiny, tuning) as tuned:
        tuned.set_state({**tuned.state(), name: torch.zeros_like(embedding)})
        assert tiny.model.get_input_embeddings().weight is embedding
        assert embedding.count_nonzero() > 0
        assert tuned.model(input_ids=torch.tensor([IDS])).logits.count_nonzero() == 0
        state = tuned.state()
    merged = tuning.merged(tiny, state)
    assert merged["lm_head.weight"].count_nonzero() == 0
    assert torch.equal(merged["model.embed_tokens.weight"], embedding)
    assert tiny.model.get_output_embeddings().weight is embedding
    assert f"trained as a copy of its own; {embedding.numel():,} numbers more" in tuning.note(tiny)


def test_names_and_targets_are_pefts_own(tiny: Base) -> None:
    """All-linear means what PEFT means by it, and the names are those of PEFT's state dict."""
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

    for dora in (False, True):
        with warnings.catch_warnings():  # PEFT asks transformers for a property that it deprecates
            warnings.simplefilter("ignore")
            config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", use_dora=dora)
            theirs: Any = get_peft_model(tiny.model, config)
            expected = {name: tuple(t.shape) for name, t in get_peft_model_state_dict(theirs).items()}
            theirs.unload()
        assert LoraSettings(rank=4, dora=dora).shapes(tiny) == dict(sorted(expected.items()))


def test_only_named_targets_are_adapted(tiny: Base) -> None:
    """Two kinds of layers in two layers, two factors each."""
    shapes = LoraSettings(rank=3, targets=("q_proj", "down_proj")).shapes(tiny)
    assert len(shapes) == 2 * 2 * 2
    assert all("q_proj" in name or "down_proj" in name for name in shapes)


def test_a_fresh_a_is_uniform_and_b_zero(tiny: Base) -> None:
    """A within 1/sqrt(d_in), and another with another seed."""
    fresh, other = (LoraSettings(rank=4).initial(tiny, seed=seed) for seed in (5, 6))
    for name, tensor in fresh.items():
        if ".lora_B." in name:
            assert tensor.count_nonzero() == 0
        else:
            bound = 1 / math.sqrt(tensor.shape[1])
            assert 0.8 * bound < tensor.abs().max() <= bound
            assert not torch.equal(tensor, other[name])


@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("init", ["zero", "pissa"])
def test_scaling_is_that_of_pefts_layers(tiny: Base, rslora: bool, init: Any, tmp_path: Path) -> None:
    """alpha / rank, or alpha / sqrt(rank), also where PiSSA stores twice the rank."""
    tuning = LoraSettings(rank=4, alpha=8, rslora=rslora, init=init)
    assert tuning.scaling == (8 / 2 if rslora else 8 / 4)
    with attached(tiny, tuning) as tuned:
        layer = tuned.model.get_base_model().model.layers[0].self_attn.q_proj
        assert layer.scaling["default"] == pytest.approx(tuning.scaling, rel=1e-12)
        save_adapter(tmp_path, tuned.state(), settings=tuning, base=tiny)
    saved = json.loads((tmp_path / "adapter_config.json").read_text())
    rank = saved["r"]
    assert rank == (8 if init == "pissa" else 4)
    assert saved["lora_alpha"] / (math.sqrt(rank) if rslora else rank) == pytest.approx(tuning.scaling)
    assert saved["init_lora_weights"] is True  # PEFT is not to take components out of the base


@pytest.mark.parametrize("rslora", [False, True])
def test_pissa_begins_with_the_best_product(tiny: Base, rslora: bool) -> None:
    """The trained half is W's best approximation of its rank, the frozen half its opposite."""
    tuning = LoraSettings(rank=4, alpha=8, rslora=rslora, init="pissa")
    state = tuning.initial(tiny, seed=3)
    for name, module in tiny.model.named_modules():
        if f"base_model.model.{name}.lora_A.weight" not in state:
            continue
        down, up = (state[f"base_model.model.{name}.lora_{part}.weight"] for part in "AB")
        assert torch.equal(down[:4], down[4:])
        assert torch.equal(up[:, :4], -up[:, 4:])
        product = tuning.scaling * up[:, :4] @ down[:4]
        best = torch.linalg.svdvals(module.weight)[4:].norm()
        assert (module.weight - product).norm() <= 1.01 * best < 0.99 * module.weight.norm()
        balance = torch.linalg.vector_norm(down[:4], dim=1) / torch.linalg.vector_norm(up[:, :4], dim=0)
        torch.testing.assert_close(balance, torch.ones(4), rtol=1e-3, atol=1e-3)


def test_pissas_frozen_half_gets_no_gradient(tiny: Base) -> None:
    """The trained half does, and only that is counted as trained."""
    with attached(tiny, LoraSettings(rank=4, init="pissa")) as tuned:
        with packed(tiny.model) as network:
            ids, places = torch.tensor([IDS]), torch.arange(len(IDS))[None]
            hidden = network.hidden(ids, position_ids=places, lengths=(len(IDS),), prefix=0)
            network.logits(hidden).square().sum().backward()
        touched = [
            name for name, p in tuned.parameters.items() if p.grad is not None and p.grad.abs().min() > 0
        ]
        assert touched  # before: all rows
        tuned.collect_gradients()
        assert tuned.frozen_rows.keys() == tuned.parameters.keys()
        for name, parameter in tuned.parameters.items():
            assert parameter.grad is not None
            trained, frozen = (
                (parameter.grad[:4], parameter.grad[4:])
                if ".lora_A." in name
                else (parameter.grad[:, :4], parameter.grad[:, 4:])
            )
            assert trained.norm() > 0
            assert frozen.count_nonzero() == 0
        assert tuned.num_trained * 2 == sum(parameter.numel() for parameter in tuned.parameters.values())
        assert tuned.num_trained == sum(
            math.prod(shape) for shape in LoraSettings(rank=4).shapes(tiny).values()
        )


def test_pissa_of_more_than_the_full_rank_fits(tiny: Base) -> None:
    """Where W has fewer components than the rank, the rest is zero, and the base's output stands."""
    tuning = LoraSettings(rank=48, targets=("k_proj",), init="pissa")  # k_proj is 32 x 64
    with torch.no_grad(), attached(tiny, tuning) as tuned:
        found = tuned.model(input_ids=torch.tensor([IDS])).logits
    torch.testing.assert_close(found, tiny.model(input_ids=torch.tensor([IDS])).logits, rtol=1e-4, atol=1e-5)


def test_dropouts_are_the_adapters_own(tiny: Base) -> None:
    """One for each target, off until training turns them on; without dropout there is none to turn."""
    with attached(tiny, LoraSettings(rank=2, dropout=0.5)) as tuned, torch.no_grad():
        for parameter in tuned.parameters.values():
            parameter.normal_(generator=torch.Generator().manual_seed(0))

        def twice() -> bool:
            first, second = (tuned.model(input_ids=torch.tensor([IDS])).logits for _ in range(2))
            return torch.equal(first, second)

        assert twice()
        for module in tuned.dropouts:
            module.train()
        assert len(tuned.dropouts) == 14
        assert not twice()
        for module in tuned.dropouts:
            module.eval()
        assert twice()


@pytest.mark.parametrize("targets", [("q_proj", "qkv"), ("lm_head",), ("",), ()])
def test_unknown_targets_list_the_models_linears(tiny: Base, targets: tuple[str, ...]) -> None:
    """The message names the wrong target and every linear layer there is; the output head is none."""
    with (
        pytest.raises(
            ModelError, match="are down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"
        ) as caught,
        attached(tiny, LoraSettings(targets=targets)),
    ):
        pass
    assert (repr(targets[-1]) if targets else "an empty list") in str(caught.value)
    assert not hasattr(tiny.model, "peft_config")


def test_biases_that_are_not_there_are_refused(tiny: Base, qwen: Base) -> None:
    """A Llama has none; of a Qwen only those of the targets are trained."""
    tuning = LoraSettings(rank=2, bias="lora_only")
    with pytest.raises(ModelError, match=r"tuning.bias: found 'lora_only', but no target layer"):
        tuning.shapes(tiny)
    few = LoraSettings(rank=2, targets=("q_proj",), bias="lora_only").shapes(qwen)
    assert [name for name in few if name.endswith("bias")] == [
        f"base_model.model.model.layers.{layer}.self_attn.q_proj.base_layer.bias" for layer in range(2)
    ]


@pytest.mark.parametrize(
    "values", [{"dora": True, "init": "pissa"}, {"dora": True, "dropout": 0.1}], ids=["pissa", "dropout"]
)
def test_combinations_that_are_none_are_refused(values: dict[str, Any]) -> None:
    """DoRA goes with neither."""
    with pytest.raises(ValidationError, match="dora: cannot be combined with"):
        LoraSettings(**values)
