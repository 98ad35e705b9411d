"""FedAvg against the formula written out, and what it refuses."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sft_server.aggregation.fedavg import FedAvg
from sft_shared.errors import AggregationError

VALUES = st.lists(st.floats(-1e3, 1e3, width=32), min_size=6, max_size=6)
UPDATES = st.lists(st.tuples(st.integers(1, 100_000), VALUES), min_size=1, max_size=6)


def _delta(values: list[float]) -> dict[str, torch.Tensor]:
    return {"b": torch.tensor(values[:2]), "a": torch.tensor(values[2:]).reshape(2, 2)}


@given(UPDATES)
def test_is_the_mean_weighted_by_examples(updates: list[tuple[int, list[float]]]) -> None:
    """sum n_k delta_k / sum n_k, as a double loop over plain Python floats gives it."""
    mean = FedAvg()((num_examples, _delta(values)) for num_examples, values in updates)
    total = sum(num_examples for num_examples, _ in updates)
    for index in range(6):
        expected = sum(n * float(torch.tensor(v[index])) for n, v in updates) / total
        found = float(torch.cat([mean["b"], mean["a"].flatten()])[index])
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(UPDATES)
def test_same_updates_in_the_same_order_give_the_same_bits(updates: list[tuple[int, list[float]]]) -> None:
    """Doing it again, after a crash, changes nothing."""
    first = FedAvg()((n, _delta(v)) for n, v in updates)
    second = FedAvg()((n, _delta(v)) for n, v in updates)
    assert all(torch.equal(first[name], second[name]) for name in first)


@given(VALUES, st.integers(1, 1000))
def test_of_one_client_is_its_delta(values: list[float], num_examples: int) -> None:
    """With one client there is nothing to average."""
    mean = FedAvg()([(num_examples, _delta(values))])
    assert all(torch.allclose(mean[name], tensor, rtol=1e-6) for name, tensor in _delta(values).items())


def test_result_is_float32_and_sorted() -> None:
    """Callers need not convert or sort."""
    mean = FedAvg()([(1, _delta([1.0] * 6))])
    assert list(mean) == ["a", "b"]
    assert all(tensor.dtype == torch.float32 for tensor in mean.values())


def test_holds_one_client_at_a_time() -> None:
    """A delta is let go before the next but one is asked for, whatever the number of clients."""
    alive: list[weakref.ref[torch.Tensor]] = []

    def stream() -> Iterator[tuple[int, dict[str, torch.Tensor]]]:
        for _ in range(10):
            gc.collect()
            assert sum(reference() is not None for reference in alive) <= 1
            delta = {"a": torch.ones(3)}
            alive.append(weakref.ref(delta["a"]))
            yield 1, delta
            del delta

    assert torch.equal(FedAvg()(stream())["a"], torch.ones(3))


def test_nothing_to_average_is_an_error() -> None:
    """No silent zero delta."""
    with pytest.raises(AggregationError, match="no updates"):
        FedAvg()([])


@pytest.mark.parametrize("num_examples", [0, -5])
def test_a_count_below_one_is_an_error(num_examples: int) -> None:
    """A negative weight would turn a client's update round and amplify the others."""
    with pytest.raises(AggregationError, match="at least 1"):
        FedAvg()([(num_examples, _delta([1.0] * 6))])


@pytest.mark.parametrize(
    "other",
    [
        {"a": torch.ones(2, 2)},
        {"a": torch.ones(1), "b": torch.ones(2)},
        {"a": torch.ones(2, 2), "c": torch.ones(2)},
    ],
)
def test_other_names_or_shapes_are_an_error(other: dict[str, torch.Tensor]) -> None:
    """A tensor of shape [1] is not spread over a whole matrix."""
    with pytest.raises(AggregationError, match="names or shapes"):
        FedAvg()([(1, _delta([1.0] * 6)), (1, other)])
