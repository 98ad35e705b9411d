"""All that can make examples without a log, and all steps that examples can go through."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sft_shared.data.finance.cards import MaskCards
from sft_shared.data.finance.compliance import CheckCompliance
from sft_shared.data.finance.normalise import NormaliseTerms
from sft_shared.data.hygiene.dataset import DatasetSettings
from sft_shared.data.hygiene.filters import FilterSettings
from sft_shared.data.images import CheckImages, ImageQuestions
from sft_shared.data.operations.diagnosis import OperationsLog
from sft_shared.data.operations.incidents import Incidents
from sft_shared.data.synthesis.templates import Templates
from sft_shared.data.synthesis.triples import Triples
from sft_shared.data.toolcalls.check import CheckTools
from sft_shared.data.toolcalls.no_call import NoCalls
from sft_shared.data.toolcalls.structured import CheckStructured, ToStructured
from sft_shared.data.toolcalls.trajectories import Trajectories

MakerSettings = Annotated[
    DatasetSettings
    | Templates
    | Triples
    | Trajectories
    | NoCalls
    | OperationsLog
    | Incidents
    | ImageQuestions,
    Field(discriminator="kind"),
]
"""Yields examples, and why a piece of its input became none: ``examples()``."""

StepSettings = Annotated[
    FilterSettings
    | CheckTools
    | ToStructured
    | CheckStructured
    | NormaliseTerms
    | CheckCompliance
    | MaskCards
    | CheckImages,
    Field(discriminator="kind"),
]
"""Takes an example and returns it, changed or not, or why it is dropped."""
