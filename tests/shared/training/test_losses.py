"""The fused losses are their formulas: value, and gradient in hidden states, head and bias."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from sft_shared.data.chat import IGNORED
from sft_shared.training import losses
from sft_shared.training.losses import CrossEntropyLoss, FocalLoss, supervised_loss, token_losses

WIDTH, VOCABULARY = 6, 11
Loss = CrossEntropyLoss | FocalLoss


@dataclass
class Case:
    """Leaves of a graph, and what is wanted at each place."""

    hidden: torch.Tensor
    head: torch.Tensor
    bias: torch.Tensor | None
    targets: torch.Tensor
    weights: torch.Tensor | None

    @property
    def leaves(self) -> list[torch.Tensor]:
        return [leaf for leaf in (self.hidden, self.head, self.bias) if leaf is not None]

    def fused(self, loss: Loss) -> torch.Tensor:
        return supervised_loss(
            self.hidden, self.targets, head=self.head, bias=self.bias, loss=loss, weights=self.weights
        )

    def gradients(self, total: torch.Tensor) -> list[torch.Tensor]:
        """Of three times the loss, so that what comes from above is honoured."""
        return list(torch.autograd.grad(total * 3, self.leaves))


def make_case(
    tokens: int = 20, *, seed: int = 0, with_bias: bool = True, weighted: bool = False, spread: float = 1.0
) -> Case:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, VOCABULARY, (tokens,), generator=generator)
    targets[torch.rand(tokens, generator=generator) < 0.5] = IGNORED
    targets[0] = 3
    hidden = torch.randn(tokens, WIDTH, generator=generator).mul_(spread)
    return Case(
        hidden=hidden.requires_grad_(),
        head=torch.randn(VOCABULARY, WIDTH, generator=generator).requires_grad_(),
        bias=torch.randn(VOCABULARY, generator=generator).requires_grad_() if with_bias else None,
        targets=targets,
        weights=torch.rand(tokens, generator=generator) + 0.1 if weighted else None,
    )


def slow_cross_entropy(case: Case, *, smoothing: float) -> torch.Tensor:
    """Torch's own."""
    each = F.cross_entropy(
        F.linear(case.hidden, case.head, case.bias),
        case.targets,
        ignore_index=IGNORED,
        reduction="none",
        label_smoothing=smoothing,
    )
    return (each if case.weights is None else each * case.weights).sum()


def slow_focal(case: Case, *, gamma: float) -> torch.Tensor:
    """Token by token, as the paper writes it, in float64."""
    total = torch.zeros((), dtype=torch.float64)
    for place, target in enumerate(case.targets.tolist()):
        if target != IGNORED:
            bias = None if case.bias is None else case.bias.double()
            p = torch.softmax(F.linear(case.hidden[place].double(), case.head.double(), bias), -1)[target]
            factor = 1.0 if case.weights is None else case.weights[place]
            total = total - factor * (1 - p) ** gamma * torch.log(p)
    return total


