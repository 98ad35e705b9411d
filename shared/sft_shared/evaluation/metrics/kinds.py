"""All metrics that a suite can name, by their ``kind``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sft_shared.evaluation.metrics.calls import RightFunction, ToolCallMatch
from sft_shared.evaluation.metrics.conduct import Compliance
from sft_shared.evaluation.metrics.refusal import NotRefused, Refused
from sft_shared.evaluation.metrics.slots import SlotF1
from sft_shared.evaluation.metrics.structure import IntentAccuracy, JsonValid, SchemaValid
from sft_shared.evaluation.metrics.text import Bleu4, Distinct, ExactMatch, RougeL

Metric = Annotated[
    JsonValid
    | SchemaValid
    | IntentAccuracy
    | SlotF1
    | ToolCallMatch
    | RightFunction
    | ExactMatch
    | Bleu4
    | RougeL
    | Distinct
    | Compliance
    | NotRefused
    | Refused,
    Field(discriminator="kind"),
]
"""One metric: called with an answer and its example, it gives a value from 0 to 1, or None."""
