"""The fast step computes what transformers and PEFT compute slowly, on padded batches, in fp32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from sft_shared.data.chat import IGNORED, Row
from sft_shared.data.collate import FlatBatch, collate
from sft_shared.models import attention
from sft_shared.models.load import Base, ModelSettings, load_base
from sft_shared.models.lora import LoraSettings
from sft_shared.models.packed import PackedModel, packed
from sft_shared.models.tiny import make_tiny_model
from sft_shared.models.tuned import Tuned
from sft_shared.models.tuning import attached
from sft_shared.training.losses import CrossEntropyLoss, supervised_loss

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
def tuned(request: pytest.FixtureRequest, tiny: Base, qwen: Base) -> Iterator[Tuned]:
    """Each base with an adapter whose B is not zero, so that every gradient is put to use."""
    base = tiny if request.param == "llama" else qwen
    with attached(base, LoraSettings(rank=4, alpha=8), seed=1) as tuned:
        generator = torch.Generator().manual_seed(2)
        for parameter in tuned.parameters.values():
            parameter.data.normal_(0, 0.1, generator=generator)
        yield tuned


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


def reference(tuned: Tuned, rows: list[Row]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Loss and gradients by transformers' own attention and loss and PEFT's own layers, padded right."""
    width = max(len(row.input_ids) for row in rows)
    pads = [width - len(row.input_ids) for row in rows]
    loss = tuned.model(
        input_ids=torch.tensor([[*row.input_ids, *[0] * pad] for row, pad in zip(rows, pads, strict=True)]),
        labels=torch.tensor([[*row.labels, *[IGNORED] * pad] for row, pad in zip(rows, pads, strict=True)]),
        attention_mask=torch.tensor(
            [[1] * len(row.input_ids) + [0] * pad for row, pad in zip(rows, pads, strict=True)]
        ),
    ).loss
    return _gradients(tuned, loss)


def fast(tuned: Tuned, rows: list[Row]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Loss and gradients as the training loop makes them."""
    batch = collate(rows)
    with packed(tuned.base.model) as network:
        hidden = network.hidden(
            batch.input_ids, position_ids=batch.position_ids, lengths=batch.lengths, prefix=batch.prefix
        )
        loss = mean_loss(network, hidden, batch)
        return _gradients(tuned, loss)


def mean_loss(network: PackedModel, hidden: torch.Tensor, batch: FlatBatch) -> torch.Tensor:
    total = supervised_loss(
        hidden, batch.targets, head=network.head, bias=network.head_bias, loss=CrossEntropyLoss()
    )
    return total / (batch.targets != IGNORED).sum()


def _gradients(tuned: Tuned, loss: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    loss.backward()
    gradients = {}
    for name, parameter in tuned.parameters.items():
        assert parameter.grad is not None
        gradients[name] = parameter.grad.clone()
        parameter.grad = None
    return loss.detach(), gradients


# (longest document for plain products, queries at a time)
WAYS = {"plain": (1024, 192), "in-blocks": (1024, 7), "kernel": (0, 192), "by-length": (20, 7)}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("shared", [0, 5], ids=["apart", "shared-prefix"])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS.keys())
def test_loss_and_every_gradient_agree(
    tuned: Tuned,
    lengths: tuple[tuple[int, int], ...],
    shared: int,
    way: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To 1e-4 of each tensor's norm, with grouped-query attention, by every way to compute it."""
    monkeypatch.setattr(attention, "MAX_PLAIN_TOKENS", way[0])
    monkeypatch.setattr(attention, "BLOCK", way[1])
    rows = make_rows(lengths, vocabulary=tuned.base.model.config.vocab_size, shared=shared)
    expected_loss, expected = reference(tuned, rows)
    loss, found = fast(tuned, rows)
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-5)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.norm() > 0
        assert (found[name] - gradient).norm() <= 1e-4 * gradient.norm(), name


def test_without_document_lengths_neighbours_would_be_seen(tuned: Tuned) -> None:
    """The same flat row taken as one document gives another loss: the lengths are what keeps them apart."""
    rows = make_rows(LENGTHS["mixed"], vocabulary=tuned.base.model.config.vocab_size, shared=0)
    batch = collate(rows)
    expected, _ = reference(tuned, rows)
    with torch.no_grad(), packed(tuned.base.model) as network:
        hidden = network.hidden(
            batch.input_ids, position_ids=batch.position_ids, lengths=(sum(batch.lengths),), prefix=0
        )
        leaked = mean_loss(network, hidden, batch)
    assert abs(leaked.item() - expected.item()) > 1e-4 * expected.item()  # ten times what is allowed


def test_dropout_is_honoured(tiny: Base) -> None:
    """With LoRA dropout the layers keep PEFT's forward: outputs vary by seed, and repeat with it."""
    rows = make_rows(LENGTHS["mixed"], vocabulary=tiny.model.config.vocab_size, shared=0)
    with attached(tiny, LoraSettings(rank=4, dropout=0.5), seed=1) as tuned:
        for parameter in tuned.parameters.values():
            parameter.data.normal_(0, 0.1)
        for module in tuned.dropouts:
            module.train()
        losses = []
        for seed in (1, 2, 1):
            torch.manual_seed(seed)
            losses.append(fast(tuned, rows)[0].item())
        assert losses[0] == losses[2] != losses[1]
        tuned.model.eval()
        expected, _ = reference(tuned, rows)
        assert fast(tuned, rows)[0].item() == pytest.approx(expected.item(), rel=1e-5)
