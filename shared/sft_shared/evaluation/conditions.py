"""Under which conditions a task was measured: what must be equal in two results, and what may differ."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import PositiveInt

from sft_shared.config import Settings
from sft_shared.errors import DataError


class Conditions(Settings):
    """What decides a task's result besides the model; hashes are hex SHA-256, see `evaluation.digests`."""

    examples: str  # what is asked, and the references
    metrics: dict[str, str]  # name -> its settings and the files that they name
    prompts: str  # how a question is put: settings of prompts, solved examples, the answers' schema
    max_new_tokens: PositiveInt


def require_same(mine: Conditions, other: Conditions, which: str) -> None:
    """Raises DataError, which begins with ``which``, if two results cannot be compared, with what differs.

    How a question is put may differ (the recipe's prompts, solved examples, a form that answers are held to):
    that is a part of the system. What is asked, by what it is judged and how long an answer may be is not.
    """
    if mine.examples != other.examples:
        raise DataError(
            f"{which} were asked other questions, or judged by other references, under the same ids. Measure "
            "both on the same data."
        )
    if mine.max_new_tokens != other.max_new_tokens:
        raise DataError(
            f"{which} had {mine.max_new_tokens} and {other.max_new_tokens} tokens for an answer. Measure "
            "both with the same generation.max_new_tokens."
        )
    changed = [name for name, sha256 in mine.metrics.items() if other.metrics.get(name, sha256) != sha256]
    if changed:
        raise DataError(
            f"{which} were judged by other settings or files of the metric {changed[0]!r}. Measure both with "
            "the same suite; answers that are kept are only judged anew."
        )


def asked_otherwise(ours: Mapping[str, Conditions], theirs: Mapping[str, Conditions]) -> list[str]:
    """The tasks of both that were put with other prompts, solved examples or form of answers."""
    return [name for name, mine in ours.items() if name in theirs and mine.prompts != theirs[name].prompts]
