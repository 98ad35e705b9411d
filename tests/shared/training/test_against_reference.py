"""The fast step computes what transformers and PEFT compute slowly, on padded batches, in fp32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from sft_shared.data.chat import IGNORED, Row
from sft_shared.data.collate import collate
from sft_shared.models import attention
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.packed import packed
from sft_shared.models.tiny import make_tiny_model
from sft_shared.models.tuning import LoraSettings, attached_lora, factors_of
from sft_shared.training.losses import supervised_cross_entropy

LENGTHS = {
    "mixed": ((9, 3), (30, 8), (17, 1), (23, 11)),
    "equal": ((16, 4), (16, 4), (16, 4)),
    "one": ((21, 6),),
    "shortest": ((2, 1), (40, 20)),
}


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Base:
    """A model with other parts: norms on queries and keys, biases, untied head, five groups of heads."""
    folder = make_tiny_model(tmp_path_factory.mktemp("qwen") / "model")
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=load_base(ModelSettings(name=str(tiny_folder), dtype="fp32")).model.config.vocab_size,
        hidden_size=40,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=5,
        num_key_value_heads=1,
        head_dim=16,
        attention_bias=True,
        tie_word_embeddings=False,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return load_base(ModelSettings(name=str(folder), dtype="fp32", device="cpu"))


@pytest.fixture(params=["llama", "qwen"])
def model(request: pytest.FixtureRequest, tiny: Base, qwen: Base) -> Iterator[Any]:
    """Each base with an adapter whose B is not zero, so that every gradient is put to use."""
    base = tiny if request.param == "llama" else qwen
    with attached_lora(base, LoraSettings(rank=4, alpha=8), seed=1) as attached:
        generator = torch.Generator().manual_seed(2)
        for parameter in factors_of(attached).values():
            parameter.data.normal_(0, 0.1, generator=generator)
        yield attached


def make_rows(lengths: tuple[tuple[int, int], ...], *, vocabulary: int, shared: int) -> list[Row]:
    """Random documents of (tokens, supervised tokens), their first ``shared`` tokens the same."""
    generator = torch.Generator().manual_seed(3)
    rows = []
    for number, (tokens, supervised) in enumerate(lengths):
        ids = torch.randint(0, vocabulary, (tokens,), generator=generator).tolist()
        ids[: min(shared, tokens - supervised)] = range(min(shared, tokens - supervised))
        labels = [IGNORED] * (tokens - supervised) + ids[tokens - supervised :]
        rows.append(Row(input_ids=tuple(ids), labels=tuple(labels), example_id=str(number)))
    return rows


def reference(attached: Any, rows: list[Row]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Loss and gradients by transformers' own attention and loss and PEFT's own layers, padded right."""
    width = max(len(row.input_ids) for row in rows)
    pads = [width - len(row.input_ids) for row in rows]
    loss = attached(
        input_ids=torch.tensor([[*row.input_ids, *[0] * pad] for row, pad in zip(rows, pads, strict=True)]),
        labels=torch.tensor([[*row.labels, *[IGNORED] * pad] for row, pad in zip(rows, pads, strict=True)]),
        attention_mask=torch.tensor(
            [[1] * len(row.input_ids) + [0] * pad for row, pad in zip(rows, pads, strict=True)]
        ),
    ).loss
    return _gradients(attached, loss)


def fast(attached: Any, rows: list[Row]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Loss and gradients as the training loop makes them."""
    batch = collate(rows)
    with packed(attached.get_base_model()) as network:
        hidden = network.hidden(
            batch.input_ids, position_ids=batch.position_ids, lengths=batch.lengths, prefix=batch.prefix
        )
        loss = supervised_cross_entropy(hidden, batch.targets, head=network.head, bias=network.head_bias)
        return _gradients(attached, loss)


def _gradients(attached: Any, loss: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = {}
    for name, parameter in factors_of(attached).items():
        assert parameter.grad is not None
        gradients[name] = parameter.grad.clone()
        parameter.grad = None
    return loss.detach(), gradients


@pytest.mark.parametrize("blocked", [False, True], ids=["plain", "blocked"])
@pytest.mark.parametrize("shared", [0, 5], ids=["apart", "shared-prefix"])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS.keys())
def test_loss_and_every_gradient_agree(
    model: Any,
    lengths: tuple[tuple[int, int], ...],
    shared: int,
    blocked: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To 1e-4 of each tensor's norm, with grouped-query attention, for short and for long documents' code."""
    if blocked:
        monkeypatch.setattr(attention, "MAX_PLAIN_TOKENS", 0)
    rows = make_rows(lengths, vocabulary=model.get_base_model().config.vocab_size, shared=shared)
    expected_loss, expected = reference(model, rows)
    loss, found = fast(model, rows)
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-5)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.norm() > 0
        assert (found[name] - gradient).norm() <= 1e-4 * gradient.norm(), name


def test_without_document_lengths_neighbours_would_be_seen(model: Any) -> None:
    """The same flat row taken as one document gives another loss: the lengths are what keeps them apart."""
    rows = make_rows(LENGTHS["mixed"], vocabulary=model.get_base_model().config.vocab_size, shared=0)
    batch = collate(rows)
    expected, _ = reference(model, rows)
    with torch.no_grad(), packed(model.get_base_model()) as network:
        hidden = network.hidden(
            batch.input_ids, position_ids=batch.position_ids, lengths=(sum(batch.lengths),), prefix=0
        )
        leaked = supervised_cross_entropy(hidden, batch.targets, head=network.head, bias=network.head_bias)
    assert abs(leaked.item() - expected.item()) > 1e-4 * expected.item()  # ten times what is allowed


def test_dropout_is_honoured(tiny: Base) -> None:
    """With LoRA dropout the layers keep PEFT's forward: outputs vary by seed, and repeat with it."""
    rows = make_rows(LENGTHS["mixed"], vocabulary=tiny.model.config.vocab_size, shared=0)
    with attached_lora(tiny, LoraSettings(rank=4, dropout=0.5), seed=1) as attached:
        for parameter in factors_of(attached).values():
            parameter.data.normal_(0, 0.1)
        attached.train()
        losses = []
        for seed in (1, 2, 1):
            torch.manual_seed(seed)
            losses.append(fast(attached, rows)[0].item())
        assert losses[0] == losses[2] != losses[1]
        attached.eval()
        expected, _ = reference(attached, rows)
        assert fast(attached, rows)[0].item() == pytest.approx(expected.item(), rel=1e-5)
