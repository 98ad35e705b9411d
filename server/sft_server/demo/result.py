"""What a demo run found out, as written to ``result.json``. Shares are from 0 to 1, times in seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from sft_shared.config import Settings
from sft_shared.evaluation.answering import EvaluationResult
from sft_shared.evaluation.compare import paired_bootstrap

Interval = tuple[float, float]

BASE, FEW_SHOT, FEDERATED = "base", "base-few-shot", "federated"
BOOTSTRAP_SEED = 0


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
    """The federated model against another one on the same questions; a paired bootstrap interval."""

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


def score_of(result: EvaluationResult, *, unseen_functions: Collection[str]) -> ModelScore:
    """Condense an evaluation to what is shown of it; ``unseen_functions`` are ids of examples."""
    unseen = [prediction for prediction in result.predictions if prediction.example_id in unseen_functions]
    totals = Counter(prediction.category for prediction in result.predictions)
    correct = Counter(prediction.category for prediction in result.predictions if prediction.score.match)
    reasons = Counter(
        str(prediction.score.reason) for prediction in result.predictions if prediction.score.reason
    )
    return ModelScore(
        n=result.n,
        correct=result.correct,
        accuracy=result.accuracy,
        ci95=result.ci95,
        valid_json=result.valid_json,
        right_function=result.right_function,
        by_category={category: (correct[category], total) for category, total in sorted(totals.items())},
        on_unseen_functions=(sum(prediction.score.match for prediction in unseen), len(unseen)),
        failures=dict(reasons.most_common()),
        seconds=result.seconds,
    )


def compare_all(results: Mapping[str, EvaluationResult], *, ours: str) -> tuple[Comparison, ...]:
    """Compare the model ``ours`` with each other one, question by question."""
    return tuple(
        compare(results[ours], other, against=name) for name, other in results.items() if name != ours
    )


def compare(ours: EvaluationResult, theirs: EvaluationResult, *, against: str) -> Comparison:
    """Raises ValueError if the two did not answer the same questions."""
    if _ids(ours) != _ids(theirs):
        raise ValueError(f"{against} was measured on other questions")
    found = paired_bootstrap(_matches(ours), _matches(theirs), seed=BOOTSTRAP_SEED)
    return Comparison(
        against=against,
        difference=found.difference,
        ci95=(found.low, found.high),
        num_won=found.num_won,
        num_lost=found.num_lost,
    )


def _ids(result: EvaluationResult) -> Sequence[str]:
    return [prediction.example_id for prediction in result.predictions]


def _matches(result: EvaluationResult) -> Sequence[bool]:
    return [prediction.score.match for prediction in result.predictions]
