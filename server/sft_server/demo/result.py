"""What a demo run found out, as written to ``result.json``. Shares are from 0 to 1, times in seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from sft_shared.config import Settings
from sft_shared.dialogue import Example
from sft_shared.evaluation.comparison import ComparisonSettings, compare_results
from sft_shared.evaluation.results import System
from sft_shared.evaluation.tools import score_calls

Interval = tuple[float, float]

BASE, FEW_SHOT, FEDERATED = "base", "base-few-shot", "federated"
MATCH, VALID, RIGHT_FUNCTION = "tool_calls", "json_valid", "right_function"  # metrics


def local_name(client: str) -> str:
    """Name of the model that ``client`` trained on its own."""
    return f"local-{client}"


class ModelScore(Settings):
    """One model on the held-out examples."""

    n: int
    correct: int
    accuracy: float
    ci95: Interval
    valid_json: float
    right_function: float
    by_category: dict[str, tuple[int, int]]  # category -> correct, all
    on_unseen_functions: tuple[int, int]  # correct, all: functions that no client calls in training
    failures: dict[str, int]  # reason -> how often
    seconds: float


class Comparison(Settings):
    """The federated model against another one on the same questions; Tango's score interval."""

    against: str
    difference: float
    ci95: Interval
    num_won: int
    num_lost: int


class CycleResult(Settings):
    """One cycle of the federation, as the server recorded it."""

    cycle: int
    seconds: float
    num_updates: int
    num_examples: int
    mean_first_loss: float
    mean_final_loss: float
    accuracy: float | None
    ci95: Interval | None


class ClientResult(Settings):
    """One client: its data and its training, in the federation and on its own."""

    categories: tuple[str, ...]
    num_examples: int
    federated_steps: int
    local_steps: int
    federated_losses: tuple[float, ...]  # a step each
    local_losses: tuple[float, ...]
    mean_update_bytes: int


class DemoResult(Settings):
    """Everything that the report shows."""

    model: str
    base_fingerprint: str
    num_clients: int
    num_cycles: int
    transport: str
    encoding: str
    held_out_examples: int
    unseen_function_examples: int  # of the held-out ones: about functions that no client calls in training
    train_examples: int
    examples_too_long: int
    base_accuracy: float
    base_few_shot_accuracy: float
    num_shots: int
    local_accuracies: dict[str, float]
    federated_accuracy: float
    federated_ci95: Interval
    federated_accuracy_unseen_functions: float | None  # None without such examples
    update_bytes: int  # mean of the signed updates as received
    update_bytes_fp32: int  # mean size of one in fp32; see ``wire``
    update_bytes_ratio: float  # fp32 over the federation's encoding, for the same tensors
    num_updates: int
    wall_s: float
    phases_s: dict[str, float]
    scores: dict[str, ModelScore]
    comparisons: tuple[Comparison, ...]
    cycles: tuple[CycleResult, ...]
    clients: dict[str, ClientResult]
    split_seed: int
    training_seed: int
    trainable_parameters: int
    recipe_sha256: str
    versions: dict[str, str]
    machine: str
    dtype: str  # of the frozen base model

    @property
    def mean_local_accuracy(self) -> float:
        """Mean over the clients' models trained alone."""
        return sum(self.local_accuracies.values()) / len(self.local_accuracies)

    @property
    def gain_over_base(self) -> float:
        """Federated accuracy less the better of the two base numbers."""
        return self.federated_accuracy - max(self.base_accuracy, self.base_few_shot_accuracy)


def share(counts: tuple[int, int]) -> float | None:
    """Correct over all; None of nothing."""
    correct, total = counts
    return correct / total if total else None


def score_of(system: System, examples: Sequence[Example], *, unseen_functions: Collection[str]) -> ModelScore:
    """Condense a measurement to what is shown of it; ``unseen_functions`` are ids of examples."""
    (task,) = system.result.tasks
    found = task.metrics[MATCH]
    right = right_by_id(system)
    totals = Counter(example.category for example in examples)
    correct = Counter(example.category for example in examples if right[example.id])
    failures = reasons(system, examples)
    return ModelScore(
        n=found.n,
        correct=sum(right.values()),
        accuracy=found.value,
        ci95=found.ci95,
        valid_json=task.metrics[VALID].value,
        right_function=task.metrics[RIGHT_FUNCTION].value,
        by_category={category: (correct[category], total) for category, total in sorted(totals.items())},
        on_unseen_functions=(sum(right[identity] for identity in unseen_functions), len(unseen_functions)),
        failures=dict(Counter(failures.values()).most_common()),
        seconds=task.seconds,
    )


def right_by_id(system: System) -> dict[str, bool]:
    """Example -> is its answer right?"""
    (rows,) = system.rows.values()
    return {row.id: row.values[MATCH] == 1 for row in rows}


def texts_by_id(system: System) -> dict[str, str]:
    """Example -> what the model wrote."""
    (rows,) = system.rows.values()
    return {row.id: row.prediction for row in rows}


def reasons(system: System, examples: Sequence[Example]) -> dict[str, str]:
    """Example -> why its answer is wrong, of those whose answer is."""
    texts = texts_by_id(system)
    scores = {
        example.id: score_calls(texts[example.id], expected=example.expected_calls, tools=example.tools)
        for example in examples
    }
    return {identity: str(score.reason) for identity, score in scores.items() if score.reason}


def compare_all(systems: Mapping[str, System], *, ours: str) -> tuple[Comparison, ...]:
    """Compare the model ``ours`` with each other one. Raises DataError if they had other questions."""
    return tuple(
        compare(systems[ours], other, against=name) for name, other in systems.items() if name != ours
    )


def compare(ours: System, theirs: System, *, against: str) -> Comparison:
    """Question by question. Raises DataError if the two did not answer the same ones."""
    (task,) = compare_results(ours, theirs, settings=ComparisonSettings()).tasks
    found = task.metrics[MATCH]
    assert found.num_won is not None  # it is right or wrong
    assert found.num_lost is not None
    return Comparison(
        against=against,
        difference=found.difference,
        ci95=found.ci95,
        num_won=found.num_won,
        num_lost=found.num_lost,
    )
