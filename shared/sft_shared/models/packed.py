"""Run a causal model on documents laid end to end, and be sure that it computes the same."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from sft_shared.errors import ModelError
from sft_shared.models.attention import IMPLEMENTATION, packed_attention
from sft_shared.models.fused import fuse, unfuse
from sft_shared.models.load import Base
from sft_shared.models.prefix import layer_prefixes

# largest relative error of the logits that rounding explains; a document that sees another is far above
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.15, torch.float16: 0.05}

_known_to_pack: weakref.WeakSet[Base] = weakref.WeakSet()


@dataclass(frozen=True)
class PackedModel:
    """A model prepared by ``packed``."""

    body: Any  # the decoder without its output embedding
    head: torch.Tensor  # output embedding [V, d]; carries a gradient only if it is trained
    head_bias: torch.Tensor | None  # [V]
    prefix: torch.Tensor | None = None  # learned keys and values [P, layers * 2 * K * D]

    @property
    def offset(self) -> int:
        """The position of a document's first token: behind the learned prefix."""
        return 0 if self.prefix is None else self.prefix.shape[0]

    def learned(self) -> torch.Tensor | None:
        """The learned prefix by layer, [layers, 2, 1, K, P, D]."""
        return None if self.prefix is None else layer_prefixes(self.prefix, base_model=self.body)

    def hidden(
        self,
        input_ids: torch.Tensor,
        *,
        position_ids: torch.Tensor,
        lengths: Sequence[int],
        prefix: int,
        cache: Any = None,
    ) -> torch.Tensor:
        """Final hidden states [T, d] for ``input_ids[1, T]`` = ``[prefix][rest of 1]...[rest of n]``.

        Keys and values are added to ``cache`` if one is given.
        """
        output = self.body(
            input_ids=input_ids,
            position_ids=position_ids + self.offset,
            past_key_values=cache,
            use_cache=cache is not None,
            document_lengths=tuple(lengths),
            shared_prefix=prefix,
            learned_prefix=self.learned(),
        )
        hidden: torch.Tensor = output.last_hidden_state[0]
        return hidden

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """[n, V] for ``hidden[n, d]``."""
        return torch.nn.functional.linear(hidden, self.head, self.head_bias)


@contextmanager
def packed(
    causal_lm: Any, *, prefix: torch.Tensor | None = None, checkpointing: bool = False
) -> Iterator[PackedModel]:
    """Switch the model to packed attention and fused layers for the length of a block.

    ``causal_lm`` is the base's model, with or without an attached adapter; ``prefix`` the learned one of
    prefix tuning. With ``checkpointing`` each layer's insides are computed again in the backward pass
    instead of being kept. Afterwards attention and layers are what they were.
    """
    head = causal_lm.get_output_embeddings()
    with (
        attention(causal_lm, IMPLEMENTATION, packed_attention),
        fused(causal_lm),
        _forgetful(causal_lm, checkpointing),
    ):
        yield PackedModel(
            body=causal_lm.get_decoder(),
            head=head.weight,
            head_bias=getattr(head, "bias", None),
            prefix=prefix,
        )


@contextmanager
def _forgetful(causal_lm: Any, checkpointing: bool) -> Iterator[None]:
    """Gradient checkpointing by transformers' own switch, which only works on layers in training mode."""
    if not checkpointing:
        yield
        return
    causal_lm.activation_checkpointing_enable({"use_reentrant": False})
    causal_lm.disable_input_require_grads()  # a hook on the embedding, for the reentrant kind; it would stay
    layers = [module for module in causal_lm.modules() if getattr(module, "gradient_checkpointing", False)]
    modes = [layer.training for layer in layers]
    for layer in layers:
        layer.training = True  # of the layer alone: what is inside keeps its mode, so no dropout wakes up
    try:
        yield
    finally:
        for layer, mode in zip(layers, modes, strict=True):
            layer.training = mode
        causal_lm.activation_checkpointing_disable()


@contextmanager
def attention(causal_lm: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Compute the model's attention with ``function``, registered as ``name``, for the length of a block."""
    from transformers import AttentionInterface

    AttentionInterface.register(name, function)
    before = causal_lm.config._attn_implementation
    causal_lm.set_attn_implementation(name)
    try:
        yield
    finally:
        causal_lm.set_attn_implementation(before)


@contextmanager
def fused(causal_lm: Any) -> Iterator[None]:
    """Fuse the model's layers for the length of a block."""
    changed = fuse(causal_lm)
    try:
        yield
    finally:
        unfuse(changed)


def require_packable(base: Base) -> None:
    """Raise ModelError unless the model gives packed documents the logits that it gives them alone.

    Tried once for a base, on two short documents with a common prefix, without any adapter's effect. It
    catches what would make documents see each other or the loss see other logits: recurrent or
    convolutional layers, positions that are not ``position_ids``, scaled or capped logits.
    """
    if base in _known_to_pack:
        return
    with _adapters_off(base.model):
        error = _packing_error(base)
    if not error <= TOLERANCE[base.dtype]:
        raise ModelError(
            f"model {base.name!r} ({type(base.model).__name__}) cannot compute packed documents: "
            f"its logits differ by {error:.1%} from those of each document alone. "
            "Choose a Llama- or Qwen-like model."
        )
    _known_to_pack.add(base)


@contextmanager
def _adapters_off(causal_lm: Any) -> Iterator[None]:
    layers = [module for module in causal_lm.modules() if hasattr(module, "base_layer")]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


@torch.no_grad()
def _packing_error(base: Base) -> float:
    """Relative difference of packed logits to those of each document alone; infinite if it cannot run."""
    prefix, lengths = 3, (7, 5)
    vocabulary = base.model.get_input_embeddings().weight.shape[0]
    first = [(31 * place + 7) % vocabulary for place in range(prefix + lengths[0])]
    second = first[:prefix] + [(17 * place + 5) % vocabulary for place in range(lengths[1])]
    flat = torch.tensor([first + second[prefix:]], device=base.device)
    positions = torch.tensor([[*range(len(first)), *range(prefix, len(second))]], device=base.device)
    alone = [
        base.model(input_ids=torch.tensor([ids], device=base.device)).logits[0].float()
        for ids in (first, second)
    ]
    expected = torch.cat([alone[0], alone[1][prefix:]])
    try:
        with packed(base.model) as model:
            hidden = model.hidden(flat, position_ids=positions, lengths=lengths, prefix=prefix)
            logits = model.logits(hidden).float()
    except (TypeError, AttributeError, ValueError, RuntimeError):
        return float("inf")
    if logits.shape != expected.shape:
        return float("inf")
    centred = expected - expected.mean(-1, keepdim=True)
    return float((logits - expected).norm() / centred.norm())