def assert_agree(case: Case, loss: Loss, slow: Callable[[Case], torch.Tensor]) -> None:
    found, expected = case.fused(loss), slow(case)
    torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-6)
    for one, other in zip(case.gradients(found), case.gradients(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@given(
    st.integers(1, 40),
    st.integers(0, 2**16),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 7, 256]),
    st.sampled_from([0.0, 0.1, 0.9]),
)
def test_cross_entropy_is_torchs(
    tokens: int, seed: int, with_bias: bool, weighted: bool, chunk: int, smoothing: float
) -> None:
    """For any mix of supervised and ignored rows, with smoothing and weights, in any chunks."""
    case = make_case(tokens, seed=seed, with_bias=with_bias, weighted=weighted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "CHUNK", chunk)
        assert_agree(
            case,
            CrossEntropyLoss(label_smoothing=smoothing),
            lambda case: slow_cross_entropy(case, smoothing=smoothing),
        )


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("chunk", [1, 7, 256])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_focal_loss_is_the_papers(
    gamma: float, chunk: int, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against autograd through -a (1 - p)^gamma log p, a token at a time."""
    monkeypatch.setattr(losses, "CHUNK", chunk)
    for seed, with_bias in ((0, True), (1, False)):
        case = make_case(30, seed=seed, with_bias=with_bias, weighted=weighted)
        assert_agree(case, FocalLoss(gamma=gamma), lambda case: slow_focal(case, gamma=gamma))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_focal_loss_with_gamma_0_is_cross_entropy_to_the_bit(dtype: torch.dtype) -> None:
    """Value and all gradients, also in a narrow dtype."""
    case = make_case(40, weighted=True)
    case.hidden, case.head, case.bias = (
        leaf.detach().to(dtype).requires_grad_() for leaf in (case.hidden, case.head, case.bias)
    )
    focal, plain = case.fused(FocalLoss(gamma=0)), case.fused(CrossEntropyLoss())
    assert torch.equal(focal, plain)
    for one, other in zip(case.gradients(focal), case.gradients(plain), strict=True):
        assert one.dtype == dtype
        assert torch.equal(one, other)


def test_with_a_larger_gamma_easy_tokens_weigh_less() -> None:
    """The share of the loss that comes from the best known half of the tokens falls."""
    case = make_case(60)
    each = {
        gamma: token_losses(
            case.hidden, case.targets, head=case.head, bias=case.bias, loss=FocalLoss(gamma=gamma)
        )
        for gamma in (0.0, 1.0, 2.0, 5.0)
    }
    places = (case.targets != IGNORED).nonzero()[:, 0]
    easy = places[each[0.0][places].argsort()[: len(places) // 2]]
    shares = [float(one[easy].sum() / one.sum()) for one in each.values()]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 2 * shares[-1]


@pytest.mark.parametrize("loss", [CrossEntropyLoss(), *(FocalLoss(gamma=g) for g in (0.1, 0.5, 1, 2, 5))])
@pytest.mark.parametrize("logit", [30.0, 200.0, -200.0], ids=["sure", "p-is-1", "p-is-0"])
def test_certainty_gives_finite_gradients(loss: Loss, logit: float) -> None:
    """Where p is 1 in fp32 nothing divides by zero and nothing is left to learn; where it is 0, much is."""
    hidden = torch.tensor([[1.0, 0.0]], requires_grad=True)
    head = torch.tensor([[logit, 0.0], [0.0, 0.0], [0.0, 1.0]])
    total = supervised_loss(hidden, torch.tensor([0]), head=head, bias=None, loss=loss)
    total.backward()
    assert hidden.grad is not None
    assert torch.isfinite(total)
    assert torch.isfinite(hidden.grad).all()
    if logit > 0:
        assert total.item() < 1e-6
        assert hidden.grad.abs().max() < 1e-6
    else:
        assert total.item() == pytest.approx(200 + 0.6931, abs=1e-2)


def test_weights_are_those_of_the_tokens_classes() -> None:
    """A token with weight w gives w times its loss and its gradient; others give theirs."""
    case = make_case(12, with_bias=False)
    case.targets = torch.arange(12) % VOCABULARY
    case.weights = torch.tensor([1.0, 2.5] * 6)
    plain = Case(case.hidden, case.head, None, case.targets, None)
    for loss in (CrossEntropyLoss(label_smoothing=0.2), FocalLoss(gamma=2)):
        each = token_losses(case.hidden, case.targets, head=case.head, bias=None, loss=loss)
        torch.testing.assert_close(case.fused(loss), (each * case.weights).sum())
        torch.testing.assert_close(
            case.gradients(case.fused(loss))[0],
            plain.gradients(plain.fused(loss))[0] * case.weights[:, None],
        )


@pytest.mark.parametrize(
    "loss", [CrossEntropyLoss(), CrossEntropyLoss(label_smoothing=0.3), FocalLoss(gamma=2)]
)
@pytest.mark.parametrize("chunk", [3, 256])
def test_the_losses_of_the_tokens_add_up_to_the_loss(
    loss: Loss, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zero at ignored places; the sum is the trained one, in any chunks."""
    monkeypatch.setattr(losses, "CHUNK", chunk)
    case = make_case(40)
    each = token_losses(case.hidden, case.targets, head=case.head, bias=case.bias, loss=loss)
    assert each.shape == case.targets.shape
    assert each[case.targets == IGNORED].count_nonzero() == 0
    torch.testing.assert_close(each.sum(), case.fused(loss).detach())


def test_ignored_rows_get_no_gradient() -> None:
    """Rows without a target do not move."""
    case = make_case(5)
    case.targets = torch.tensor([IGNORED, 1, IGNORED, 2, IGNORED])
    gradient = case.gradients(case.fused(CrossEntropyLoss()))[0]
    assert gradient[[0, 2, 4]].count_nonzero() == 0
    assert gradient[[1, 3]].count_nonzero() == 12


def test_a_frozen_head_costs_no_gradient() -> None:
    """Hidden states get the same gradient as with a trained head, and the head none."""
    case = make_case(9)
    trained = case.gradients(case.fused(CrossEntropyLoss()))[0]
    case.head, case.bias = case.head.detach(), None if case.bias is None else case.bias.detach()
    (case.fused(CrossEntropyLoss()) * 3).backward()
    assert case.hidden.grad is not None
    assert torch.equal(case.hidden.grad, trained)
    assert case.head.grad is None
