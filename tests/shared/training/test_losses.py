"""The fused loss is torch's cross-entropy, value and gradient."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_shared.data.chat import IGNORED
from sft_shared.training import losses
from sft_shared.training.losses import supervised_cross_entropy


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**16), st.booleans(), st.sampled_from([1, 7, 256]))
def test_value_and_gradient_are_those_of_plain_cross_entropy(
    tokens: int, seed: int, with_bias: bool, chunk: int
) -> None:
    """In fp32, for any mix of supervised and ignored rows, with and without a bias, in any chunks."""
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(tokens, 6, generator=generator, requires_grad=True)
    reference = hidden.detach().clone().requires_grad_()
    head = torch.randn(11, 6, generator=generator)
    bias = torch.randn(11, generator=generator) if with_bias else None
    targets = torch.randint(0, 11, (tokens,), generator=generator)
    targets[torch.rand(tokens, generator=generator) < 0.5] = IGNORED
    targets[0] = 3
    before, losses.CHUNK = losses.CHUNK, chunk
    try:
        loss = supervised_cross_entropy(hidden, targets, head=head, bias=bias)
    finally:
        losses.CHUNK = before
    expected = F.cross_entropy(F.linear(reference, head, bias), targets, ignore_index=IGNORED)
    (loss * 3).backward()  # type: ignore[no-untyped-call]
    (expected * 3).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(hidden.grad, reference.grad, rtol=1e-4, atol=1e-6)


def test_ignored_rows_get_no_gradient() -> None:
    """Rows without a target do not move."""
    hidden = torch.randn(5, 6, requires_grad=True)
    targets = torch.tensor([IGNORED, 1, IGNORED, 2, IGNORED])
    loss = supervised_cross_entropy(hidden, targets, head=torch.randn(4, 6), bias=None)
    loss.backward()  # type: ignore[no-untyped-call]
    assert hidden.grad is not None
    assert hidden.grad[[0, 2, 4]].count_nonzero() == 0
    assert hidden.grad[[1, 3]].count_nonzero() == 12
