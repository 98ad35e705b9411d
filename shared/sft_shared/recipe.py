"""The recipe: everything that decides what is trained and how, as one tree."""

from __future__ import annotations

import hashlib
import json
from itertools import accumulate

from pydantic import ValidationError

from sft_shared.config import Settings
from sft_shared.data.chat import DataSettings
from sft_shared.data.stages import StageSettings
from sft_shared.errors import WireError
from sft_shared.evaluation.answering import EvaluationSettings
from sft_shared.models.load import ModelSettings
from sft_shared.models.tuning import TuningSettings
from sft_shared.training.settings import TrainingSettings


class Recipe(Settings):
    """Model, tuning, data, training, evaluation and stages. An order carries it whole to the nodes."""

    model: ModelSettings
    tuning: TuningSettings
    data: DataSettings = DataSettings()
    training: TrainingSettings
    evaluation: EvaluationSettings = EvaluationSettings()
    stages: tuple[StageSettings, ...] = ()  # in this order, each from the adapter of the one before

    def stage_at(self, cycle: int) -> StageSettings | None:
        """The stage of ``cycle`` (from 1); the last one goes on for good. None without stages."""
        ends = accumulate(stage.cycles for stage in self.stages)
        return next((stage for stage, end in zip(self.stages, ends, strict=True) if cycle <= end), self._last)

    @property
    def _last(self) -> StageSettings | None:
        return self.stages[-1] if self.stages else None

    def canonical(self) -> bytes:
        """The recipe as JSON with sorted keys: equal recipes give equal bytes."""
        values = self.model_dump(mode="json")
        return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_canonical(cls, data: bytes) -> Recipe:
        """Read what ``canonical`` wrote. Raises WireError with the field that is wrong."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            problem = error.errors()[0]
            field = ".".join(str(part) for part in problem["loc"]) or "recipe"
            raise WireError(
                f"the order's recipe does not fit this version: {field}: {problem['msg']}. "
                "Run the same fedsft version on server and node."
            ) from None

    def sha256(self) -> str:
        """Hex digest of ``canonical``."""
        return hashlib.sha256(self.canonical()).hexdigest()
