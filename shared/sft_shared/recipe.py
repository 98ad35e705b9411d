"""The recipe: everything that decides what is trained and how, as one tree."""

from __future__ import annotations

import hashlib
import json

from pydantic import ValidationError

from sft_shared.config import Settings
from sft_shared.data.chat import DataSettings
from sft_shared.errors import WireError
from sft_shared.evaluation.suite import EvaluationSettings
from sft_shared.models.load import ModelSettings
from sft_shared.models.tuning import LoraSettings
from sft_shared.training.loop import TrainingSettings


class Recipe(Settings):
    """Model, tuning, data, training and evaluation. An order carries it whole to the nodes."""

    model: ModelSettings
    tuning: LoraSettings
    data: DataSettings = DataSettings()
    training: TrainingSettings
    evaluation: EvaluationSettings = EvaluationSettings()

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
